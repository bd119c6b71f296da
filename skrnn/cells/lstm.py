r"""Long short-term memory with a forget gate.

.. math::

    i_t &= \sigma(x_t W_{xi} + b_{xi} + h_{t-1} W_{hi} + b_{hi}) \\
    f_t &= \sigma(x_t W_{xf} + b_{xf} + h_{t-1} W_{hf} + b_{hf}) \\
    g_t &= \tanh(x_t W_{xg} + b_{xg} + h_{t-1} W_{hg} + b_{hg}) \\
    o_t &= \sigma(x_t W_{xo} + b_{xo} + h_{t-1} W_{ho} + b_{ho}) \\
    c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
    h_t &= o_t \odot \tanh(c_t)

Backwards, with :math:`\delta` for the gradient of the loss and :math:`\hat\cdot` for a gate before
its activation,

.. math::

    \delta c_t &\leftarrow \delta c_t + \delta h_t \odot o_t \odot (1 - \tanh^2 c_t) \\
    \delta\hat o_t &= \delta h_t \odot \tanh(c_t) \odot o_t \odot (1 - o_t), \qquad
    \delta\hat g_t = \delta c_t \odot i_t \odot (1 - g_t^2) \\
    \delta\hat i_t &= \delta c_t \odot g_t \odot i_t \odot (1 - i_t), \qquad
    \delta\hat f_t = \delta c_t \odot c_{t-1} \odot f_t \odot (1 - f_t) \\
    \delta c_{t-1} &= \delta c_t \odot f_t, \qquad
    \delta h_{t-1} = \sum_{k \in \{i, f, g, o\}} \delta\hat k_t W_{hk}^\top

In the code: ``gates`` are i, f, g and o, the states are h and c. The forget gate's bias starts at
one, so that a fresh cell remembers.

References
----------
S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997.

F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to Forget: Continual Prediction with LSTM",
Neural Computation 12(10), 2000 (the forget gate).
"""

from __future__ import annotations

from skrnn._gemm import add_products
from skrnn._jit import jit
from skrnn._math import logistic, tanh, use_widest_vectors
from skrnn._views import empty, flat, rows
from skrnn.cells.base import (
    Cell,
    add_output_gradient,
    add_recurrent_products,
    add_to_state_gradient,
    clear,
    operand_gradient,
    read_state,
    rows_before,
)


@jit
def _forward(first, last, starts, mask, W_h, b_h, gates, inner, operands, states):
    n = starts[1]
    use_widest_vectors()
    for t in range(first, last):
        low, high = starts[t], starts[t + 1]
        before = rows_before(t, starts)
        read_state(t, starts, mask, states, operands[0])
        add_recurrent_products(operands[0], W_h, gates, low, high)
        i = flat(gates[0], low, high)
        f = flat(gates[1], low, high)
        g = flat(gates[2], low, high)
        o = flat(gates[3], low, high)
        h = flat(states[0], n + low, n + high)
        c = flat(states[1], n + low, n + high)
        c_before = flat(states[1], before, before + high - low)
        # Short loops over few arrays: with more, the compiler gives up on vectors.
        for k in range(i.size):
            i[k] = logistic(i[k])
        for k in range(f.size):
            f[k] = logistic(f[k])
        for k in range(g.size):
            g[k] = tanh(g[k])
        for k in range(o.size):
            o[k] = logistic(o[k])
        for k in range(c.size):
            c[k] = f[k] * c_before[k] + i[k] * g[k]
        for k in range(h.size):
            h[k] = o[k] * tanh(c[k])


@jit
def _backward(first, last, starts, mask, W_h, gates, inner, operands, states, d_output, d_state):
    n = starts[1]
    one = gates.dtype.type(1)
    d_operand = empty(gates.dtype.type(0), d_state[0].shape)
    use_widest_vectors()
    for t in range(last - 1, first - 1, -1):
        low, high = starts[t], starts[t + 1]
        count, before = high - low, rows_before(t, starts)
        i = flat(gates[0], low, high)
        f = flat(gates[1], low, high)
        g = flat(gates[2], low, high)
        o = flat(gates[3], low, high)
        c = flat(states[1], n + low, n + high)
        c_before = flat(states[1], before, before + count)
        d_h = flat(d_state[0], 0, count)
        d_c = flat(d_state[1], 0, count)
        squashed = flat(d_operand, 0, count)
        add_output_gradient(d_output, low, high, d_state[0])
        for k in range(c.size):
            squashed[k] = tanh(c[k])
        for k in range(d_h.size):
            d_h[k] *= o[k]
        for k in range(d_c.size):
            d_c[k] += d_h[k] * (one - squashed[k] * squashed[k])
        for k in range(o.size):
            o[k] = d_h[k] * squashed[k] * (one - o[k])
        for k in range(d_c.size):
            d_i = d_c[k] * g[k] * i[k] * (one - i[k])
            g[k] = d_c[k] * i[k] * (one - g[k] * g[k])
            i[k] = d_i
        for k in range(d_c.size):
            d_before = d_c[k] * f[k]
            f[k] = d_before * c_before[k] * (one - f[k])
            d_c[k] = d_before
        clear(d_h)
        total = operand_gradient(mask, count, d_state[0], d_operand)
        add_products(rows(gates, low, high), W_h, total)
        add_to_state_gradient(mask, total, d_state[0])


LSTM = Cell(
    "lstm",
    gates=("i", "f", "g", "o"),
    states=("h", "c"),
    forward=_forward,
    backward=_backward,
    reads_states=True,
    takes_panels=True,
    adds_output_gradient=True,
    initial_bias={"f": 1.0},
)
