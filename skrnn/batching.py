"""Packed batches: the true steps of ragged sequences, time-major, and nothing else.

Sequences are sorted by length, longest first. The rows of step t are those of the sequences that
are still alive, so a batch of R rows is R steps of arithmetic, whatever the lengths.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from skrnn._jit import jit


@jit
def _pack_rows(values, first_rows, starts, out):
    """Copy step t of each living sequence to the rows of step t."""
    n_columns = values.shape[1]
    for t in range(starts.size - 1):
        for i in range(starts[t + 1] - starts[t]):
            for c in range(n_columns):
                out[starts[t] + i, c] = values[first_rows[i] + t, c]


@jit
def take_rows(values, index, out):
    """Write ``values[index]`` to `out`."""
    for i in range(index.size):
        for c in range(values.shape[1]):
            out[i, c] = values[index[i], c]


@jit
def add_rows(values, index, out):
    """Add row i of `values` to row ``index[i]`` of `out`."""
    for i in range(index.size):
        for c in range(values.shape[1]):
            out[index[i], c] += values[i, c]


class PackedBatch:
    """Some sequences in the order and layout that the kernels read.

    Parameters
    ----------
    sequences : Sequences
        Where the steps come from.
    indices : ndarray of int64
        Which sequences; they may repeat.

    Attributes
    ----------
    order : ndarray of int64 of shape (n,)
        Position in `indices` of the sequence in each place of the batch.
    lengths : ndarray of int64 of shape (n,)
        Steps of each sequence, descending.
    starts : ndarray of int64 of shape (n_steps + 1,)
        First row of each step.
    """

    def __init__(self, sequences, indices):
        self._values = sequences.values
        lengths = sequences.offsets[indices + 1] - sequences.offsets[indices]
        if lengths.size and lengths[0] == lengths[-1] and (lengths == lengths[0]).all():
            self.order = np.arange(lengths.size)
            alive = np.full(lengths[0], lengths.size)
        else:
            self.order = np.argsort(-lengths, kind="stable")
            lengths = lengths[self.order]
            finished = np.bincount(lengths, minlength=lengths[0] + 1)
            alive = lengths.size - np.cumsum(finished)[: lengths[0]]
        self.lengths = lengths
        self._first_rows = sequences.offsets[indices[self.order]]
        self.starts = np.zeros(alive.size + 1, dtype=np.int64)
        np.cumsum(alive, out=self.starts[1:])

    @property
    def n_sequences(self):
        """Sequences in the batch."""
        return self.lengths.size

    @property
    def n_steps(self):
        """Steps of the longest sequence."""
        return self.starts.size - 1

    @property
    def n_rows(self):
        """True steps of all sequences together."""
        return int(self.starts[-1])

    def pack(self, out):
        """Write the steps of all sequences to `out`, an array of shape (n_rows, n_channels)."""
        _pack_rows(self._values, self._first_rows, self.starts, out)

    @cached_property
    def last_rows(self):
        """Row of each sequence's last step."""
        return self.starts[self.lengths - 1] + np.arange(self.n_sequences)

    @cached_property
    def positions(self):
        """Place in the batch of the sequence that each row belongs to."""
        steps = np.repeat(np.arange(self.n_steps), np.diff(self.starts))
        return np.arange(self.n_rows) - self.starts[steps]

    @cached_property
    def reversal(self):
        """Row of the same sequence counted from the other end; its own inverse."""
        steps = np.repeat(np.arange(self.n_steps), np.diff(self.starts))
        places = np.arange(self.n_rows) - self.starts[steps]
        return self.starts[self.lengths[places] - 1 - steps] + places
