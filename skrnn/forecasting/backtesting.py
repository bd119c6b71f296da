"""Forecasts from many past origins, by one fitted network or by one fitted at each."""

from __future__ import annotations

import warnings
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skrnn.forecasting.backtest import backtest_frame, rolling_origins
from skrnn.forecasting.intervals import probabilities
from skrnn.forecasting.scoring import continued

_REFITS = (False, "once", True)


class Backtesting:
    """Mixin: `backtest` of a forecaster."""

    def backtest(self, X, *, n_windows=5, step=None, horizon=None, coverage=None, refit=False):
        """Forecast from past origins and return the forecasts beside what happened.

        The last origin leaves exactly `horizon` rows of a series to compare with, the others lie
        `step` rows apart before it. Covariates known ahead are taken from the rows that follow
        an origin; nothing else behind it is seen.

        Parameters
        ----------
        X : series in any layout that `fit` takes
            The series whole, from their beginnings; or, with an index, only the rows that follow
            on those of training, from whose end on there are then origins.
        n_windows : int or None, default=5
            Origins of each series, as far as there is history; None is all.
        step : int, default=None
            Rows from one origin to the next; `horizon` if None.
        horizon : int, default=None
            Steps to forecast; that of training if None.
        coverage : float or list of float, default=None
            Coverage of intervals to add.
        refit : {False, "once", True}, default=False
            False takes the fitted forecaster, all origins in one pass; it should have been fitted
            on earlier rows. ``"once"`` fits a copy on what precedes the first origin, True one at
            each origin on all that precedes it; the forecaster itself need not be fitted and
            stays as it is.

        Returns
        -------
        frame : DataFrame
            One row a forecast, ordered by series, cutoff and step, with the columns

            - `series`: its key, number or name; `target`: column, unless there is just one;
            - `cutoff`: the last time known; `time`: the time forecast; `step`: from 1;
            - `y`, `forecast`: what happened and what was forecast;
            - `lower_80`, `upper_80` and so on for each coverage, in percent;
            - `naive`: the seasonal naive forecast from the same origin; `naive_mae`, `naive_rmse`:
              its mean errors before the cutoff, by which scaled errors are divided.

        Raises
        ------
        ValueError
            If no series is longer than `horizon`.

        Warns
        -----
        UserWarning
            If the fitted forecaster was trained on rows that it forecasts here.

        See Also
        --------
        skrnn.forecasting.backtest_scores : The scores of the frame, by series or step.
        skrnn.forecasting.BacktestDisplay : Its picture.

        Examples
        --------
        >>> import numpy as np
        >>> from skrnn import RNNForecaster
        >>> from skrnn.forecasting import backtest_scores
        >>> y = np.sin(np.arange(200) * 0.4)
        >>> model = RNNForecaster(horizon=4, hidden_layer_sizes=8, max_iter=20, random_state=0)
        >>> frame = model.fit(y[:160]).backtest(y, n_windows=10, coverage=0.8)
        >>> len(frame), int(backtest_scores(frame)["n"].item())
        (40, 40)
        """
        if refit not in _REFITS:
            raise ValueError(f"refit must be False, 'once' or True; got {refit!r}.")
        horizon = _whole("horizon", self._horizon_of_backtest(horizon, refit))
        step = horizon if step is None else _whole("step", step)
        n_windows = None if n_windows is None else _whole("n_windows", n_windows)
        coverages = [] if coverage is None else probabilities(coverage, "coverage")
        if refit is False:
            series_set, first = self._series_to_backtest(X)
        else:
            series_set, first = self._read_series(X), 1
        series, positions = rolling_origins(series_set.lengths, horizon, n_windows, step, first)
        if refit is False:
            self._warn_of_rows_seen(series_set, series, positions)
            parts = [(self, series_set, series, positions, slice(None))]
        else:
            # Without intervals nobody needs the errors that a second network is trained for.
            model = clone(self) if coverages else clone(self).set_params(calibrate=False)
            parts = _fitted_parts(model, series_set, series, positions, refit)
        point, bounds = _forecast_parts(parts, len(series), horizon, coverages)
        season = parts[0][0].season_length_
        return backtest_frame(series_set, series, positions, point, bounds, season)

    def _horizon_of_backtest(self, horizon, refit):
        if horizon is not None:
            return horizon
        if refit:
            return self.horizon
        check_is_fitted(self)
        return self.horizon_

    def _series_to_backtest(self, X):
        """Return the series to forecast, and how many rows of each are not to be."""
        series_set = self._histories(X)
        if series_set.form.is_pandas:
            history, whole = continued(self._series, series_set)
            if whole is not None:
                return whole, history.lengths
        return series_set, 1

    def _warn_of_rows_seen(self, series_set, series, positions):
        n_seen = _rows_in_common(self._series, series_set)
        too_early = np.flatnonzero(n_seen[series] > positions)
        if too_early.size == 0:
            return
        i = series[too_early[0]]
        first = series_set.clock.at(i, positions[too_early[0]])[0]
        where = "" if series_set.keys is None else f" of series {series_set.name_of(i)}"
        warnings.warn(
            f"The forecaster was trained on rows{where} that this backtest forecasts, from {first} "
            "on: its errors are too small. Fit it on earlier rows, or pass refit='once' or "
            "refit=True.",
            UserWarning,
            stacklevel=3,
        )


def _whole(name, value):
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be a whole number from 1; got {value!r}.")
    return int(value)


def _rows_in_common(training, series_set):
    """Return for each series how many of its rows, from the start, training knew."""
    n_seen = np.zeros(len(series_set), np.int64)
    for i in range(len(series_set)):
        if (training.keys is None) != (series_set.keys is None):
            continue
        place = 0 if training.keys is None else training.keys.get_indexer(series_set.keys[[i]])[0]
        if place < 0 or training.lengths[place] == 0:
            continue
        if series_set.form.is_pandas and training.form.is_pandas:
            end = training.clock.at(place, training.lengths[place] - 1)
            n_seen[i] = np.floor(series_set.clock.rows_of(end, i)[0]) + 1
        else:  # numbered rows say nothing, the values do
            n_seen[i] = _equal_rows(training.series(place), series_set.series(i))
    return n_seen


def _equal_rows(one, other):
    n = min(len(one), len(other))
    same = np.array_equal(one[:n], other[:n].astype(one.dtype), equal_nan=True)
    return n if same else 0


def _fitted_parts(forecaster, series_set, series, positions, refit):
    """Fit a copy before each origin, or one before the first; return it with its origins.

    Origins are counted from the last: series of unequal length are cut at the same number.
    """
    counts = np.bincount(series, minlength=len(series_set))
    before_last = np.cumsum(counts)[series] - 1 - np.arange(len(series))
    rounds = [np.arange(len(series))]
    if refit is True:
        rounds = [np.flatnonzero(before_last == k) for k in range(counts.max() - 1, -1, -1)]
    parts = []
    for rows in rounds:
        known = series_set.lengths.copy()
        # Of a series with several origins the first is written last.
        known[series[rows[::-1]]] = positions[rows[::-1]]
        started = np.isin(np.arange(len(series_set)), series[rows]) | (counts == 0)
        history = series_set.truncated(known).take(np.flatnonzero(started))
        model = clone(forecaster).fit(history)
        parts.append((model, series_set, series[rows], positions[rows], rows))
    return parts


def _forecast_parts(parts, n_origins, horizon, coverages):
    """Return point forecasts and bounds of all origins, each from its own model."""
    alphas = [(1 - c) / 2 for c in coverages] + [(1 + c) / 2 for c in coverages]
    point = bounds = None
    for model, series_set, series, positions, rows in parts:
        forecasts = model._forecast_from(series_set, series, positions, horizon)
        values = forecasts.point()
        if point is None:
            point = np.empty((n_origins, *values.shape[1:]), series_set.values.dtype)
            bounds = np.empty((len(alphas), *point.shape), point.dtype)
        point[rows] = values
        if alphas:
            bounds[:, rows] = model._quantiles(forecasts, alphas)
    n = len(coverages)
    return point, {c: (bounds[k], bounds[n + k]) for k, c in enumerate(coverages)}
