"""A vanilla cell that reads single weights, as no cell of the library does."""

from skrnn.cells import Cell, add_recurrent_products, jit, read_state, tanh


@jit
def forward(first, last, starts, mask, W_h, b_h, gates, inner, operands, states):
    for t in range(first, last):
        low, high = starts[t], starts[t + 1]
        read_state(t, starts, mask, states, operands[0])
        add_recurrent_products(operands[0], W_h, gates, low, high)
        for i in range(low, high):
            for k in range(gates.shape[2]):
                gates[0, i, k] = tanh(gates[0, i, k])
                states[0, starts[1] + i, k] = gates[0, i, k]


@jit
def backward(first, last, starts, mask, W_h, gates, inner, operands, states, d_output, d_state):
    one = gates.dtype.type(1)
    for t in range(last - 1, first - 1, -1):
        low = starts[t]
        for i in range(starts[t + 1] - low):
            for k in range(gates.shape[2]):
                h = gates[0, low + i, k]
                gates[0, low + i, k] = (d_state[0, i, k] + d_output[low + i, k]) * (one - h * h)
            for k in range(gates.shape[2]):
                total = gates.dtype.type(0)
                for j in range(gates.shape[2]):
                    total += gates[0, low + i, j] * W_h[0, j, k]
                d_state[0, i, k] = total * mask[i, k] if mask.shape[0] > 0 else total


ELMAN = Cell("elman_by_hand", gates=("h",), forward=forward, backward=backward)
