"""Fit and predict a memory-mapped file that is larger than the memory the process may have."""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from resident import peak

from skrnn import RNNClassifier

STEPS, CHANNELS = 100, 50
megabytes, limit = (int(text) * 1_000_000 for text in sys.argv[1:])


def limit_memory():
    """Allow no more private memory than the limit on top of what there is; return whether so."""
    try:
        import resource

        statm = Path("/proc/self/statm").read_text().split()
    except (ImportError, OSError):
        return False
    allowed = int(statm[5]) * resource.getpagesize() + limit
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
    return True


def write(path, n_sequences):
    rng = np.random.default_rng(0)
    X = np.memmap(path, np.float32, "w+", shape=(n_sequences, STEPS, CHANNELS))
    for start in range(0, n_sequences, 1000):
        part = X[start : start + 1000]
        part[...] = rng.standard_normal(part.shape, dtype=np.float32)


n_sequences = megabytes // (4 * STEPS * CHANNELS)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "X"
    write(path, n_sequences)
    X = np.memmap(path, np.float32, "r", shape=(n_sequences, STEPS, CHANNELS))
    y = np.arange(n_sequences) % 3
    model = RNNClassifier(16, max_iter=1, random_state=0)
    model.fit(X[:64], y[:64]).predict(X[:64])  # compiles
    limited = limit > 0 and limit_memory()
    seconds = {}
    for name, run in (
        ("fit", lambda: model.fit(X, y)),
        ("partial_fit", lambda: model.partial_fit(X, y)),
        ("predict", lambda: model.predict(X)),
    ):
        started = time.perf_counter()
        run()
        seconds[f"{name}, s"] = round(time.perf_counter() - started, 2)
found = {"file, MB": round(X.nbytes / 1e6), "limit, MB": round(limit / 1e6) if limited else "none"}
print(json.dumps({**found, "peak resident, MB": round(peak() / 1e6), **seconds}))
