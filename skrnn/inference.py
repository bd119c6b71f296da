"""Running a network over any number of sequences, a few at a time."""

from __future__ import annotations

import numpy as np

from skrnn.batching import PackedBatch, longest_first
from skrnn.workspace import Workspace

# Sequences in a piece. How the work is cut never depends on the number of threads.
PIECE = 32
# Steps in a piece, all sequences together, unless one sequence alone has more: this bounds memory.
PIECE_ROWS = 32768


def cut(indices, size=PIECE):
    """Cut an index array into pieces of at most `size`."""
    return [indices[i : i + size] for i in range(0, indices.size, size)]


def run(network, params, sequences, threads, what):
    """Run all sequences and gather one array of the traces.

    Parameters
    ----------
    network : Network
        The network.
    params : ndarray of shape (layout.size,)
        Its weights.
    sequences : Sequences
        What to run, of the same float type.
    threads : Threads
        Who runs it.
    what : {"raw", "features"}
        The attribute of the trace to gather.

    Returns
    -------
    gathered : ndarray of shape (n_sequences, n_columns)
        One row a sequence, in the order of `sequences`.
    """
    n_columns = network.n_outputs if what == "raw" else network.n_features
    gathered = np.empty((len(sequences), n_columns), dtype=params.dtype)
    # Sorted, so that a piece holds sequences of similar length.
    lengths = sequences.lengths
    pieces = [
        part
        for piece in cut(longest_first(lengths))
        for part in cut(piece, max(1, PIECE_ROWS // int(lengths[piece[0]])))
    ]
    # A piece is freed before its thread starts the next, whose buffers then reuse its memory.
    workspaces = [Workspace() for _ in range(min(threads.count, len(pieces)))]

    def run_share(worker):
        for piece in pieces[worker :: len(workspaces)]:
            batch = PackedBatch(sequences, piece)
            trace = network.forward(params, batch, workspaces[worker])
            gathered[piece[batch.order]] = getattr(trace, what)

    threads.map(run_share, range(len(workspaces)))
    return gathered
