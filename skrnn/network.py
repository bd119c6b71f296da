"""Stacked, bidirectional recurrent layers under a head.

The network knows its cell only by the contract in :mod:`skrnn.cells.base`. It owns no weights:
every method takes the flat parameter vector, so one network serves any number of threads. It only
remembers its views of the vector that was used last.
"""

from __future__ import annotations

import numpy as np

from skrnn import bptt
from skrnn.batching import add_rows, take_rows
from skrnn.crf_head import CRFHead
from skrnn.embedding import make_inputs
from skrnn.heads import SequenceHead, StepHead, scale_rows, share_gradient, side_by_side
from skrnn.layer import Layer, LayerWeights
from skrnn.masks import NO_DROPOUT, DropoutMasks
from skrnn.params import ParameterLayout
from skrnn.trace import Trace
from skrnn.workspace import aligned

__all__ = ["DIRECTIONS", "NO_DROPOUT", "DropoutMasks", "Network", "NetworkWeights", "Trace"]

DIRECTIONS = ("forward", "backward")


class NetworkWeights:
    """Views of all weights in a flat vector, made once for many batches.

    Parameters
    ----------
    network : Network
        Whose weights.
    vector : ndarray of shape (layout.size,)
        The flat vector, of weights or of their gradients.
    """

    def __init__(self, network, vector):
        self.layers = [
            [LayerWeights(layer, vector) for layer in directions] for directions in network.layers
        ]
        self.head = network.head.bind(vector)
        self.inputs = network.inputs.bind(vector)
        # Prepared runs that no thread is using (see skrnn.prepared).
        self.idle = {}


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
    pooling : {"last", "mean", "max"} or None, default="last"
        What the head reads; None is the state at every step, with an output for each.
    head : {"linear", "crf"}, default="linear"
        With an output for each step: whether each is judged by itself, or all of a sequence
        together by a conditional random field.
    tables : dict of int to tuple of (int, int), default=None
        Channels that hold ids, with the number of ids and of the numbers that stand for each.
    train_tables : bool, default=True
        Whether these numbers are learned.

    Attributes
    ----------
    layout : ParameterLayout
        Where the weights live in the flat vector.
    layers : list of list of Layer
        For each layer and direction.
    n_features : int
        Numbers that the head reads at a time.
    inputs : PlainInputs or Embedding
        What it begins with.
    head : SequenceHead, StepHead or CRFHead
        What it ends with.
    n_dense : int
        Weights before those of tables in the flat vector.
    description : str
        The network in a few words.
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
        head="linear",
        tables=None,
        train_tables=True,
    ):
        self.cell = cell
        self.n_channels = n_channels
        self.hidden_layer_sizes = tuple(hidden_layer_sizes)
        self.n_outputs = n_outputs
        self.n_directions = 2 if bidirectional else 1
        self.pooling = pooling
        self.head_name = head
        self.layout = ParameterLayout()
        self.inputs = make_inputs(n_channels, tables, train_tables)
        self.layers, n_inputs = [], self.inputs.n_outputs
        for i, n_units in enumerate(self.hidden_layer_sizes):
            self.layers.append(
                [
                    Layer(cell, f"layer_{i}.{direction}", n_inputs, n_units, self.layout)
                    for direction in DIRECTIONS[: self.n_directions]
                ]
            )
            n_inputs = n_units * self.n_directions
        self.n_features = n_inputs
        if pooling is None:
            kind = {"linear": StepHead, "crf": CRFHead}[head]
            self.head = kind(n_inputs, n_outputs, self.layout)
        else:
            self.head = SequenceHead(n_inputs, n_outputs, self.layout, pooling)
        self.n_dense = self.layout.size
        self.inputs.add_to(self.layout)
        both = ", bidirectional" if bidirectional else ""
        self.description = (
            f"{self.inputs.description}, {cell.name}{self.hidden_layer_sizes}{both}, "
            f"{self.head.description}"
        )
        self._bound = None, None

    def __getstate__(self):
        return {**self.__dict__, "_bound": (None, None)}

    @property
    def can_carry(self):
        """Whether outputs of a stretch follow from the states before it and its own steps."""
        return self.n_directions == 1 and self.head.each_step and self.head.can_stream

    @property
    def arguments(self):
        """What makes the same network, the cell aside."""
        return {
            "n_channels": self.n_channels,
            "hidden_layer_sizes": self.hidden_layer_sizes,
            "n_outputs": self.n_outputs,
            "bidirectional": self.n_directions == 2,
            "pooling": self.pooling,
            "head": self.head_name,
            "tables": self.inputs.tables,
            "train_tables": self.inputs.learns,
        }

    def is_like(self, other):
        """Tell whether another network differs in nothing but its weights."""
        return self.cell is other.cell and self.arguments == other.arguments

    # ---------------------------------------------------------------- weights

    def bind(self, params):
        """Return views of all weights in a flat vector, made once for the vector in use.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The flat vector.

        Returns
        -------
        weights : NetworkWeights
            The views.
        """
        vector, weights = self._bound
        if vector is not params:
            weights = NetworkWeights(self, params)
            self._bound = params, weights
        return weights

    def initial_parameters(self, rng, dtype, n_steps):
        """Draw fresh weights: Glorot for inputs and head, orthogonal for the recurrence.

        Parameters
        ----------
        rng : numpy.random.RandomState
            Source of the numbers, drawn in float64 whatever the `dtype`.
        dtype : numpy dtype
            Float type of the result.
        n_steps : int
            Length of the longest sequence, over which memory gates are to remember.

        Returns
        -------
        params : ndarray of shape (layout.size,)
            The flat vector.
        """
        params = aligned(np.zeros(self.layout.size), dtype)
        for directions in self.layers:
            for layer in directions:
                layer.initialise(params, rng, n_steps)
        self.head.initialise(params, rng)
        self.inputs.initialise(params, rng)
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
            ``"head.b_y"`` of shape (outputs,); ``"embedding.0"`` of shape (ids, numbers) of
            channel 0.
        """
        weights = {}
        for name, block in self.layout.blocks.items():
            if name.startswith(("head.", "embedding.")):
                weights[name] = block.view(params)
            else:
                for gate, view in zip(self.cell.gates, block.view(params), strict=True):
                    weights[name + gate] = view
        return weights

    def __repr__(self):
        return self.description

    # ---------------------------------------------------------------- forward

    def forward(self, params, batch, workspace, masks=None, initial=None):
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
        initial : list of ndarray of shape (S, n, H) or None, default=None
            States of each layer before the first step, of a network of one direction; None is
            zero.

        Returns
        -------
        trace : Trace
            The raw outputs in ``raw``, one row a sequence or a step, and what `backward` needs.
        """
        masks = NO_DROPOUT if masks is None else masks
        x = workspace.take("x", (batch.n_rows, self.n_channels), params.dtype)
        batch.pack(x)
        weights, layers, steps = self.bind(params), [], x
        x = self.inputs.read(weights.inputs, steps, workspace)
        for i, directions in enumerate(weights.layers):
            if i > 0:
                x = self._next_input(i, layers[-1], batch, workspace, masks)
            layers.append(
                [
                    self._run(
                        i,
                        d,
                        own_weights,
                        x,
                        batch,
                        workspace,
                        masks,
                        None if initial is None else initial[i],
                    )
                    for d, own_weights in enumerate(directions)
                ]
            )
        pooled, reached = self.head.read(layers[-1], batch, workspace)
        features = pooled
        if masks.inputs is not None:
            features = self.head.drop(pooled, masks.inputs[-1], batch, workspace)
        raw = self.head.raw(weights.head, features, workspace)
        return Trace(batch, masks, layers, pooled, features, raw, steps, reached)

    def _run(self, i, direction, weights, x, batch, workspace, masks, initial):
        if direction == 1:
            turned = workspace.take(("turned", i), x.shape, x.dtype)
            take_rows(x, batch.shape.reversal, turned)
            x = turned
        mask = None if masks.recurrent is None else masks.recurrent[i, direction]
        return self.layers[i][direction].forward(weights, x, batch, mask, workspace, initial)

    def final_states(self, trace):
        """Return the states of each layer after each sequence's last step.

        Parameters
        ----------
        trace : Trace
            What `forward` of a network of one direction returned.

        Returns
        -------
        states : list of ndarray of shape (S, n, H)
            Copies, in the batch's order.
        """
        batch, n = trace.batch, trace.batch.n_sequences
        last = n + batch.starts[batch.lengths - 1] + np.arange(n)
        return [kept.buffers.states[:, last] for (kept,) in trace.layers]

    def _next_input(self, i, below, batch, workspace, masks):
        """Return what layer i reads: the outputs below, both directions side by side."""
        x = side_by_side(below, batch, workspace, ("joined", i))
        if masks.inputs is None:
            return x
        scaled = workspace.take(("scaled", i), x.shape, x.dtype)
        scale_rows(x, batch.shape.positions, masks.inputs[i - 1], scaled)
        return scaled

    # --------------------------------------------------------------- backward

    def value_and_gradient(self, loss, params, trace, target, weight, d_raw):
        """Return the weighted loss of a batch, and write its gradient to `d_raw`.

        Parameters
        ----------
        loss : Loss
            The loss.
        params : ndarray of shape (layout.size,)
            The flat vector.
        trace : Trace
            What `forward` left.
        target, weight : ndarray of shape (rows, ...)
            As the loss takes them.
        d_raw : ndarray of shape (rows, n_outputs)
            Loss gradient of the raw outputs.

        Returns
        -------
        value : float
            The weighted loss.
        """
        weights = self.bind(params).head
        return self.head.value_and_gradient(loss, weights, trace, target, weight, d_raw)

    def backward(self, params, trace, d_raw, workspace, walk=bptt.full):
        """Turn the activations of a trace into loss gradients.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The flat vector.
        trace : Trace
            What `forward` left; its gates are overwritten.
        d_raw : ndarray of shape (rows, n_outputs)
            Loss gradient of the raw outputs.
        workspace : Workspace
            The one given to `forward`.
        walk : callable or dict of (int, int) to callable, default=bptt.full
            How to walk back through time, or one for each layer and direction.

        See Also
        --------
        add_weight_gradients : The gradients of the weights, from what this leaves.
        """
        weights = self.bind(params)
        self.head.backward(weights.head, trace, d_raw, workspace)
        for i in range(len(self.layers) - 1, -1, -1):
            for d, layer in enumerate(self.layers[i]):
                kept, own_weights = trace.layers[i][d], weights.layers[i][d]
                one_walk = walk[i, d] if isinstance(walk, dict) else walk
                layer.backward(own_weights, kept, trace.batch, one_walk, workspace)
            if i > 0:
                self._pass_down(i, weights.layers[i], trace, workspace)
        if self.inputs.learns:
            trace.d_inputs = self._input_gradient(0, weights.layers[0], trace, workspace)

    def _pass_down(self, i, weights, trace, workspace):
        """Bring the gradient from the input of layer i to the outputs of the layer below."""
        d_x = self._input_gradient(i, weights, trace, workspace)
        if trace.masks.inputs is not None:
            scale_rows(d_x, trace.batch.shape.positions, trace.masks.inputs[i - 1], d_x)
        share_gradient(d_x, trace.layers[i - 1], trace.batch)

    def _input_gradient(self, i, weights, trace, workspace):
        """Return the loss gradient of what layer i read, both directions together."""
        d_x = self.layers[i][0].input_gradient(weights[0], trace.layers[i][0], workspace)
        if self.n_directions == 2:
            turned = self.layers[i][1].input_gradient(weights[1], trace.layers[i][1], workspace)
            add_rows(turned, trace.batch.shape.reversal, d_x)
        return d_x

    def gradient_tasks(self):
        """Return the independent parts of the weight gradient, to be run in any order."""
        recurrent = [
            (i, d, gate)
            for i in range(len(self.layers))
            for d in range(self.n_directions)
            for gate in range(len(self.cell.gates))
        ]
        return ["head", *(["inputs"] if self.inputs.learns else []), *recurrent]

    def add_weight_gradients(self, task, trace, d_raw, gradient):
        """Add one part of the weight gradient of a batch that `backward` went through.

        Parameters
        ----------
        task : tuple of (int, int, int), "head" or "inputs"
            One of :meth:`gradient_tasks`: layer, direction and gate, or one of the ends.
        trace : Trace
            What `backward` left.
        d_raw : ndarray of shape (rows, n_outputs)
            Loss gradient of the raw outputs.
        gradient : NetworkWeights
            Views of the flat gradient.
        """
        if task == "head":
            self.head.add_weight_gradients(trace, d_raw, gradient.head)
        elif task == "inputs":
            self.inputs.add_gradient(trace, gradient.tables)
        else:
            i, d, gate = task
            self.layers[i][d].add_weight_gradient(trace.layers[i][d], gate, gradient.layers[i][d])
