r"""A cell of one's own, in a module of its own: the minimal gated unit.

G.-B. Zhou et al., "Minimal gated unit for recurrent neural networks", 2016::

    f_t = s(x_t W_xf + b_xf + h_{t-1} W_hf + b_hf)
    n_t = tanh(x_t W_xn + b_xn + (f_t * h_{t-1}) W_hn + b_hn)
    h_t = (1 - f_t) * h_{t-1} + f_t * n_t
"""

import numpy as np

from skrnn.cells import (
    Cell,
    add_product,
    add_to_state_gradient,
    clear,
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
    n_sequences = starts[1]
    for t in range(first, last):
        low, high = starts[t], starts[t + 1]
        before = rows_before(t, starts)
        read_state(t, starts, mask, states, operands[0])
        add_product(rows(operands[0], low, high), W_h[0], rows(gates[0], low, high))
        f = flat(gates[0], low, high)
        seen = flat(operands[0], low, high)
        kept = flat(operands[1], low, high)
        for k in range(f.size):
            f[k] = logistic(f[k])
            kept[k] = f[k] * seen[k]
        add_product(rows(operands[1], low, high), W_h[1], rows(gates[1], low, high))
        n = flat(gates[1], low, high)
        h_before = flat(states[0], before, before + high - low)
        h = flat(states[0], n_sequences + low, n_sequences + high)
        for k in range(h.size):
            n[k] = tanh(n[k])
            h[k] = h_before[k] + f[k] * (n[k] - h_before[k])


@jit
def backward(first, last, starts, mask, W_h, gates, inner, operands, states, d_output, d_state):
    one = gates.dtype.type(1)
    scratch = np.empty_like(d_state[0])
    d_kept, d_f = np.empty_like(scratch), np.empty_like(scratch)
    for t in range(last - 1, first - 1, -1):
        low, high = starts[t], starts[t + 1]
        count, before = high - low, rows_before(t, starts)
        f = flat(gates[0], low, high)
        n = flat(gates[1], low, high)
        seen = flat(operands[0], low, high)
        h_before = flat(states[0], before, before + count)
        above = flat(d_output, low, high)
        d_h = flat(d_state[0], 0, count)
        through_f = flat(d_f, 0, count)
        through_n = flat(d_kept, 0, count)
        for k in range(d_h.size):
            d_h[k] += above[k]
            through_f[k] = d_h[k] * (n[k] - h_before[k])
            n[k] = d_h[k] * f[k] * (one - n[k] * n[k])
            d_h[k] *= one - f[k]
        clear(through_n)
        add_product(rows(gates[1], low, high), W_h[1], rows(d_kept, 0, count))
        total = operand_gradient(mask, count, d_state[0], scratch)
        d_seen = flat(total, 0, count)
        for k in range(d_h.size):
            through_f[k] += through_n[k] * seen[k]
            d_seen[k] += through_n[k] * f[k]
            f[k] = through_f[k] * f[k] * (one - f[k])
        add_product(rows(gates[0], low, high), W_h[0], total)
        add_to_state_gradient(mask, total, d_state[0])


MGU = Cell("mgu", gates=("f", "n"), forward=forward, backward=backward, own_operands=("n",))
