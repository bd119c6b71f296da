"""Measures of the forecasting table and the naive forecasts they are checked with.

Written out here, apart from `skrnn.metrics`, so that the table does not lean on the library that it
measures. `results_forecasting.py` recomputes with them the naive rows that were published, and
stops if one differs.

Every function takes forecasts and what happened as (n_rows, horizon) arrays, a row a series or an
origin, and what came before each row as a list of arrays. NaN in what happened is left out.
"""

import numpy as np


def _mean_of_rows(errors):
    return float(np.nanmean(np.nanmean(errors, axis=1)))


def mean_absolute_error(actual, forecast, histories, season):
    """Mean over the rows of the mean absolute error of each."""
    return _mean_of_rows(np.abs(actual - forecast))


def mean_squared_error(actual, forecast, histories, season):
    """Mean over the rows of the mean squared error of each."""
    return _mean_of_rows((actual - forecast) ** 2)


def smape(actual, forecast, histories, season):
    """Mean of 200 |y - f| / (|y| + |f|), which is 0 where both are."""
    size = np.abs(actual) + np.abs(forecast)
    return _mean_of_rows(200 * np.abs(actual - forecast) / np.where(size == 0, 1, size))


def mape(actual, forecast, histories, season):
    """Mean of 100 |y - f| / |y|."""
    return _mean_of_rows(100 * np.abs((actual - forecast) / actual))


def mape_of_last_step(actual, forecast, histories, season):
    """The mean absolute percentage error of the last step of the horizon alone."""
    return mape(actual[:, -1:], forecast[:, -1:], histories, season)


def mase(actual, forecast, histories, season):
    """Mean absolute error of a row over that of the seasonal naive forecast in its history."""
    scale = [np.nanmean(np.abs(past[season:] - past[:-season])) for past in histories]
    return _mean_of_rows(np.abs(actual - forecast) / np.reshape(scale, (-1, 1)))


def normalised_mean_squared_error(actual, forecast, histories, season):
    """Mean squared error over the variance of what happened."""
    return float(np.mean((actual - forecast) ** 2) / np.var(actual))


class OverallWeightedAverage:
    """OWA of the M4 competition: sMAPE and MASE relative to those of Naive2, averaged.

    Parameters
    ----------
    smape_of_naive, mase_of_naive : float
        Of the organisers' Naive2 on this set.
    """

    def __init__(self, smape_of_naive, mase_of_naive):
        self.smape_of_naive = smape_of_naive
        self.mase_of_naive = mase_of_naive

    def __call__(self, *arguments):
        relative = smape(*arguments) / self.smape_of_naive, mase(*arguments) / self.mase_of_naive
        return sum(relative) / 2


def coverage(actual, lower, upper):
    """Fraction of what happened that lies within the bounds, mean over the rows."""
    inside = np.where(np.isnan(actual), np.nan, (lower <= actual) & (actual <= upper))
    return _mean_of_rows(inside)


def repeat_last(histories, season, horizon):
    """Return the last value of each history, for every step."""
    return np.array([np.repeat(past[~np.isnan(past)][-1], horizon) for past in histories])


def repeat_season(histories, season, horizon):
    """Return the last season again and again; a missing value is that of a season before."""
    steps = np.arange(horizon) % season
    forecasts = []
    for past in histories:
        filled = np.array(past)
        for row in np.flatnonzero(np.isnan(filled)):
            filled[row] = filled[row - season] if row >= season else np.nanmedian(past)
        forecasts.append(filled[filled.size - season + steps])
    return np.array(forecasts)


def relative_to_last_value(actual, forecast, histories, season):
    """OWA with the last value repeated on the same rows in the place of Naive2."""
    naive = repeat_last(histories, season, actual.shape[1])
    rows = actual, naive, histories, season
    measure = OverallWeightedAverage(smape(*rows), mase(*rows))
    return measure(actual, forecast, histories, season)
