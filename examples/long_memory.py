"""How long does it remember? The adding problem, vanilla cell against gated ones.

Fifty random numbers go by, and two of them, one in each half, are marked: what is their sum? To
answer, the network must hold a number for up to fifty steps. Always saying 1 has a mean squared
error of 1/6.

Look at the errors, and at the last column: how much of the gradient of the loss reaches the first
five steps, compared with the last five. In the vanilla cell hardly any does, so it cannot learn
what to keep from the beginning. `gradient_flow.py` draws this as a picture.

Source: S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", 1997; the version with values in
[0, 1] is Q. V. Le, N. Jaitly and G. E. Hinton's, 2015.
"""

import numpy as np

from skrnn import RNNRegressor

N_STEPS = 50


def adding(n, rng):
    X = np.zeros((n, N_STEPS, 2), dtype=np.float32)
    X[:, :, 0] = rng.random((n, N_STEPS))
    rows, half = np.arange(n), N_STEPS // 2
    first, second = rng.integers(0, half, n), rng.integers(half, N_STEPS, n)
    X[rows, first, 1] = X[rows, second, 1] = 1
    return X, X[rows, first, 0] + X[rows, second, 0]


rng = np.random.default_rng(0)
X_train, y_train = adding(2000, rng)
X_test, y_test = adding(1000, rng)

print("cell    mean squared error   gradient at the first five steps / the last five")
print(f"(one)   {np.mean((y_test - 1) ** 2):18.4f}")
for cell in ("rnn", "lstm", "gru"):
    model = RNNRegressor(32, cell=cell, max_iter=1, random_state=0).fit(X_train, y_train)
    norms = model.gradient_flow(X_test[:200], y_test[:200]).norms[0, 0]
    reached = norms[:5].mean() / norms[-5:].mean()
    model.set_params(max_iter=25).fit(X_train, y_train)
    error = np.mean((model.predict(X_test) - y_test) ** 2)
    print(f"{cell:8}{error:18.4f}   {reached:20.1e}")
