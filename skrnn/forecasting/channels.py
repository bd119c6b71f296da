"""The columns that a network reads of each row, and the frame that normalises a window of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from skrnn.forecasting.normalisation import (
    FIXED,
    ONE,
    SIZE,
    SPREAD,
    carry_forward,
    measure,
    repeat_season,
)
from skrnn.forecasting.windows import all_origins, rows_ahead

# A window that strays from its level by this multiple of what is usual is scaled down.
_EXTREME = 2.5
# Series whose spreads differ by less than this factor are measured in one unit.
_ALIKE = 3.0
# Windows from which usual distances are told.
_N_MEASURED = 4000


@dataclass(frozen=True, eq=False)
class Standard:
    """Mean and standard deviation of columns, NaN left out; constants are only centred."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, values):
        """Measure the columns of an array of shape (n_rows, n_columns)."""
        n_columns = values.shape[1]
        mean, scale = np.zeros(n_columns), np.ones(n_columns)
        for k in range(n_columns):
            present = values[:, k].astype(np.float64)
            present = present[np.isfinite(present)]
            if present.size:
                mean[k] = present.mean()
                spread = present.std()
                scale[k] = spread if spread > 1e-12 * abs(mean[k]) else 1.0
        return cls(mean, scale)

    def __call__(self, values):
        """Standardise the columns of an array of any leading shape."""
        return ((values - self.mean) / self.scale).astype(values.dtype)


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a panel as the model reads them.

    Attributes
    ----------
    values : ndarray of shape (n_rows, n_columns)
        What the network reads: targets (or their changes), whether they were missing, covariates
        of the past and whether they were, and what was known ahead of the next row.
    z, filled : ndarray of shape (n_rows, n_targets)
        The transformed targets, NaN where missing, and with the gaps filled.
    moved : ndarray of shape (n_rows, n_targets)
        What the network reads of the targets before it is normalised: `filled`, or its changes.
    offsets : ndarray of int64
        Where each series begins and ends.
    ahead : ndarray of shape (n_ahead_rows, n_ahead)
        Standardised covariates and calendar features that are known ahead.
    ahead_offsets : ndarray of int64
        Where each series begins and ends in `ahead`.
    static : ndarray of shape (n_series, n_static)
        Standardised.
    """

    values: np.ndarray
    z: np.ndarray
    filled: np.ndarray
    moved: np.ndarray
    offsets: np.ndarray
    ahead: np.ndarray
    ahead_offsets: np.ndarray
    static: np.ndarray


@dataclass(frozen=True, eq=False)
class Frame:
    """What normalises windows and the forecasts from them.

    Attributes
    ----------
    shift, gain : ndarray of shape (n, n_targets)
        The network reads ``(value - shift) * gain``.
    base : ndarray of shape (n, horizon, n_targets)
        The forecast that the network corrects.
    scale : ndarray of shape (n, n_targets)
        The unit of its corrections.
    spread : ndarray of shape (n, n_targets)
        The unit of its errors, which is that of the window alone.
    """

    shift: np.ndarray
    gain: np.ndarray
    base: np.ndarray
    scale: np.ndarray
    spread: np.ndarray


def _typical(values):
    """Return the mean distance from zero of each target that is present; one where none is."""
    distance = np.abs(values).reshape(-1, values.shape[-1])
    total, count = np.nansum(distance, axis=0), np.isfinite(distance).sum(axis=0)
    typical = np.divide(total, count, out=np.ones(total.size), where=count > 0)
    typical[~(typical > 0)] = 1.0
    return typical


def _are_alike(z, offsets):
    """Tell for each target whether the spreads of most series are within a small factor."""
    alike = np.ones(z.shape[1], dtype=bool)
    for k in range(z.shape[1]):
        spreads = []
        for first, last in pairwise(offsets):
            present = z[first:last, k]
            present = present[np.isfinite(present)].astype(np.float64)
            spread = present.std() if present.size else 0.0
            spreads += [spread] if spread > 0 else []
        if spreads:
            low, high = np.quantile(spreads, [0.1, 0.9])
            alike[k] = high <= _ALIKE * low
    return alike


class Channels:
    """Reads panels always in the same way.

    Parameters
    ----------
    transforms : list of Transform
        One a target.
    plan : Plan
        The choices made.
    """

    def __init__(self, transforms, plan):
        self.transforms = transforms
        self.plan = plan

    def fit(self, panel):
        """Learn which columns have gaps and how columns are standardised.

        Parameters
        ----------
        panel : Panel
            The training part.

        Returns
        -------
        self : Channels
            Ready to read.
        """
        self.n_targets = panel.target.shape[1]
        self.target_gaps = np.isnan(panel.target).any(axis=0)
        self.past_gaps = np.isnan(panel.past).any(axis=0)
        self.past_standard = Standard.of(panel.past)
        self.ahead_standard = Standard.of(panel.ahead)
        self.static_standard = Standard.of(panel.static)
        self.n_known = panel.n_known
        z = self.transform(panel.target)
        self.target_standard = Standard.of(z)
        self.kinds = self._kinds_of_unit(z, panel.offsets)
        self.home, self.width = self.target_standard.mean, self.target_standard.scale
        if self.plan.scaling is None:
            self.home, self.width = np.zeros(self.n_targets), np.ones(self.n_targets)
        self.usual_spread = np.ones(self.n_targets)
        self.most_stray = np.full(self.n_targets, np.inf)
        self.input_unit = self.target_unit = np.ones(self.n_targets)
        self._fit_units(panel)
        return self

    def _kinds_of_unit(self, z, offsets):
        if self.plan.scaling != "window":
            return np.full(self.n_targets, FIXED)
        is_bent = np.array([transform.power is not None for transform in self.transforms])
        is_positive = np.where(np.isnan(z), np.inf, z).min(axis=0) >= 0
        kinds = np.where(is_positive, SIZE, np.where(_are_alike(z, offsets), ONE, SPREAD))
        return np.where(is_bent, ONE, kinds)

    def _fit_units(self, panel):
        """Learn how far, in units of their windows, inputs and targets usually are from home."""
        horizon, window = self.plan.horizon, self.plan.window
        series, positions = all_origins(panel.lengths, np.minimum(window, panel.lengths - 1))
        picked = np.unique(np.linspace(0, series.size - 1, _N_MEASURED).astype(np.int64))
        if series.size == 0:
            return
        series, positions = series[picked], positions[picked]
        rows = self.read(panel)
        ends, n_known = panel.offsets[series] + positions, np.minimum(positions, window)
        _, spread, unit = self.measured(rows.filled, ends, n_known)
        self.usual_spread = _typical(spread)
        self.most_stray = _EXTREME * _typical(spread / unit)
        is_bent = np.array([transform.power is not None for transform in self.transforms])
        self.most_stray[(self.kinds == ONE) & ~is_bent] = np.inf
        frame = self.frame(rows, ends, n_known, horizon)
        # The windows' last rows stand for all of them.
        recent = np.maximum(positions - horizon, 0)
        inputs = rows_ahead(rows.moved, rows.offsets, series, recent, horizon)
        inputs = (inputs - frame.shift[:, np.newaxis]) * frame.gain[:, np.newaxis]
        targets = rows_ahead(rows.z, rows.offsets, series, positions, horizon) - frame.base
        if self.plan.difference:
            targets = np.diff(targets, axis=1, prepend=0.0)
        targets = targets / np.where(frame.scale > 0, frame.scale, np.nan)[:, np.newaxis]
        self.input_unit, self.target_unit = 1.4 * _typical(inputs), _typical(targets)

    # -------------------------------------------------------------------- rows

    def transform(self, target):
        """Return transformed targets."""
        if len(self.transforms) == 1:
            return self.transforms[0].forward(target)
        z = np.empty_like(target)
        for k, transform in enumerate(self.transforms):
            z[:, k] = transform.forward(target[:, k])
        return z

    def fill(self, z, offsets):
        """Return transformed targets with gaps filled from what came before."""
        if not np.isnan(z).any():
            return z
        filled = np.empty_like(z)
        carry_forward(z, offsets, self.plan.season, filled)
        return filled

    def _moved(self, filled, offsets):
        if not self.plan.difference:
            return filled
        moved = np.empty_like(filled)
        moved[1:] = filled[1:] - filled[:-1]
        moved[offsets[:-1][np.diff(offsets) > 0]] = np.nan
        return moved

    def read(self, panel):
        """Return the rows of a panel."""
        z = self.transform(panel.target)
        filled = self.fill(z, panel.offsets)
        moved = self._moved(filled, panel.offsets)
        ahead = self.ahead_standard(panel.ahead)
        next_ahead = np.full((z.shape[0], ahead.shape[1]), np.nan, dtype=z.dtype)
        if ahead.shape[1]:
            # Row t of the network's input goes with what is known of row t + 1.
            place = np.arange(z.shape[0]) - np.repeat(panel.offsets[:-1], panel.lengths)
            source = np.repeat(panel.ahead_offsets[:-1], panel.lengths) + place + 1
            inside = source < np.repeat(panel.ahead_offsets[1:], panel.lengths)
            next_ahead[inside] = ahead[source[inside]]
        past = self.past_standard(panel.past)
        values = np.concatenate(
            [
                moved,
                np.isnan(z[:, self.target_gaps]),
                past,
                np.isnan(past[:, self.past_gaps]),
                next_ahead,
            ],
            axis=1,
            dtype=z.dtype,
        )
        return Rows(
            np.ascontiguousarray(values),
            z,
            np.ascontiguousarray(filled),
            np.ascontiguousarray(moved),
            panel.offsets,
            ahead,
            panel.ahead_offsets,
            self.static_standard(panel.static),
        )

    def constants(self, rows, series, positions, horizon):
        """Return what accompanies each step of a window.

        What does not change, and the covariates known ahead beyond the first step to forecast.
        """
        dtype = rows.values.dtype
        parts = [rows.static[series]]
        if self.n_known and horizon > 1:
            known = rows_ahead(
                rows.ahead[:, : self.n_known],
                rows.ahead_offsets,
                series,
                positions + 1,
                horizon - 1,
            )
            parts.append(np.nan_to_num(known.reshape(series.size, -1)))
        return np.ascontiguousarray(np.concatenate(parts, axis=1), dtype=dtype)

    # ------------------------------------------------------------------- frame

    def measured(self, filled, ends, n_known):
        """Return level, spread and unit of the windows that end at some rows; see `measure`."""
        level, spread, unit = (np.empty((ends.size, self.n_targets)) for _ in range(3))
        measure(
            filled, ends, n_known, self.plan.level_rows, self.kinds, self.home, self.width,
            self.usual_spread, self.most_stray, level, spread, unit,
        )  # fmt: skip
        return level, spread, unit

    def frame(self, rows, ends, n_known, horizon):
        """Return what normalises the windows that end at some rows.

        Parameters
        ----------
        rows : Rows
            The rows.
        ends, n_known : ndarray of int64 of shape (n,)
            The row after each window, and how many rows before it are known.
        horizon : int
            Steps of the base.

        Returns
        -------
        frame : Frame
            The frame.
        """
        level, spread, unit = self.measured(rows.filled, ends, n_known)
        base = self._base(rows, ends, n_known, horizon, level)
        # A series that never moved is taken to stay where it is.
        moves, error_unit = spread > 0, unit * self.target_unit
        base = np.where(moves[:, np.newaxis], base, rows.filled[ends - 1][:, np.newaxis])
        shift = np.zeros(level.shape) if self.plan.difference else level
        gain = 1 / (unit * self.input_unit)
        return Frame(shift, gain, base, np.where(moves, error_unit, 0.0), unit)

    def _base(self, rows, ends, n_known, horizon, level):
        """Return the forecast to correct: the last season come again, or the level."""
        plan = self.plan
        base = np.empty((ends.size, horizon, self.n_targets), dtype=rows.values.dtype)
        if plan.difference:
            last = rows.filled[ends - 1].astype(np.float64)[:, np.newaxis]
            if plan.baseline == "level" or plan.season == 1:
                return np.repeat(last, horizon, axis=1)
            repeat_season(rows.moved, ends, n_known - 1, plan.season, base)
            return last + np.nan_to_num(base.astype(np.float64)).cumsum(axis=1)
        if plan.baseline == "level":
            return np.repeat(level[:, np.newaxis], horizon, axis=1)
        repeat_season(rows.filled, ends, n_known, plan.season, base)
        return base.astype(np.float64)
