"""Peak of memory that an epoch of training adds, and what backpropagation must hold."""

import json
import sys
import time

import numpy as np
from resident import peak, reset_peak

from skrnn import RNNClassifier

# A GRU's candidate has a recurrent share of its own, which is held beside the gate.
GATES_AND_STATES = {"rnn": 2, "gru": 5, "lstm": 6}
case = json.loads(sys.argv[1])
cell, units, batch = case["cell"], case["n_units"], case["batch_size"]

rng = np.random.default_rng(0)
X = rng.standard_normal((2 * batch, case["n_steps"], 8), dtype=np.float32)
y = np.arange(len(X)) % 5
model = RNNClassifier(
    units, cell=cell, batch_size=batch, max_iter=1, random_state=0, **case.get("options", {})
)
model.fit(X[:16, :20], y[:16])  # compiles
before = reset_peak()
started = time.process_time()
model.fit(X, y)
seconds = time.process_time() - started
added = peak() - before
needed = batch * case["n_steps"] * GATES_AND_STATES[cell] * units * X.itemsize
before = reset_peak()
model.predict(X)
predicting = peak() - before
result = {"added": added, "needed": needed, "ratio": added / needed, "predicting": predicting}
print(json.dumps({**result, "seconds": seconds}))
