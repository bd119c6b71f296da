"""The forecasting model: normalised windows in, forecasts and their spread out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn.forecasting.channels import Channels
from skrnn.forecasting.normalisation import FIXED, fit_transform
from skrnn.forecasting.smoothing import move_towards, rows_to_smooth
from skrnn.forecasting.windows import LIMIT, Windows, all_origins, rows_ahead


@dataclass(frozen=True)
class Plan:
    """What the model is to be, all choices made.

    Attributes
    ----------
    horizon : int
        Steps that the network gives at once.
    lookback : int
        Rows that it reads.
    season : int
        Rows of a season; 1 where there is none.
    scaling : {"window", "standard", None}
        Whose level and scale normalise a window.
    baseline : {"level", "seasonal_naive"}
        What the network corrects: the level of the window, or its last season come again.
    transform : {None, "log", "box-cox", "auto"}
        How values are bent.
    difference : {0, 1}
        Whether the network reads and gives changes.
    segment : int
        Rows that make a step of the network.
    levels : tuple of float or None
        Quantiles that the network gives, rising, 0.5 among them; None is one number.
    smoothing : bool
        Whether forecasts are the mean of the network's and of exponential smoothing.
    """

    horizon: int
    lookback: int
    season: int = 1
    scaling: str | None = "window"
    baseline: str = "level"
    transform: str | None = "auto"
    difference: int = 0
    segment: int = 1
    levels: tuple | None = None
    smoothing: bool = False

    @property
    def level_rows(self):
        """Rows at the end of a window whose mean is its level: a season."""
        return self.season

    @property
    def n_levels(self):
        """Numbers that the network gives for each step and target."""
        return 1 if self.levels is None else len(self.levels)

    @property
    def middle(self):
        """Which of them is the point forecast."""
        return 0 if self.levels is None else self.levels.index(0.5)

    def rows_read(self, n_known):
        """Return how many of the known rows the network reads: whole segments, if there is one."""
        n_read = np.minimum(n_known, self.lookback)
        return n_read - np.where(n_read > self.segment, n_read % self.segment, 0)

    @property
    def window(self):
        """Rows of history that the network and what normalises it depend on."""
        return max(self.lookback, self.season) + self.difference

    @property
    def memory(self):
        """Rows of history that a forecast depends on."""
        return max(self.window, rows_to_smooth(self.season)) if self.smoothing else self.window


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts from some places, on the scale on which the model works.

    Attributes
    ----------
    centre : ndarray of shape (n, horizon, n_targets)
        The point forecasts, transformed.
    spread : ndarray of shape (n, n_targets)
        The unit of errors.
    quantiles : ndarray of shape (n, horizon, n_targets, n_levels) or None
        Those of the network, transformed and in rising order.
    transforms : list of Transform
        How each target was bent.
    """

    centre: np.ndarray
    spread: np.ndarray
    quantiles: np.ndarray | None
    transforms: list

    def point(self):
        """Return the point forecasts in the units of the series."""
        return self.back(self.centre)

    def back(self, values):
        """Undo the transforms of values whose third axis is that of the targets."""
        if len(self.transforms) == 1:
            return self.transforms[0].inverse(values)
        result = np.empty_like(values)
        for k, transform in enumerate(self.transforms):
            result[:, :, k] = transform.inverse(values[:, :, k])
        return result

    def errors(self, actual):
        """Return what happened minus each level, in units of the spread; NaN where unknown.

        Parameters
        ----------
        actual : ndarray of shape (n, horizon, n_targets)
            What happened, transformed.

        Returns
        -------
        errors : ndarray of shape (n, horizon, n_targets, n_levels)
            One level, the point forecast, if the network gives no quantiles.
        """
        levels = self.centre[..., np.newaxis] if self.quantiles is None else self.quantiles
        unit = np.where(self.spread > 0, self.spread, np.nan)[:, np.newaxis, :, np.newaxis]
        return (actual[..., np.newaxis] - levels) / unit


class Model:
    """A network with its normalisation, fitted on a panel.

    Parameters
    ----------
    plan : Plan
        What it is to be.
    regressor : WindowRegressor
        The network, not fitted yet, or to be trained further.
    """

    def __init__(self, plan, regressor):
        self.plan = plan
        self.regressor = regressor

    # --------------------------------------------------------------------- fit

    def fit(self, panel, *, n_held_out=None, owner=None):
        """Fit normalisation and network.

        Parameters
        ----------
        panel : Panel
            The series.
        n_held_out : ndarray of int64 or None
            Rows at the end of each series that only watch the training.
        owner : tuple or None
            Who hears of the epochs; see `WindowRegressor.fit_windows`.

        Returns
        -------
        self : Model
            The fitted model.
        """
        seen = panel if n_held_out is None else panel.truncated(panel.lengths - n_held_out)
        self.fit_normalisation(seen)
        return self.train(panel, n_held_out=n_held_out, owner=owner)

    def train(self, panel, *, n_held_out=None, owner=None):
        """Train the network, the normalisation left as it is; parameters as of :meth:`fit`."""
        plan, lengths = self.plan, panel.lengths
        n_seen = lengths if n_held_out is None else lengths - n_held_out
        rows = self.channels.read(panel)
        shortest = min(plan.window, plan.season + 1 + plan.difference)
        series, positions = all_origins(n_seen, np.maximum(shortest, 2))
        seen = self._examples(rows, series, positions, n_seen)
        if len(seen[0]) == 0:
            # Nothing ever moved: each series is forecast to stay where it is.
            return self
        watched = None
        if n_held_out is not None:
            series, positions = all_origins(lengths, n_seen)
            watched = self._examples(rows, series, positions, lengths)
            watched = watched if len(watched[0]) else seen
        self.regressor.fit_windows(*seen, watched, owner=owner)
        return self

    def fit_normalisation(self, panel):
        """Fit transforms, channels and the unit of series that are too short to have one."""
        plan = self.plan
        transforms = [
            fit_transform(plan.transform, panel.target[:, k], f"target {k}")
            for k in range(panel.target.shape[1])
        ]
        self.channels = Channels(transforms, plan).fit(panel)
        return self

    def _examples(self, rows, series, positions, lengths):
        """Return windows and normalised targets of places; those that teach nothing left out."""
        windows, frame = self._windows(rows, series, positions, self.plan.horizon)
        actual = rows_ahead(rows.z, rows.offsets, series, positions, self.plan.horizon)
        late = (
            positions[:, np.newaxis] + np.arange(self.plan.horizon) >= lengths[series, np.newaxis]
        )
        actual[late] = np.nan
        if self.plan.difference:
            before = rows.filled[rows.offsets[series] + positions - 1][:, np.newaxis]
            base = np.concatenate([before, frame.base], axis=1)
            joined = np.concatenate([before, actual], axis=1)
            target = np.diff(joined - base, axis=1)
        else:
            target = actual - frame.base
        moving = np.where(frame.scale > 0, frame.scale, np.nan)[:, np.newaxis]
        n_outputs = self.plan.horizon * self.channels.n_targets
        target = np.clip((target / moving).reshape(len(windows), n_outputs), -LIMIT, LIMIT)
        if self.plan.levels is not None:
            target = np.repeat(target, len(self.plan.levels), axis=1)
        kept = np.flatnonzero(np.isfinite(target).any(axis=1))
        target = np.ascontiguousarray(target[kept], dtype=rows.values.dtype)
        return windows.take(kept), target

    # ---------------------------------------------------------------- forecast

    def forecast(self, panel, series, positions, horizon):
        """Forecast from places in series.

        Parameters
        ----------
        panel : Panel
            The series; what is known ahead reaches as far as it is needed.
        series, positions : ndarray of int64 of shape (n,)
            The places: which series, and how many of its rows are known.
        horizon : int
            Steps to forecast, any number.

        Returns
        -------
        forecasts : Forecasts
            One row a place.
        """
        block, parts = self.plan.horizon, []
        for done in range(0, horizon, block):
            if parts:
                panel, series, positions = panel.continued(
                    series, positions, self.plan.memory, parts[-1].point(), horizon - done
                )
            rows = self.channels.read(panel)
            parts.append(self._block(rows, series, positions, min(block, horizon - done)))
        quantiles = None
        if self.plan.levels is not None:
            quantiles = np.concatenate([part.quantiles for part in parts], axis=1)
        return Forecasts(
            np.concatenate([part.centre for part in parts], axis=1),
            parts[0].spread,
            quantiles,
            self.channels.transforms,
        )

    @property
    def yardstick(self):
        """What all units of errors have as a factor that another fit would not, by target."""
        channels = self.channels
        return np.where(channels.kinds == FIXED, channels.width, 1.0)

    # What a live forecaster needs of a model, whether its targets are forecast jointly or apart.

    @property
    def single(self):
        """The model whose series are followed."""
        return self

    def rows_of_series(self, panel):
        """Return the rows of the series that are followed."""
        return self.channels.read(panel)

    def entering(self, target):
        """Return new rows of targets as rows of the series that are followed."""
        return self.transformed(target)

    def together(self, forecasts, n_places):
        """Return forecasts of the series that are followed as forecasts of the targets."""
        return forecasts

    def transformed(self, target):
        """Return targets on the scale on which the model works."""
        return self.channels.transform(target)

    def errors(self, forecasts, panel, series, positions):
        """Return the errors of forecasts from places; see :meth:`Forecasts.errors`."""
        horizon = forecasts.centre.shape[1]
        z = self.transformed(panel.target)
        return forecasts.errors(rows_ahead(z, panel.offsets, series, positions, horizon))

    def _block(self, rows, series, positions, horizon):
        windows, frame = self._windows(rows, series, positions, horizon)
        shape = (len(windows), self.plan.horizon, self.channels.n_targets, self.plan.n_levels)
        raw = np.zeros(shape)
        if self.regressor.is_trained:
            raw[...] = self.regressor.raw(windows).reshape(shape)
        raw = raw[:, :horizon]
        if self.plan.difference:
            raw = raw.cumsum(axis=1)
        bent = frame.base[..., np.newaxis] + frame.scale[:, np.newaxis, :, np.newaxis] * raw
        bent.sort(axis=3)
        if self.plan.smoothing:
            ends, known = rows.offsets[series] + positions, np.minimum(positions, self.plan.memory)
            move_towards(rows.filled, ends, known, self.plan, frame.scale, bent)
        return Forecasts(
            np.ascontiguousarray(bent[..., self.plan.middle]),
            frame.spread,
            None if self.plan.levels is None else bent,
            self.channels.transforms,
        )

    def _windows(self, rows, series, positions, horizon):
        """Return the windows before places and the frames of what follows."""
        ends = rows.offsets[series] + positions
        n_known = np.minimum(positions, self.plan.window)
        frame = self.channels.frame(rows, ends, n_known, horizon)
        constants = self.channels.constants(rows, series, positions, self.plan.horizon)
        dtype = rows.values.dtype
        return (
            Windows(
                rows.values,
                ends,
                self.plan.rows_read(positions),
                frame.shift.astype(dtype),
                frame.gain.astype(dtype),
                constants,
                self.plan.segment,
            ),
            frame,
        )
