r"""The vanilla recurrent cell of Elman.

.. math::

    a_t &= x_t W_{xh} + b_{xh} + h_{t-1} W_{hh} + b_{hh} \\
    h_t &= f(a_t)

with f the hyperbolic tangent, the rectifier or the logistic function. Backwards, with
:math:`\delta` for the gradient of the loss,

.. math::

    \delta a_t = \delta h_t \odot f'(a_t), \qquad
    \delta h_{t-1} = \delta a_t W_{hh}^\top

where each derivative is a function of the activated value alone: :math:`1 - h^2`,
:math:`[h > 0]` and :math:`h (1 - h)`.

In the code: ``gates[0]`` is :math:`a_t`, then :math:`f(a_t)`, then :math:`\delta a_t`.

References
----------
J. L. Elman, "Finding Structure in Time", Cognitive Science 14(2), 1990.

Q. V. Le, N. Jaitly and G. E. Hinton, "A Simple Way to Initialize Recurrent Networks of Rectified
Linear Units", arXiv:1504.00941, 2015 (the rectifier).
"""

from __future__ import annotations

from skrnn._gemm import add_product
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
)


@jit
def _forward_tanh(first, last, starts, mask, W_h, b_h, gates, inner, operands, states):
    n = starts[1]
    use_widest_vectors()
    for t in range(first, last):
        low, high = starts[t], starts[t + 1]
        read_state(t, starts, mask, states, operands[0])
        add_recurrent_products(operands[0], W_h, gates, low, high)
        a = flat(gates[0], low, high)
        h = flat(states[0], n + low, n + high)
        for k in range(a.size):
            a[k] = h[k] = tanh(a[k])


@jit
def _forward_relu(first, last, starts, mask, W_h, b_h, gates, inner, operands, states):
    n, zero = starts[1], gates.dtype.type(0)
    use_widest_vectors()
    for t in range(first, last):
        low, high = starts[t], starts[t + 1]
        read_state(t, starts, mask, states, operands[0])
        add_recurrent_products(operands[0], W_h, gates, low, high)
        a = flat(gates[0], low, high)
        h = flat(states[0], n + low, n + high)
        for k in range(a.size):
            # Written so that a NaN stays a NaN.
            a[k] = h[k] = zero if a[k] < zero else a[k]


@jit
def _forward_logistic(first, last, starts, mask, W_h, b_h, gates, inner, operands, states):
    n = starts[1]
    use_widest_vectors()
    for t in range(first, last):
        low, high = starts[t], starts[t + 1]
        read_state(t, starts, mask, states, operands[0])
        add_recurrent_products(operands[0], W_h, gates, low, high)
        a = flat(gates[0], low, high)
        h = flat(states[0], n + low, n + high)
        for k in range(a.size):
            a[k] = h[k] = logistic(a[k])


@jit
def _carry_back(low, high, mask, W_h, gates, d_state, d_operand):
    """Form the gradient of the previous output from that of the pre-activation."""
    count = high - low
    clear(flat(d_state[0], 0, count))
    total = operand_gradient(mask, count, d_state[0], d_operand)
    add_product(rows(gates[0], low, high), W_h[0], total)
    add_to_state_gradient(mask, total, d_state[0])


@jit
def _backward_tanh(
    first, last, starts, mask, W_h, gates, inner, operands, states, d_output, d_state
):
    one = gates.dtype.type(1)
    d_operand = empty(gates.dtype.type(0), d_state[0].shape)
    use_widest_vectors()
    for t in range(last - 1, first - 1, -1):
        low, high = starts[t], starts[t + 1]
        h = flat(gates[0], low, high)
        add_output_gradient(d_output, low, high, d_state[0])
        d_h = flat(d_state[0], 0, high - low)
        for k in range(h.size):
            h[k] = d_h[k] * (one - h[k] * h[k])
        _carry_back(low, high, mask, W_h, gates, d_state, d_operand)


@jit
def _backward_relu(
    first, last, starts, mask, W_h, gates, inner, operands, states, d_output, d_state
):
    zero = gates.dtype.type(0)
    d_operand = empty(gates.dtype.type(0), d_state[0].shape)
    use_widest_vectors()
    for t in range(last - 1, first - 1, -1):
        low, high = starts[t], starts[t + 1]
        h = flat(gates[0], low, high)
        add_output_gradient(d_output, low, high, d_state[0])
        d_h = flat(d_state[0], 0, high - low)
        for k in range(h.size):
            h[k] = d_h[k] if h[k] > zero else zero
        _carry_back(low, high, mask, W_h, gates, d_state, d_operand)


@jit
def _backward_logistic(
    first, last, starts, mask, W_h, gates, inner, operands, states, d_output, d_state
):
    one = gates.dtype.type(1)
    d_operand = empty(gates.dtype.type(0), d_state[0].shape)
    use_widest_vectors()
    for t in range(last - 1, first - 1, -1):
        low, high = starts[t], starts[t + 1]
        h = flat(gates[0], low, high)
        add_output_gradient(d_output, low, high, d_state[0])
        d_h = flat(d_state[0], 0, high - low)
        for k in range(h.size):
            h[k] = d_h[k] * (h[k] * (one - h[k]))
        _carry_back(low, high, mask, W_h, gates, d_state, d_operand)


def _elman(forward, backward):
    return Cell(
        "rnn",
        gates=("h",),
        forward=forward,
        backward=backward,
        reads_states=True,
        takes_panels=True,
        adds_output_gradient=True,
    )


RNN_TANH = _elman(_forward_tanh, _backward_tanh)
RNN_RELU = _elman(_forward_relu, _backward_relu)
RNN_LOGISTIC = _elman(_forward_logistic, _backward_logistic)
