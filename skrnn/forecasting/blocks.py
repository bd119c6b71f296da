"""Rows of many series with room behind each, so that appending need not copy what is there."""

from __future__ import annotations

from threading import Lock

import numpy as np

from skrnn.sequences import lengths_to_offsets

# Room behind a series of few rows.
_LEAST_ROOM = 16


def rows_of(starts, lengths):
    """Return the rows of blocks at `starts`, and the offsets of the blocks end to end."""
    offsets = lengths_to_offsets(lengths)
    return np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1]), offsets


class Blocks:
    """A buffer that versions of a history share: a later one has more rows of it.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        The rows of all series, end to end.
    lengths : ndarray of int64 of shape (n_series,)
        Rows of each series.
    n_coming : ndarray of int64 of shape (n_series,)
        Rows for which there must be room in any case.

    Attributes
    ----------
    rows : ndarray of shape (n_rows_with_room, n_columns)
        The buffer.
    starts : ndarray of int64 of shape (n_series,)
        Where the rows of each series begin.
    """

    def __init__(self, values, lengths, n_coming):
        self._room = lengths + lengths // 2 + 2 * n_coming + _LEAST_ROOM
        self.starts = lengths_to_offsets(self._room)[:-1]
        self.rows = np.empty((self._room.sum(), values.shape[1]), values.dtype)
        self.rows[rows_of(self.starts, lengths)[0]] = values
        self._used = lengths.copy()
        self._lock = Lock()

    def append(self, series, lengths, newer, n_new):
        """Write rows behind those of some series, unless there is no room or it is taken.

        Parameters
        ----------
        series : ndarray of int64
            Which series, each once.
        lengths : ndarray of int64
            The rows that they have in the version to be continued.
        newer : ndarray of shape (n_new.sum(), n_columns)
            The new rows of all of them.
        n_new : ndarray of int64
            How many of them each gets.

        Returns
        -------
        done : bool
            Whether they were written. Otherwise the version needs a buffer of its own.
        """
        with self._lock:
            is_free = (self._used[series] == lengths) & (lengths + n_new <= self._room[series])
            if not is_free.all():
                return False
            self._used[series] += n_new
        self.rows[rows_of(self.starts[series] + lengths, n_new)[0]] = newer
        return True
