"""Windows of history: where they lie in the series, scaled only when a batch is packed.

A window is a place, a length, and the numbers that normalise it. Its steps are read from the rows
of the whole series, which all windows share, so a thousand windows of a series take the memory of
that series and of a thousand short rows of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skrnn._jit import jit
from skrnn._views import flat

# Normalised values further from home than this are taken for mistakes, or for another regime.
LIMIT = 20.0


@jit
def _pack_windows(values, ends, n_rows, shift, gain, constants, segment, first, starts, out):
    """Write the normalised steps of windows, longest first, to time-major rows without gaps."""
    n_columns, n_scaled = values.shape[1], shift.shape[1]
    for t in range(starts.size - 1):
        for i in range(starts[t + 1] - starts[t]):
            target = flat(out, starts[t] + i, starts[t] + i + 1)
            n_steps = -(-n_rows[i] // segment)
            row = ends[i] - (n_steps - first - t) * segment
            for j in range(segment):
                place = j * n_columns
                known = row + j >= ends[i] - n_rows[i]
                for c in range(n_columns):
                    # What is missing stands at the level of the window, which is zero.
                    target[place + c] = 0
                    if known:
                        value = values[row + j, c]
                        if c < n_scaled:
                            value = (value - shift[i, c]) * gain[i, c]
                            value = min(max(value, -LIMIT), LIMIT)
                        if value == value:
                            target[place + c] = value
            for c in range(constants.shape[1]):
                target[segment * n_columns + c] = constants[i, c]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Stretches of history as sequences, in the form that training and inference take.

    Attributes
    ----------
    values : ndarray of shape (n_rows_total, n_columns)
        The rows of all series. NaN is read as the level of the window.
    ends : ndarray of int64 of shape (n,)
        Row after the last of each window.
    n_rows : ndarray of int64 of shape (n,)
        Rows of each window.
    shift, gain : ndarray of shape (n, n_scaled)
        The first columns are read as ``(value - shift) * gain``.
    constants : ndarray of shape (n, n_constants)
        Numbers that accompany every step of a window.
    segment : int
        Rows that make up a step.
    """

    values: np.ndarray
    ends: np.ndarray
    n_rows: np.ndarray
    shift: np.ndarray
    gain: np.ndarray
    constants: np.ndarray
    segment: int = 1

    def __len__(self):
        return self.ends.shape[0]

    @property
    def dtype(self):
        """Type of the values."""
        return self.values.dtype

    @property
    def n_channels(self):
        """Numbers that a step brings."""
        return self.segment * self.values.shape[1] + self.constants.shape[1]

    @property
    def lengths(self):
        """Number of steps of each window, int64."""
        return -(-self.n_rows // self.segment)

    def lengths_of(self, indices):
        """Return the number of steps of some windows."""
        return -(-self.n_rows[indices] // self.segment)

    def load(self, indices):
        """Return windows in memory and where each of `indices` is among them: these, and there."""
        return self, indices

    def pack(self, indices, starts, out, first=0):
        """Write some windows, longest first, to time-major rows without gaps.

        Parameters
        ----------
        indices : ndarray of int64
            Which windows, from the longest to the shortest.
        starts : ndarray of int64 of shape (n_steps + 1,)
            First row of each step in `out`.
        out : ndarray of shape (n_rows, n_channels)
            Receives the steps.
        first : int, default=0
            The step that comes first.
        """
        _pack_windows(
            self.values, self.ends[indices], self.n_rows[indices], self.shift[indices],
            self.gain[indices], self.constants[indices], self.segment, first, starts, out,
        )  # fmt: skip

    def pack_all(self, starts, out):
        """Write all windows, which are of one length, to time-major rows as `pack` does."""
        _pack_windows(
            self.values, self.ends, self.n_rows, self.shift, self.gain, self.constants,
            self.segment, 0, starts, out,
        )  # fmt: skip

    def take(self, indices):
        """Return some of the windows; the rows stay shared."""
        return replace(
            self,
            ends=self.ends[indices],
            n_rows=self.n_rows[indices],
            shift=self.shift[indices],
            gain=self.gain[indices],
            constants=self.constants[indices],
        )

    def astype(self, dtype):
        """Return the windows in another float type."""
        return replace(
            self,
            values=self.values.astype(dtype),
            shift=self.shift.astype(dtype),
            gain=self.gain.astype(dtype),
            constants=self.constants.astype(dtype),
        )


def all_origins(lengths, shortest, latest=1):
    """Return every place from which series can be forecast, as (series, rows known) pairs.

    Parameters
    ----------
    lengths : ndarray of int64
        Rows of each series.
    shortest : int or ndarray of int64
        Rows of history that a place asks for; a shorter series gives its last place alone.
    latest : int
        Rows that must follow.

    Returns
    -------
    series, positions : ndarray of int64
        One pair a place.
    """
    first = np.minimum(shortest, np.maximum(lengths - latest, 1))
    counts = np.maximum(lengths - latest - first + 1, 0)
    series = np.repeat(np.arange(lengths.size), counts)
    before = np.cumsum(counts) - counts
    positions = np.arange(series.size) - np.repeat(before - first, counts)
    return series, positions


def rows_ahead(values, offsets, series, positions, horizon):
    """Gather the rows after each place; NaN beyond the end of its series.

    Parameters
    ----------
    values : ndarray of shape (n_rows_total, n_columns)
        The rows of all series.
    offsets : ndarray of int64
        Where each series begins and ends.
    series, positions : ndarray of int64 of shape (n,)
        The places.
    horizon : int
        Rows to gather.

    Returns
    -------
    ahead : ndarray of shape (n, horizon, n_columns)
        The rows.
    """
    rows = (offsets[series] + positions)[:, np.newaxis] + np.arange(horizon)
    beyond = rows >= offsets[series + 1][:, np.newaxis]
    if values.shape[0] == 0:
        return np.full((*rows.shape, values.shape[1]), np.nan, dtype=values.dtype)
    ahead = values[np.minimum(rows, values.shape[0] - 1)]
    ahead[beyond] = np.nan
    return ahead
