"""How much slower inputs are that drive states and gradients below the smallest normal number.

The recurrence forgets: with recurrent weights of a tenth and no input after the first steps the
states fall by a factor a step, and so do the gradients on their way back.
"""

import json
import sys
import time

import numpy as np

from skrnn import RNNClassifier

cell, smoke = sys.argv[1], bool(int(sys.argv[2]))
n_sequences, n_steps, units = (16, 60, 8) if smoke else (64, 500, 64)
rounds = 2 if smoke else 15

rng = np.random.default_rng(0)
y = np.arange(n_sequences) % 2
normal = rng.standard_normal((n_sequences, n_steps, 4), dtype=np.float32)
fading = normal.copy()
fading[:, 2:] = 0
tiny = np.float32(1e-41) * normal


def make_model(scale):
    """Return a network whose recurrent weights are that part of what they begin as."""
    model = RNNClassifier(
        units, cell=cell, random_state=0, max_iter=1, learning_rate_init=1e-12, batch_size=32
    )
    model.fit(normal, y)
    for name, weight in model.weights_.items():
        if ".W_h" in name:
            weight *= scale
        elif ".b_" in name:
            weight[...] = 0
    return model


def seconds(model, X):
    started = time.process_time()
    model.partial_fit(X, y)
    training = time.process_time() - started
    started = time.process_time()
    model.predict_proba(X)
    return training, time.process_time() - started


contestants = {
    "normal": (make_model(0.1), normal),
    "fading": (make_model(0.1), fading),
    "tiny": (make_model(0.1), tiny),
}
times = {name: [] for name in contestants}
for number in range(rounds + 1):
    for name, contestant in contestants.items():
        found = seconds(*contestant)
        if number:
            times[name].append(found)
medians = {name: np.median(found, axis=0) for name, found in times.items()}
result = {
    f"{what}, {name}": medians[name][i] / medians["normal"][i]
    for name in ("fading", "tiny")
    for i, what in enumerate(("training", "predicting"))
}
print(json.dumps(result))
