"""Checks whether a cell of one's own keeps the contract."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np

from skrnn._jit import JIT_DISABLED
from skrnn.batching import PackedBatch
from skrnn.cells import Cell
from skrnn.network import NO_DROPOUT, DropoutMasks, Network, NetworkWeights
from skrnn.sequences import Sequences
from skrnn.workspace import Workspace

_LENGTHS = (4, 2, 4, 1, 3)


def check_cell(cell, *, n_units=5, n_channels=3, random_state=0):
    """Check that a cell's kernels keep the contract, its gradients by finite differences.

    Small networks of the cell, of two layers in both directions with and without recurrent
    dropout, are run on random ragged sequences.

    Parameters
    ----------
    cell : Cell
        The cell.
    n_units : int, default=5
        Units of each layer.
    n_channels : int, default=3
        Numbers a step brings.
    random_state : int, default=0
        Seed of weights and data.

    Raises
    ------
    TypeError
        If `cell` is not a :class:`~skrnn.cells.Cell`, or its kernels are not compiled.
    AssertionError
        If a kernel does not do its part; the message says which one and where.

    Examples
    --------
    >>> from skrnn import check_cell
    >>> from skrnn.cells import LSTM
    >>> check_cell(LSTM)
    """
    if not isinstance(cell, Cell):
        raise TypeError(
            f"check_cell checks a skrnn.Cell, got {cell!r} of type {type(cell).__name__}. Make one "
            "with Cell(name, gates=..., forward=..., backward=...)."
        )
    try:
        _check_kernels(cell, n_units, n_channels, np.random.RandomState(random_state))
    except NotImplementedError as error:
        if all(hasattr(kernel, "py_func") for kernel in (cell.forward, cell.backward)):
            raise  # compiled: it is not Numba's, for an intrinsic that meets the interpreter
        raise TypeError(
            f"Cell {cell.name!r}: a kernel calls the helpers of skrnn.cells but is not compiled; "
            "decorate it with skrnn.cells.jit."
        ) from error


def _check_kernels(cell, n_units, n_channels, rng):
    _check_single_precision(cell, n_units, n_channels, rng)
    for drop in (False, True):
        trial = _Trial(cell, n_units, n_channels, rng, drop)
        _check_rows_are_independent(cell, trial)
        _check_ranges_of_steps(cell, trial)
        _check_gradients(cell, trial)
        _check_ranges_backwards(cell, trial)


class _SpoiltWorkspace(Workspace):
    """Buffers full of NaN, so that whatever a kernel forgets to write shows."""

    def take(self, key, shape, dtype):
        buffer = super().take(key, shape, dtype)
        if buffer.dtype.kind == "f":
            buffer.fill(np.nan)
        return buffer


class _Trial:
    """A small network with random weights, data and a linear loss."""

    def __init__(self, cell, n_units, n_channels, rng, drop, dtype=np.float64):
        self.network = Network(cell, n_channels, (n_units, n_units), 2, bidirectional=True)
        offsets = np.concatenate([[0], np.cumsum(_LENGTHS)])
        values = rng.standard_normal((offsets[-1], n_channels)).astype(dtype)
        self.sequences = Sequences(values, offsets)
        params = self.network.initial_parameters(rng, dtype, max(_LENGTHS))
        self.params = params + (0.3 * rng.standard_normal(params.size)).astype(dtype)
        n = len(_LENGTHS)
        self.d_raw = rng.standard_normal((n, 2)).astype(dtype)
        self.masks = NO_DROPOUT
        if drop:
            self.masks = DropoutMasks(
                {
                    (layer, d): 2.0 * rng.randint(2, size=(n, n_units))
                    for layer in range(2)
                    for d in range(2)
                }
            )

    def run(self, params, indices=None):
        """Return the trace of a forward pass over some of the sequences."""
        indices = np.arange(len(_LENGTHS)) if indices is None else indices
        batch = PackedBatch(self.sequences, indices)
        masks = self.masks.take(indices[batch.order])
        return self.network.forward(params, batch, _SpoiltWorkspace(), masks)

    def loss(self, params):
        trace = self.run(params)
        return float((trace.raw * self.d_raw[trace.batch.order]).sum())

    def gradient(self):
        """Return the gradient that the cell's backward kernel leads to."""
        trace = self.run(self.params)
        d_raw = np.ascontiguousarray(self.d_raw[trace.batch.order])
        self.network.backward(self.params, trace, d_raw, _SpoiltWorkspace())
        gradient = np.zeros_like(self.params)
        views = NetworkWeights(self.network, gradient)
        for task in self.network.gradient_tasks():
            self.network.add_weight_gradients(task, trace, d_raw, views)
        return gradient


def _check_single_precision(cell, n_units, n_channels, rng):
    trial = _Trial(cell, n_units, n_channels, rng, drop=False, dtype=np.float32)
    single = trial.run(trial.params).raw
    trial.sequences = Sequences(trial.sequences.values.astype(np.float64), trial.sequences.offsets)
    double = trial.run(trial.params.astype(np.float64)).raw
    assert np.isfinite(single).all(), (
        f"Cell {cell.name!r}: `forward` gives NaN or infinity in float32. Does it write every row "
        "of `states`?"
    )
    assert np.allclose(single, double, rtol=1e-3, atol=1e-4), (
        f"Cell {cell.name!r}: `forward` gives other results in float32 than in float64; the "
        f"largest difference is {np.abs(single - double).max():.2e}."
    )


def _same(a, b):
    """Compare bits; without the compiler NumPy's products round as the number of rows suggests."""
    return np.allclose(a, b, rtol=1e-12, atol=1e-12) if JIT_DISABLED else np.array_equal(a, b)


def _check_rows_are_independent(cell, trial):
    together = trial.run(trial.params)
    for i in range(len(_LENGTHS)):
        alone = trial.run(trial.params, np.array([i])).raw[0]
        row = together.raw[np.flatnonzero(together.batch.order == i)[0]]
        assert _same(alone, row), (
            f"Cell {cell.name!r}: sequence {i} gives {alone} alone but {row} among others. "
            "`forward` must treat rows independently and read the rows of step t only from "
            "starts[t] to starts[t + 1]."
        )


def _check_ranges_of_steps(cell, trial):
    """Run the steps one call each: a kernel must heed `first` and `last`."""

    def step_by_step(first, last, *arguments):
        for t in range(first, last):
            cell.forward(t, t + 1, *arguments)

    stepwise = copy(trial)
    stepwise.network = _with_kernels(trial.network, forward=step_by_step)
    assert _same(stepwise.run(trial.params).raw, trial.run(trial.params).raw), (
        f"Cell {cell.name!r}: `forward` over all steps differs from `forward` step by step. It "
        "must run the steps from `first` to `last` and find the previous state in `states`."
    )


def _check_ranges_backwards(cell, trial):
    """Walk back one call a step: truncated backpropagation relies on it."""

    def step_by_step(first, last, starts, mask, W_h, gates, *others):
        for t in range(last - 1, first - 1, -1):
            before = gates.copy()
            cell.backward(t, t + 1, starts, mask, W_h, gates, *others)
            before[:, starts[t] : starts[t + 1]] = gates[:, starts[t] : starts[t + 1]]
            assert np.array_equal(before, gates, equal_nan=True), (
                f"Cell {cell.name!r}: `backward`, asked to run step {t} alone, changed `gates` of "
                "other steps. It must run the steps from `last - 1` down to `first`."
            )

    stepwise = copy(trial)
    stepwise.network = _with_kernels(trial.network, backward=step_by_step)
    assert np.allclose(stepwise.gradient(), trial.gradient(), rtol=1e-9, atol=1e-9), (
        f"Cell {cell.name!r}: `backward` over all steps differs from `backward` step by step. It "
        "must run the steps from `last - 1` down to `first`, and carry the gradient of the states "
        "in `d_state` from one call to the next."
    )


def _with_kernels(network, **kernels):
    """Return the same network with other kernels in its cell."""
    return Network(
        replace(network.cell, **kernels),
        network.n_channels,
        network.hidden_layer_sizes,
        network.n_outputs,
        bidirectional=True,
    )


def _check_gradients(cell, trial):
    gradient = trial.gradient()
    names = trial.network.named_weights(np.arange(gradient.size))
    rng = np.random.RandomState(0)
    # From the top layer down: a wrong gradient spoils those of all layers below.
    for name in sorted(names, key=lambda name: name.split(".")[0], reverse=True):
        places = names[name].reshape(-1)
        # One random direction shows whether any of the weights has a wrong gradient.
        if _is_right(gradient, trial, places, rng.standard_normal(places.size)):
            continue
        expected = np.array([_slope(trial, [place], 1.0) for place in places])
        worst = int(np.nan_to_num(np.abs(gradient[places] - expected), nan=np.inf).argmax())
        raise AssertionError(
            f"Cell {cell.name!r}: the gradient of {name} is wrong: `backward` leads to "
            f"{gradient[places[worst]]:.8g} where finite differences give {expected[worst]:.8g}"
            f"{' (with recurrent dropout)' if trial.masks.recurrent else ''}."
        )


def _is_right(gradient, trial, places, direction):
    expected, actual = _slope(trial, places, direction), gradient[places] @ direction
    return abs(actual - expected) <= 1e-6 * max(1.0, abs(expected))


def _slope(trial, places, direction, epsilon=1e-5):
    """Fourth-order central difference of the loss along a direction in some of the weights."""

    def at(offset):
        params = trial.params.copy()
        params[places] += offset * direction
        return trial.loss(params)

    near, far = at(epsilon) - at(-epsilon), at(2 * epsilon) - at(-2 * epsilon)
    return (8 * near - far) / (12 * epsilon)
