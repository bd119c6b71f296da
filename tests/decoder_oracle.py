"""Slow and obvious encoder-decoder networks: one sequence, one step, one source state at a time.

The mathematics is written once, for NumPy (float or complex, for the complex-step derivative) and
for PyTorch (for autograd): a namespace brings the few functions that differ. Weights are a dict
from the names of the network's layout to arrays, the gates along the first axis.
"""

from types import SimpleNamespace

import numpy as np

NUMPY = SimpleNamespace(exp=np.exp, log=np.log, tanh=np.tanh, cat=np.concatenate, zeros=np.zeros)


def torch_namespace():
    """The same functions of PyTorch."""
    import torch

    return SimpleNamespace(
        exp=torch.exp,
        log=torch.log,
        tanh=torch.tanh,
        cat=torch.cat,
        zeros=lambda n: torch.zeros(n, dtype=torch.float64),
    )


def logistic(xp, x):
    return 1 / (1 + xp.exp(-x))


def step(xp, cell, share, states, W_h, b_h):
    """States after a step, given the input's share of each gate."""
    h = states[0]
    r = [h @ W_h[g] + b_h[g] for g in range(len(share))]
    if cell == "rnn":
        return [xp.tanh(share[0] + r[0])]
    if cell == "gru":
        reset, update = logistic(xp, share[0] + r[0]), logistic(xp, share[1] + r[1])
        candidate = xp.tanh(share[2] + reset * r[2])
        return [(1 - update) * candidate + update * h]
    i, f, o = (logistic(xp, share[g] + r[g]) for g in (0, 1, 3))
    c = f * states[1] + i * xp.tanh(share[2] + r[2])
    return [o * xp.tanh(c), c]


def gate_shares(weights, name, x):
    W_x, b_x = weights[f"{name}.W_x"], weights[f"{name}.b_x"]
    return [x @ W_x[g] + b_x[g] for g in range(len(W_x))]


def run_layer(xp, cell, weights, name, inputs, states, look=None):
    """Outputs of each step and the final states; `look` may add to the gates before a step."""
    outputs = []
    for x in inputs:
        share = gate_shares(weights, name, x)
        if look is not None:
            context = look(states[0])
            share = [s + context @ W for s, W in zip(share, weights["attention.W_x"], strict=True)]
        states = step(xp, cell, share, states, weights[f"{name}.W_h"], weights[f"{name}.b_h"])
        outputs.append(states[0])
    return outputs, states


def encode(xp, cell, weights, sizes, x, bidirectional):
    """Outputs of the top layer at each step, and final states of each layer."""
    n_states = 2 if cell == "lstm" else 1
    finals, rows = [], list(x)
    for i, n_units in enumerate(sizes):
        zero = [xp.zeros(n_units)] * n_states
        name = f"encoder.layer_{i}"
        outputs, final = run_layer(xp, cell, weights, f"{name}.forward", rows, zero)
        if bidirectional:
            back, other = run_layer(xp, cell, weights, f"{name}.backward", rows[::-1], zero)
            outputs = [xp.cat([a, b]) for a, b in zip(outputs, back[::-1], strict=True)]
            final = [xp.cat([a, b]) for a, b in zip(final, other, strict=True)]
        rows = outputs
        finals.append(final)
    return rows, finals


def mean_by(xp, scores, memory):
    """The mean of the memory, weighted by the softmax of the scores, and the weights."""
    # A shift leaves the softmax as it is, and its derivative too.
    shift = max(float(np.real(s.detach() if hasattr(s, "detach") else s)) for s in scores)
    powers = [xp.exp(s - shift) for s in scores]
    alpha = [p / sum(powers) for p in powers]
    return sum(a * m for a, m in zip(alpha, memory, strict=True)), alpha


def raw_outputs(xp, cell, weights, sizes, x, given, *, bidirectional=False, attention=None,
                vectors=False, feeds_vector=False):  # fmt: skip
    """Raw outputs (T, n_outputs) of one sequence, and the attention weights of each step.

    `x` is the source (steps, channels), or one vector if `vectors`; `given` is what the decoder
    reads at each step, tokens or values.
    """
    states_of = ("h", "c") if cell == "lstm" else ("h",)
    if vectors:
        memory, finals = None, [[x] * len(states_of)] * len(sizes)
    else:
        memory, finals = encode(xp, cell, weights, sizes, x, bidirectional)
    if vectors or bidirectional:
        finals = [
            [
                xp.tanh(
                    end @ weights[f"bridge.layer_{i}.W_{s}"] + weights[f"bridge.layer_{i}.b_{s}"]
                )
                for s, end in zip(states_of, finals[i], strict=True)
            ]
            for i in range(len(sizes))
        ]
    table = weights.get("decoder.embedding")
    rows = [g if table is None else table[g] for g in given]
    if feeds_vector:
        rows = [xp.cat([row, x]) for row in rows]
    contexts, alphas = [], []

    def note(scores):
        context, alpha = mean_by(xp, scores, memory)
        contexts.append(context)
        alphas.append(alpha)
        return context

    def look_additive(state):
        query, v = state @ weights["attention.W_q"], weights["attention.v"][:, 0]
        return note([xp.tanh(query + m @ weights["attention.W_m"]) @ v for m in memory])

    for i in range(len(sizes)):
        look = look_additive if i == 0 and attention == "additive" else None
        rows, _ = run_layer(xp, cell, weights, f"decoder.layer_{i}.forward", rows, finals[i], look)
    if attention == "multiplicative":
        for h in rows:
            note([h @ (m @ weights["attention.W_m"]) for m in memory])
    if attention is not None:
        rows = [
            xp.tanh(xp.cat([h, c]) @ weights["attention.W_c"] + weights["attention.b_c"])
            for h, c in zip(rows, contexts, strict=True)
        ]
    return [h @ weights["head.W_hy"] + weights["head.b_y"] for h in rows], alphas
