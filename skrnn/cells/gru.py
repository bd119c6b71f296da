r"""The gated recurrent unit, with the reset gate applied after the recurrent product.

.. math::

    r_t &= \sigma(x_t W_{xr} + b_{xr} + h_{t-1} W_{hr} + b_{hr}) \\
    z_t &= \sigma(x_t W_{xz} + b_{xz} + h_{t-1} W_{hz} + b_{hz}) \\
    q_t &= h_{t-1} W_{hn} + b_{hn} \\
    n_t &= \tanh(x_t W_{xn} + b_{xn} + r_t \odot q_t) \\
    h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}

This is the form of cuDNN and PyTorch; the original has :math:`(r_t \odot h_{t-1}) W_{hn}` for the
recurrent share of the candidate. Backwards, with :math:`\delta` for the gradient of the loss and
:math:`\hat\cdot` for a gate before its activation,

.. math::

    \delta\hat n_t &= \delta h_t \odot (1 - z_t) \odot (1 - n_t^2), \qquad
    \delta q_t = \delta\hat n_t \odot r_t \\
    \delta\hat z_t &= \delta h_t \odot (h_{t-1} - n_t) \odot z_t \odot (1 - z_t), \qquad
    \delta\hat r_t = \delta\hat n_t \odot q_t \odot r_t \odot (1 - r_t) \\
    \delta h_{t-1} &= \delta h_t \odot z_t + \delta\hat r_t W_{hr}^\top
        + \delta\hat z_t W_{hz}^\top + \delta q_t W_{hn}^\top

In the code: ``gates`` are r, z and n, ``inner[0]`` is q. The update gate starts more or less
open from unit to unit, so that a fresh cell remembers over short spans and long ones (see
``memory_gates`` of :class:`~skrnn.cells.Cell`).

References
----------
K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
Translation", EMNLP 2014.
"""

from __future__ import annotations

from skrnn._gemm import add_product, add_products, affine_product
from skrnn._jit import jit
from skrnn._math import logistic, tanh, use_widest_vectors
from skrnn._views import empty, flat, rows
from skrnn.cells.base import (
    Cell,
    add_output_gradient,
    add_recurrent_products,
    add_to_state_gradient,
    operand_gradient,
    read_state,
    rows_before,
)


@jit
def _forward(first, last, starts, mask, W_h, b_h, gates, inner, operands, states):
    n_sequences = starts[1]
    use_widest_vectors()
    for t in range(first, last):
        low, high = starts[t], starts[t + 1]
        before = rows_before(t, starts)
        read_state(t, starts, mask, states, operands[0])
        add_recurrent_products(operands[0], W_h[:2], gates, low, high)
        affine_product(rows(operands[0], low, high), W_h[2], b_h[2], rows(inner[0], low, high))
        r = flat(gates[0], low, high)
        z = flat(gates[1], low, high)
        n = flat(gates[2], low, high)
        q = flat(inner[0], low, high)
        h_before = flat(states[0], before, before + high - low)
        h = flat(states[0], n_sequences + low, n_sequences + high)
        # Short loops over few arrays: with more, the compiler gives up on vectors.
        for k in range(r.size):
            r[k] = logistic(r[k])
        for k in range(z.size):
            z[k] = logistic(z[k])
        for k in range(n.size):
            n[k] = tanh(n[k] + r[k] * q[k])
        for k in range(h.size):
            h[k] = n[k] + z[k] * (h_before[k] - n[k])


@jit
def _backward(first, last, starts, mask, W_h, gates, inner, operands, states, d_output, d_state):
    one = gates.dtype.type(1)
    d_operand = empty(gates.dtype.type(0), d_state[0].shape)
    use_widest_vectors()
    for t in range(last - 1, first - 1, -1):
        low, high = starts[t], starts[t + 1]
        count, before = high - low, rows_before(t, starts)
        r = flat(gates[0], low, high)
        z = flat(gates[1], low, high)
        n = flat(gates[2], low, high)
        q = flat(inner[0], low, high)
        h_before = flat(states[0], before, before + count)
        d_h = flat(d_state[0], 0, count)
        difference = flat(d_operand, 0, count)
        add_output_gradient(d_output, low, high, d_state[0])
        for k in range(d_h.size):
            difference[k] = h_before[k] - n[k]
        for k in range(d_h.size):
            n[k] = d_h[k] * (one - z[k]) * (one - n[k] * n[k])
        for k in range(d_h.size):
            factor = d_h[k] * z[k]
            z[k] = factor * difference[k] * (one - z[k])
            d_h[k] = factor
        for k in range(d_h.size):
            d_q = n[k] * r[k]
            r[k] = d_q * q[k] * (one - r[k])
            q[k] = d_q
        total = operand_gradient(mask, count, d_state[0], d_operand)
        add_products(rows(gates, low, high), W_h[:2], total)
        add_product(rows(inner[0], low, high), W_h[2], total)
        add_to_state_gradient(mask, total, d_state[0])


GRU = Cell(
    "gru",
    gates=("r", "z", "n"),
    forward=_forward,
    backward=_backward,
    reads_states=True,
    takes_panels=True,
    adds_output_gradient=True,
    inner_gates=("n",),
    memory_gates=("z",),
)
