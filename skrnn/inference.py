"""Running a network over any number of sequences, a few at a time."""

from __future__ import annotations

from threading import Lock

import numpy as np

from skrnn._subnormals import begin, end
from skrnn._tiles import SHORT
from skrnn.batching import PackedBatch, longest_first
from skrnn.prepared import numbers_a_step
from skrnn.prepared_sets import run_alike
from skrnn.sequences import Sequences, all_finite
from skrnn.threads import ALONE
from skrnn.workspace import Workspace

# Sequences in a piece, and weights from which there are half as many.
PIECE = 32
MANY_WEIGHTS = 32768
FEW_WEIGHTS = 2048
# Bytes of weights that no cache near the processor holds: each is then read for more sequences.
FAR_BYTES = 3 * 2**19
# Steps times weights below which handing pieces to other threads costs more than it saves.
WORTH_SHARING = 150_000_000
# Bytes of the buffers of a stretch, which then stay in the cache with some of the weights.
STRETCH_BYTES = 2**20
# Sequences with an output each that are never parted, unless they are very long.
BLOCK = 16
# Numbers of sequences that are held until they are finished.
HELD_NUMBERS = 2**20
# Steps in a piece, all sequences together, unless one sequence alone has more: this bounds memory.
PIECE_ROWS = 32768


def most_rows(network):
    """Return how many steps of a piece have raw outputs that fit into bounded memory."""
    return max(1, PIECE_OUTPUTS // network.n_outputs) if network.head.each_step else PIECE_ROWS


class Overflow(ArithmeticError):
    """A result that is not finite.

    Parameters
    ----------
    row : int
        The first row with one.
    """

    def __init__(self, row):
        super().__init__(f"row {row} is not finite")
        self.row = row


# Raw outputs of a piece, all steps together, unless one sequence alone has more.
PIECE_OUTPUTS = 2**23


def piece_size(network):
    """Return how many sequences to run at a time."""
    return PIECE if network.layout.size < MANY_WEIGHTS else PIECE // 2


def prediction_size(network):
    """Return how many sequences to run at a time where no gradient follows.

    A small network's buffers stay in the cache for more of them, with fewer calls in all.
    """
    if network.layout.size < FEW_WEIGHTS:
        return 4 * PIECE
    return 2 * PIECE if network.layout.size < 3 * FEW_WEIGHTS else piece_size(network)


def _alike_size(network, dtype, n_steps):
    """Return how many sequences of one length to run at a time, with an output for each.

    More of them make fewer calls and longer products; with many weights they share the cache with
    these.
    """
    if network.n_directions > 1:  # which run from one end to the other
        return min(prediction_size(network), _whole_blocks(PIECE_ROWS // n_steps))
    is_far = network.layout.size * dtype.itemsize > FAR_BYTES
    return (4 if is_far else 2) * piece_size(network)


def _whole_blocks(n_rows):
    """Return a number of rows that blocks fit into, or that fits into a block."""
    if n_rows >= BLOCK:
        return n_rows - n_rows % BLOCK
    return 2 ** (max(1, n_rows).bit_length() - 1)


def block_size(sequences):
    """Return how many sequences of one length, with an output each, no cut ever parts.

    What is added up of each such block by itself does not depend on how the work is cut.
    """
    return min(BLOCK, _whole_blocks(PIECE_ROWS // int(sequences.lengths.max())))


def cut(indices, size=PIECE):
    """Cut an index array into pieces of at most `size`."""
    return [indices[i : i + size] for i in range(0, indices.size, size)]


class _Gathered:
    """Rows that come piece by piece, from several threads, into one array like the first."""

    def __init__(self, n_rows):
        self.array = None
        self._n_rows = n_rows
        self._lock = Lock()

    def put(self, rows, values):
        with self._lock:
            if self.array is None:
                self.array = np.empty((self._n_rows, *values.shape[1:]), dtype=values.dtype)
        self.array[rows] = values


def traces(network, params, sequences, places, workspace):
    """Yield the trace of some sequences; of a stretch at a time where they are very long.

    Parameters
    ----------
    network : Network
        The network.
    params : ndarray of shape (layout.size,)
        Its weights.
    sequences : Sequences
        Where the steps come from.
    places : ndarray of int64
        Which sequences, longest first.
    workspace : Workspace
        Where a trace lives until the next.

    Yields
    ------
    trace : Trace
        What the forward pass leaves.
    """
    n_steps = max(1, min(PIECE_ROWS, most_rows(network)) // places.size)
    longest = int(sequences.lengths_of(places[:1])[0])
    if longest <= n_steps or not network.can_carry:
        yield network.forward(params, PackedBatch(sequences, places), workspace)
        return
    firsts, lasts = sequences.offsets[places], sequences.offsets[places + 1]
    states = None
    for start in range(0, longest, n_steps):
        n_alive = np.count_nonzero(lasts - firsts > start)
        begin = firsts[:n_alive] + start
        end = np.minimum(begin + n_steps, lasts[:n_alive])
        # Every other of these sequences is a stretch, those between them are never read.
        stretches = Sequences(sequences.values, np.column_stack([begin, end]).ravel())
        batch = PackedBatch(stretches, 2 * np.arange(n_alive))
        initial = None if states is None else [state[:, :n_alive] for state in states]
        trace = network.forward(params, batch, workspace, None, initial)
        states = network.final_states(trace)
        yield trace


def _are_neighbours(sequences, places):
    """Tell whether sequences are in memory, next to each other and of one length."""
    if not isinstance(sequences, Sequences) or (np.diff(places) != 1).any():
        return False
    lengths = sequences.lengths_of(places)
    return (lengths == lengths[0]).all()


def _stretch_length(network, dtype, n_sequences, n_steps):
    """Return how many steps to run at a time where nothing is kept of a step for later."""
    if network.n_directions > 1:
        return n_steps
    most = STRETCH_BYTES // (n_sequences * numbers_a_step(network) * dtype.itemsize)
    n_stretches = -(-n_steps // max(1, most))
    return -(-n_steps // n_stretches)


def _run_neighbours(network, params, sequences, places, size, threads, what):
    """Return what is read of neighbours of one length, pieces of much the same size at a time."""
    n_steps = int(sequences.offsets[places.start + 1] - sequences.offsets[places.start])
    n_pieces = -(-len(places) // size)
    # Products are quickest with multiples of the rows of a tile.
    size = min(len(places), size, -(-len(places) // (n_pieces * SHORT)) * SHORT)
    length = _stretch_length(network, params.dtype, size, n_steps)
    return run_alike(network, params, sequences, places, size, length, threads, what)


def _run_all_alike(network, params, sequences, threads, what, finish):
    """Run all sequences, of one length and with an output each, as :func:`run` does."""
    n, gathered = len(sequences), _Gathered(len(sequences))
    n_steps = int(sequences.offsets[1])
    size = _alike_size(network, params.dtype, n_steps)
    # Work for every thread, which no row's result depends on.
    least = max(1, min(PIECE // 2, PIECE_ROWS // n_steps))
    size = min(size, max(least, -(-n // threads.count)))
    n_held = HELD_NUMBERS // max(network.n_features, network.n_outputs)
    n_at_once = _whole_blocks(max(n_held, size * threads.count + BLOCK))
    flags = begin()
    try:
        for first in range(0, n, n_at_once):
            places = range(first, min(first + n_at_once, n))
            values = _run_neighbours(network, params, sequences, places, size, threads, what)
            rows = np.array(places)
            if not all_finite(values):
                raise Overflow(int(rows[_overflown(values)][0]))
            gathered.put(rows, finish(values, rows))
    finally:
        end(flags)
    return gathered.array


def _overflown(rows):
    return ~np.isfinite(rows).all(axis=1)


def _results(network, params, sequences, piece, workspace, what):
    """Yield the numbers of some rows and what is gathered of them."""
    sequences, places = sequences.load(piece)
    in_stretches = network.n_directions == 1 and not network.head.each_step
    if in_stretches and _are_neighbours(sequences, places):
        places = range(places[0], places[-1] + 1)
        yield piece, _run_neighbours(network, params, sequences, places, len(places), ALONE, what)
        return
    weights = network.bind(params).head
    for trace in traces(network, params, sequences, places, workspace):
        yield network.head.rows(trace.batch, piece), network.head.reading(weights, trace, what)


def run(network, params, sequences, threads, what, finish):
    """Run all sequences and gather one array of the traces, finished piece by piece.

    Parameters
    ----------
    network : Network
        The network.
    params : ndarray of shape (layout.size,)
        Its weights.
    sequences : Sequences or LazySequences
        What to run, of the same float type.
    threads : Threads
        Who runs it.
    what : str
        What to gather: ``"raw"``, ``"features"``, or what else the network's head reads.
    finish : callable
        ``finish(values, rows)`` returns what to gather for some rows of it, each from itself alone;
        `rows` are their numbers among all. Only what it returns is kept, so a vocabulary of outputs
        takes memory for a few steps, or for about a million numbers, at a time.

    Returns
    -------
    gathered : ndarray of shape (rows, ...)
        One row a sequence, or a step, in the order of `sequences`.

    Raises
    ------
    Overflow
        If a row is not finite.
    """
    lengths = sequences.lengths
    if lengths.sum() * network.n_dense < WORTH_SHARING:
        threads = ALONE
    are_alike = not network.head.each_step and (lengths == lengths[0]).all()
    if are_alike and isinstance(sequences, Sequences):
        return _run_all_alike(network, params, sequences, threads, what, finish)
    gathered = _Gathered(int(network.head.row_offsets(sequences)[-1]))
    size, limit = prediction_size(network), min(PIECE_ROWS, most_rows(network))
    if are_alike:
        n_steps = int(lengths[0])
        size = min(_alike_size(network, params.dtype, n_steps), _whole_blocks(limit // n_steps))
    # Sorted, so that a piece holds sequences of similar length.
    pieces = [
        part
        for piece in cut(longest_first(lengths), size)
        for part in cut(piece, max(1, limit // int(lengths[piece[0]])))
    ]
    # A piece is freed before its thread starts the next, whose buffers then reuse its memory.
    workspaces = [Workspace() for _ in range(min(threads.count, len(pieces)))]
    overflown = []

    def run_share(worker):
        for piece in pieces[worker :: len(workspaces)]:
            for rows, values in _results(
                network, params, sequences, piece, workspaces[worker], what
            ):
                if all_finite(values):
                    gathered.put(rows, finish(values, rows))
                else:
                    overflown.append(int(rows[_overflown(values)].min()))

    threads.map(run_share, range(len(workspaces)))
    if overflown:
        raise Overflow(min(overflown))
    return gathered.array
