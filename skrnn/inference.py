"""Running a network over any number of sequences, a few at a time."""

from __future__ import annotations

import numpy as np

from skrnn.batching import PackedBatch, longest_first
from skrnn.sequences import all_finite
from skrnn.workspace import Workspace

# Sequences in a piece. How the work is cut never depends on the number of threads. A network of
# many weights takes long enough over half a piece to give every thread one of a small batch.
PIECE = 32
MANY_WEIGHTS = 32768
# Steps in a piece, all sequences together, unless one sequence alone has more: this bounds memory.
PIECE_ROWS = 32768


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


def piece_size(network):
    """Return how many sequences to run at a time."""
    return PIECE if network.layout.size < MANY_WEIGHTS else PIECE // 2


def cut(indices, size=PIECE):
    """Cut an index array into pieces of at most `size`."""
    return [indices[i : i + size] for i in range(0, indices.size, size)]


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
        ``finish(rows)`` returns what to gather for some rows of it, each from itself alone.

    Returns
    -------
    gathered : ndarray of shape (rows, ...)
        One row a sequence, or a step, in the order of `sequences`.

    Raises
    ------
    Overflow
        If a row is not finite.
    """
    n_columns = network.n_features if what == "features" else network.n_outputs
    n_rows = int(network.head.row_offsets(sequences)[-1])
    example = finish(np.zeros((1, n_columns), dtype=params.dtype))
    gathered = np.empty((n_rows, *example.shape[1:]), dtype=example.dtype)
    # Sorted, so that a piece holds sequences of similar length.
    lengths = sequences.lengths
    pieces = [
        part
        for piece in cut(longest_first(lengths), piece_size(network))
        for part in cut(piece, max(1, PIECE_ROWS // int(lengths[piece[0]])))
    ]
    # A piece is freed before its thread starts the next, whose buffers then reuse its memory.
    weights = network.bind(params).head
    workspaces = [Workspace() for _ in range(min(threads.count, len(pieces)))]
    overflown = []

    def run_share(worker):
        for piece in pieces[worker :: len(workspaces)]:
            batch = PackedBatch(*sequences.load(piece))
            trace = network.forward(params, batch, workspaces[worker])
            rows = network.head.rows(batch, piece)
            values = network.head.reading(weights, trace, what)
            if all_finite(values):
                gathered[rows] = finish(values)
            else:
                overflown.append(int(rows[~np.isfinite(values).all(axis=1)].min()))

    threads.map(run_share, range(len(workspaces)))
    if overflown:
        raise Overflow(min(overflown))
    return gathered
