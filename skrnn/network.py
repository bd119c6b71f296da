"""Stacked, bidirectional recurrent layers under a linear head.

The network knows its cell only by the contract in :mod:`skrnn.cells.base`. It holds no weights:
every method takes the flat parameter vector, so one network serves any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn import bptt
from skrnn._gemm import add_product, add_transposed_product
from skrnn._jit import jit
from skrnn.batching import add_rows, take_rows
from skrnn.cells import fill_rows
from skrnn.params import ParameterLayout, glorot_uniform, orthogonal
from skrnn.pooling import POOLINGS

DIRECTIONS = ("forward", "backward")


@jit
def _project(x, W_x, b_x, b_h, added, gates):
    """Form the input's share of every gate at every step: one product a gate."""
    for g in range(W_x.shape[0]):
        gate = gates[g]
        for row in range(gate.shape[0]):
            for k in range(gate.shape[1]):
                gate[row, k] = b_x[g, k] + added[g] * b_h[g, k]
        add_product(x, W_x[g], gate)


@jit
def _input_gradient(gates, W_x, d_x):
    """Add the loss gradient of a layer's input; `W_x` is transposed."""
    for g in range(W_x.shape[0]):
        add_product(gates[g], W_x[g], d_x)


@jit
def _add_column_sums(values, sums):
    for row in range(values.shape[0]):
        for k in range(sums.size):
            sums[k] += values[row, k]


@jit
def _add_gate_gradient(x, operand, d_gate, d_recurrent, d_W_x, d_W_h, d_b_x, d_b_h):
    """Add the gradients of one gate's weights: products over all steps at once."""
    add_transposed_product(x, d_gate, d_W_x)
    add_transposed_product(operand, d_recurrent, d_W_h)
    _add_column_sums(d_gate, d_b_x)
    _add_column_sums(d_recurrent, d_b_h)


@jit
def _scale_rows(values, positions, mask, out):
    """Multiply each row by the mask of its sequence."""
    for row in range(values.shape[0]):
        for k in range(values.shape[1]):
            out[row, k] = values[row, k] * mask[positions[row], k]


@jit
def _read_out(features, W_hy, b_y, raw):
    fill_rows(b_y, raw)
    add_product(features, W_hy, raw)


class Workspace:
    """Buffers that are kept from batch to batch, because fresh memory is slow memory."""

    def __init__(self):
        self._buffers = {}

    def take(self, key, shape, dtype):
        """Return an array of the shape, with undefined content, valid until the next same call."""
        size = 1
        for length in shape:
            size *= length
        buffer = self._buffers.get(key)
        if buffer is None or buffer.size < size or buffer.dtype != dtype:
            buffer = self._buffers[key] = np.empty(size, dtype=dtype)
        return buffer[:size].reshape(shape)


@dataclass(frozen=True)
class DropoutMasks:
    """Factors by which units are multiplied, one row a sequence; None where nothing is dropped.

    Attributes
    ----------
    recurrent : dict of (int, int) to ndarray, or None
        For each layer and direction, of shape (n, H): applied to what recurrent products read.
    inputs : list of ndarray, or None
        For each layer but the first, then for the head: applied to what it reads.
    """

    recurrent: dict | None = None
    inputs: list | None = None

    def take(self, index):
        """Return the masks of some sequences."""
        recurrent, inputs = self.recurrent, self.inputs
        if recurrent is not None:
            recurrent = {key: mask[index] for key, mask in recurrent.items()}
        if inputs is not None:
            inputs = [mask[index] for mask in inputs]
        return DropoutMasks(recurrent, inputs)


@dataclass
class _Direction:
    """What one direction of one layer leaves for its backward pass."""

    x: np.ndarray
    gates: np.ndarray
    inner: np.ndarray
    operands: np.ndarray
    states: np.ndarray
    mask: np.ndarray

    @property
    def n_sequences(self):
        return self.states.shape[1] - self.gates.shape[1]

    @property
    def output(self):
        """Outputs of all steps, in this direction's own order of time."""
        return self.states[0, self.n_sequences :]


@dataclass
class Trace:
    """What the forward pass of a batch leaves for the backward pass."""

    batch: object
    masks: DropoutMasks
    layers: list
    pooled: np.ndarray
    features: np.ndarray
    raw: np.ndarray


@dataclass(frozen=True)
class _LayerBlocks:
    """Where the weights of one direction of one layer live in the flat vector."""

    W_x: object
    W_h: object
    b_x: object
    b_h: object

    def views(self, vector):
        return (
            self.W_x.view(vector),
            self.W_h.view(vector),
            self.b_x.view(vector),
            self.b_h.view(vector),
        )


def _transposed(weights):
    return np.ascontiguousarray(weights.transpose(0, 2, 1))


class Network:
    """The shape of a network and its passes.

    Parameters
    ----------
    cell : Cell
        The recurrent cell of all layers.
    n_channels : int
        Numbers a step brings.
    hidden_layer_sizes : tuple of int
        Units of each layer, per direction.
    n_outputs : int
        Columns of the raw output.
    bidirectional : bool, default=False
        Whether each layer also reads the sequences backwards.
    pooling : {"last", "mean", "max"}, default="last"
        What the head reads.

    Attributes
    ----------
    layout : ParameterLayout
        Where the weights live in the flat vector.
    n_features : int
        Numbers that the head reads of each sequence.
    """

    def __init__(
        self,
        cell,
        n_channels,
        hidden_layer_sizes,
        n_outputs,
        *,
        bidirectional=False,
        pooling="last",
    ):
        self.cell = cell
        self.n_channels = n_channels
        self.hidden_layer_sizes = tuple(hidden_layer_sizes)
        self.n_outputs = n_outputs
        self.n_directions = 2 if bidirectional else 1
        self.pooling = pooling
        self._added = np.array([gate not in cell.inner_gates for gate in cell.gates])
        self._build_layout()

    def _build_layout(self):
        self.layout = ParameterLayout()
        self._blocks = {}
        n_gates, n_inputs = len(self.cell.gates), self.n_channels
        for layer, n_units in enumerate(self.hidden_layer_sizes):
            for direction in range(self.n_directions):
                prefix = f"layer_{layer}.{DIRECTIONS[direction]}."
                self._blocks[layer, direction] = _LayerBlocks(
                    self.layout.add(prefix + "W_x", (n_gates, n_inputs, n_units)),
                    self.layout.add(prefix + "W_h", (n_gates, n_units, n_units)),
                    self.layout.add(prefix + "b_x", (n_gates, n_units), is_bias=True),
                    self.layout.add(prefix + "b_h", (n_gates, n_units), is_bias=True),
                )
            n_inputs = n_units * self.n_directions
        self.n_features = n_inputs
        self._head = (
            self.layout.add("head.W_hy", (n_inputs, self.n_outputs)),
            self.layout.add("head.b_y", (self.n_outputs,), is_bias=True),
        )

    # ---------------------------------------------------------------- weights

    def initial_parameters(self, rng, dtype):
        """Draw fresh weights: Glorot for inputs and head, orthogonal for the recurrence.

        Parameters
        ----------
        rng : numpy.random.RandomState
            Source of the numbers, drawn in float64 whatever the `dtype`.
        dtype : numpy dtype
            Float type of the result.

        Returns
        -------
        params : ndarray of shape (layout.size,)
            The flat vector.
        """
        params = np.zeros(self.layout.size, dtype=dtype)
        for blocks in self._blocks.values():
            W_x, W_h, b_x, _ = blocks.views(params)
            for g, gate in enumerate(self.cell.gates):
                W_x[g] = glorot_uniform(W_x.shape[1:], rng)
                W_h[g] = self.cell.recurrent_gain * orthogonal(W_h.shape[1], rng)
                b_x[g] = self.cell.initial_bias.get(gate, 0.0)
        W_hy = self._head[0].view(params)
        W_hy[...] = glorot_uniform(W_hy.shape, rng)
        return params

    def named_weights(self, params):
        """Return views of every weight by the field's name, one a gate.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The flat vector.

        Returns
        -------
        weights : dict of str to ndarray
            ``"layer_0.forward.W_xr"`` of shape (inputs, units), ``"layer_0.forward.W_hr"`` of
            shape (units, units), ``"layer_0.forward.b_xr"`` and ``"layer_0.forward.b_hr"`` of
            shape (units,), and so on, ``"head.W_hy"`` of shape (features, outputs) and
            ``"head.b_y"`` of shape (outputs,).
        """
        weights = {}
        for name, block in self.layout.blocks.items():
            if name.startswith("head."):
                weights[name] = block.view(params)
            else:
                for gate, view in zip(self.cell.gates, block.view(params), strict=True):
                    weights[name + gate] = view
        return weights

    # ---------------------------------------------------------------- forward

    def forward(self, params, batch, workspace, masks=None):
        """Run a batch.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The flat vector.
        batch : PackedBatch
            The sequences.
        workspace : Workspace
            Where the result lives until the next call with the same workspace.
        masks : DropoutMasks or None
            Dropout, in the batch's order.

        Returns
        -------
        trace : Trace
            The raw outputs in ``raw``, one row a sequence, and what `backward` needs.
        """
        masks = DropoutMasks() if masks is None else masks
        dtype = params.dtype
        x = workspace.take("x", (batch.n_rows, self.n_channels), dtype)
        batch.pack(x)
        layers = []
        for layer in range(len(self.hidden_layer_sizes)):
            if layer > 0:
                x = self._join(layers[-1], batch, workspace, layer)
                if masks.inputs is not None:
                    scaled = workspace.take(("scaled", layer), x.shape, dtype)
                    _scale_rows(x, batch.positions, masks.inputs[layer - 1], scaled)
                    x = scaled
            layers.append(
                [
                    self._run_direction(params, layer, direction, x, batch, workspace, masks)
                    for direction in range(self.n_directions)
                ]
            )
        pooled = self._pool(layers[-1], batch, workspace)
        features = pooled if masks.inputs is None else pooled * masks.inputs[-1]
        raw = workspace.take("raw", (batch.n_sequences, self.n_outputs), dtype)
        W_hy, b_y = (block.view(params) for block in self._head)
        _read_out(features, W_hy, b_y, raw)
        return Trace(batch, masks, layers, pooled, features, raw)

    def _run_direction(self, params, layer, direction, x, batch, workspace, masks):
        dtype, cell = params.dtype, self.cell
        n_units, key = self.hidden_layer_sizes[layer], (layer, direction)
        n_rows, n = batch.n_rows, batch.n_sequences
        if direction == 1:
            turned = workspace.take(("turned", *key), x.shape, dtype)
            take_rows(x, batch.reversal, turned)
            x = turned
        W_x, W_h, b_x, b_h = self._blocks[key].views(params)
        gates = workspace.take(("gates", *key), (len(cell.gates), n_rows, n_units), dtype)
        inner = workspace.take(("inner", *key), (len(cell.inner_gates), n_rows, n_units), dtype)
        operands = workspace.take(
            ("operands", *key), (1 + len(cell.own_operands), n_rows, n_units), dtype
        )
        states = workspace.take(("states", *key), (len(cell.states), n + n_rows, n_units), dtype)
        states[:, :n] = 0
        if masks.recurrent is None:
            mask = np.empty((0, n_units), dtype=dtype)
        else:
            mask = masks.recurrent[key]
        _project(x, W_x, b_x, b_h, self._added.astype(dtype), gates)
        cell.forward(0, batch.n_steps, batch.starts, mask, W_h, b_h, gates, inner, operands, states)
        return _Direction(x, gates, inner, operands, states, mask)

    def _join(self, directions, batch, workspace, layer):
        """Return the outputs of a layer, both directions side by side, as the next layer reads."""
        if self.n_directions == 1:
            return directions[0].output
        n_units = self.hidden_layer_sizes[layer - 1]
        forward, backward = (direction.output for direction in directions)
        joined = workspace.take(("joined", layer), (batch.n_rows, 2 * n_units), forward.dtype)
        joined[:, :n_units] = forward
        joined[batch.reversal, n_units:] = backward
        return joined

    def _pool(self, directions, batch, workspace):
        pool = POOLINGS[self.pooling].pool
        parts = []
        for d, direction in enumerate(directions):
            output = direction.output
            part = workspace.take(("pooled", d), (batch.n_sequences, output.shape[1]), output.dtype)
            pool(output, batch.starts, batch.lengths, part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def step(self, params, x, states):
        """Run one step of all layers, forward in time.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The flat vector.
        x : ndarray of shape (n, n_channels)
            The step of each sequence.
        states : sequence of ndarray of shape (S, n, H)
            States of each layer before the step.

        Returns
        -------
        after : tuple of ndarray of shape (S, n, H)
            States of each layer after it.
        output : ndarray of shape (n, H)
            Output of the top layer.
        """
        cell, dtype, n = self.cell, params.dtype, x.shape[0]
        starts = np.array([0, n])
        after = []
        for layer, before in enumerate(states):
            n_units = before.shape[2]
            W_x, W_h, b_x, b_h = self._blocks[layer, 0].views(params)
            gates = np.empty((len(cell.gates), n, n_units), dtype=dtype)
            inner = np.empty((len(cell.inner_gates), n, n_units), dtype=dtype)
            operands = np.empty((1 + len(cell.own_operands), n, n_units), dtype=dtype)
            both = np.concatenate([before, np.empty_like(before)], axis=1)
            mask = np.empty((0, n_units), dtype=dtype)
            _project(x, W_x, b_x, b_h, self._added.astype(dtype), gates)
            cell.forward(0, 1, starts, mask, W_h, b_h, gates, inner, operands, both)
            after.append(np.ascontiguousarray(both[:, n:]))
            x = after[-1][0]
        return tuple(after), x

    def read_out(self, params, features):
        """Return the raw outputs for what the head reads.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The flat vector.
        features : ndarray of shape (n, n_features)
            What the head reads.

        Returns
        -------
        raw : ndarray of shape (n, n_outputs)
            The raw outputs.
        """
        W_hy, b_y = (block.view(params) for block in self._head)
        raw = np.empty((features.shape[0], self.n_outputs), dtype=params.dtype)
        _read_out(features, W_hy, b_y, raw)
        return raw

    def __repr__(self):
        both = ", bidirectional" if self.n_directions == 2 else ""
        return (
            f"{self.n_channels} channels, {self.cell.name}{self.hidden_layer_sizes}{both}, "
            f"{self.n_outputs} outputs"
        )

    # --------------------------------------------------------------- backward

    def backward(self, params, trace, d_raw, workspace, walk=bptt.full):
        """Turn the activations of a trace into loss gradients.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The flat vector.
        trace : Trace
            What `forward` left; its gates are overwritten.
        d_raw : ndarray of shape (n, n_outputs)
            Loss gradient of the raw outputs.
        workspace : Workspace
            The one given to `forward`.
        walk : callable or dict of (int, int) to callable, default=bptt.full
            How to walk back through time, or one for each layer and direction.

        See Also
        --------
        add_weight_gradients : The gradients of the weights, from what this leaves.
        """
        batch, masks = trace.batch, trace.masks
        d_features = np.zeros_like(trace.features)
        add_product(d_raw, np.ascontiguousarray(self._head[0].view(params).T), d_features)
        if masks.inputs is not None:
            d_features = d_features * masks.inputs[-1]
        spread = POOLINGS[self.pooling].spread
        d_outputs = []
        for d, direction in enumerate(trace.layers[-1]):
            n_units = direction.output.shape[1]
            part = slice(d * n_units, (d + 1) * n_units)
            d_output = workspace.take(("d_output", d), direction.output.shape, params.dtype)
            spread(
                direction.output,
                batch.starts,
                batch.lengths,
                np.ascontiguousarray(trace.pooled[:, part]),
                np.ascontiguousarray(d_features[:, part]),
                d_output,
            )
            d_outputs.append(d_output)
        for layer in range(len(self.hidden_layer_sizes) - 1, -1, -1):
            for d in range(self.n_directions):
                one_walk = walk[layer, d] if isinstance(walk, dict) else walk
                self._walk_back(params, trace, (layer, d), d_outputs[d], one_walk)
            if layer > 0:
                d_outputs = self._split_input_gradient(params, trace, layer, workspace)

    def _walk_back(self, params, trace, key, d_output, walk):
        kept, batch = trace.layers[key[0]][key[1]], trace.batch
        W_h = _transposed(self._blocks[key].W_h.view(params))
        d_state = np.zeros(
            (kept.states.shape[0], batch.n_sequences, kept.states.shape[2]), params.dtype
        )

        def run(first, last):
            self.cell.backward(
                first, last, batch.starts, kept.mask, W_h, kept.gates, kept.inner,
                kept.operands, kept.states, d_output, d_state,
            )  # fmt: skip

        walk(run, batch, d_output, d_state)

    def _split_input_gradient(self, params, trace, layer, workspace):
        """Return the gradient of the outputs of the layer below, one array a direction."""
        batch = trace.batch
        d_x = None
        for d, kept in enumerate(trace.layers[layer]):
            part = workspace.take(("d_x", d), kept.x.shape, params.dtype)
            part[:] = 0
            W_x = _transposed(self._blocks[layer, d].W_x.view(params))
            _input_gradient(kept.gates, W_x, part)
            if d == 0:
                d_x = part
            else:
                add_rows(part, batch.reversal, d_x)
        if trace.masks.inputs is not None:
            _scale_rows(d_x, batch.positions, trace.masks.inputs[layer - 1], d_x)
        if self.n_directions == 1:
            return [d_x]
        n_units = self.hidden_layer_sizes[layer - 1]
        return [
            np.ascontiguousarray(d_x[:, :n_units]),
            np.ascontiguousarray(d_x[batch.reversal, n_units:]),
        ]

    def gradient_tasks(self):
        """Return the independent parts of the weight gradient, to be run in any order."""
        tasks = [("head", 0)]
        for key in self._blocks:
            tasks += [(key, g) for g in range(len(self.cell.gates))]
        return tasks

    def add_weight_gradients(self, task, trace, d_raw, gradient):
        """Add one part of the weight gradient of a batch that `backward` went through.

        Parameters
        ----------
        task : tuple
            One of :meth:`gradient_tasks`.
        trace : Trace
            What `backward` left.
        d_raw : ndarray of shape (n, n_outputs)
            Loss gradient of the raw outputs.
        gradient : ndarray of shape (layout.size,)
            Receives the sum.
        """
        key, g = task
        if key == "head":
            d_W_hy, d_b_y = (block.view(gradient) for block in self._head)
            add_transposed_product(trace.features, d_raw, d_W_hy)
            _add_column_sums(d_raw, d_b_y)
            return
        kept = trace.layers[key[0]][key[1]]
        gate = self.cell.gates[g]
        d_gate = d_recurrent = kept.gates[g]
        operand = kept.operands[0]
        if gate in self.cell.inner_gates:
            d_recurrent = kept.inner[self.cell.inner_gates.index(gate)]
        if gate in self.cell.own_operands:
            operand = kept.operands[1 + self.cell.own_operands.index(gate)]
        d_W_x, d_W_h, d_b_x, d_b_h = self._blocks[key].views(gradient)
        _add_gate_gradient(
            kept.x, operand, d_gate, d_recurrent, d_W_x[g], d_W_h[g], d_b_x[g], d_b_h[g]
        )
