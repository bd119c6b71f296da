"""Scorers of forecasters, for `GridSearchCV` and whatever else takes `scoring`."""

import numpy as np

from skrnn.metrics.forecasting import (
    continuous_ranked_probability_score,
    mean_absolute_scaled_error,
    root_mean_squared_scaled_error,
    seasonal_naive_error,
    symmetric_mean_absolute_percentage_error,
)

__all__ = [
    "ForecastScorer",
    "neg_continuous_ranked_probability_score",
    "neg_mean_absolute_error",
    "neg_mean_absolute_percentage_error",
    "neg_mean_absolute_scaled_error",
    "neg_root_mean_squared_error",
    "neg_root_mean_squared_scaled_error",
    "neg_symmetric_mean_absolute_percentage_error",
]

_LEVELS = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)


class ForecastScorer:
    """Scorer of a fitted forecaster on rows that it did not see.

    Called as scikit-learn calls scorers, with the test part of a split: rows that follow on the
    training series in time are forecast from its end, the last `horizon` rows of other series from
    what precedes them. With `y`, every row of `X` is a history. Errors are averaged within each
    series, then over the series; missing values are left out.

    Ready-made: `neg_mean_absolute_scaled_error` and the others of :mod:`skrnn.metrics` whose name
    begins with ``neg_``.

    Parameters
    ----------
    name : str
        What to call it.
    measure : callable
        ``measure(actual, forecast, histories, season_length)`` with arrays of shape (n_series,
        horizon), or (n_series, horizon, n_levels) for the forecast if `levels` are given, and a
        list of 1-D arrays; the lower its result, the better.
    levels : tuple of float, default=None
        Forecast these quantiles instead of points.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
    >>> from skrnn import RNNForecaster
    >>> from skrnn.metrics import neg_mean_absolute_scaled_error
    >>> y = np.sin(np.arange(60) * 0.5)
    >>> model = RNNForecaster(horizon=4, calibrate=False, max_iter=5, random_state=0)
    >>> search = GridSearchCV(
    ...     model,
    ...     {"hidden_layer_sizes": [4, 8]},
    ...     cv=TimeSeriesSplit(n_splits=2, test_size=4),
    ...     scoring=neg_mean_absolute_scaled_error,
    ... )
    >>> bool(search.fit(y).best_score_ < 0)
    True
    """

    def __init__(self, name, measure, levels=None):
        self.name = name
        self.measure = measure
        self.levels = levels

    def __repr__(self):
        return f"<{self.name}>"

    def __call__(self, estimator, X, y=None):
        """Score a fitted forecaster.

        Parameters
        ----------
        estimator : RNNForecaster, or a Pipeline or search that ends in one
            Fitted.
        X : series, or histories if `y` is given
            The test part.
        y : array-like of shape (n_rows,) or (n_rows, horizon), default=None
            What followed each row.

        Returns
        -------
        score : float
            The negative error; higher is better.
        """
        forecaster, X = _last_step(estimator, X)
        histories, actual, forecasts = forecaster._held_out(X, y)
        if self.levels is None:
            forecast = _as_rows(forecasts.point())
        else:
            quantiles = forecaster._quantiles(forecasts, list(self.levels))
            forecast = np.stack([_as_rows(values) for values in quantiles], axis=-1)
        known = ~np.isnan(actual).all(axis=1)
        histories = [history for history, is_known in zip(histories, known) if is_known]
        season = getattr(forecaster, "season_length_", 1)
        return -float(self.measure(actual[known], forecast[known], histories, season))


def _last_step(estimator, X):
    """Return the forecaster behind searches and pipelines, and X as it gets it."""
    while not hasattr(estimator, "_held_out"):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            X = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
            estimator = estimator[-1]
        else:
            raise TypeError(f"This scorer is for an RNNForecaster; got {estimator!r}.")
    return estimator, X


def _as_rows(values):
    """Turn (n_series, horizon, n_targets) into (n_series * n_targets, horizon)."""
    n_series, horizon, n_targets = values.shape
    return values.transpose(0, 2, 1).reshape(n_series * n_targets, horizon)


def _scaled(error, actual, forecast, histories, season_length, power):
    """Average a scaled error over the series that have something to divide by."""
    scales = [
        seasonal_naive_error(history, season_length=season_length, power=power)
        for history in histories
    ]
    usable = np.flatnonzero(np.array(scales) > 0)
    if usable.size == 0:
        usable = np.arange(len(histories))  # the error says what is wrong with the first
    histories = [histories[i] for i in usable]
    return error(actual[usable], forecast[usable], y_train=histories, season_length=season_length)


def _mase(actual, forecast, histories, season_length):
    return _scaled(mean_absolute_scaled_error, actual, forecast, histories, season_length, 1)


def _rmsse(actual, forecast, histories, season_length):
    return _scaled(root_mean_squared_scaled_error, actual, forecast, histories, season_length, 2)


def _smape(actual, forecast, histories, season_length):
    return symmetric_mean_absolute_percentage_error(actual, forecast)


def _mae(actual, forecast, histories, season_length):
    return np.nanmean(np.abs(actual - forecast), axis=1).mean()


def _rmse(actual, forecast, histories, season_length):
    return np.sqrt(np.nanmean((actual - forecast) ** 2, axis=1)).mean()


def _mape(actual, forecast, histories, season_length):
    size = np.maximum(np.abs(actual), np.finfo(np.float64).eps)
    return np.nanmean(np.abs(actual - forecast) / size, axis=1).mean()


def _crps(actual, quantiles, histories, season_length):
    return continuous_ranked_probability_score(actual, quantiles, _LEVELS)


neg_mean_absolute_error = ForecastScorer("neg_mean_absolute_error", _mae)
neg_root_mean_squared_error = ForecastScorer("neg_root_mean_squared_error", _rmse)
neg_mean_absolute_percentage_error = ForecastScorer("neg_mean_absolute_percentage_error", _mape)
neg_symmetric_mean_absolute_percentage_error = ForecastScorer(
    "neg_symmetric_mean_absolute_percentage_error", _smape
)
neg_mean_absolute_scaled_error = ForecastScorer("neg_mean_absolute_scaled_error", _mase)
neg_root_mean_squared_scaled_error = ForecastScorer("neg_root_mean_squared_scaled_error", _rmsse)
neg_continuous_ranked_probability_score = ForecastScorer(
    "neg_continuous_ranked_probability_score", _crps, _LEVELS
)
