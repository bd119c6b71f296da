"""Weights in the layout of PyTorch's recurrent modules: gates stacked, everything transposed."""

from __future__ import annotations

import numpy as np


def _torch_names(prefix):
    """Return PyTorch's names for the blocks of one direction of one layer."""
    layer, direction = prefix.split(".")
    suffix = "_l" + layer.removeprefix("layer_") + ("_reverse" if direction == "backward" else "")
    return {
        "W_x": "weight_ih" + suffix,
        "W_h": "weight_hh" + suffix,
        "b_x": "bias_ih" + suffix,
        "b_h": "bias_hh" + suffix,
    }


def _recurrent_blocks(network):
    """Yield PyTorch's name and the block for every recurrent array."""
    for name, block in network.layout.blocks.items():
        prefix, _, kind = name.rpartition(".")
        if prefix not in ("head", "embedding"):
            yield _torch_names(prefix)[kind], block


_HEAD = {"weight": "head.W_hy", "bias": "head.b_y"}


def _stack_gates(array):
    """Turn (gates, inputs, units) or (gates, units) into PyTorch's (gates * units, ...)."""
    if array.ndim == 2:
        return array.reshape(-1)
    return array.transpose(0, 2, 1).reshape(-1, array.shape[1])


def export(network, params):
    """Return the weights by PyTorch's names.

    Parameters
    ----------
    network : Network
        The network.
    params : ndarray of shape (layout.size,)
        Its weights.

    Returns
    -------
    recurrent, head : dict of str to ndarray
        Copies, for the recurrent module and the linear one.
    """
    recurrent = {
        name: np.array(_stack_gates(block.view(params)))
        for name, block in _recurrent_blocks(network)
    }
    blocks = network.layout.blocks
    head = {name: np.array(blocks[ours].view(params).T) for name, ours in _HEAD.items()}
    return recurrent, head


def _check_names(what, expected, given):
    missing = sorted(set(expected) - set(given))
    unknown = sorted(set(given) - set(expected))
    if missing or unknown:
        raise ValueError(
            f"The names of `{what}` do not fit this network: missing {missing}, unknown {unknown}."
        )


def _taken(name, value, shape, dtype):
    value = np.asarray(value, dtype=dtype)
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}.")
    if not np.isfinite(value).all():
        raise ValueError(f"{name} holds NaN or infinity.")
    return value


def imported(network, params, recurrent, head=None):
    """Return a flat vector with weights given in PyTorch's layout.

    Parameters
    ----------
    network : Network
        The network.
    params : ndarray of shape (layout.size,)
        Its present weights, left as they are.
    recurrent, head : mapping of str to array-like, or None
        As :func:`export` returns them.

    Returns
    -------
    params : ndarray of shape (layout.size,)
        The new weights.
    """
    result = params.copy()
    blocks = dict(_recurrent_blocks(network))
    _check_names("recurrent", blocks, recurrent)
    for name, block in blocks.items():
        view = block.view(result)
        value = _taken(name, recurrent[name], _stack_gates(view).shape, params.dtype)
        if view.ndim == 2:
            view[...] = value.reshape(view.shape)
        else:
            n_gates, n_inputs, n_units = view.shape
            view[...] = value.reshape(n_gates, n_units, n_inputs).transpose(0, 2, 1)
    if head is not None:
        _check_names("head", _HEAD, head)
        for name, ours in _HEAD.items():
            view = network.layout.blocks[ours].view(result)
            view[...] = _taken(name, head[name], view.T.shape, params.dtype).T
    return result
