"""Rolling-origin forecasts as a tidy frame, and what they score."""

import numpy as np
import pandas as pd

from skrnn.metrics.forecasting import (
    pinball_losses,
    ranked_probability_scores,
    symmetric_percentage_errors,
)

__all__ = ["backtest_frame", "backtest_scores", "rolling_origins"]

_GROUPS = ("series", "target", "cutoff", "time", "step")
_NEEDED = ("series", "cutoff", "step", "y", "forecast", "naive", "naive_mae", "naive_rmse")


def rolling_origins(lengths, horizon, n_windows, step, first=1):
    """Return the places from which a backtest forecasts.

    The last origin of each series leaves exactly `horizon` values to compare with; the others lie
    `step` rows apart before it, as far as there is history.

    Parameters
    ----------
    lengths : ndarray of int64 of shape (n_series,)
        Rows of each series.
    horizon : int
        Steps to forecast.
    n_windows : int or None
        Origins of each series, at most. None is all.
    step : int
        Rows between one origin and the next.
    first : int or ndarray of int64 of shape (n_series,), default=1
        Rows of each series that are known in any case.

    Returns
    -------
    series, positions : ndarray of int64
        One pair an origin, in the order of the series and of time: which series, and how many of
        its rows are known.
    """
    last = lengths - horizon
    first = np.broadcast_to(first, lengths.shape)
    if (last < first).all():
        longest = np.argmax(last - first)
        raise ValueError(
            f"A backtest over horizon={horizon} needs a series of at least "
            f"{horizon + first[longest]} rows; the longest has {lengths[longest]}. Pass longer "
            "series, or a smaller horizon."
        )
    counts = np.maximum((last - first) // step + 1, 0)
    if n_windows is not None:
        counts = np.minimum(counts, n_windows)
    series = np.repeat(np.arange(lengths.size), counts)
    number = np.arange(series.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return series, last[series] - step * (counts[series] - 1 - number)


def backtest_frame(series_set, series, positions, point, bounds, season_length):
    """Return forecasts from many origins beside what happened.

    Parameters
    ----------
    series_set : SeriesSet
        The whole series.
    series, positions : ndarray of int64 of shape (n_origins,)
        The origins.
    point : ndarray of shape (n_origins, horizon, n_targets)
        Forecasts.
    bounds : dict of float to (lower, upper)
        Bounds of the intervals by coverage, each of the shape of `point`.
    season_length : int
        Rows of a season, for the seasonal naive forecast.

    Returns
    -------
    frame : DataFrame
        One row for each origin, step and target.
    """
    n_origins, horizon, n_targets = point.shape
    steps = np.arange(horizon)
    target = series_set.values[:, series_set.targets]
    rows = series_set.offsets[series, np.newaxis] + positions[:, np.newaxis] + steps
    shape = (n_origins, horizon, n_targets)

    def spread(labels, axis):
        """Repeat one label an origin, a step or a target for every row of the frame."""
        places = np.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(3)])
        return labels[np.broadcast_to(places, shape).ravel()]

    columns = {"series": spread(_labels(series_set)[series], 0)}
    if not series_set.form.is_flat:
        columns["target"] = spread(pd.Index(series_set.target_names), 2)
    times = series_set.clock.at(series[:, np.newaxis], positions[:, np.newaxis] + steps)
    columns |= {
        "cutoff": spread(series_set.clock.at(series, positions - 1), 0),
        "time": times[np.repeat(np.arange(n_origins * horizon), n_targets)],
        "step": spread(steps + 1, 1),
        "y": target[rows].ravel(),
        "forecast": point.ravel(),
    }
    for coverage, (lower, upper) in bounds.items():
        columns[f"lower_{100 * coverage:g}"] = lower.ravel()
        columns[f"upper_{100 * coverage:g}"] = upper.ravel()
    naive, mae, rmse = _naive(series_set, target, series, positions, horizon, season_length)
    columns["naive"] = naive.ravel()
    columns["naive_mae"] = np.broadcast_to(mae[:, np.newaxis], shape).ravel()
    columns["naive_rmse"] = np.broadcast_to(rmse[:, np.newaxis], shape).ravel()
    return pd.DataFrame(columns)


def backtest_scores(frame, by=None):
    """Score the forecasts of a backtest.

    Every measure is computed within each series (and target) and then averaged over them, as in
    the competitions, so that a long series counts no more than a short one.

    Parameters
    ----------
    frame : DataFrame
        What `RNNForecaster.backtest` returned, or any part of it. Rows whose `y` is missing are
        left out.
    by : str or list of str, default=None
        Columns that make the rows of the table: `"series"`, `"step"`, `"cutoff"`, `"time"`,
        `"target"` or several of them. None puts everything in one row.

    Returns
    -------
    scores : DataFrame
        One row a group, indexed by `by`, with the columns

        - `n`: number of forecasts scored;
        - `MAE`, `RMSE`: mean absolute and root mean squared error, in the unit of the series;
        - `MAPE`, `sMAPE`: mean (symmetric) absolute percentage error, as fractions;
        - `MASE`, `RMSSE`: mean absolute and root mean squared error over that of the seasonal naive
          forecast before the cutoff; NaN where a series repeated itself exactly until then;
        - `skill`: 1 minus the error over that of the seasonal naive forecast from the same origins
          (both scaled): positive is better than naive, 1 is perfect;
        - `coverage_80`, `width_80` and so on, for each coverage of the backtest: the share of
          observations inside the interval, and its mean width;
        - `pinball`, `CRPS`, if there are intervals: the pinball loss averaged over their bounds
          and the forecast as the median, and the continuous ranked probability score from them.

    See Also
    --------
    skrnn.metrics : The measures as functions.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrnn.forecasting import backtest_scores
    >>> frame = pd.DataFrame({"series": "a", "cutoff": 9, "time": [10, 11], "step": [1, 2]})
    >>> frame = frame.assign(y=[10.0, 12.0], forecast=[11.0, 12.0], naive=8.0)
    >>> frame = frame.assign(naive_mae=2.0, naive_rmse=2.5)
    >>> backtest_scores(frame)[["n", "MAE", "MASE", "skill"]]
         n  MAE  MASE     skill
    all  2  0.5  0.25  0.833333
    """
    by = [by] if isinstance(by, str) else list(by or [])
    _check_columns(frame, by)
    observed = frame[frame["y"].notna()]
    if observed.empty:
        raise ValueError("The backtest has no forecast whose outcome is known: y is all missing.")
    groups = [observed[name] for name in by] or [pd.Series("all", index=observed.index)]
    within = [
        observed[name] for name in ("series", "target") if name in observed and name not in by
    ]
    points = _errors(observed)
    scores = points.groupby([*groups, *within], sort=True, observed=True).mean()
    for name in ("RMSE", "RMSSE"):
        scores[name] = np.sqrt(scores[name])
    scores = scores.groupby(level=list(range(len(groups))), sort=True).mean()
    scores.insert(0, "n", points.groupby(groups, sort=True, observed=True).size())
    scores["skill"] = 1 - scores["MASE"] / scores.pop("naive_MASE")
    if not by:
        scores.index.name = None
    return scores


def coverages_of(frame):
    """Return the coverages, in percent as they are written, whose bounds a backtest holds."""
    names = [name.removeprefix("lower_") for name in frame.columns if _is_lower_bound(name)]
    return sorted(names, key=float)


def _is_lower_bound(name):
    return isinstance(name, str) and name.startswith("lower_")


def _check_columns(frame, by):
    missing = [name for name in _NEEDED if name not in frame]
    if missing:
        raise ValueError(
            f"frame has no column {missing[0]!r}. Pass the frame that backtest() returned, whole "
            "rows of it."
        )
    unknown = [name for name in by if name not in _GROUPS or name not in frame]
    if unknown:
        present = [name for name in _GROUPS if name in frame]
        raise ValueError(f"by={unknown[0]!r} cannot be grouped by; use one or more of {present}.")


def _errors(frame):
    """Return the error of each forecast in every measure; squares where a root is to come."""
    y, forecast = frame["y"].to_numpy(), frame["forecast"].to_numpy()
    mae = frame["naive_mae"].to_numpy()
    mae = np.where(mae > 0, mae, np.nan)
    rmse = frame["naive_rmse"].to_numpy()
    rmse = np.where(rmse > 0, rmse, np.nan)
    error = np.abs(y - forecast)
    tiny = np.finfo(np.float64).eps  # as scikit-learn divides in mean_absolute_percentage_error
    points = {
        "MAE": error,
        "RMSE": error**2,
        "MAPE": error / np.maximum(np.abs(y), tiny),
        "sMAPE": symmetric_percentage_errors(y, forecast),
        "MASE": error / mae,
        "RMSSE": (error / rmse) ** 2,
        "naive_MASE": np.abs(y - frame["naive"].to_numpy()) / mae,
    }
    coverages = coverages_of(frame)
    for name in coverages:
        lower, upper = frame[f"lower_{name}"].to_numpy(), frame[f"upper_{name}"].to_numpy()
        points[f"coverage_{name}"] = ((lower <= y) & (y <= upper)).astype(np.float64)
        points[f"width_{name}"] = upper - lower
    if coverages:
        alpha, quantiles = _quantiles(frame, coverages)
        points["pinball"] = pinball_losses(y, quantiles, alpha).mean(axis=-1)
        points["CRPS"] = ranked_probability_scores(y, quantiles, alpha)
    return pd.DataFrame(points, index=frame.index)


def _quantiles(frame, coverages):
    """Return the levels that bounds and forecast stand for, rising, and their values."""
    tails = np.array([(1 - float(name) / 100) / 2 for name in reversed(coverages)])
    names = [f"lower_{name}" for name in reversed(coverages)]
    names += ["forecast"] + [f"upper_{name}" for name in coverages]
    alpha = np.concatenate([tails, [0.5], 1 - tails[::-1]])
    return alpha, frame[names].to_numpy()


def _labels(series_set):
    """Return one label a series; a lone one has the name of what was passed, or 0."""
    if series_set.keys is not None:
        return series_set.keys.to_flat_index()
    name = series_set.form.name
    return pd.Index([0 if name is None else name])


def _naive(series_set, target, series, positions, horizon, season_length):
    """Return the seasonal naive forecasts, and its mean errors before each origin."""
    naive = np.empty((len(series), horizon, target.shape[1]))
    mae, rmse = np.empty((2, len(series), target.shape[1]))
    for i in np.unique(series):
        here = series == i
        values = target[series_set.offsets[i] : series_set.offsets[i + 1]]
        naive[here] = _repeat_season(values, positions[here], horizon, season_length)
        mae[here], rmse[here] = _errors_so_far(values, positions[here], season_length)
    return naive, mae, rmse


def _repeat_season(values, positions, horizon, season_length):
    filled = pd.DataFrame(values).ffill().to_numpy()
    back = season_length - np.arange(horizon) % season_length
    rows = positions[:, np.newaxis] - back
    # With less than a season of history there is the last value.
    rows = np.where(rows < 0, positions[:, np.newaxis] - 1, rows)
    return filled[rows]


def _errors_so_far(values, positions, season_length):
    """Return the mean error of the seasonal naive forecast among the first rows, two ways."""
    errors = np.full(values.shape, np.nan)
    errors[season_length:] = np.abs(values[season_length:] - values[:-season_length])
    n_errors = np.cumsum(~np.isnan(errors), axis=0)[positions - 1]
    n_errors = np.where(n_errors == 0, np.nan, n_errors)
    mae = np.nancumsum(errors, axis=0)[positions - 1] / n_errors
    rmse = np.sqrt(np.nancumsum(errors**2, axis=0)[positions - 1] / n_errors)
    return mae, rmse
