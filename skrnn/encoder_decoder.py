"""Networks whose outputs are sequences of their own length: an encoder, a bridge and a decoder.

The encoder is a stack of recurrent layers over a sequence, or nothing at all where one vector says
everything. The network owns no weights: every method takes the flat parameter vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn import bptt
from skrnn.batching import add_rows, take_rows
from skrnn.bridge import Bridge
from skrnn.decoder import Decoder, Encoded
from skrnn.embedding import make_inputs
from skrnn.network import NO_DROPOUT
from skrnn.outputs import OutputBatch
from skrnn.params import ParameterLayout
from skrnn.stack import Stack


@dataclass(frozen=True)
class PairOfMasks:
    """Dropout of encoder and decoder."""

    encoder: object = NO_DROPOUT
    decoder: object = NO_DROPOUT

    def take(self, index):
        """Return the masks of some sequences."""
        return PairOfMasks(self.encoder.take(index), self.decoder.take(index))


@dataclass
class PairTrace:
    """What the forward pass leaves for the backward pass.

    Attributes
    ----------
    source, output : PackedBatch, OutputBatch
        Inputs and outputs.
    ends : ndarray of shape (n, n_final)
        What the bridge read, for each layer and state; empty where it reads nothing.
    encoder : StackTrace or None
        Of the encoder.
    encoded : Encoded
        What the decoder knew.
    places : ndarray of int64 of shape (n,)
        Place in `source` of the source of each output sequence.
    tokens : ndarray of int64 of shape (R,) or None
        Tokens that were read.
    decoder : DecoderTrace
        Of the decoder.
    steps : ndarray of shape (R, n_channels)
        The steps of the input as they were packed.
    d_initial : list
        Loss gradients of the initial states before their activation.
    d_tokens : ndarray of shape (R, n_values)
        Loss gradient of the vectors of tokens.
    d_inputs : ndarray of shape (R, n_inputs)
        Loss gradient of what the encoder read, where it is needed.
    """

    source: object
    output: object
    ends: list
    encoder: object
    encoded: Encoded
    places: np.ndarray
    tokens: np.ndarray | None
    decoder: object
    steps: np.ndarray
    d_initial: list = None
    d_tokens: np.ndarray = None
    d_inputs: np.ndarray = None

    @property
    def raw(self):
        """Raw outputs of each step."""
        return self.decoder.raw


class PairWeights:
    """Views of all weights in a flat vector, made once for many batches."""

    def __init__(self, network, vector):
        self.inputs = network.inputs.bind(vector)
        self.encoder = None if network.encoder is None else network.encoder.bind(vector)
        self.bridge = None if network.bridge is None else network.bridge.bind(vector)
        self.table = None if network.table is None else network.table.view(vector)
        self.decoder = network.decoder.bind(vector)


class EncoderDecoder:
    """The shape of a network and its passes.

    Parameters
    ----------
    cell : Cell
        The recurrent cell of all layers.
    n_channels : int
        Numbers that a step of the input brings, or the one vector.
    hidden_layer_sizes : tuple of int
        Units of each layer, of the encoder per direction, of the decoder.
    n_outputs : int
        Columns of the raw output.
    reads_vectors : bool, default=False
        Whether the input is one vector instead of a sequence; there is no encoder then.
    bidirectional : bool, default=False
        Whether the encoder also reads its sequences backwards.
    attention : {"additive", "multiplicative"} or None, default=None
        How the decoder looks at the encoder's states.
    n_tokens : int or None, default=None
        Tokens that the decoder may read, the start token included; None where it reads numbers.
    n_values : int
        Numbers that it reads at each step: of the embedding of a token, or of an output.
    feeds_vector : bool, default=False
        Whether it also reads the one vector at every step.
    tables : dict of int to tuple of (int, int), default=None
        Channels of the input that hold ids, with the number of ids and of the numbers that stand
        for each.
    train_tables : bool, default=True
        Whether these numbers are learned.

    Attributes
    ----------
    layout : ParameterLayout
        Where the weights live in the flat vector.
    """

    # Whether outputs of a stretch follow from the states before it and its own steps.
    can_carry = False

    def __init__(
        self,
        cell,
        n_channels,
        hidden_layer_sizes,
        n_outputs,
        *,
        reads_vectors=False,
        bidirectional=False,
        attention=None,
        n_tokens=None,
        n_values,
        feeds_vector=False,
        tables=None,
        train_tables=True,
    ):
        # What makes the same network, the cell aside.
        self.arguments = {
            "n_channels": n_channels,
            "hidden_layer_sizes": tuple(hidden_layer_sizes),
            "n_outputs": n_outputs,
            "reads_vectors": reads_vectors,
            "bidirectional": bidirectional,
            "attention": attention,
            "n_tokens": n_tokens,
            "n_values": n_values,
            "feeds_vector": feeds_vector,
            "tables": tables,
            "train_tables": train_tables,
        }
        self.cell = cell
        self.n_channels = n_channels
        self.hidden_layer_sizes = sizes = tuple(hidden_layer_sizes)
        self.n_outputs = n_outputs
        self.n_values = n_values
        self.feeds_vector = feeds_vector
        self.layout = layout = ParameterLayout()
        self.inputs = make_inputs(n_channels, tables, train_tables)
        self.encoder, n_memory = None, 0
        if not reads_vectors:
            n_inputs = self.inputs.n_outputs
            self.encoder = Stack(
                cell, "encoder.", n_inputs, sizes, layout, bidirectional=bidirectional
            )
            n_memory = self.encoder.n_outputs
        self.n_directions = 1 if self.encoder is None else self.encoder.n_directions
        self.bridge = self._make_bridge(layout)
        self.table = None
        if n_tokens is not None:
            # As a bias, it is spared the penalty, as the tables of the input are.
            self.table = layout.add("decoder.embedding", (n_tokens, n_values), is_bias=True)
        n_inputs = n_values + (n_channels if feeds_vector else 0)
        self.decoder = Decoder(cell, n_inputs, sizes, n_outputs, n_memory, attention, layout)
        self.n_dense = layout.size
        self.inputs.add_to(layout)
        self.description = self._describe(attention)
        self._bound = None, None

    def _make_bridge(self, layout):
        """Return the bridge; None where the encoder's states are taken as they are."""
        sizes = self.hidden_layer_sizes
        if self.encoder is None:
            return Bridge(self.cell, [self.n_channels] * len(sizes), sizes, layout)
        if self.encoder.n_directions == 2:
            return Bridge(self.cell, [2 * n_units for n_units in sizes], sizes, layout)
        return None

    def _describe(self, attention):
        source = "one vector of " if self.encoder is None else ""
        both = ", bidirectional" if self.n_directions == 2 else ""
        look = "no attention" if attention is None else f"{attention} attention"
        fed = ", read at every step" if self.feeds_vector else ""
        return (
            f"{source}{self.inputs.description}{fed}, {self.cell.name}{self.hidden_layer_sizes}"
            f"{both}, decoded with {look}, {self.n_outputs} outputs"
        )

    @property
    def n_features(self):
        """Numbers in the state with which the top layer of the decoder begins."""
        return self.hidden_layer_sizes[-1]

    def __getstate__(self):
        return {**self.__dict__, "_bound": (None, None)}

    def __repr__(self):
        return self.description

    # ---------------------------------------------------------------- weights

    def bind(self, params):
        """Return views of all weights in a flat vector, made once for the vector in use."""
        vector, weights = self._bound
        if vector is not params:
            weights = PairWeights(self, params)
            self._bound = params, weights
        return weights

    def initial_parameters(self, rng, dtype, n_steps):
        """Draw fresh weights.

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
        params = np.zeros(self.layout.size, dtype=dtype)
        if self.encoder is not None:
            self.encoder.initialise(params, rng, n_steps)
        if self.bridge is not None:
            self.bridge.initialise(params, rng)
        if self.table is not None:
            view = self.table.view(params)
            view[...] = rng.standard_normal(view.shape) / np.sqrt(self.n_values)
        self.decoder.initialise(params, rng, n_steps)
        self.inputs.initialise(params, rng)
        return params

    def named_weights(self, params):
        """Return views of every weight by name, those of the recurrent layers one a gate."""
        weights = {}
        for name, block in self.layout.blocks.items():
            view = block.view(params)
            if ".layer_" in name and not name.startswith("bridge."):
                weights |= dict(zip([name + gate for gate in self.cell.gates], view, strict=True))
            else:
                weights[name] = view
        return weights

    # ---------------------------------------------------------------- forward

    def _encode(self, weights, source, workspace, masks):
        """Return what the bridge read, the encoder's trace, what a decoder needs, and the steps."""
        dtype = weights.decoder.head[0].dtype
        x = workspace.take("x", (source.n_rows, self.n_channels), dtype)
        source.pack(x)
        steps, x = x, self.inputs.read(weights.inputs, x, workspace)
        if self.encoder is None:
            # Every sequence is one step, so the rows are the vectors.
            ends = [[x] * len(self.cell.states)] * len(self.hidden_layer_sizes)
            trace = memory = None
        else:
            trace = self.encoder.forward(weights.encoder, x, source, workspace, masks)
            ends = [list(states) for states in self.encoder.final_states(trace)]
            memory = self._remember(weights, trace, source, workspace)
        if self.bridge is None:
            initial = [np.stack(states) for states in ends]
        else:
            initial = self.bridge.forward(weights.bridge, ends)
        vectors = x.copy() if self.feeds_vector else None
        return ends, trace, Encoded(initial, memory, vectors), steps

    def _remember(self, weights, trace, source, workspace):
        if self.decoder.attention is None:
            return None
        outputs = self.encoder.outputs(trace, workspace)
        rows = sequence_major(source.shape)
        values = np.empty_like(outputs)
        take_rows(outputs, rows, values)
        offsets = np.concatenate([[0], np.cumsum(source.lengths)])
        return self.decoder.attention.remember(weights.decoder.attention, values, offsets)

    def encode(self, params, source, workspace):
        """Return what a decoder needs to know of some sources, in the batch's order.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The flat vector.
        source : PackedBatch
            The sources.
        workspace : Workspace
            Working memory.

        Returns
        -------
        encoded : Encoded
            Initial states, memory, vectors.
        """
        return self._encode(self.bind(params), source, workspace, NO_DROPOUT)[2]

    def _inputs(self, weights, given, encoded, sources):
        """Return what the decoder reads, of tokens or values, and the vector beside it."""
        dtype = weights.decoder.head[0].dtype
        x = np.empty((len(given), self.n_values), dtype=dtype)
        if self.table is None:
            x[...] = given
        else:
            take_rows(weights.table, given, x)
        if encoded.vectors is None:
            return x
        return np.concatenate([x, encoded.vectors[sources]], axis=1)

    def forward(self, params, source, outputs, indices, workspace, masks=None):
        """Run a batch with given output sequences.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The flat vector.
        source : PackedBatch
            The sources.
        outputs : Outputs
            The output sequences of all data.
        indices : ndarray of int64
            Those of the batch, as in `source`.
        workspace : Workspace
            Where the result lives until the next call with the same workspace.
        masks : PairOfMasks or None, default=None
            Dropout, in the order of `indices`.

        Returns
        -------
        trace : PairTrace
            Raw outputs, one row a step, in the rows of ``trace.output``.
        """
        masks = PairOfMasks() if masks is None else masks
        weights = self.bind(params)
        ends, encoder, encoded, steps = self._encode(
            weights, source, workspace, masks.encoder.take(source.order)
        )
        output = OutputBatch(outputs, indices)
        place_of = np.empty(source.n_sequences, dtype=np.int64)
        place_of[source.order] = np.arange(source.n_sequences)
        places = place_of[output.order]
        sources = places[output.shape.positions]
        given = outputs.inputs[output.rows]
        decoder = self.decoder.forward(
            weights.decoder,
            self._inputs(weights, given, encoded, sources),
            output,
            [states[:, places] for states in encoded.initial],
            encoded.memory,
            sources,
            workspace,
            masks.decoder.take(output.order),
        )
        tokens = None if self.table is None else given
        return PairTrace(source, output, ends, encoder, encoded, places, tokens, decoder, steps)

    def step(self, params, encoded, given, states, sources):
        """Run one step of output sequences that are being made.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The flat vector.
        encoded : Encoded
            What is known of the sources.
        given : ndarray of int64 of shape (n,) or of float of shape (n, n_values)
            What came out before: tokens or values.
        states : list of ndarray of shape (S, n, H)
            States of each layer before the step.
        sources : ndarray of int64 of shape (n,)
            Source of each row.

        Returns
        -------
        after : list of ndarray of shape (S, n, H)
            States of each layer after it.
        raw : ndarray of shape (n, n_outputs)
            The raw outputs.
        """
        weights = self.bind(params)
        x = self._inputs(weights, given, encoded, sources)
        return self.decoder.step(weights.decoder, x, states, encoded.memory, sources)

    # --------------------------------------------------------------- backward

    def backward(self, params, trace, d_raw, workspace, walk=bptt.full):
        """Turn the activations of a trace into loss gradients.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The flat vector.
        trace : PairTrace
            What `forward` left.
        d_raw : ndarray of shape (R, n_outputs)
            Loss gradient of the raw outputs.
        workspace : Workspace
            The one given to `forward`.
        walk : callable, default=bptt.full
            How to walk back through time.
        """
        weights = self.bind(params)
        d_initial, d_memory = self.decoder.backward(
            weights.decoder, trace.decoder, d_raw, workspace, walk
        )
        if self.table is not None:
            d_x = self.decoder.stack.input_gradient(
                weights.decoder.stack, trace.decoder.stack, workspace
            )
            trace.d_tokens = np.ascontiguousarray(d_x[:, : self.n_values])
        d_ends = []
        for d_states in d_initial:
            turned = np.empty_like(d_states)
            turned[:, trace.places] = d_states
            d_ends.append(turned)
        if self.bridge is not None:
            trace.d_initial = d_ends
            d_ends = self.bridge.backward(weights.bridge, trace.encoded.initial, d_ends)
        if self.encoder is not None:
            self._back_through_encoder(weights, trace, d_memory, d_ends, workspace, walk)

    def _back_through_encoder(self, weights, trace, d_memory, d_ends, workspace, walk):
        shape = (trace.source.n_rows, self.encoder.n_outputs)
        d_outputs = np.zeros(shape, dtype=d_ends[0].dtype)
        if d_memory is not None:
            d_outputs[sequence_major(trace.source.shape)] = d_memory
        self.encoder.backward(weights.encoder, trace.encoder, d_outputs, workspace, walk, d_ends)
        if self.inputs.learns:
            trace.d_inputs = self.encoder.input_gradient(weights.encoder, trace.encoder, workspace)

    def gradient_tasks(self):
        """Return the independent parts of the weight gradient, to be run in any order."""
        tasks = [("decoder", task) for task in self.decoder.gradient_tasks()]
        if self.encoder is not None:
            tasks += [("encoder", task) for task in self.encoder.gradient_tasks()]
        if self.bridge is not None:
            tasks += [("bridge", i) for i in range(len(self.bridge.layers))]
        tasks += [("inputs", None)] if self.inputs.learns else []
        return [*tasks, ("table", None)] if self.table is not None else tasks

    def add_weight_gradients(self, task, trace, d_raw, gradient):
        """Add one part of the weight gradient of a batch that `backward` went through.

        Parameters
        ----------
        task : tuple
            One of :meth:`gradient_tasks`.
        trace : PairTrace
            What `backward` left.
        d_raw : ndarray of shape (R, n_outputs)
            Loss gradient of the raw outputs.
        gradient : PairWeights
            Views of the flat gradient.
        """
        part, which = task
        if part == "decoder":
            self.decoder.add_weight_gradient(which, trace.decoder, d_raw, gradient.decoder)
        elif part == "encoder":
            self.encoder.add_weight_gradient(which, trace.encoder, gradient.encoder)
        elif part == "bridge":
            self.bridge.add_weight_gradient(which, trace.ends, trace.d_initial, gradient.bridge)
        elif part == "inputs":
            self.inputs.add_gradient(trace, gradient.tables)
        else:
            add_rows(trace.d_tokens, trace.tokens, gradient.table)


def sequence_major(shape):
    """Return the rows of a batch sequence by sequence, each in the order of time."""
    return np.argsort(shape.positions, kind="stable")
