"""Packed batches: the true steps of ragged sequences, time-major, and nothing else.

Sequences are sorted by length, longest first. The rows of step t are those of the sequences that
are still alive, so a batch of R rows is R steps of arithmetic, whatever the lengths.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from skrnn._jit import jit
from skrnn._views import flat


@jit
def take_rows(values, index, out):
    """Write ``values[index]`` to `out`."""
    for i in range(index.size):
        source, target = flat(values, index[i], index[i] + 1), flat(out, i, i + 1)
        for c in range(target.size):
            target[c] = source[c]


@jit
def add_rows(values, index, out):
    """Add row i of `values` to row ``index[i]`` of `out`."""
    for i in range(index.size):
        source, target = flat(values, i, i + 1), flat(out, index[i], index[i] + 1)
        for c in range(target.size):
            target[c] += source[c]


class Shape:
    """The lengths of a batch and where its rows are.

    Parameters
    ----------
    lengths : ndarray of int64 of shape (n,)
        Steps of each sequence, descending.

    Attributes
    ----------
    lengths : ndarray of int64 of shape (n,)
        Steps of each sequence, descending.
    starts : ndarray of int64 of shape (n_steps + 1,)
        First row of each step.
    n_sequences, n_steps, n_rows : int
        Sequences, steps of the longest of them, true steps of all together.
    """

    def __init__(self, lengths):
        self.lengths = lengths
        finished = np.bincount(lengths, minlength=lengths[0] + 1)
        alive = lengths.size - np.cumsum(finished)[: lengths[0]]
        self.starts = np.zeros(alive.size + 1, dtype=np.int64)
        np.cumsum(alive, out=self.starts[1:])
        self.n_sequences = lengths.size
        self.n_steps = alive.size
        self.n_rows = int(self.starts[-1])

    @cached_property
    def steps(self):
        """Step of each row."""
        return np.repeat(np.arange(self.n_steps), np.diff(self.starts))

    @cached_property
    def positions(self):
        """Place in the batch of the sequence that each row belongs to."""
        return np.arange(self.n_rows) - self.starts[self.steps]

    @cached_property
    def reversal(self):
        """Row of the same sequence counted from the other end; its own inverse."""
        return self.starts[self.lengths[self.positions] - 1 - self.steps] + self.positions


@lru_cache(maxsize=16)
def equal_lengths(n_sequences, n_steps):
    """Return order and shape of sequences of one length; every batch of a dense X shares them.

    Parameters
    ----------
    n_sequences, n_steps : int
        How many, and how long each of them is.

    Returns
    -------
    order : ndarray of int64 of shape (n_sequences,)
        Each in its place.
    shape : Shape
        Lengths and rows.
    """
    return np.arange(n_sequences), Shape(np.full(n_sequences, n_steps))


def longest_first(lengths):
    """Return the order that sorts sequences by length, descending, equal ones as they come.

    Parameters
    ----------
    lengths : ndarray of int64
        The lengths.

    Returns
    -------
    order : ndarray of int64
        Positions in `lengths`.
    """
    if lengths[0] == lengths[-1] and (lengths == lengths[0]).all():
        return np.arange(lengths.size)
    return np.argsort(-lengths, kind="stable")


def even_batches(order, size):
    """Cut an epoch into as few batches as `size` allows, none larger than another by more than one.

    A last batch of a few sequences would move the weights as far as any other, on little evidence.

    Parameters
    ----------
    order : ndarray of int64 of shape (n,)
        The sequences.
    size : int
        How many of them a batch has at most.

    Returns
    -------
    batches : list of ndarray of int64
        All of `order`, cut.
    """
    n_batches = -(-order.size // size)
    shortest, n_longer = divmod(order.size, n_batches)
    # As np.array_split does, which takes long enough to be noticed in an epoch of small batches.
    bounds = [i * shortest + min(i, n_longer) for i in range(n_batches + 1)]
    return [order[first:last] for first, last in pairwise(bounds)]


class Packed:
    """Base of what is laid out by a `shape`: the rows of some sequences, step by step.

    Attributes
    ----------
    shape : Shape
        Lengths and rows.
    """

    @property
    def n_sequences(self):
        """Sequences that are alive at the first step."""
        return self.shape.n_sequences

    @property
    def n_steps(self):
        """Steps of the longest sequence."""
        return self.shape.n_steps

    @property
    def n_rows(self):
        """True steps of all sequences together."""
        return self.shape.n_rows


class EqualBatch(Packed):
    """The layout of sequences of one length, whatever they hold.

    Parameters
    ----------
    n_sequences, n_steps : int
        How many, and how long each of them is.
    first : int, default=0
        Steps before these, which have been read already.
    n_steps_in_all : int or None, default=None
        Steps of the whole sequences; None stands for no more after these.

    Attributes
    ----------
    starts, lengths : ndarray of int64
        First row of each step, and steps of each sequence.
    whole : EqualBatch
        That of the whole sequences.
    """

    def __init__(self, n_sequences, n_steps, first=0, n_steps_in_all=None):
        self.shape, self.first = equal_lengths(n_sequences, n_steps)[1], first
        self.starts, self.lengths = self.shape.starts, self.shape.lengths
        n_steps_in_all = first + n_steps if n_steps_in_all is None else n_steps_in_all
        is_whole = n_steps_in_all == n_steps
        self.whole = self if is_whole else EqualBatch(n_sequences, n_steps_in_all)


class PackedBatch(Packed):
    """Some sequences in the order and layout that the kernels read.

    Parameters
    ----------
    sequences : Sequences
        Where the steps come from.
    indices : ndarray of int64
        Which sequences; they may repeat.
    lengths : ndarray of int64 or None, default=None
        Their lengths, where they are known already.

    Attributes
    ----------
    order : ndarray of int64 of shape (n,)
        Position in `indices` of the sequence in each place of the batch.
    shape : Shape
        Lengths and rows.
    starts, lengths : ndarray of int64
        Those of `shape`.
    """

    first = 0

    def __init__(self, sequences, indices, lengths=None):
        self._sequences = sequences
        lengths = sequences.lengths_of(indices) if lengths is None else lengths
        longest = lengths.max()
        if lengths.min() == longest:
            self.order, self.shape = equal_lengths(lengths.size, int(longest))
            self._indices = indices
        else:
            self.order = np.argsort(-lengths, kind="stable")
            self.shape = Shape(lengths[self.order])
            self._indices = indices[self.order]
        self.starts, self.lengths = self.shape.starts, self.shape.lengths

    @cached_property
    def source_rows(self):
        """Row of all sequences' steps, laid end to end, that each row is."""
        first_rows = self._sequences.offsets[self._indices]
        return first_rows[self.shape.positions] + self.shape.steps

    def pack(self, out):
        """Write the steps of all sequences to `out`, an array of shape (n_rows, n_channels)."""
        self._sequences.pack(self._indices, self.starts, out)

    @property
    def whole(self):
        """The batch itself, as that of a stretch."""
        return self

    def stretch(self, first, last):
        """Return the steps from `first` until before `last` as a batch of their own."""
        return Stretch(self, first, last)

    def _pack_stretch(self, first, starts, out):
        self._sequences.pack(self._indices[: starts[1]], starts, out, first)


class Stretch(Packed):
    """Some steps of a batch, for what runs a batch a stretch at a time.

    Parameters
    ----------
    batch : PackedBatch
        The batch.
    first, last : int
        The first step, and one past the last.

    Attributes
    ----------
    whole : PackedBatch
        The batch.
    first : int
        The first step.
    rows : slice
        Its rows among those of the batch.
    shape : Shape
        Lengths and rows as if nothing came before or after.
    starts : ndarray of int64 of shape (n_steps + 1,)
        Those of `shape`.
    """

    def __init__(self, batch, first, last):
        self.whole, self.first = batch, first
        self.rows = slice(int(batch.starts[first]), int(batch.starts[last]))
        lengths = np.minimum(batch.lengths - first, last - first)
        lengths = lengths[: batch.starts[first + 1] - batch.starts[first]]
        is_uniform = lengths[-1] == lengths[0]
        self.shape = equal_lengths(lengths.size, last - first)[1] if is_uniform else Shape(lengths)
        self.starts = self.shape.starts

    def pack(self, out):
        """Write its steps to `out`, an array of shape (n_rows, n_channels)."""
        self.whole._pack_stretch(self.first, self.starts, out)
