"""Gradient checkpointing: backpropagation through time that holds a stretch of steps at a time.

The steps of a batch are cut into stretches. Of the forward pass only the states between them are
kept; the backward pass goes from the last stretch to the first, runs each forward again from its
first state, and adds its share of the weight gradients before it goes on. The gradient has the same
bits as that of :meth:`skrnn.network.Network.backward`: kernels compute each row by itself, and all
sums run from the last step to the first.

With stretches of about the square root of the number of steps, as many states as steps of a stretch
are held, and the time is that of one more forward pass (T. Chen, B. Xu, C. Zhang and C. Guestrin,
"Training Deep Nets with Sublinear Memory Cost", 2016). A layer that is read in both directions must
know all outputs of the layer below: there they are kept, and their gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np

from skrnn import bptt
from skrnn.batching import add_rows, take_rows
from skrnn.heads import scale_rows
from skrnn.trace import Trace


def cut_steps(batch, n_steps):
    """Return the stretches of a batch, each of `n_steps` but the last.

    Parameters
    ----------
    batch : PackedBatch
        The batch.
    n_steps : int or "auto"
        Steps of a stretch; "auto" is the square root of those of the batch, rounded up.

    Returns
    -------
    stretches : list of Stretch
        In the order of time.
    """
    if n_steps == "auto":
        n_steps = 1 + isqrt(batch.n_steps - 1)
    return [
        batch.stretch(first, min(first + n_steps, batch.n_steps))
        for first in range(0, batch.n_steps, n_steps)
    ]


class Tower:
    """Layers of one direction on top of each other, run a stretch at a time.

    Parameters
    ----------
    parts : list of tuple of (Layer, LayerWeights, LayerWeights)
        The layers from the bottom, their weights, and views of their gradients.
    recurrent_masks : list of ndarray or None
        Recurrent dropout of each.
    input_masks : list of ndarray or None
        Dropout of what each but the first reads.
    stretches : list of Stretch
        The steps.
    read : callable
        ``read(stretch, workspace)`` returns what the bottom layer reads.
    workspace : Workspace
        Where the tower lives.
    n_held : int, default=1
        How many stretches are held at a time. What is not held any more is computed again on the
        way back.
    """

    def __init__(self, parts, recurrent_masks, input_masks, stretches, read, workspace, n_held=1):
        self.parts = parts
        self.recurrent_masks = recurrent_masks
        self.input_masks = input_masks
        self.stretches = stretches
        self.read = read
        self.workspace = workspace
        self._states = [[None] * len(parts)]
        self._places = [workspace.part(("stretch", number)) for number in range(n_held)]
        self._held = [(None, None)] * n_held

    def forward(self, note):
        """Run all stretches; ``note(stretch, kept)`` is told of the top layer in each."""
        for number, stretch in enumerate(self.stretches):
            kept = self._run(number)
            note(stretch, kept[-1])
            if stretch is not self.stretches[-1]:
                n_next = self.stretches[number + 1].n_sequences
                after = stretch.n_sequences + stretch.starts[-2]
                self._states.append(
                    [part.buffers.states[:, after : after + n_next].copy() for part in kept]
                )

    def backward(self, spread, pass_down=None):
        """Go back through all stretches and add the gradients of the layers' weights.

        Parameters
        ----------
        spread : callable
            ``spread(stretch, kept)`` writes the loss gradient of the outputs of the top layer, or
            leaves it out.
        pass_down : callable or None, default=None
            ``pass_down(stretch, d_x)`` is told that of what the bottom layer read.
        """
        later = [None] * len(self.parts)
        turned = [
            [layer.transposed(weights, self.workspace, which) for which in ("W_h", "W_x")]
            for layer, weights, _ in self.parts
        ]
        for number in range(len(self.stretches) - 1, -1, -1):
            stretch, kept = self.stretches[number], self._run(number)
            for (layer, _, _), part in zip(self.parts, kept, strict=True):
                # One for all stretches that are held.
                part.buffers.d_output = self.workspace.take(
                    (layer.name, "d_output"), part.output.shape, part.output.dtype
                )
            spread(stretch, kept[-1])
            for i in range(len(self.parts) - 1, -1, -1):
                layer, _, gradient = self.parts[i]
                d_final = _padded(later[i], stretch.n_sequences)
                layer.run_back(turned[i][0], kept[i], stretch, bptt.full, d_final)
                for gate in range(len(layer.cell.gates)):
                    layer.add_weight_gradient(kept[i], gate, gradient)
                later[i] = kept[i].buffers.d_state.copy()
                if i > 0:
                    d_x = kept[i - 1].buffers.d_output
                    d_x[...] = layer.run_down(turned[i][1], kept[i], self.workspace)
                    self._drop(i, stretch, d_x, d_x)
            if pass_down is not None:
                d_x = self.parts[0][0].run_down(turned[0][1], kept[0], self.workspace)
                pass_down(stretch, d_x)

    def _run(self, number):
        """Return what the layers leave of a stretch, which may be there still."""
        place = number % len(self._held)
        if self._held[place][0] != number:
            self._held[place] = number, self._run_again(number, self._places[place])
        return self._held[place][1]

    def _run_again(self, number, workspace):
        stretch, kept = self.stretches[number], []
        x = self.read(stretch, workspace)
        for i, (layer, weights, _) in enumerate(self.parts):
            if i > 0:
                x = kept[-1].output
                if self.input_masks is not None:
                    x = workspace.take(("scaled", i), x.shape, x.dtype)
                    self._drop(i, stretch, kept[-1].output, x)
            mask = None
            if self.recurrent_masks is not None:
                mask = self.recurrent_masks[i][: stretch.n_sequences]
            kept.append(
                layer.forward(weights, x, stretch, mask, workspace, self._states[number][i])
            )
        return kept

    def _drop(self, i, stretch, values, out):
        if self.input_masks is not None:
            scale_rows(values, stretch.shape.positions, self.input_masks[i - 1], out)


def _padded(d_states, n_sequences):
    """Return gradients of final states, zero for sequences that end earlier."""
    if d_states is None:
        return None
    padded = np.zeros((d_states.shape[0], n_sequences, d_states.shape[2]), dtype=d_states.dtype)
    padded[:, : d_states.shape[1]] = d_states
    return padded


class OneWay:
    """A batch on its way through a network of one direction.

    Parameters
    ----------
    network : Network
        The network.
    params : ndarray of shape (layout.size,)
        Its weights.
    batch : PackedBatch
        The sequences.
    masks : DropoutMasks
        Dropout, in the batch's order.
    n_steps : int or "auto"
        Steps of a stretch.
    workspace : Workspace
        Where a stretch lives.
    gradient : NetworkWeights
        Views of the flat gradient, to which is added.
    holds_all : bool, default=False
        Whether all stretches are held, so that nothing is computed twice.
    """

    def __init__(
        self, network, params, batch, masks, n_steps, workspace, gradient, *, holds_all=False
    ):
        self.network, self.batch, self.masks = network, batch, masks
        self.workspace, self.gradient = workspace, gradient
        self.weights = network.bind(params)
        self.dtype = params.dtype
        stretches = cut_steps(batch, n_steps)
        pairs = zip(network.layers, self.weights.layers, gradient.layers, strict=True)
        self.tower = Tower(
            [(layer, own, change) for (layer,), (own,), (change,) in pairs],
            masks.recurrent and [masks.recurrent[i, 0] for i in range(len(network.layers))],
            masks.inputs,
            stretches,
            self._read,
            workspace,
            len(stretches) if holds_all else 1,
        )

    def forward(self):
        """Run the batch and return its trace, which has no layers."""
        head = self.network.head
        n_rows = self.batch.n_rows if head.each_step else self.batch.n_sequences
        raw = np.empty((n_rows, self.network.n_outputs), dtype=self.dtype)
        found = []

        def note(stretch, kept):
            pooled, reached = head.read([kept], stretch, self.workspace)
            if head.each_step:
                raw[stretch.rows] = self._raw(self._features(pooled, stretch))
            else:
                found[:] = pooled, reached

        self.tower.forward(note)
        if head.each_step:
            return Trace(self.batch, self.masks, None, None, None, raw, None)
        pooled, reached = found
        features = self._features(pooled, self.batch)
        raw[...] = self._raw(features)
        return Trace(self.batch, self.masks, None, pooled, features, raw, None, reached)

    def backward(self, trace, d_raw):
        """Add the gradient of all weights, given the loss gradient of the raw outputs."""
        part = None

        def spread(stretch, kept):
            nonlocal part
            part = self._trace_of(stretch, kept, trace)
            if not self.network.head.reads(stretch):
                kept.buffers.leave_out_d_output()
                kept.buffers.d_output[...] = 0  # which has no rows, if the cell can do without
                return
            own = d_raw[stretch.rows] if self.network.head.each_step else d_raw
            self.network.head.backward(self.weights.head, part, own, self.workspace)
            if self.network.head.each_step or stretch is self.tower.stretches[-1]:
                self.network.head.add_weight_gradients(part, own, self.gradient.head)

        def pass_down(stretch, d_x):
            steps = self.workspace.take("ids", (stretch.n_rows, self.network.n_channels), d_x.dtype)
            stretch.pack(steps)
            part.steps, part.d_inputs = steps, d_x
            self.network.inputs.add_gradient(part, self.gradient.tables)

        self.tower.backward(spread, pass_down if self.network.inputs.learns else None)

    def _read(self, stretch, workspace):
        steps = workspace.take("x", (stretch.n_rows, self.network.n_channels), self.dtype)
        stretch.pack(steps)
        return self.network.inputs.read(self.weights.inputs, steps, workspace)

    def _features(self, pooled, batch):
        if self.masks.inputs is None:
            return pooled
        return self.network.head.drop(pooled, self.masks.inputs[-1], batch, self.workspace)

    def _raw(self, features):
        return self.network.head.raw(self.weights.head, features, self.workspace)

    def _trace_of(self, stretch, kept, trace):
        """Return the trace of a stretch, as far as the head reads it."""
        features = trace.features
        if self.network.head.each_step:
            features = self._features(kept.output, stretch)
        is_last = stretch is self.tower.stretches[-1]
        part = Trace(stretch, self.masks, [[kept]], None, features, None, None, trace.reached)
        part.d_head = trace.d_head if is_last else None
        return part


@dataclass
class Outputs:
    """Outputs of all steps of one direction of a layer, in its own time, and their gradient."""

    output: np.ndarray
    d_output: np.ndarray

    @property
    def buffers(self):
        """Itself: heads look for the gradient there."""
        return self


class BothWays:
    """A batch on its way through a network of two directions.

    Parameters are those of :class:`OneWay`, `holds_all` aside.
    """

    def __init__(self, network, params, batch, masks, n_steps, workspace, gradient):
        self.network, self.batch, self.masks = network, batch, masks
        self.workspace, self.gradient = workspace, gradient
        self.weights = network.bind(params)
        self.stretches = cut_steps(batch, n_steps)
        self.outputs, self.towers = [], []
        self.steps = workspace.take("x", (batch.n_rows, network.n_channels), params.dtype)
        batch.pack(self.steps)
        self.x = network.inputs.read(self.weights.inputs, self.steps, workspace)

    def forward(self):
        """Run the batch and return its trace; its layers are those of :class:`Outputs`."""
        for i, directions in enumerate(self.network.layers):
            self.outputs.append([self._empty_outputs(i, d) for d in range(2)])
            self.towers.append([self._tower(i, d) for d in range(len(directions))])
            for tower, outputs in zip(self.towers[i], self.outputs[i], strict=True):
                tower.forward(lambda stretch, kept, outputs=outputs: outputs.output.__setitem__(
                    stretch.rows, kept.output
                ))  # fmt: skip
        head, masks = self.network.head, self.masks
        pooled, reached = head.read(self.outputs[-1], self.batch, self.workspace)
        features = pooled
        if masks.inputs is not None:
            features = head.drop(pooled, masks.inputs[-1], self.batch, self.workspace)
        raw = head.raw(self.weights.head, features, self.workspace)
        layers = self.outputs
        return Trace(self.batch, masks, layers, pooled, features, raw, self.steps, reached)

    def backward(self, trace, d_raw):
        """Add the gradient of all weights, given the loss gradient of the raw outputs."""
        head = self.network.head
        head.backward(self.weights.head, trace, d_raw, self.workspace)
        head.add_weight_gradients(trace, d_raw, self.gradient.head)
        for i in range(len(self.towers) - 1, -1, -1):
            for d, tower in enumerate(self.towers[i]):
                outputs = self.outputs[i][d]

                def spread(stretch, kept, outputs=outputs):
                    kept.buffers.d_output[...] = outputs.d_output[stretch.rows]

                tower.backward(spread, self._pass_down(i, d, trace))
            if i > 0 and self.masks.inputs is not None:
                self._drop_gradients(i)
        if self.network.inputs.learns:
            self.network.inputs.add_gradient(trace, self.gradient.tables)

    def _empty_outputs(self, i, d):
        shape = self.batch.n_rows, self.network.hidden_layer_sizes[i]
        names = ("all_outputs", i, d), ("all_d_outputs", i, d)
        return Outputs(*(self.workspace.take(name, shape, self.x.dtype) for name in names))

    def _tower(self, i, d):
        part = self.network.layers[i][d], self.weights.layers[i][d], self.gradient.layers[i][d]
        recurrent = self.masks.recurrent and [self.masks.recurrent[i, d]]
        read = self._read_steps if i == 0 else self._read_below
        return Tower(
            [part],
            recurrent,
            None,
            self.stretches,
            lambda stretch, workspace: read(stretch, workspace, i, d),
            self.workspace,
        )

    def _read_steps(self, stretch, workspace, i, d):
        """Return what the bottom layer reads."""
        if d == 0:
            return self.x[stretch.rows]
        x = workspace.take("turned", (stretch.n_rows, self.x.shape[1]), self.x.dtype)
        take_rows(self.x, self.batch.shape.reversal[stretch.rows], x)
        return x

    def _read_below(self, stretch, workspace, i, d):
        """Return what a higher layer reads: the outputs below, both directions side by side."""
        n_units = self.network.hidden_layer_sizes[i - 1]
        shape = stretch.n_rows, 2 * n_units
        x = workspace.take(("joined", i, d), shape, self.x.dtype)
        own, other = self.outputs[i - 1][d].output, self.outputs[i - 1][1 - d].output
        x[:, d * n_units : (d + 1) * n_units] = own[stretch.rows]
        turned = other[self.batch.shape.reversal[stretch.rows]]
        x[:, (1 - d) * n_units : (2 - d) * n_units] = turned
        if self.masks.inputs is not None:
            scale_rows(x, stretch.shape.positions, self.masks.inputs[i - 1], x)
        return x

    def _pass_down(self, i, d, trace):
        """Return what takes the gradient of what a layer read, one direction after the other."""
        if i == 0 and not self.network.inputs.learns:
            return None
        reversal = self.batch.shape.reversal
        if i == 0:
            trace.d_inputs = self.workspace.take("d_inputs", self.x.shape, self.x.dtype)

            def to_inputs(stretch, d_x):
                if d == 0:
                    trace.d_inputs[stretch.rows] = d_x
                else:
                    add_rows(d_x, reversal[stretch.rows], trace.d_inputs)

            return to_inputs
        n_units = self.network.hidden_layer_sizes[i - 1]
        own, other = self.outputs[i - 1][d].d_output, self.outputs[i - 1][1 - d].d_output

        def to_outputs(stretch, d_x):
            mine = d_x[:, d * n_units : (d + 1) * n_units]
            its = d_x[:, (1 - d) * n_units : (2 - d) * n_units]
            if d == 0:
                own[stretch.rows] = mine
                other[reversal[stretch.rows]] = its
            else:
                own[stretch.rows] += mine
                other[reversal[stretch.rows]] += its

        return to_outputs

    def _drop_gradients(self, i):
        positions, n_units = self.batch.shape.positions, self.network.hidden_layer_sizes[i - 1]
        for d, outputs in enumerate(self.outputs[i - 1]):
            mask = self.masks.inputs[i - 1][:, d * n_units : (d + 1) * n_units]
            scale_rows(outputs.d_output, positions, np.ascontiguousarray(mask), outputs.d_output)


def through(network, params, batch, masks, n_steps, workspace, gradient):
    """Return a batch on its way through a network, a stretch at a time.

    Parameters are those of :class:`OneWay`, `holds_all` aside.

    Returns
    -------
    way : OneWay or BothWays
        To be run by its `forward`, then its `backward`.
    """
    kind = OneWay if network.n_directions == 1 else BothWays
    return kind(network, params, batch, masks, n_steps, workspace, gradient)
