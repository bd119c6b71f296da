"""Sequences of an array that is larger than memory: rows are read when a batch needs them.

A memory-mapped file, an HDF5 or Zarr data set, or anything else of three dimensions that reads
what a slice asks for. What an array in memory is checked for as a whole is checked here in the rows
of a batch, each time they are read: padding is found there, and a NaN or an infinity is an error
then.
"""

from __future__ import annotations

import numpy as np

from skrnn.layouts import read_array
from skrnn.sequences import check_array_shape, float_dtype


def is_lazy(X):
    """Tell whether X is a 3-D array of numbers whose rows are on disk or elsewhere.

    Parameters
    ----------
    X : object
        Anything.

    Returns
    -------
    bool
        True for a memory-mapped array, and for what has a `shape`, a NumPy `dtype` and slices but
        is no array in memory.
    """
    shape, dtype = getattr(X, "shape", None), getattr(X, "dtype", None)
    if not isinstance(shape, tuple) or len(shape) != 3:
        return False
    if not isinstance(dtype, np.dtype) or dtype.kind not in "fiub":
        return False
    if isinstance(X, np.ndarray):
        return isinstance(X, np.memmap) and X.filename is not None
    in_memory = hasattr(X, "__array_interface__") or hasattr(X, "__dlpack__")
    return hasattr(X, "__getitem__") and not in_memory


class LazySequences:
    """Many sequences that stay where they are until a batch is loaded.

    Parameters
    ----------
    source : array-like of shape (n_sequences, n_steps, n_channels)
        What is sliced along its first axis.
    dtype : dtype or None
        float32 or float64; None keeps the precision of the source.
    rows : ndarray of int64 or None, default=None
        Rows of the source that the sequences are; None is all of them.
    """

    def __init__(self, source, dtype, rows=None):
        check_array_shape(source.shape)
        self.dtype = float_dtype(source.dtype) if dtype is None else np.dtype(dtype)
        self._source = source
        self._rows = np.arange(source.shape[0]) if rows is None else rows

    def __len__(self):
        return self._rows.size

    @property
    def n_sequences(self):
        """Number of sequences."""
        return self._rows.size

    @property
    def n_channels(self):
        """Number of channels of each step."""
        return int(self._source.shape[2])

    @property
    def lengths(self):
        """Steps of each sequence before its padding is known, int64."""
        return np.full(self._rows.size, self._source.shape[1], dtype=np.int64)

    def take(self, indices):
        """Select sequences, without reading them.

        Parameters
        ----------
        indices : slice, or array-like of int or bool
            Which sequences, in which order.

        Returns
        -------
        LazySequences
            The selected sequences.
        """
        return LazySequences(self._source, self.dtype, self._rows[indices])

    def load(self, indices):
        """Read some sequences.

        Parameters
        ----------
        indices : ndarray of int64
            Which ones; they may repeat.

        Returns
        -------
        sequences : Sequences
            Their true steps.
        positions : ndarray of int64
            Where each of `indices` is among them.

        Raises
        ------
        ValueError
            If they hold a NaN that is no padding, or an infinity; the message names the row of the
            source.
        """
        rows, positions = np.unique(self._rows[indices], return_inverse=True)
        return read_array(self._read(rows), self.dtype, rows).sequences, positions

    def in_memory(self):
        """Read all sequences."""
        sequences, positions = self.load(np.arange(len(self)))
        return sequences.take(positions)

    def _read(self, rows):
        """Return a copy of rising rows, neighbours read in one slice."""
        block = np.empty((rows.size, *self._source.shape[1:]), dtype=self._source.dtype)
        first = 0
        for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
            part = np.asarray(self._source[int(run[0]) : int(run[-1]) + 1])
            expected = (run.size, *block.shape[1:])
            if part.shape != expected:
                raise ValueError(
                    f"Rows {run[0]} to {run[-1]} of X were read in the shape {part.shape}, but its "
                    f"shape {self._source.shape} promises {expected}."
                )
            block[first : first + run.size] = part
            first += run.size
        return block
