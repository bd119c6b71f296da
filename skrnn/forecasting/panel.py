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
