"""Recurrent layers on top of each other, from given states to final ones.

A stack has no head: what comes out is the output of its top layer at every step, and the states of
all layers after each sequence's last step. It takes the loss gradient of both back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn import bptt
from skrnn.batching import add_rows, take_rows
from skrnn.heads import scale_rows, share_gradient, side_by_side
from skrnn.layer import Layer, LayerWeights

DIRECTIONS = ("forward", "backward")


@dataclass
class StackTrace:
    """What the forward pass of a stack leaves for its backward pass.

    Attributes
    ----------
    batch : PackedBatch
        The sequences, or anything else with their `shape`.
    masks : DropoutMasks
        Dropout, in the batch's order.
    layers : list of list of Kept
        For each layer and direction.
    """

    batch: object
    masks: object
    layers: list


class Stack:
    """Stacked recurrent layers.

    Parameters
    ----------
    cell : Cell
        The recurrent cell of all layers.
    name : str
        Prefix of the names of all weights, such as ``"encoder."``.
    n_inputs : int
        Numbers a step brings.
    hidden_layer_sizes : tuple of int
        Units of each layer, per direction.
    layout : ParameterLayout
        Where the weights are added.
    bidirectional : bool, default=False
        Whether each layer also reads the sequences backwards.
    """

    def __init__(self, cell, name, n_inputs, hidden_layer_sizes, layout, *, bidirectional=False):
        self.cell = cell
        self.name = name
        self.hidden_layer_sizes = tuple(hidden_layer_sizes)
        self.n_directions = 2 if bidirectional else 1
        self.layers = []
        for i, n_units in enumerate(self.hidden_layer_sizes):
            self.layers.append(
                [
                    Layer(cell, f"{name}layer_{i}.{direction}", n_inputs, n_units, layout)
                    for direction in DIRECTIONS[: self.n_directions]
                ]
            )
            n_inputs = n_units * self.n_directions
        self.n_outputs = n_inputs

    def bind(self, vector):
        """Return views of the weights of each layer and direction in a flat vector."""
        return [[LayerWeights(layer, vector) for layer in pair] for pair in self.layers]

    def initialise(self, params, rng, n_steps):
        """Draw fresh weights into a flat vector of zeros."""
        for pair in self.layers:
            for layer in pair:
                layer.initialise(params, rng, n_steps)

    # ---------------------------------------------------------------- forward

    def forward(self, weights, x, batch, workspace, masks, initial=None, advance=bptt.at_once):
        """Run a batch.

        Parameters
        ----------
        weights : list of list of LayerWeights
            What `bind` returned.
        x : ndarray of shape (R, n_inputs)
            What arrives at each step.
        batch : PackedBatch
            The sequences, or anything else with their `shape`.
        workspace : Workspace
            Where the result lives.
        masks : DropoutMasks
            Dropout, in the batch's order.
        initial : list of ndarray of shape (S, n, H) or None, default=None
            States of each layer before the first step, of a stack of one direction.
        advance : callable, default=bptt.at_once
            How the bottom layer walks forward through time.

        Returns
        -------
        trace : StackTrace
            What `backward` needs.
        """
        trace = StackTrace(batch, masks, [])
        for i in range(len(self.layers)):
            if i > 0:
                x = self._next_input(i, trace, workspace)
            trace.layers.append(
                [
                    self.layers[i][d].forward(
                        own_weights,
                        x if d == 0 else self._turned(i, x, batch, workspace),
                        batch,
                        None if masks.recurrent is None else masks.recurrent[i, d],
                        workspace,
                        None if initial is None else initial[i],
                        advance if i == 0 else bptt.at_once,
                    )
                    for d, own_weights in enumerate(weights[i])
                ]
            )
        return trace

    def _turned(self, i, x, batch, workspace):
        turned = workspace.take((self.name, "turned", i), x.shape, x.dtype)
        take_rows(x, batch.shape.reversal, turned)
        return turned

    def _next_input(self, i, trace, workspace):
        x = self.outputs(trace, workspace, i - 1)
        if trace.masks.inputs is None:
            return x
        scaled = workspace.take((self.name, "scaled", i), x.shape, x.dtype)
        scale_rows(x, trace.batch.shape.positions, trace.masks.inputs[i - 1], scaled)
        return scaled

    def outputs(self, trace, workspace, layer=-1):
        """Return the outputs of a layer at each step, both directions side by side.

        Parameters
        ----------
        trace : StackTrace
            What `forward` returned.
        workspace : Workspace
            The one given to `forward`.
        layer : int, default=-1
            Which layer.

        Returns
        -------
        outputs : ndarray of shape (R, H * n_directions)
            In the batch's rows.
        """
        key = (self.name, "joined", layer % len(self.layers))
        return side_by_side(trace.layers[layer], trace.batch, workspace, key)

    def final_states(self, trace):
        """Return the states of each layer after each sequence's last step.

        Parameters
        ----------
        trace : StackTrace
            What `forward` returned.

        Returns
        -------
        states : list of ndarray of shape (S, n, H * n_directions)
            Both directions side by side: the last step of the backward one is the first in time.
        """
        shape = trace.batch.shape
        last = shape.n_sequences + shape.starts[shape.lengths - 1] + np.arange(shape.n_sequences)
        return [
            np.concatenate([kept.buffers.states.take(last, axis=1) for kept in pair], axis=2)
            for pair in trace.layers
        ]

    def step(self, weights, gates, before):
        """Run one step of all layers.

        Parameters
        ----------
        weights : list of list of LayerWeights
            What `bind` returned.
        gates : ndarray of shape (G, n, H)
            The input's share of the gates of the bottom layer; overwritten.
        before : sequence of ndarray of shape (S, n, H)
            States of each layer before the step.

        Returns
        -------
        after : list of ndarray of shape (S, n, H)
            States of each layer after it; the outputs are ``after[-1][0]``.
        """
        after = []
        for i, ((layer,), (own_weights,)) in enumerate(zip(self.layers, weights, strict=True)):
            if i > 0:
                gates = layer.project(own_weights, after[-1][0])
            after.append(layer.step_gates(own_weights, gates, before[i]))
        return after

    # --------------------------------------------------------------- backward

    def backward(self, weights, trace, d_outputs, workspace, walk, d_final=None, bottom_walk=None):
        """Turn the gates into their loss gradients.

        Parameters
        ----------
        weights : list of list of LayerWeights
            What `bind` returned.
        trace : StackTrace
            What `forward` returned; its gates are overwritten.
        d_outputs : ndarray of shape (R, H * n_directions)
            Loss gradient of the outputs of the top layer.
        workspace : Workspace
            The one given to `forward`.
        walk : callable
            How to walk back through time.
        d_final : list of ndarray of shape (S, n, H * n_directions) or None, default=None
            Loss gradient of what `final_states` returned.
        bottom_walk : callable or None, default=None
            How the bottom layer walks back, if not as the others.

        Returns
        -------
        d_initial : list of ndarray of shape (S, n, H)
            Loss gradient of the initial states of each layer, of a stack of one direction.
        """
        share_gradient(d_outputs, trace.layers[-1], trace.batch)
        for i in range(len(self.layers) - 1, -1, -1):
            for d, kept in enumerate(trace.layers[i]):
                n_units = self.hidden_layer_sizes[i]
                own = None if d_final is None else d_final[i][..., d * n_units : (d + 1) * n_units]
                own_walk = bottom_walk if i == 0 and bottom_walk is not None else walk
                self.layers[i][d].backward(
                    weights[i][d], kept, trace.batch, own_walk, workspace, own
                )
            if i > 0:
                d_x = self.input_gradient(weights, trace, workspace, i)
                if trace.masks.inputs is not None:
                    mask = trace.masks.inputs[i - 1]
                    scale_rows(d_x, trace.batch.shape.positions, mask, d_x)
                share_gradient(d_x, trace.layers[i - 1], trace.batch)
        return [pair[0].buffers.d_state for pair in trace.layers]

    def input_gradient(self, weights, trace, workspace, layer=0):
        """Return the loss gradient of what a layer read at each step, after `backward`.

        Parameters
        ----------
        weights : list of list of LayerWeights
            What `bind` returned.
        trace : StackTrace
            What `forward` returned.
        workspace : Workspace
            The one given to `forward`.
        layer : int, default=0
            Which layer.

        Returns
        -------
        d_x : ndarray of shape (R, n_inputs)
            The gradient.
        """
        pair, kept = self.layers[layer], trace.layers[layer]
        d_x = pair[0].input_gradient(weights[layer][0], kept[0], workspace)
        if self.n_directions == 2:
            turned = pair[1].input_gradient(weights[layer][1], kept[1], workspace)
            add_rows(turned, trace.batch.shape.reversal, d_x)
        return d_x

    def gradient_tasks(self):
        """Return the independent parts of the weight gradient: layer, direction and gate."""
        return [
            (i, d, gate)
            for i in range(len(self.layers))
            for d in range(self.n_directions)
            for gate in range(len(self.cell.gates))
        ]

    def add_weight_gradient(self, task, trace, gradient):
        """Add one part of the weight gradient, after `backward`.

        Parameters
        ----------
        task : tuple of (int, int, int)
            One of :meth:`gradient_tasks`.
        trace : StackTrace
            What `backward` left.
        gradient : list of list of LayerWeights
            Views of the flat gradient.
        """
        i, d, gate = task
        self.layers[i][d].add_weight_gradient(trace.layers[i][d], gate, gradient[i][d])
