"""Seconds of a search over four rates with two folds: eight fits of a small LSTM."""

import json
import sys
import time

import numpy as np
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

CHANNELS, UNITS, CLASSES = 8, 32, 5


def skorch_estimator(epochs):
    import torch
    from skorch import NeuralNetClassifier
    from skorch.callbacks import GradientNormClipping
    from skorch_module import Network

    return NeuralNetClassifier(
        Network,
        module__sizes=(CHANNELS, UNITS, CLASSES),
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        max_epochs=epochs,
        batch_size=32,
        train_split=None,
        iterator_train__shuffle=True,
        callbacks=[("clip", GradientNormClipping(1.0))],
        verbose=0,
    )


def own_estimator(epochs):
    from skrnn import RNNClassifier

    return RNNClassifier(UNITS, cell="lstm", batch_size=32, max_iter=epochs, random_state=0)


def main(stack, jobs, backend, epochs, n_sequences):
    rates = [1e-4, 3e-4, 1e-3, 3e-3]
    if stack == "skorch":
        estimator, grid = skorch_estimator(epochs), {"lr": rates}
    else:
        estimator, grid = own_estimator(epochs), {"learning_rate_init": rates}
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_sequences, 50, CHANNELS), dtype=np.float32)
    y = np.arange(n_sequences) % CLASSES
    search = GridSearchCV(estimator, grid, cv=2, n_jobs=jobs, refit=False, error_score="raise")
    started = time.perf_counter()
    with parallel_config(backend):
        search.fit(X, y)
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
