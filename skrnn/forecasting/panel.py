"""The numbers of many series, without names or dates: what the model is computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skrnn.sequences import lengths_to_offsets


@dataclass(frozen=True, eq=False)
class Panel:
    """Many series end to end, with what is known beside them.

    Attributes
    ----------
    target : ndarray of shape (n_rows_total, n_targets)
        What is forecast, NaN where missing.
    offsets : ndarray of int64 of shape (n_series + 1,)
        Where each series begins and ends.
    past : ndarray of shape (n_rows_total, n_past)
        Covariates known up to the present.
    ahead : ndarray of shape (n_ahead_total, n_ahead)
        What is known ahead of time, for the rows of the series and perhaps more after them: first
        the covariates, then features of the calendar.
    ahead_offsets : ndarray of int64 of shape (n_series + 1,)
        Where each series begins and ends in `ahead`.
    n_known : int
        Columns of `ahead` that are covariates.
    static : ndarray of shape (n_series, n_static)
        What does not change over time.
    """

    target: np.ndarray
    offsets: np.ndarray
    past: np.ndarray
    ahead: np.ndarray
    ahead_offsets: np.ndarray
    n_known: int
    static: np.ndarray

    def __len__(self):
        return self.offsets.shape[0] - 1

    @property
    def lengths(self):
        """Rows of each series."""
        return np.diff(self.offsets)

    def truncated(self, lengths):
        """Return the first rows of each series; what is known ahead ends there too."""
        rows = _first_rows(self.offsets, lengths)
        ahead_rows = _first_rows(self.ahead_offsets, lengths)
        offsets = lengths_to_offsets(lengths)
        return replace(
            self,
            target=self.target[rows],
            past=self.past[rows],
            offsets=offsets,
            ahead=self.ahead[ahead_rows],
            ahead_offsets=offsets,
        )

    def continued(self, series, positions, memory, path, reach):
        """Return series that end in forecasts, one for each place, as if these had happened.

        Parameters
        ----------
        series, positions : ndarray of int64 of shape (n,)
            The places.
        memory : int
            Rows before each place to take over.
        path : ndarray of shape (n, n_steps, n_targets)
            What is to stand after each place.
        reach : int
            Rows after the path of which what is known ahead is taken over.

        Returns
        -------
        panel : Panel
            A series for each place. Covariates of the past keep their last values.
        series, positions : ndarray of int64
            The ends of these series.
        """
        n_known, n_steps = np.minimum(positions, memory), path.shape[1]
        first = positions - n_known
        rows, old = _places(self.offsets[series] + first, n_known, n_steps)
        last = np.repeat(self.offsets[series] + positions - 1, n_known + n_steps)
        target = self.target[np.minimum(rows, last)]
        target[~old] = path.reshape(-1, path.shape[2])
        ahead_rows, _ = _places(self.ahead_offsets[series] + first, n_known, n_steps + reach)
        end = np.repeat(self.ahead_offsets[series + 1], n_known + n_steps + reach)
        ahead = self.ahead[np.minimum(ahead_rows, end - 1)]
        ahead[ahead_rows >= end] = np.nan
        continued = replace(
            self,
            target=target,
            offsets=lengths_to_offsets(n_known + n_steps),
            past=self.past[np.minimum(rows, last)],
            ahead=ahead,
            ahead_offsets=lengths_to_offsets(n_known + n_steps + reach),
            static=self.static[series],
        )
        return continued, np.arange(series.size), n_known + n_steps


def _places(starts, n_known, n_more):
    """Return the rows of blocks that go on beyond what is known, and which rows are known."""
    lengths = n_known + n_more
    offsets = lengths_to_offsets(lengths)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    return np.repeat(starts, lengths) + place, place < np.repeat(n_known, lengths)


def _first_rows(offsets, lengths):
    return np.concatenate(
        [np.arange(first, first + n) for first, n in zip(offsets[:-1], lengths, strict=True)]
    )


def plain_panel(target, offsets):
    """Return a panel of targets and nothing else."""
    n_rows, n_series = target.shape[0], offsets.shape[0] - 1
    nothing = np.empty((n_rows, 0), dtype=target.dtype)
    return Panel(
        target, offsets, nothing, nothing, offsets, 0, np.empty((n_series, 0), target.dtype)
    )
