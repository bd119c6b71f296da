"""Forecasts against the seasonal naive one."""

from __future__ import annotations

import numpy as np

from skrnn.forecasting.normalisation import carry_forward, repeat_season


def naive_forecasts(panel, series, positions, horizon, season):
    """Return the seasonal naive forecast: the last season come again, gaps filled.

    Parameters
    ----------
    panel : Panel
        The series.
    series, positions : ndarray of int64 of shape (n,)
        Where forecasts start.
    horizon, season : int
        Steps to forecast, rows of a season.

    Returns
    -------
    naive : ndarray of shape (n, horizon, n_targets)
        The forecasts.
    """
    filled = np.empty_like(panel.target)
    carry_forward(panel.target, panel.offsets, season, filled)
    naive = np.empty((series.size, horizon, filled.shape[1]), dtype=filled.dtype)
    repeat_season(filled, panel.offsets[series] + positions, positions, season, naive)
    return naive


def naive_errors(panel, season):
    """Return the mean absolute error of the seasonal naive forecast within each series.

    Returns
    -------
    errors : ndarray of shape (n_series, n_targets)
        NaN for a series that is too short, constant or missing.
    """
    errors = np.full((len(panel), panel.target.shape[1]), np.nan)
    for i in range(len(panel)):
        rows = panel.target[panel.offsets[i] : panel.offsets[i + 1]].astype(np.float64)
        lag = season if len(rows) > season else 1
        differences = np.abs(rows[lag:] - rows[:-lag])
        counts = np.isfinite(differences).sum(axis=0)
        totals = np.nansum(differences, axis=0)
        errors[i] = np.divide(
            totals, counts, out=errors[i].copy(), where=(counts > 0) & (totals > 0)
        )
    return errors


def mean_scaled_error(actual, forecast, series, units):
    """Return the mean absolute scaled error: within each series and target first, then over them.

    Parameters
    ----------
    actual, forecast : ndarray of shape (n, horizon, n_targets)
        NaN in `actual` where nothing is known.
    series : ndarray of int64 of shape (n,)
        Which series each row is of.
    units : ndarray of shape (n_series, n_targets)
        What errors are divided by; series whose unit is NaN are left out, unless all are: errors
        then stand in their own unit.

    Returns
    -------
    error : float
        The error; NaN if nothing is known.
    """
    errors = np.abs(actual.astype(np.float64) - forecast)
    counts, totals = np.zeros(units.shape), np.zeros(units.shape)
    np.add.at(counts, series, np.isfinite(errors).sum(axis=1))
    np.add.at(totals, series, np.nansum(errors, axis=1))
    means = np.divide(totals, counts, out=np.full(units.shape, np.nan), where=counts > 0)
    if np.isfinite(means / units).any():
        means = means / units
    known = means[np.isfinite(means)]
    return float(known.mean()) if known.size else np.nan
