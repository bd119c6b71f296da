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
from skrnn._jit import jit
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
# Bytes of the buffers of a stretch, which then stay in the cache with some of the weights.
STRETCH_BYTES = 2**20
# Stretches of a sequence from which they are run without Python between them.
FEWEST_STRETCHES = 3
# Shapes of input whose runs are kept.
MOST_SHAPES = 4


@jit
def _move_on(rows, n_steps):
    for i in range(rows.size):
        rows[i] += n_steps[0]


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
    copies_of_weights : list of (ndarray, ndarray)
        Targets and sources of what must be copied each time the weights have changed.
    """

    def __init__(self, network, weights, n_sequences, n_steps, workspace=None):
        self.batch = EqualBatch(n_sequences, n_steps)
        self.shape, self.starts = self.batch.shape, self.batch.starts
        self.initial, self.final, self._listed, self.copies_of_weights = [], [], [], []
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
        self._calls, self._whole, self._stretches = CallList(self._listed), None, None
        self._rows = np.empty(n_sequences, dtype=np.int64)
        self._lines = steps.reshape(-1), steps.reshape(n_steps, n_sequences, -1)
        self.trace = Trace(self.batch, NO_DROPOUT, layers, None, None, None, steps)

    def _call(self, function, *args):
        self._listed.append((function, args))

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
        self._listed += calls
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
        self._calls.run()

    def advance_often(self, sequences, rows, times):
        """Run stretches of neighbouring steps one after another, beginning with zero states.

        Parameters
        ----------
        sequences : Sequences
            Where the steps are.
        rows : ndarray of int64 of shape (n,)
            The first row of each sequence.
        times : int
            How many stretches, of as many steps as this runs.
        """
        if self._stretches is None:
            n_steps = np.array([self.shape.n_steps])
            copies = zip(self.initial, self.final, strict=True)
            self._stretches = CallList(
                [
                    None,
                    *((np.copyto, pair) for pair in copies),
                    *self._listed,
                    (_move_on, (self._rows, n_steps)),
                ]
            )
        self._rows[...] = rows
        for states in self.final:
            states[...] = 0
        pack = sequences.prepare_pack(self._rows, self.shape.starts, self.trace.steps)
        self._stretches.exchange_first([pack])
        self._stretches.run_often(times)
        self._stretches.exchange_first([None])

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

    @property
    def outputs(self):
        """Outputs of the top layer of a network of one direction, of shape (T, n, H)."""
        return self._by_step(self.trace.layers[-1][0].output)

    def read_out(self, features):
        """Return the raw outputs for what the head reads; overwritten by the next run."""
        return self._head.raw(self._weights, features, self._workspace)

    def read_pooled(self, pooled, what):
        """Return something that the head makes of what was pooled already."""
        layers, raw = self.trace.layers, self.read_out(pooled)
        trace = Trace(self.batch, NO_DROPOUT, layers, pooled, pooled, raw, self.trace.steps)
        return self._head.reading(self._weights, trace, what).copy()

    def calls_to_read(self):
        """Return all calls of layers and head.

        From then on `trace` has the places of what the head reads and of what it gives. Before the
        calls are made, somebody writes the initial states.
        """
        trace = self.trace
        prepared = self._head.prepare(self._weights, trace.layers[-1], self.batch, self._workspace)
        trace.features, trace.raw, trace.reached, calls = prepared
        trace.pooled = trace.features
        return [*self._listed, *calls]

    def reading(self, what):
        """Return something that the head makes of the last run; overwritten by the next.

        Parameters
        ----------
        what : str
            What the network's head gives, such as ``"raw"`` or ``"features"``.
        """
        return self._head.reading(self._weights, self.trace, what)


def compile_stretches():
    """Compile what only the runs of many stretches call."""
    _move_on(np.zeros(0, dtype=np.int64), np.ones(1, dtype=np.int64))


def _numbers_a_step(network):
    """Return how many numbers the buffers hold for a step of a sequence."""
    n_kinds = len(network.cell.gates) + len(network.cell.inner_gates) + len(network.cell.states) + 1
    n_units = network.n_directions * sum(network.hidden_layer_sizes)
    return n_kinds * n_units + network.n_channels


def is_small(network, n_sequences, n_steps):
    """Tell whether the buffers of a prepared run are small enough to be kept."""
    return n_sequences * n_steps * _numbers_a_step(network) <= MOST_NUMBERS


def is_short(network, n_sequences, n_steps):
    """Tell whether :func:`run_short` takes so many sequences of so many steps."""
    return (
        not network.head.each_step
        and network.inputs.tables is None  # ids are for the readers of X to check
        and n_sequences <= MOST_SEQUENCES
        and is_small(network, n_sequences, n_steps)
    )


def borrow(network, params, n_sequences, n_steps):
    """Return a prepared run that no other thread is using."""
    weights = network.bind(params)
    try:
        run = weights.idle[n_sequences, n_steps].pop()
    except LookupError:
        return PreparedRun(network, weights, n_sequences, n_steps)
    run.read_weights()
    return run


def give_back(network, params, run):
    """Keep a prepared run for a later call, if it is small."""
    idle, key = network.bind(params).idle, (run.shape.n_sequences, run.shape.n_steps)
    if key not in idle:
        if not is_small(network, *key):
            return
        if len(idle) >= MOST_SHAPES:
            idle.clear()
    idle.setdefault(key, []).append(run)


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
    run, flags = borrow(network, params, *X.shape[:2]), begin()
    try:
        if not run.load(X):
            return None
        run.advance_and_read()
        values = run.reading(what).copy()
        return finish(values) if line_is_finite(values.reshape(-1)) else None
    finally:
        end(flags)
        give_back(network, params, run)


def run_in_stretches(network, params, sequences, first, n_sequences, what):
    """Run neighbouring sequences of one length, a few steps at a time, of which nothing is kept.

    Parameters
    ----------
    network : Network
        A network of one direction with an output for each sequence.
    params : ndarray of shape (layout.size,)
        Its weights.
    sequences : Sequences
        Where they are, of the type of the weights.
    first, n_sequences : int
        The first of them, and how many.
    what : str
        What to return: ``"raw"``, ``"features"``, or what else the network's head reads.

    Returns
    -------
    values : ndarray of shape (n_sequences, ...)
        A row for each sequence.
    """
    rows = sequences.offsets[first : first + n_sequences]
    n_steps = int(sequences.offsets[first + 1] - rows[0])
    most = STRETCH_BYTES // (n_sequences * _numbers_a_step(network) * params.itemsize)
    length = -(-n_steps // -(-n_steps // max(1, most)))
    kept = np.zeros((n_sequences, network.n_features), dtype=params.dtype)
    run, begun, is_last = None, 0, network.pooling == "last"
    if is_last and n_steps // length >= FEWEST_STRETCHES:
        run, n_whole = borrow(network, params, n_sequences, length), n_steps // length
        run.advance_often(sequences, rows, n_whole)
        begun = n_whole * length
    for start in range(begun, n_steps, length):
        before, last = run, min(start + length, n_steps)
        if run is None or run.shape.n_steps != last - start:
            run = borrow(network, params, n_sequences, last - start)
        sequences.pack_rows(rows + start, run.shape.starts, run.trace.steps)
        run.advance(None if before is None else before.final)
        if before is not None and before is not run:
            give_back(network, params, before)
        if not is_last:
            for t, output in enumerate(run.outputs, start):
                kept, pooled = network.head.stream(output, kept, t + 1)
            kept = kept.copy()  # the next stretch overwrites what it may be a view of
    if is_last:
        pooled = run.outputs[-1]
    values = run.read_pooled(pooled, what)
    give_back(network, params, run)
    return values
