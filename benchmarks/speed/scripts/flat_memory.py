"""Resident memory before and after many fits, and before and after many predictions."""

import json
import sys

import numpy as np
from resident import now

from skrnn import RNNClassifier

n_fits, n_predictions = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
X = rng.standard_normal((32, 10, 4), dtype=np.float32)
y = np.arange(32) % 3
model = RNNClassifier(8, max_iter=1, random_state=0)
for _ in range(1 + n_fits // 10):
    model.fit(X, y)
resident = [now()]
for _ in range(n_fits):
    model.fit(X, y)
resident.append(now())
for _ in range(n_predictions):
    model.predict(X[:1])
resident.append(now())
names = ("start", "after fits", "after predictions")
print(json.dumps(dict(zip(names, resident, strict=True))))
