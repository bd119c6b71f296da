"""How good forecasts are, beyond what scikit-learn measures.

Mean absolute error, root mean squared error, mean absolute percentage error and the pinball loss of
one quantile are in :mod:`sklearn.metrics`; here are the measures that compare with the seasonal
naive forecast, the symmetric percentage error, and those of intervals and whole distributions.

Every function takes one series as ``(horizon,)`` or many as ``(n_series, horizon)``, computes the
measure for each series and averages over the series. Missing values (NaN) in `y_true` are left out.
pandas objects are read by their index, which must be the same on both sides: a Series is one
series, each column of a DataFrame is one, and with a (series, time) MultiIndex so is each of its
series.
"""

import numpy as np

from skrnn.metrics._rows import aligned_rows, check_finite_where_observed, training_rows

__all__ = [
    "continuous_ranked_probability_score",
    "interval_coverage",
    "mean_absolute_scaled_error",
    "mean_interval_width",
    "root_mean_squared_scaled_error",
    "seasonal_naive_error",
    "symmetric_mean_absolute_percentage_error",
]

_MULTIOUTPUT = ("uniform_average", "raw_values")


def mean_absolute_scaled_error(
    y_true, y_pred, *, y_train, season_length=1, multioutput="uniform_average"
):
    """Mean absolute error over that of the seasonal naive forecast on the training data (MASE).

    Below 1 the forecast errs less than the (one-step, in-sample) naive forecast that repeats the
    value of one season ago. Free of units, so series of different size can be averaged.

    Parameters
    ----------
    y_true : array-like of shape (horizon,) or (n_series, horizon), or pandas object
        What happened. NaN is left out.
    y_pred : array-like of the shape of `y_true`
        What was forecast.
    y_train : array-like of shape (n_times,) or (n_series, n_times), list of arrays or pandas object
        The series before the forecast, in the form of `y_true`; a list may hold series of unequal
        length. NaN is left out.
    season_length : int, default=1
        Time steps in a season: 12 for months in a year, 7 for days in a week, 1 for none.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        `"raw_values"` gives one value for each step of the horizon.

    Returns
    -------
    error : float or ndarray of shape (horizon,)
        0 is perfect.

    Raises
    ------
    ValueError
        If the seasonal naive forecast cannot err on some series: it is constant, or no longer than
        a season.

    See Also
    --------
    root_mean_squared_scaled_error : The same with squares, which weigh large errors more.
    seasonal_naive_error : The divisor.

    References
    ----------
    R. J. Hyndman and A. B. Koehler, "Another look at measures of forecast accuracy", International
    Journal of Forecasting 22(4), 2006, 679-688.

    Examples
    --------
    >>> from skrnn.metrics import mean_absolute_scaled_error
    >>> float(mean_absolute_scaled_error([7, 8], [6, 10], y_train=[1, 2, 4, 5]))
    1.125
    """
    true, pred, keys = aligned_rows(y_true, y_pred)
    scale = _usable_scale(training_rows(y_train, keys, len(true)), season_length, 1)
    return _average(np.abs(true - pred) / scale[:, np.newaxis], multioutput)


def root_mean_squared_scaled_error(
    y_true, y_pred, *, y_train, season_length=1, multioutput="uniform_average"
):
    """Root mean squared error over that of the seasonal naive forecast on training data (RMSSE).

    Parameters
    ----------
    y_true : array-like of shape (horizon,) or (n_series, horizon), or pandas object
        What happened. NaN is left out.
    y_pred : array-like of the shape of `y_true`
        What was forecast.
    y_train : array-like of shape (n_times,) or (n_series, n_times), list of arrays or pandas object
        The series before the forecast, in the form of `y_true`; a list may hold series of unequal
        length. NaN is left out.
    season_length : int, default=1
        Time steps in a season: 12 for months in a year, 7 for days in a week, 1 for none.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        `"raw_values"` gives one value for each step of the horizon: the root mean square over the
        series.

    Returns
    -------
    error : float or ndarray of shape (horizon,)
        0 is perfect. The average over the series of each series' root.

    Raises
    ------
    ValueError
        If the seasonal naive forecast cannot err on some series: it is constant, or no longer than
        a season.

    See Also
    --------
    mean_absolute_scaled_error : The same with absolute values.

    References
    ----------
    S. Makridakis, E. Spiliotis and V. Assimakopoulos, "M5 accuracy competition: Results, findings,
    and conclusions", International Journal of Forecasting 38(4), 2022, 1346-1364.

    Examples
    --------
    >>> from skrnn.metrics import root_mean_squared_scaled_error
    >>> error = root_mean_squared_scaled_error([7, 8], [6, 10], y_train=[1, 2, 4, 5])
    >>> round(float(error), 4)
    1.118
    """
    true, pred, keys = aligned_rows(y_true, y_pred)
    scale = _usable_scale(training_rows(y_train, keys, len(true)), season_length, 2)
    squares = ((true - pred) / scale[:, np.newaxis]) ** 2
    if _check_multioutput(multioutput) == "raw_values":
        return np.sqrt(_nan_mean(squares, axis=0))
    return float(_nan_mean(np.sqrt(_nan_mean(squares, axis=1))))


def symmetric_mean_absolute_percentage_error(y_true, y_pred, *, multioutput="uniform_average"):
    """Mean of twice the absolute error over the sum of the absolute values (sMAPE).

    The measure of the M3 and M4 competitions, as a fraction like scikit-learn's
    `mean_absolute_percentage_error`: times 100 it is the percentage of their tables. Zero forecast
    for zero is no error.

    Parameters
    ----------
    y_true : array-like of shape (horizon,) or (n_series, horizon), or pandas object
        What happened. NaN is left out.
    y_pred : array-like of the shape of `y_true`
        What was forecast.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        `"raw_values"` gives one value for each step of the horizon.

    Returns
    -------
    error : float or ndarray of shape (horizon,)
        From 0, perfect, to 2.

    References
    ----------
    S. Makridakis, "Accuracy measures: theoretical and practical concerns", International Journal of
    Forecasting 9(4), 1993, 527-529.

    Examples
    --------
    >>> from skrnn.metrics import symmetric_mean_absolute_percentage_error
    >>> float(symmetric_mean_absolute_percentage_error([100, 50], [100, 150]))
    0.5
    """
    true, pred, _ = aligned_rows(y_true, y_pred)
    return _average(symmetric_percentage_errors(true, pred), multioutput)


def interval_coverage(y_true, y_lower, y_upper, *, multioutput="uniform_average"):
    """Share of the observations that lie in their prediction interval, bounds included.

    Parameters
    ----------
    y_true : array-like of shape (horizon,) or (n_series, horizon), or pandas object
        What happened. NaN is left out.
    y_lower, y_upper : array-like of the shape of `y_true`
        Bounds of the intervals.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        `"raw_values"` gives one value for each step of the horizon.

    Returns
    -------
    coverage : float or ndarray of shape (horizon,)
        From 0 to 1. Good intervals cover what they claim, and are narrow besides.

    See Also
    --------
    mean_interval_width : How narrow they are.

    Examples
    --------
    >>> from skrnn.metrics import interval_coverage
    >>> interval_coverage([1, 2, 3, 4], [0, 0, 0, 5], [2, 2, 2, 9])
    0.5
    """
    true, lower, _ = aligned_rows(y_true, y_lower, "y_lower")
    _, upper, _ = aligned_rows(y_true, y_upper, "y_upper")
    covered = np.where(np.isnan(true), np.nan, (lower <= true) & (true <= upper))
    return _average(covered, multioutput)


def mean_interval_width(y_lower, y_upper, *, multioutput="uniform_average"):
    """Mean width of prediction intervals, in the unit of the series.

    Parameters
    ----------
    y_lower, y_upper : array-like of shape (horizon,) or (n_series, horizon), or pandas object
        Bounds of the intervals.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        `"raw_values"` gives one value for each step of the horizon.

    Returns
    -------
    width : float or ndarray of shape (horizon,)
        Not below 0 unless bounds cross.

    See Also
    --------
    interval_coverage : Whether they are wide enough.

    Examples
    --------
    >>> from skrnn.metrics import mean_interval_width
    >>> mean_interval_width([0, 1], [2, 4])
    2.5
    """
    lower, upper, _ = aligned_rows(y_lower, y_upper, "y_upper", "y_lower")
    return _average(upper - lower, multioutput)


def continuous_ranked_probability_score(
    y_true, y_quantiles, alpha, *, multioutput="uniform_average"
):
    r"""Distance between forecast distributions and what happened, from quantiles (CRPS).

    The score is twice the pinball loss, integrated over all levels. The integral is a sum here in
    which each given level stands for the levels nearest to it, so the more there are, the closer
    it comes. Levels such as 0.05, 0.15, ..., 0.95 weigh all the same, and with them a point
    forecast, the same value at every level, scores its absolute error.

    Parameters
    ----------
    y_true : array-like of shape (horizon,) or (n_series, horizon)
        What happened. NaN is left out.
    y_quantiles : array-like of shape (horizon, n_levels) or (n_series, horizon, n_levels)
        Forecast quantiles, the shape of `y_true` and one more axis.
    alpha : array-like of shape (n_levels,)
        Levels of the quantiles, between 0 and 1, rising.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        `"raw_values"` gives one value for each step of the horizon.

    Returns
    -------
    score : float or ndarray of shape (horizon,)
        In the unit of the series; 0 is perfect.

    References
    ----------
    T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation",
    Journal of the American Statistical Association 102(477), 2007, 359-378.

    Examples
    --------
    >>> from skrnn.metrics import continuous_ranked_probability_score
    >>> quantiles = [[1.0, 2.0, 4.0]]  # one step, three levels
    >>> score = continuous_ranked_probability_score([2.0], quantiles, [0.25, 0.5, 0.75])
    >>> round(float(score), 4)
    0.5625
    """
    alpha = check_levels(alpha)
    true = np.atleast_2d(np.asarray(y_true, dtype=np.float64))
    quantiles = np.asarray(y_quantiles, dtype=np.float64)
    quantiles = quantiles[np.newaxis] if quantiles.ndim == 2 else quantiles
    if quantiles.shape != (*true.shape, len(alpha)):
        raise ValueError(
            f"y_quantiles must have the shape of y_true and one more axis for the {len(alpha)} "
            f"levels of alpha; got {np.shape(y_quantiles)} for y_true of {np.shape(y_true)}."
        )
    check_finite_where_observed(true, quantiles.min(axis=-1), "y_quantiles")
    return _average(ranked_probability_scores(true, quantiles, alpha), multioutput)


def seasonal_naive_error(y_train, *, season_length=1, power=1):
    """Mean error of repeating the value of one season ago, on the series itself.

    The divisor of MASE (`power=1`) and RMSSE (`power=2`).

    Parameters
    ----------
    y_train : array-like of shape (n_times,)
        A series. Pairs with NaN are left out.
    season_length : int, default=1
        Time steps in a season.
    power : {1, 2}, default=1
        1 for the mean absolute error, 2 for the root mean squared error.

    Returns
    -------
    error : float
        0 if the series repeats itself exactly; NaN if it has no two values a season apart.

    Examples
    --------
    >>> from skrnn.metrics import seasonal_naive_error
    >>> seasonal_naive_error([1, 5, 2, 7], season_length=2)
    1.5
    """
    if season_length < 1 or season_length != int(season_length):
        raise ValueError(f"season_length must be a whole number from 1; got {season_length!r}.")
    y_train = np.asarray(y_train, dtype=np.float64)
    season_length = int(season_length)
    errors = np.abs(y_train[season_length:] - y_train[:-season_length]) ** power
    return float(_nan_mean(errors) ** (1 / power))


def symmetric_percentage_errors(true, pred):
    """Return 2 |y - f| / (|y| + |f|), and 0 where both are zero."""
    size = np.abs(true) + np.abs(pred)
    return 2 * np.abs(true - pred) / np.where(size == 0, 1.0, size)


def pinball_losses(true, quantiles, alpha):
    """Return the pinball loss of each quantile on the last axis: (..., n_levels)."""
    excess = true[..., np.newaxis] - quantiles
    return np.maximum(alpha * excess, (alpha - 1) * excess)


def ranked_probability_scores(true, quantiles, alpha):
    """Return twice the pinball losses, each weighted by the levels it stands for: (...)."""
    edges = np.concatenate(([0.0], (alpha[1:] + alpha[:-1]) / 2, [1.0]))
    return 2 * pinball_losses(true, quantiles, alpha) @ np.diff(edges)


def check_levels(alpha):
    """Return levels of quantiles as an array: rising, between 0 and 1."""
    alpha = np.atleast_1d(np.asarray(alpha, dtype=np.float64))
    if alpha.ndim != 1 or len(alpha) == 0 or not ((alpha > 0) & (alpha < 1)).all():
        raise ValueError(f"alpha must hold levels between 0 and 1; got {alpha.tolist()}.")
    if (np.diff(alpha) <= 0).any():
        raise ValueError(f"alpha must rise; got {alpha.tolist()}.")
    return alpha


def _usable_scale(rows, season_length, power):
    scale = np.array(
        [seasonal_naive_error(row, season_length=season_length, power=power) for row in rows]
    )
    bad = np.flatnonzero(~(scale > 0))
    if bad.size:
        i = bad[0]
        why = "repeats itself exactly" if scale[i] == 0 else "has no two values a season apart"
        where = f"series {i} of y_train" if len(rows) > 1 else "y_train"
        raise ValueError(
            f"{where} ({len(rows[i])} values) {why} with season_length={season_length}, so there "
            "is no error of the seasonal naive forecast to divide by. Leave it out, or use a "
            "shorter season."
        )
    return scale


def _check_multioutput(multioutput):
    if multioutput not in _MULTIOUTPUT:
        raise ValueError(f"multioutput must be one of {_MULTIOUTPUT}; got {multioutput!r}.")
    return multioutput


def _average(errors, multioutput):
    """Mean of each series, then of the series; or of each step."""
    if _check_multioutput(multioutput) == "raw_values":
        return _nan_mean(errors, axis=0)
    return float(_nan_mean(_nan_mean(errors, axis=1)))


def _nan_mean(values, axis=None):
    """Mean of what is there; NaN, without NumPy's warning, where nothing is."""
    n_observed = (~np.isnan(values)).sum(axis=axis)
    total = np.nansum(values, axis=axis)
    return np.where(n_observed == 0, np.nan, total / np.maximum(n_observed, 1))
