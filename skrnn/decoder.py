"""The decoder: recurrent layers that read what came out before, look at the source, and speak.

:meth:`Decoder.forward` runs all steps of given output sequences, :meth:`Decoder.step` one step of
sequences that are still being made. They share kernels and the order of every sum, so that a
sequence gets the same bits from both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn import bptt
from skrnn.attention import ATTENTIONS, Look, Memory
from skrnn.dense import Dense
from skrnn.heads import scale_rows
from skrnn.stack import Stack


@dataclass(frozen=True)
class Encoded:
    """What a decoder knows of some sources.

    Attributes
    ----------
    initial : list of ndarray of shape (S, n, H)
        States of each of its layers before the first step.
    memory : Memory or None
        The states of the sources, if there is attention.
    vectors : ndarray of shape (n, n_channels) or None
        What it reads at every step, if anything.
    """

    initial: list
    memory: Memory | None
    vectors: np.ndarray | None


@dataclass
class DecoderTrace:
    """What the forward pass of a decoder leaves for its backward pass.

    Attributes
    ----------
    stack : StackTrace
        Of its layers.
    look : Look or None
        What attention saw.
    combined : ndarray of shape (R, H + D) or None
        Outputs and contexts side by side.
    attended : ndarray of shape (R, H)
        What came of them; without attention the outputs.
    features : ndarray of shape (R, H)
        What the head read, after dropout.
    raw : ndarray of shape (R, n_outputs)
        The raw outputs.
    d_combined : ndarray of shape (R, H) or None
        Loss gradient of `attended`, before its activation.
    """

    stack: object
    look: object
    combined: np.ndarray
    attended: np.ndarray
    features: np.ndarray
    raw: np.ndarray
    d_combined: np.ndarray = None


class DecoderWeights:
    """Views of the weights of a decoder in a flat vector."""

    def __init__(self, decoder, vector):
        self.stack = decoder.stack.bind(vector)
        self.head = decoder.head.bind(vector)
        if decoder.attention is not None:
            self.attention = decoder.attention.bind(vector)
            self.combine = decoder.combine.bind(vector)


class Decoder:
    """The shape of a decoder and its passes.

    Parameters
    ----------
    cell : Cell
        The recurrent cell of all layers.
    n_inputs : int
        Numbers that a step brings.
    hidden_layer_sizes : tuple of int
        Units of each layer.
    n_outputs : int
        Columns of the raw output.
    n_memory : int
        Numbers in a state of a source.
    attention : {"additive", "multiplicative"} or None
        How it looks at the source.
    layout : ParameterLayout
        Where the weights are added.
    """

    def __init__(self, cell, n_inputs, hidden_layer_sizes, n_outputs, n_memory, attention, layout):
        self.stack = Stack(cell, "decoder.", n_inputs, hidden_layer_sizes, layout)
        bottom, top = hidden_layer_sizes[0], hidden_layer_sizes[-1]
        self.attention = None
        if attention is not None:
            kind = ATTENTIONS[attention]
            self.attention = kind(len(cell.gates), bottom, top, n_memory, layout)
            self.combine = Dense(
                ("attention.W_c", "attention.b_c"), top + n_memory, top, layout, squashed=True
            )
        self.head = Dense(("head.W_hy", "head.b_y"), top, n_outputs, layout)

    def bind(self, vector):
        """Return views of the weights in a flat vector."""
        return DecoderWeights(self, vector)

    def initialise(self, params, rng, n_steps):
        """Draw fresh weights into a flat vector of zeros."""
        self.stack.initialise(params, rng, n_steps)
        if self.attention is not None:
            self.attention.initialise(params, rng)
            self.combine.initialise(params, rng)
        self.head.initialise(params, rng)

    # ---------------------------------------------------------------- forward

    def forward(self, weights, x, batch, initial, memory, sources, workspace, masks):
        """Run all steps of given output sequences.

        Parameters
        ----------
        weights : DecoderWeights
            What `bind` returned.
        x : ndarray of shape (R, n_inputs)
            What is read at each step.
        batch : OutputBatch
            The sequences.
        initial : list of ndarray of shape (S, n, H)
            States of each layer before the first step.
        memory : Memory or None
            The sources, if there is attention.
        sources : ndarray of int64 of shape (R,)
            Source of each row.
        workspace : Workspace
            Where the result lives.
        masks : DropoutMasks
            Dropout, in the batch's order.

        Returns
        -------
        trace : DecoderTrace
            The raw outputs in ``raw``, and what `backward` needs.
        """
        look, advance = None, bptt.at_once
        if self.attention is not None:
            look = Look(memory, sources)
            advance = self.attention.advance(weights.attention, look)
        stack = self.stack.forward(weights.stack, x, batch, workspace, masks, initial, advance)
        h = self.stack.outputs(stack, workspace)
        if look is not None:
            self.attention.after_steps(weights.attention, look, h)
        combined, attended = self._combine(weights, h, look)
        features = attended
        if masks.inputs is not None:
            features = np.empty_like(attended)
            scale_rows(attended, batch.shape.positions, masks.inputs[-1], features)
        raw = self.head.forward(weights.head, features)
        return DecoderTrace(stack, look, combined, attended, features, raw)

    def _combine(self, weights, h, look):
        """Return outputs and contexts side by side, and what comes of them."""
        if look is None:
            return None, h
        combined = np.concatenate([h, look.context], axis=1)
        return combined, self.combine.forward(weights.combine, combined)

    def step(self, weights, x, states, memory, sources):
        """Run one step of sequences that are being made.

        Parameters
        ----------
        weights : DecoderWeights
            What `bind` returned.
        x : ndarray of shape (n, n_inputs)
            What is read.
        states : list of ndarray of shape (S, n, H)
            States of each layer before the step.
        memory : Memory or None
            The sources, if there is attention.
        sources : ndarray of int64 of shape (n,)
            Source of each row.

        Returns
        -------
        after : list of ndarray of shape (S, n, H)
            States of each layer after the step.
        raw : ndarray of shape (n, n_outputs)
            The raw outputs.
        """
        gates = self.stack.layers[0][0].project(weights.stack[0][0], x)

        def run(gates):
            return self.stack.step(weights.stack, gates, states)

        if self.attention is None:
            after, look = run(gates), None
        else:
            after, look = self.attention.step(
                weights.attention, memory, sources, gates, states[0][0], run
            )
        _, attended = self._combine(weights, after[-1][0], look)
        return after, self.head.forward(weights.head, attended)

    # --------------------------------------------------------------- backward

    def backward(self, weights, trace, d_raw, workspace, walk):
        """Turn the activations of a trace into loss gradients.

        Parameters
        ----------
        weights : DecoderWeights
            What `bind` returned.
        trace : DecoderTrace
            What `forward` returned.
        d_raw : ndarray of shape (R, n_outputs)
            Loss gradient of the raw outputs.
        workspace : Workspace
            The one given to `forward`.
        walk : callable
            How to walk back through time.

        Returns
        -------
        d_initial : list of ndarray of shape (S, n, H)
            Loss gradient of the states before the first step.
        d_memory : ndarray of shape (N, D) or None
            Loss gradient of the states of the sources, if there is attention.
        """
        d_h = self.head.backward(weights.head, trace.features, d_raw)
        masks, shape = trace.stack.masks, trace.stack.batch.shape
        if masks.inputs is not None:
            scale_rows(d_h, shape.positions, masks.inputs[-1], d_h)
        look, bottom_walk = trace.look, None
        if look is not None:
            trace.d_combined = d_h
            d_both = self.combine.backward(weights.combine, trace.attended, d_h)
            n_top = d_h.shape[1]
            d_h = np.ascontiguousarray(d_both[:, :n_top])
            d_context = np.ascontiguousarray(d_both[:, n_top:])
            self.attention.back_to_outputs(weights.attention, look, d_context, d_h)
            gates = trace.stack.layers[0][0].buffers.gates
            bottom_walk = self.attention.walk(weights.attention, look, gates, walk)
        d_initial = self.stack.backward(
            weights.stack, trace.stack, d_h, workspace, walk, bottom_walk=bottom_walk
        )
        if look is None:
            return d_initial, None
        return d_initial, self.attention.memory_gradient(weights.attention, look)

    def gradient_tasks(self):
        """Return the independent parts of the weight gradient, to be run in any order."""
        parts = [] if self.attention is None else ["attention", "combine"]
        return ["head", *parts, *self.stack.gradient_tasks()]

    def add_weight_gradient(self, task, trace, d_raw, gradient):
        """Add one part of the weight gradient, after `backward`.

        Parameters
        ----------
        task : str or tuple
            One of :meth:`gradient_tasks`.
        trace : DecoderTrace
            What `backward` left.
        d_raw : ndarray of shape (R, n_outputs)
            Loss gradient of the raw outputs.
        gradient : DecoderWeights
            Views of the flat gradient.
        """
        if task == "head":
            self.head.add_gradient(gradient.head, trace.features, d_raw)
        elif task == "combine":
            self.combine.add_gradient(gradient.combine, trace.combined, trace.d_combined)
        elif task == "attention":
            buffers = trace.stack.layers[0][0].buffers
            before = buffers.states[0, _rows_before(trace.stack.batch.shape)]
            self.attention.add_gradient(gradient.attention, trace.look, before, buffers.gates)
        else:
            self.stack.add_weight_gradient(task, trace.stack, gradient.stack)


def _rows_before(shape):
    """Return the row among the states that is before each step of each sequence."""
    later = shape.steps > 0
    rows = shape.positions.copy()
    rows[later] += shape.n_sequences + shape.starts[shape.steps[later] - 1]
    return rows
