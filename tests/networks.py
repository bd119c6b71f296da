"""The package's networks under the oracle's names: build, set weights, run, read gradients."""

import numpy as np
import oracle

from skrnn import bptt
from skrnn.batching import PackedBatch
from skrnn.cells import resolve_cell
from skrnn.network import Network, NetworkWeights
from skrnn.sequences import Sequences
from skrnn.workspace import Workspace

# Every built-in cell with each of its activations.
CELLS = [
    ("rnn", "tanh"),
    ("rnn", "relu"),
    ("rnn", "logistic"),
    ("gru", "tanh"),
    ("lstm", "tanh"),
]
CELL_IDS = ["rnn_tanh", "rnn_relu", "rnn_logistic", "gru", "lstm"]

STORED_NAMES = {"W_xh": "W_x", "W_hh": "W_h", "b_xh": "b_x", "b_hh": "b_h"}


def to_sequences(rows, dtype=np.float64):
    """Many arrays (T_i, channels) end to end."""
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Sequences(np.ascontiguousarray(np.concatenate(rows), dtype=dtype), offsets)


def to_batch(rows, dtype=np.float64):
    return PackedBatch(to_sequences(rows, dtype), np.arange(len(rows)))


def network_like(cell, weights, *, pooling="last"):
    """The network whose shape these weights of the oracle have."""
    hidden = [
        weights[f"layer_{layer}.forward.W_hh"].shape[0]
        for layer in range(oracle.n_layers_of(weights))
    ]
    return Network(
        cell,
        weights["layer_0.forward.W_xh"].shape[0],
        hidden,
        weights["head.b_y"].shape[0],
        bidirectional="layer_0.backward.W_xh" in weights,
        pooling=pooling,
    )


def _stored(name, weight, n_gates):
    """The gates along the first axis instead of side by side along the last."""
    if name.startswith("head."):
        return name, weight
    prefix, _, short = name.rpartition(".")
    split = weight.reshape(*weight.shape[:-1], n_gates, -1)
    return f"{prefix}.{STORED_NAMES[short]}", np.moveaxis(split, -2, 0)


def to_params(network, weights, dtype=np.float64):
    """The flat vector of a network from weights by the oracle's names."""
    params = np.full(network.layout.size, np.nan, dtype=dtype)
    for name, weight in weights.items():
        key, value = _stored(name, weight, len(network.cell.gates))
        network.layout.blocks[key].view(params)[...] = value
    assert not np.isnan(params).any(), "a weight of the network has no counterpart"
    return params


def from_params(network, params, like):
    """The inverse of `to_params`, for vectors of weights or of gradients."""
    weights = {}
    for name, weight in like.items():
        key, value = _stored(name, weight, len(network.cell.gates))
        view = network.layout.blocks[key].view(params)
        assert view.shape == value.shape
        if not name.startswith("head."):
            view = np.moveaxis(view, 0, -2)
        weights[name] = view.reshape(weight.shape).copy()
    return weights


def unsort(batch, values):
    """Rows in the order of the sequences rather than in the batch's."""
    ordered = np.empty_like(values)
    ordered[batch.order] = values
    return ordered


def unpack(batch, values):
    """Rows (n_rows, columns) of a packed batch as one array (T_i, columns) a sequence."""
    rows = [None] * batch.n_sequences
    for place, length in enumerate(batch.lengths):
        rows[batch.order[place]] = values[batch.starts[:length] + place]
    return rows


def layer_outputs(trace, layer=-1):
    """Outputs of every step of each sequence, the directions side by side."""
    batch = trace.batch
    forward, *backward = (unpack(batch, kept.output) for kept in trace.layers[layer])
    if not backward:
        return forward
    return [np.concatenate([f, b[::-1]], axis=1) for f, b in zip(forward, backward[0], strict=True)]


def predict(network, params, batch, masks=None):
    """Raw outputs in the order of the sequences."""
    return unsort(batch, network.forward(params, batch, Workspace(), masks).raw)


def gradient(network, params, batch, d_raw, masks=None, walk=bptt.full):
    """Gradient of the flat vector, given that of the raw outputs in the sequences' order."""
    workspace = Workspace()
    trace = network.forward(params, batch, workspace, masks)
    d_raw = np.ascontiguousarray(d_raw[batch.order], dtype=params.dtype)
    network.backward(params, trace, d_raw, workspace, walk)
    total = np.zeros_like(params)
    for task in network.gradient_tasks():
        network.add_weight_gradients(task, trace, d_raw, NetworkWeights(network, total))
    return total


def cell_of(name, activation):
    return resolve_cell(name, activation)


def masked_weights(weights, masks, i):
    """Weights that do to sequence i what its masks do: a row scaled instead of what meets it."""
    scaled = dict(weights)
    for (layer, d), mask in masks.recurrent.items():
        name = f"layer_{layer}.{('forward', 'backward')[d]}.W_hh"
        scaled[name] = mask[i][:, np.newaxis] * weights[name]
    for layer, mask in enumerate(masks.inputs[:-1], start=1):
        for direction in ("forward", "backward"):
            name = f"layer_{layer}.{direction}.W_xh"
            scaled[name] = mask[i][:, np.newaxis] * weights[name]
    scaled["head.W_hy"] = masks.inputs[-1][i][:, np.newaxis] * weights["head.W_hy"]
    return scaled
