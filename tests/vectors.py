"""Reference vectors of ONNX, Keras and PyTorch, brought into this library's layout.

===========  =====================  ========================  ===========================
             gate order             weights                   biases
===========  =====================  ========================  ===========================
here         LSTM i f g o           (n_inputs, gates * H),    b_xh and b_hh
             GRU r z n              multiply from the right
PyTorch      the same               (gates * H, n_inputs)     bias_ih and bias_hh
ONNX         LSTM i o f c           [dir, gates * H, inputs]  one row: Wb and then Rb
             GRU z r h
Keras        LSTM i f c o           (n_inputs, gates * H)     one row; two rows for a GRU
             GRU z r h                                        with reset_after
===========  =====================  ========================  ===========================
"""

import functools
import json
from pathlib import Path
from types import MappingProxyType

import numpy as np

DATA = Path(__file__).parent / "data"

# Position of our gates in the other library's order.
ONNX_GATES = {"rnn": (0,), "gru": (1, 0, 2), "lstm": (0, 2, 3, 1)}
KERAS_GATES = {"rnn": (0,), "gru": (1, 0, 2), "lstm": (0, 1, 2, 3)}


@functools.cache
def _load(name):
    path = DATA / name
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    with np.load(path) as archive:
        return MappingProxyType({key: archive[key] for key in archive.files})


def reorder_gates(array, order):
    """Put the blocks along the last axis into another order."""
    blocks = np.split(array, len(order), axis=-1)
    return np.ascontiguousarray(np.concatenate([blocks[gate] for gate in order], axis=-1))


def below(archive, prefix):
    """Entries of an archive under a prefix, without it."""
    return {key[len(prefix) :]: value for key, value in archive.items() if key.startswith(prefix)}


def rename_layer(weights, layer, direction):
    return {f"layer_{layer}.{direction}.{name}": value for name, value in weights.items()}


# ONNX ---------------------------------------------------------------------------------------------


def onnx_cases():
    """Name -> dict of ``cell``, ``attributes``, ``inputs`` and ``outputs`` as ONNX stores them."""
    archive = _load("onnx_rnn_vectors.npz")
    return {
        name: {
            "cell": entry["op"].lower(),
            "attributes": entry["attributes"],
            "inputs": below(archive, f"{name}/in/"),
            "outputs": below(archive, f"{name}/out/"),
        }
        for name, entry in _load("onnx_rnn_vectors.json").items()
    }


def onnx_sequences(case):
    """Sequences (n, T, channels): ONNX is time-major unless ``layout`` is 1."""
    values = case["inputs"]["X"]
    return values if case["attributes"].get("layout", 0) else values.transpose(1, 0, 2)


def onnx_last_states(case):
    """Final hidden state (n, H) of the only direction that the tests have."""
    last = case["outputs"]["Y_h"]
    return last[:, 0] if case["attributes"].get("layout", 0) else last[0]


def from_onnx(cell, W, R, B=None):
    """Weights of one direction: ``W`` (gates * H, inputs), ``R`` (gates * H, H), ``B`` or None."""
    order = ONNX_GATES[cell]
    W_xh, W_hh = reorder_gates(W.T, order), reorder_gates(R.T, order)
    if B is None:
        B = np.zeros(2 * W_xh.shape[1], W.dtype)
    b_xh, b_hh = (reorder_gates(half, order) for half in np.split(B, 2))
    if cell == "gru":
        # linear_before_reset=0 adds Rb outside the reset product: with the input's biases.
        candidate = slice(2 * len(b_hh) // 3, None)
        b_xh[candidate] += b_hh[candidate]
        b_hh[candidate] = 0
    return {"W_xh": W_xh, "W_hh": W_hh, "b_xh": b_xh, "b_hh": b_hh}


# Keras --------------------------------------------------------------------------------------------


def keras_cases():
    """Id -> dict of ``cell``, ``sequences``, ``mask`` (or None), ``weights``, ``expected``..."""
    return {
        f"{entry['cell']}-{entry['variant']}": _keras_case(entry)
        for entry in _load("keras_rnn_vectors.json")["cases"]
    }


def _keras_case(entry):
    cell = entry["cell"].removeprefix("simple_")
    _, _, shape = entry["x"].partition("reshape")
    shape = tuple(int(size) for size in shape.strip("()").split(","))
    mask = entry.get("mask")
    return {
        "cell": cell,
        "variant": entry["variant"],
        "sequences": np.arange(np.prod(shape), dtype=np.float64).reshape(shape),
        "mask": None if mask is None else np.array(mask, dtype=bool),
        "weights": from_keras(cell, *_keras_constants(cell, entry, shape[2])),
        "expected": np.array(entry["expected"]),
    }


def _keras_constants(cell, entry, n_channels):
    """Kernel, recurrent kernel and bias: Keras' tests fill them with constants."""
    n_units, variant = entry["units"], entry["variant"]
    width = {"rnn": 1, "gru": 3, "lstm": 4}[cell] * n_units
    kernel, recurrent = np.full((n_channels, width), 0.01), np.full((n_units, width), 0.02)
    if variant == "use_bias=False":
        return kernel, recurrent, None
    two_rows = cell == "gru" and variant != "reset_after=False"
    bias = np.full((2, width) if two_rows else (width,), 0.03)
    if cell == "lstm" and variant != "unit_forget_bias=False":
        bias[n_units : 2 * n_units] = 1.0
    return kernel, recurrent, bias


def from_keras(cell, kernel, recurrent_kernel, bias=None):
    """Weights of one direction; ``bias`` of one row, of two rows (GRU, reset_after), or None."""
    order = KERAS_GATES[cell]
    zeros = np.zeros(kernel.shape[1])
    b_xh, b_hh = (zeros, zeros) if bias is None else bias if bias.ndim == 2 else (bias, zeros)
    return {
        "W_xh": reorder_gates(kernel, order),
        "W_hh": reorder_gates(recurrent_kernel, order),
        "b_xh": reorder_gates(b_xh, order),
        "b_hh": reorder_gates(b_hh, order),
    }


# PyTorch ------------------------------------------------------------------------------------------

TORCH_NAMES = {"weight_ih": "W_xh", "weight_hh": "W_hh", "bias_ih": "b_xh", "bias_hh": "b_hh"}


def torch_cases():
    """Id, such as ``gru/L2_bi_ragged`` -> dict of arrays under the names of the archive."""
    archive = _load("torch_rnn_vectors.npz")
    ids = {"/".join(key.split("/")[:2]): None for key in archive if not key.startswith("train/")}
    return {name: below(archive, f"{name}/") for name in ids}


def torch_trajectories():
    """Id, such as ``gru_adam`` -> dict of arrays under the names of the archive."""
    archive = _load("torch_rnn_vectors.npz")
    ids = {key.split("/")[1]: None for key in archive if key.startswith("train/")}
    return {name: below(archive, f"train/{name}/") for name in ids}


def torch_cell(name):
    """Cell and activation of a case or a trajectory, from its id."""
    for cell in ("gru", "lstm"):
        if name.startswith(cell):
            return cell, "tanh"
    return "rnn", "relu" if name.startswith("rnn_relu") else "tanh"


def from_torch(state):
    """Weights by our names from a PyTorch state: transposed, in the same gate order."""
    weights = {}
    for name, value in state.items():
        if name.startswith("lin."):
            weights["head.W_hy" if name.endswith("weight") else "head.b_y"] = value.T
            continue
        kind, _, place = name.rpartition("_l")
        layer, _, direction = place.partition("_")
        key = f"layer_{layer}.{'backward' if direction else 'forward'}.{TORCH_NAMES[kind]}"
        weights[key] = np.ascontiguousarray(value.T)
    return weights


def torch_weights(case, kind="param"):
    """The parameters (``"param"``) or their gradients (``"grad"``) by our names."""
    return from_torch(below(case, f"{kind}/"))


def torch_sequences(case):
    """The true steps of each sequence of a case."""
    return [row[:length] for row, length in zip(case["x"], case["lengths"], strict=True)]


def torch_slots(case):
    """``(layer, direction)`` of each row of h0, hn and their gradients."""
    bidirectional = any(key.endswith("_reverse") for key in case)
    directions = ("forward", "backward") if bidirectional else ("forward",)
    n_layers = len(case["h0"]) // len(directions)
    return [(layer, direction) for layer in range(n_layers) for direction in directions]


def torch_initial(case, row):
    """Initial state of one sequence by ``(layer, direction)``, for the oracle."""
    kinds = ("h0", "c0") if "c0" in case else ("h0",)
    slots = torch_slots(case)
    return {slot: tuple(case[kind][i, row] for kind in kinds) for i, slot in enumerate(slots)}
