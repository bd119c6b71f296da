"""Live forecasts: one new row in, the next forecast out, in the time that one window takes."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from skrnn._jit import jit
from skrnn.forecasting.model import Forecasts
from skrnn.forecasting.normalisation import repeat_season
from skrnn.forecasting.smoothing import move_towards
from skrnn.forecasting.windows import Windows
from skrnn.sequences import as_float


@jit
def _push(filled, values, z, season, n_known, gaps, new_filled, new_values):
    """Move the rows of each series up by one and put a new one after them, its gaps filled."""
    n_series = z.shape[0]
    n_targets, n_columns = filled.shape[1], values.shape[1]
    memory = filled.shape[0] // n_series
    for i in range(n_series):
        first, last = i * memory, (i + 1) * memory - 1
        for row in range(first, last):
            for k in range(n_targets):
                new_filled[row, k] = filled[row + 1, k]
            for c in range(n_columns):
                new_values[row, c] = values[row + 1, c]
        column = n_targets
        for k in range(n_targets):
            value = z[i, k]
            missing = value != value
            if missing and n_known >= season:
                value = filled[last + 1 - season, k]
            if value != value:
                value = filled[last, k]
            new_filled[last, k] = new_values[last, k] = value
            if gaps[k]:
                new_values[last, column] = 1 if missing else 0
                column += 1


@jit
def _repeat_level(level, centre):
    """Write the level of each window to each step."""
    for i in range(centre.shape[0]):
        for h in range(centre.shape[1]):
            for k in range(centre.shape[2]):
                centre[i, h, k] = level[i, k]


@jit
def _correct(raw, middle, filled, ends, spread, unit, target_unit, centre):
    """Add the outputs of the network to the base; series that do not move stay where they are."""
    for i in range(centre.shape[0]):
        for h in range(centre.shape[1]):
            for k in range(centre.shape[2]):
                if spread[i, k] > 0:
                    centre[i, h, k] += unit[i, k] * target_unit[k] * raw[i, h, k, middle]
                else:
                    centre[i, h, k] = filled[ends[i] - 1, k]


class ForecastState(NamedTuple):
    """What a live forecaster remembers of the series it follows; a step leaves it as it is.

    Attributes
    ----------
    filled : ndarray of shape (n_series * memory, n_targets)
        The last rows of each series, transformed, without gaps.
    values : ndarray of shape (n_series * memory, n_columns)
        What the network reads of them.
    static : ndarray of shape (n_series, n_static)
        What does not change.
    n_known : int
        How many of the rows of a series are known, the last ones.
    shape : tuple of int
        Series, targets.
    is_lone, is_flat : bool
        Whether results have no axis of series, and none of targets.
    """

    filled: np.ndarray
    values: np.ndarray
    static: np.ndarray
    n_known: int
    shape: tuple
    is_lone: bool
    is_flat: bool


class Live:
    """Mixin: `init_state` and `step` of a fitted forecaster."""

    def init_state(self, X=None):
        """Return the state after the series, from which live forecasts go on.

        Parameters
        ----------
        X : series in any layout that `fit` takes, default=None
            The histories; None is the training series.

        Returns
        -------
        state : ForecastState
            To be given to :meth:`step`.

        Raises
        ------
        ValueError
            If there are covariates that change over time, or the network reads changes: `update`
            and `predict` take these.
        """
        series_set = self._histories(X)
        plan, memory = self._model.plan, self._model.plan.memory
        if series_set.past.size or series_set.known.size or self.calendar is not None:
            raise ValueError(
                "A live forecaster follows targets alone, but this one has covariates that change "
                "over time. Use update(X) and predict() instead."
            )
        if plan.difference:
            raise ValueError("Live forecasts need difference=0. Use update(X) and predict().")
        panel = self._panel(series_set)
        known = np.minimum(panel.lengths, memory)
        if (known != known[0]).any():
            raise ValueError(
                "The histories are of unequal length and shorter than the forecaster looks back "
                f"({memory} rows). Pass longer ones, or follow each series by itself."
            )
        rows = self._model.rows_of_series(panel)
        ends, n_known = rows.offsets[1:], int(known[0])
        at = ends[:, np.newaxis] - memory + np.arange(memory)
        unknown = (np.arange(memory) < memory - n_known)[:, np.newaxis]
        filled, values = (
            np.where(unknown, array.dtype.type(np.nan), array[np.maximum(at, 0)]).reshape(
                -1, array.shape[1]
            )
            for array in (rows.filled, rows.values)
        )
        form, shape = series_set.form, (len(series_set), panel.target.shape[1])
        return ForecastState(
            filled, values, rows.static, n_known, shape, form.is_lone, form.is_flat
        )

    def step(self, x, state):
        """Take in one new row of each series and forecast what follows it.

        The forecaster and the state stay as they are. But for rounding the forecast is what
        `predict` gives after `update` with the same row.

        Parameters
        ----------
        x : float or array-like of shape (n_targets,), (n_series,) or (n_series, n_targets)
            The new values; NaN is a missing one.
        state : ForecastState
            From :meth:`init_state` or an earlier step.

        Returns
        -------
        forecast : ndarray of shape (horizon,) or (n_series, horizon), or with a last axis n_targets
            As many steps as the network gives at once: one with ``strategy="recursive"``.
        state : ForecastState
            The state after the step.

        Raises
        ------
        TypeError, ValueError
            If `x` is no row of numbers, or the state none of this forecaster.
        """
        if type(state) is not ForecastState:
            raise TypeError(
                "state must be what init_state or an earlier step returned, got "
                f"{type(state).__name__}."
            )
        model, values = self._model, state.values
        row = _check_row(x, state.shape, values.dtype)
        z = model.entering(row)
        filled, moved = np.empty_like(state.filled), np.empty_like(values)
        single, n = model.single, z.shape[0]
        channels, memory = single.channels, model.plan.memory
        if state.filled.shape[0] != n * memory:
            raise ValueError(
                f"state is that of another forecaster: it holds {state.filled.shape[0]} rows, this "
                f"one needs {n * memory}. Begin with init_state of this forecaster."
            )
        _push(
            state.filled, values, z, single.plan.season, state.n_known, channels.target_gaps,
            filled, moved,
        )  # fmt: skip
        n_known = min(state.n_known + 1, memory)
        forecasts = _forecast(single, filled, moved, state.static, n, n_known)
        point = model.together(forecasts, state.shape[0]).point()
        if point.dtype != values.dtype:
            point = point.astype(values.dtype)
        point = point[:, :, 0] if state.is_flat else point
        after = ForecastState(
            filled, moved, state.static, n_known, state.shape, state.is_lone, state.is_flat
        )
        return (point[0] if state.is_lone else point), after


@lru_cache(maxsize=64)
def _places(plan, n, memory, n_known):
    """Return where the windows of n series end, and how long they are for each use."""
    ends = np.arange(memory, n * memory + 1, memory)
    known = np.full(n, n_known)
    lengths = np.minimum(known, plan.window)
    return ends, lengths, known, plan.rows_read(lengths)


def _forecast(model, filled, values, static, n, n_known):
    """Return the forecasts of series whose last rows lie end to end, all equally long.

    This is what `Model.forecast` does with a panel, less what is only needed for more.
    """
    plan, channels, regressor = model.plan, model.channels, model.regressor
    ends, lengths, known, n_read = _places(plan, n, filled.shape[0] // n, n_known)
    level, spread, unit = channels.measured(filled, ends, lengths)
    centre = np.empty((n, plan.horizon, level.shape[1]))
    if plan.baseline == "level":
        _repeat_level(level, centre)
    else:
        repeat_season(filled, ends, lengths, plan.season, centre)
    if regressor.is_trained:
        gain = 1 / (unit * channels.input_unit)
        if values.dtype != gain.dtype:
            level, gain = level.astype(values.dtype), gain.astype(values.dtype)
        windows = Windows(values, ends, n_read, level, gain, static, plan.segment)
        raw = regressor.raw_of_batch(windows).reshape(*centre.shape, plan.n_levels)
        if plan.levels is not None:
            raw = np.sort(raw, axis=3)
    else:
        raw = np.zeros((*centre.shape, plan.n_levels), dtype=values.dtype)
    _correct(raw, plan.middle, filled, ends, spread, unit, channels.target_unit, centre)
    if plan.smoothing:
        move_towards(filled, ends, known, plan, spread, centre[..., np.newaxis])
    return Forecasts(centre, unit, None, channels.transforms)


def _check_row(x, shape, dtype):
    """Return a row of each series, of shape (n_series, n_targets)."""
    row = np.asarray(x)
    if row.dtype != dtype:
        row = as_float(row, "x").astype(dtype)
    if row.size != shape[0] * shape[1]:
        raise ValueError(
            f"x has shape {row.shape}, but a row of {shape[0]} series with {shape[1]} target(s) "
            f"has {shape[0] * shape[1]} values."
        )
    if np.logical_or.reduce(np.isinf(row), axis=None):
        raise ValueError("x holds an infinite value. Replace it, by NaN if it is unknown.")
    return row.reshape(shape)
