"""Seconds of the first prediction of a process that never fits."""

import json
import pickle
import sys
import time

import numpy as np
from dispatchers import count

with open(sys.argv[1], "rb") as file:
    model = pickle.load(file)
X = np.random.default_rng(0).normal(size=(64, 20, 8)).astype(np.float32)
wall, cpu = time.perf_counter(), time.process_time()
model.predict(X)
found = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
print(json.dumps({**found, **count()}))
