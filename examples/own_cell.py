r"""A cell of your own in one file: the minimal gated unit, outside the package.

The unit of Zhou et al. (2016) has one gate where a GRU has two, and a third fewer weights. With
u the previous state h (times the mask of recurrent dropout, if there is one):

    f  = sigmoid(x W_xf + b_xf + u W_hf + b_hf)      the gate: what to renew
    c  = f * u                                       what the candidate may see of the past
    n  = tanh(x W_xn + b_xn + c W_hn + b_hn)         the candidate
    h' = h + f * (n - h)                             the next state

Backwards, with d for the gradient of the loss and a hat for "before the activation":

    d_n^ = d_h' * f * (1 - n^2)                      d_c  = d_n^ W_hn^T
    d_f^ = (d_h' * (n - h) + d_c * u) * f * (1 - f)  d_u  = d_c * f + d_f^ W_hf^T
    d_h  = d_h' * (1 - f) + mask * d_u

The network does the rest: layers, directions, the products with x, and the gradients of all
weights from the d_n^, d_f^, u and c that the two kernels below leave behind. The docstring of
``skrnn.cells.base`` says what each argument is; slips are what ``check_cell`` is for, as this file
shows with a wrong one. Look at that message, and at the table.

Zhou, Wu, Zhang and Zhou, "Minimal gated unit for recurrent neural networks", International Journal
of Automation and Computing 13(3), 2016. Data: see data/README.md.
"""

import dataclasses
import pickle
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from skrnn import RNNClassifier, check_cell
from skrnn.cells import (
    Cell,
    add_product,
    add_to_state_gradient,
    flat,
    jit,
    logistic,
    operand_gradient,
    read_state,
    rows,
    rows_before,
    tanh,
)


@jit
def forward(first, last, starts, mask, W_h, b_h, gates, inner, operands, states):
    for t in range(first, last):
        low, high = starts[t], starts[t + 1]  # the rows of step t, one a sequence
        before, after = rows_before(t, starts), starts[1] + low
        f, n = flat(gates[0], low, high), flat(gates[1], low, high)  # hold x W_x + b_x + b_h
        u, c = flat(operands[0], low, high), flat(operands[1], low, high)
        h_before = flat(states[0], before, before + high - low)
        h = flat(states[0], after, after + high - low)
        read_state(t, starts, mask, states, operands[0])  # u
        add_product(rows(operands[0], low, high), W_h[0], rows(gates[0], low, high))
        for k in range(f.size):
            f[k] = logistic(f[k])
        for k in range(c.size):
            c[k] = f[k] * u[k]
        add_product(rows(operands[1], low, high), W_h[1], rows(gates[1], low, high))
        for k in range(n.size):
            n[k] = tanh(n[k])
        for k in range(h.size):
            h[k] = h_before[k] + f[k] * (n[k] - h_before[k])


@jit
def backward(first, last, starts, mask, W_h, gates, inner, operands, states, d_output, d_state):
    one = gates.dtype.type(1)  # of the arrays' type: float32 must not become float64
    scratch, product = np.empty_like(d_state[0]), np.empty_like(d_state[0])
    d_f = np.empty(d_state[0].size, d_state.dtype)
    for t in range(last - 1, first - 1, -1):
        low, high = starts[t], starts[t + 1]
        count, before = high - low, rows_before(t, starts)
        f, n = flat(gates[0], low, high), flat(gates[1], low, high)
        u, h_before = flat(operands[0], low, high), flat(states[0], before, before + count)
        above, d_h = flat(d_output, low, high), flat(d_state[0], 0, count)
        for k in range(d_h.size):
            d_h[k] += above[k]
        for k in range(d_h.size):
            d_f[k] = d_h[k] * (n[k] - h_before[k])
        for k in range(d_h.size):
            n[k] = d_h[k] * f[k] * (one - n[k] * n[k])  # now the gradient before tanh
            d_h[k] *= one - f[k]
        product[:count] = 0
        add_product(rows(gates[1], low, high), W_h[1], rows(product, 0, count))
        d_u = operand_gradient(mask, count, d_state[0], scratch)
        d_u_line, d_c = d_u.reshape(-1), flat(product, 0, count)
        for k in range(f.size):
            d_u_line[k] += d_c[k] * f[k]
            f[k] = (d_f[k] + d_c[k] * u[k]) * f[k] * (one - f[k])  # before the sigmoid
        add_product(rows(gates[0], low, high), W_h[0], d_u)
        add_to_state_gradient(mask, d_u, d_state[0])


# The candidate's product reads c, not u: its operands are its own.
MGU = Cell("mgu", gates=("f", "n"), forward=forward, backward=backward, own_operands=("n",))


if __name__ == "__main__":
    # Under the name of its module, not of ``__main__``, a pickled cell is found again by that name,
    # and other processes load its machine code from the cache instead of compiling it anew.
    from own_cell import MGU

    check_cell(MGU)
    print("check_cell: the gradients of MGU agree with finite differences.")
    try:
        check_cell(dataclasses.replace(MGU, own_operands=("f",)))
    except AssertionError as error:
        print(f"Had we said that c belongs to gate f:\n  {error}\n")

    with np.load(Path(__file__).parent / "data" / "pen_digits.npz") as data:
        X_train, X_test = data["X_train"] / 50 - 1, data["X_test"] / 50 - 1
        y_train, y_test = data["y_train"], data["y_test"]
    baseline = LogisticRegression(max_iter=1000).fit(X_train.reshape(2000, 16), y_train)
    print("cell                  weights   accuracy on pen digits by other people")
    print(f"logistic regression       170   {baseline.score(X_test.reshape(800, 16), y_test):.3f}")
    for cell in ("gru", MGU):
        model = RNNClassifier(cell=cell, max_iter=30, random_state=0).fit(X_train, y_train)
        n_weights = sum(weights.size for weights in model.weights_.values())
        print(f"{model.cell_.name:21s} {n_weights:7d}   {model.score(X_test, y_test):.3f}")

    copy = pickle.loads(pickle.dumps(model))
    same = np.array_equal(copy.predict_proba(X_test), model.predict_proba(X_test))
    print(f"\nPickled and back, the same cell: {copy.cell is MGU}, the same bits: {same}")
    short = RNNClassifier(cell=MGU, max_iter=10, random_state=0)
    scores = cross_val_score(short, X_train, y_train, cv=2, n_jobs=2)
    print(f"Cross-validated in two processes: {scores.round(3)}")
