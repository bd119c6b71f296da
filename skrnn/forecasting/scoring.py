"""The score of a fitted forecaster on other rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skrnn.forecasting.skill import mean_scaled_error, naive_errors
from skrnn.forecasting.windows import rows_ahead
from skrnn.sequences import lengths_to_offsets


def held_out(forecaster, newer):
    """Forecast newer rows of series, or the last rows of other ones.

    Parameters
    ----------
    forecaster : RNNForecaster
        Fitted on series.
    newer : SeriesSet
        Rows that follow on those of training, or other series.

    Returns
    -------
    history : SeriesSet
        What was known, a series for each row of the other two.
    actual : ndarray of shape (n_series, horizon, n_targets)
        What happened, NaN where that is not known.
    forecasts : Forecasts
        What was forecast.
    """
    history, whole = continued(forecaster._series, newer)
    if history is None:
        longest = int(newer.lengths.max())
        if longest <= forecaster.horizon_:
            raise ValueError(
                f"The series of X have at most {longest} rows, but a score needs "
                f"{forecaster.horizon_ + 1}: the last horizon={forecaster.horizon_} rows are "
                "forecast from those before. (Rows that continue the training series by their "
                "index need no history in X.)"
            )
        whole = newer.take(np.flatnonzero(newer.lengths > forecaster.horizon_))
        history = whole.truncated(whole.lengths - forecaster.horizon_)
    horizon = int((whole.lengths - history.lengths).max())
    panel, series, positions = forecaster._panel(whole), np.arange(len(whole)), history.lengths
    forecasts = forecaster._forecast_from(whole, series, positions, horizon)
    actual = rows_ahead(panel.target, panel.offsets, series, positions, horizon)
    return history, actual, forecasts


def score_series(forecaster, newer):
    """Return the negative mean absolute scaled error of forecasts of newer rows.

    Parameters
    ----------
    forecaster : RNNForecaster
        Fitted on series.
    newer : SeriesSet
        Rows that follow on those of training, or other series.

    Returns
    -------
    score : float
        The score.
    """
    history, actual, forecasts = held_out(forecaster, newer)
    units = naive_errors(forecaster._panel(history), forecaster.season_length_)
    return -mean_scaled_error(actual, forecasts.point(), np.arange(len(history)), units)


def continued(history, newer):
    """Return the histories that newer rows continue, and both together; None for other series.

    Rows between the two, which a split may leave out, are missing.
    """
    if history.keys is None and newer.keys is None:
        place = np.zeros(1, np.int64)
    elif history.keys is None or newer.keys is None or not newer.form.is_pandas:
        return None, None
    else:
        place = history.keys.get_indexer(newer.keys)
        if (place < 0).any():
            return None, None
        history = history.take(place)
    gaps = np.zeros(len(newer), np.int64)
    if newer.form.is_pandas:
        series = np.arange(len(newer))
        first = history.clock.rows_of(newer.clock.at(series, 0), series)
        gaps = np.ceil(first).astype(np.int64) - history.lengths
    if (gaps < 0).any():
        return None, None
    if not gaps.any():
        return history, history.append(newer)
    values = np.full((len(newer.values) + gaps.sum(), newer.values.shape[1]), np.nan)
    offsets = lengths_to_offsets(newer.lengths + gaps)
    shift = np.repeat(np.cumsum(gaps), newer.lengths)
    values[np.arange(len(newer.values)) + shift] = newer.values
    padded = replace(
        newer,
        values=values.astype(newer.values.dtype),
        offsets=offsets,
        clock=newer.clock.later(-gaps),
    )
    return history, history.append(padded)
