"""Short calls: a few sequences of one length, or one step, without preparing anything twice.

What surrounds the kernels takes longer than they do when a single short sequence runs through a
small network. A prepared run is the list of all kernel calls for one shape of input, with buffers
of its own, made at the first call and kept with the weights that it reads. The kernels and what
they are given are those of :mod:`skrnn.inference`, so the bits are the same.
"""

from __future__ import annotations

import numpy as np

from skrnn._calls import CallList
from skrnn._copies import copy_all
from skrnn._subnormals import begin, end
from skrnn.batching import EqualBatch
from skrnn.masks import NO_DROPOUT
from skrnn.sequences import line_is_finite
from skrnn.trace import Trace
from skrnn.workspace import Workspace

# Numbers in the buffers of a prepared run; beyond, the kernels outweigh what surrounds them.
MOST_NUMBERS = 2**18
# Sequences of a call that is not worth two threads.
MOST_SEQUENCES = 64
# Shapes of input whose runs are kept, of each kind.
MOST_SHAPES = 4


class PreparedRun:
    """All kernel calls of a network for sequences of one length.

    Parameters
    ----------
    network : Network
        The network.
    weights : NetworkWeights
        Views of its weights.
    n_sequences, n_steps : int
        How many sequences, and their length.
    workspace : Workspace or None, default=None
        Where the buffers live, as long as nobody else writes to them; None makes one.
    first : int, default=0
        Steps before these, which the head has read already.

    Attributes
    ----------
    initial, final : list of ndarray of shape (S, n, H)
        For each layer and direction, its states before the first step and after the last.
    batch : EqualBatch
        What a head asks of a batch.
    shape, starts : Shape, ndarray of int64
        Its layout, and the first row of each step.
    trace : Trace
        What the last run left; overwritten by the next.
    calls : list of (callable, tuple)
        All calls of the layers, which begin with the initial states.
    size : tuple of int
        `n_sequences` and `n_steps`.
    is_small : bool
        Whether the buffers are small enough to be kept.
    copies_of_weights : list of (ndarray, ndarray)
        Targets and sources of what must be copied each time the weights have changed.
    """

    def __init__(self, network, weights, n_sequences, n_steps, workspace=None, first=0):
        self.batch = EqualBatch(n_sequences, n_steps, first)
        self.shape, self.starts = self.batch.shape, self.batch.starts
        self.initial, self.final, self.calls, self.copies_of_weights = [], [], [], []
        self.size, self.is_small = (n_sequences, n_steps), is_small(network, n_sequences, n_steps)
        layers = []
        self._head, self._weights = network.head, weights.head
        self._workspace = workspace = Workspace() if workspace is None else workspace
        steps = workspace.take("x", (self.shape.n_rows, network.n_channels), weights.head[0].dtype)
        # Ids are looked up already here, to see where the vectors will be.
        steps[...] = 0
        x = network.inputs.read(weights.inputs, steps, workspace)
        if x is not steps:
            self._call(network.inputs.read, weights.inputs, steps, workspace)
        for i, directions in enumerate(network.layers):
            x = self._side_by_side(i, layers[-1]) if layers else x
            layers.append(
                [
                    self._add_layer(layer, weights.layers[i][d], self._turned(i, x) if d else x)
                    for d, layer in enumerate(directions)
                ]
            )
        self._layers, self._whole = CallList(self.calls), None
        self._lines = steps.reshape(-1), steps.reshape(n_steps, n_sequences, -1)
        self.trace = Trace(self.batch, NO_DROPOUT, layers, None, None, None, steps)

    def _call(self, function, *args):
        self.calls.append((function, args))

    def _by_step(self, rows):
        return rows.reshape(self.shape.n_steps, self.shape.n_sequences, -1)

    def _turned(self, i, x):
        """Return where the input of layer i will be with its last step first."""
        turned = self._workspace.take(("turned", i), x.shape, x.dtype)
        self._call(np.copyto, self._by_step(turned), self._by_step(x)[::-1])
        return turned

    def _side_by_side(self, i, kept):
        """Return where the outputs below layer i will be, both directions together."""
        if len(kept) == 1:
            return kept[0].output
        n_rows, n_units = kept[0].output.shape
        joined = self._workspace.take(("joined", i), (n_rows, 2 * n_units), kept[0].output.dtype)
        self._call(np.copyto, joined[:, :n_units], kept[0].output)
        target = self._by_step(joined)[:, :, n_units:]
        self._call(np.copyto, target, self._by_step(kept[1].output)[::-1])
        return joined

    def _add_layer(self, layer, weights, x):
        factors, copies = layer.factor_copies(weights, self.shape, self._workspace)
        copy_all(copies)
        self.copies_of_weights += copies
        kept, calls = layer.prepare(weights, factors, x, self.shape, self._workspace)
        self.calls += calls
        states, n = kept.buffers.states, self.shape.n_sequences
        self.initial.append(states[:, :n])
        self.final.append(states[:, -n:])
        return kept

    def read_weights(self):
        """Copy the weights as they are now where :meth:`advance` reads copies."""
        copy_all(self.copies_of_weights)

    def load(self, X):
        """Take the steps that :meth:`advance` is to run.

        Parameters
        ----------
        X : ndarray of shape (n, T, n_channels)
            The sequences.

        Returns
        -------
        is_finite : bool
            Whether X holds no NaN and no infinity.
        """
        line, steps = self._lines
        steps[...] = X.swapaxes(0, 1)
        return line_is_finite(line)

    def advance(self, before=None):
        """Run all layers, in a thread that takes subnormal numbers for zero.

        Parameters
        ----------
        before : sequence of ndarray of shape (S, n, H) or None, default=None
            States before the first step; None is zero.
        """
        self._begin(before)
        self._layers.run()

    def _begin(self, before):
        for i, states in enumerate(self.initial):
            states[...] = 0 if before is None else before[i]

    def advance_and_read(self, before=None):
        """Run all layers and the head.

        Parameters
        ----------
        before : sequence of ndarray of shape (S, n, H) or None, default=None
            States before the first step; None is zero.

        Returns
        -------
        raw : ndarray of shape (n, n_outputs)
            The raw outputs; overwritten by the next run.
        """
        if self._whole is None:
            self._whole = CallList(self.calls_to_read())
        self._begin(before)
        self._whole.run()
        return self.trace.raw

    def read_out(self, features):
        """Return the raw outputs for what the head reads; overwritten by the next run."""
        return self._head.raw(self._weights, features, self._workspace)

    def calls_to_read(self):
        """Return all calls of layers and head.

        From then on `trace` has the places of what the head reads and of what it gives. Before the
        calls are made, somebody writes the initial states.
        """
        trace = self.trace
        prepared = self._head.prepare(self._weights, trace.layers[-1], self.batch, self._workspace)
        trace.features, trace.raw, trace.reached, calls = prepared
        trace.pooled = trace.features
        return [*self.calls, *calls]

    def reading(self, what):
        """Return something that the head makes of the last run; overwritten by the next.

        Parameters
        ----------
        what : str
            What the network's head gives, such as ``"raw"`` or ``"features"``.
        """
        return self._head.reading(self._weights, self.trace, what)


def numbers_a_step(network):
    """Return how many numbers the buffers hold for a step of a sequence."""
    n_kinds = len(network.cell.gates) + len(network.cell.inner_gates) + len(network.cell.states) + 1
    n_units = network.n_directions * sum(network.hidden_layer_sizes)
    return n_kinds * n_units + network.n_channels


def is_small(network, n_sequences, n_steps):
    """Tell whether the buffers of a prepared run are small enough to be kept."""
    return n_sequences * n_steps * numbers_a_step(network) <= MOST_NUMBERS


def is_short(network, n_sequences, n_steps):
    """Tell whether :func:`run_short` takes so many sequences of so many steps."""
    return (
        not network.head.each_step
        and network.inputs.tables is None  # ids are for the readers of X to check
        and n_sequences <= MOST_SEQUENCES
        and is_small(network, n_sequences, n_steps)
    )


def borrow(kind, network, params, size):
    """Return something prepared that no other thread is using.

    Parameters
    ----------
    kind : type
        What it is, such as :class:`PreparedRun`.
    network : Network
        The network.
    params : ndarray of shape (layout.size,)
        Its weights.
    size : tuple of int
        What it is for, such as the number and length of sequences.

    Returns
    -------
    prepared : object of the kind
        One that was given back, or ``kind(network, weights, *size)``.
    """
    weights = network.bind(params)
    try:
        prepared = weights.idle[kind, size].pop()
    except LookupError:
        return kind(network, weights, *size)
    prepared.read_weights()
    return prepared


def give_back(network, params, prepared):
    """Keep what was borrowed for a later call, if it is small."""
    idle, key = network.bind(params).idle, (type(prepared), prepared.size)
    if key not in idle:
        if not prepared.is_small:
            return
        same = [other for other in list(idle) if other[0] is key[0]]
        if len(same) >= MOST_SHAPES:
            idle.pop(same[0], None)
    idle.setdefault(key, []).append(prepared)


def run_short(network, params, X, what, finish):
    """Run a few sequences of one length.

    Parameters
    ----------
    network : Network
        The network.
    params : ndarray of shape (layout.size,)
        Its weights.
    X : ndarray of shape (n, T, n_channels)
        The sequences, of the type of the weights.
    what : str
        What to read: ``"raw"``, ``"features"``, or what else the network's head gives.
    finish : callable
        ``finish(values)`` returns what to make of it.

    Returns
    -------
    finished : ndarray of shape (n, ...) or None
        A row for each sequence; None if X or a row is not finite, which :func:`skrnn.inference.run`
        and the readers of X have messages for.
    """
    run, flags = borrow(PreparedRun, network, params, X.shape[:2]), begin()
    try:
        if not run.load(X):
            return None
        run.advance_and_read()
        values = run.reading(what).copy()
        return finish(values) if line_is_finite(values.reshape(-1)) else None
    finally:
        end(flags)
        give_back(network, params, run)
