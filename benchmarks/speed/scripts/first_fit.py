"""Seconds of a first small fit, and what it compiled or loaded; keeps the model for others."""

import json
import pickle
import sys
import time

import numpy as np
from dispatchers import count

from skrnn import RNNClassifier

cell, path = sys.argv[1:]
X = np.random.default_rng(0).normal(size=(64, 20, 8)).astype(np.float32)
model = RNNClassifier(32, cell=cell, max_iter=1, random_state=0)
wall, cpu = time.perf_counter(), time.process_time()
model.fit(X, np.arange(64) % 3)
found = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
with open(path, "wb") as file:
    pickle.dump(model, file)
print(json.dumps({**found, **count()}))
