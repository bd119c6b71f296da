"""Exponential smoothing of each series by itself: what a network of few windows is averaged with.

Damped trend and additive season (Holt, 1957; Winters, 1960; Gardner and McKenzie, 1985), in the
form of error correction. Smoothing constants are not fitted but averaged over: of a grid of
settings those take part that forecast best, over the whole horizon, within the history at hand.
"""

from __future__ import annotations

import itertools

import numpy as np

from skrnn._jit import jit

# How fast level and season follow, and what becomes of the trend: how fast it follows and the
# share that is left of it a step later.
_LEVELS = (0.1, 0.3, 0.6)
_SEASONS = (0.15, 0.5)
_TRENDS = ((0.0, 0.0), (0.05, 0.9), (0.2, 0.9), (0.05, 0.98), (0.2, 0.98))
# Settings that are averaged.
_N_BEST = 5
# Steps of the horizon whose errors choose them, at most.
_N_STEPS = 6
# Seasons of history that are smoothed, and rows where there is no season.
_N_SEASONS, _N_ROWS = 10, 64


def rows_to_smooth(season):
    """Return how many rows of history matter at most."""
    return _N_SEASONS * season if season > 1 else _N_ROWS


def needed_rows(season):
    """Return how many rows a history needs: two seasons, or a few rows."""
    return 2 * season if season > 1 else 4


def smoothing_settings(season):
    """Return the grid of settings.

    Parameters
    ----------
    season : int
        Rows of a season; 1 where there is none.

    Returns
    -------
    settings : ndarray of shape (n_settings, 4)
        The share of an error that goes to the level, that of the rest that goes to the season,
        that of the level's share that goes to the trend, and what is left of the trend a step
        later.
    """
    seasons = _SEASONS if season > 1 else (0.0,)
    grid = itertools.product(_LEVELS, seasons, _TRENDS)
    return np.array([(level, of_season, *trend) for level, of_season, trend in grid])


@jit
def _start(history, season, has_trend, seasonal):
    """Write the season at the beginning, from two of them; return level and trend before it."""
    if season == 1:
        seasonal[0] = 0.0
        return history[0], 0.0
    first, second = history[:season].mean(), history[season : 2 * season].mean()
    trend, middle = (second - first) / season, (season - 1) / 2
    for t in range(season):
        rise = (t - middle) * trend
        seasonal[t] = (history[t] - first + history[season + t] - second) / 2 - rise
    if has_trend:
        return first - (middle + 1) * trend, trend
    return first, 0.0


@jit
def _smooth(history, setting, seasonal, horizon, stride):
    """Follow a history to its end.

    Returns
    -------
    error : float
        Mean absolute error of the forecasts within it, `stride` steps from one to the next.
    level, trend : float
        At its end; the season is left in `seasonal`.
    """
    n, season = history.size, seasonal.size
    to_level, to_season, to_trend, kept = setting[0], setting[1], setting[2], setting[3]
    level, trend = _start(history, season, kept > 0, seasonal)
    total, count = 0.0, 0
    place = 0
    for t in range(n):
        before = level + kept * trend
        error = history[t] - before - seasonal[place]
        level = before + to_level * error
        trend = kept * trend + to_level * to_trend * error
        seasonal[place] += to_season * (1 - to_level) * error
        place = place + 1 if place + 1 < season else 0
        if t + 1 >= 2 * season and t > 2:
            ahead, share = 0.0, 1.0
            for step in range(1, min(horizon, n - 1 - t) + 1):
                share *= kept
                ahead += share
                if (horizon - step) % stride == 0:
                    forecast = level + ahead * trend + seasonal[(t + step) % season]
                    total += abs(history[t + step] - forecast)
                    count += 1
    return total / max(count, 1), level, trend


@jit
def _average(history, settings, chosen, seasonal, horizon, out):
    """Write the mean of the forecasts of some settings."""
    out[:] = 0.0
    n, season = history.size, seasonal.size
    for choice in chosen:
        _, level, trend = _smooth(history, settings[choice], seasonal, 0, 1)
        ahead, share = 0.0, 1.0
        for h in range(horizon):
            share *= settings[choice, 3]
            ahead += share
            out[h] += (level + ahead * trend + seasonal[(n + h) % season]) / chosen.size


@jit
def smooth(values, ends, lengths, settings, season, n_best, stride, forecast):
    """Write the forecasts from histories by exponential smoothing.

    Parameters
    ----------
    values, ends, lengths, season
        As of :func:`smoothed`.
    settings : ndarray of shape (n_settings, 4)
        From :func:`smoothing_settings`.
    n_best : int
        How many of them are averaged.
    stride : int
        Every how many steps of the horizon errors are compared.
    forecast : ndarray of shape (n, horizon, n_targets)
        Receives the forecasts; left as it is where a history is too short.
    """
    horizon, needed = forecast.shape[1], 2 * season if season > 1 else 4
    seasonal, errors = np.empty(season), np.empty(settings.shape[0])
    path = np.empty(horizon)
    for i in range(ends.size):
        for k in range(values.shape[1]):
            first = ends[i] - lengths[i]
            while first < ends[i] and values[first, k] != values[first, k]:
                first += 1
            if ends[i] - first < needed:
                continue
            history = np.empty(ends[i] - first)
            for t in range(history.size):
                history[t] = values[first + t, k]
            for j in range(errors.size):
                errors[j], _, _ = _smooth(history, settings[j], seasonal, horizon, stride)
            # Without errors to compare all settings are alike.
            n_chosen = n_best if errors.max() > 0 else errors.size
            chosen = np.argsort(errors, kind="mergesort")[:n_chosen]
            _average(history, settings, chosen, seasonal, horizon, path)
            forecast[i, :, k] = path


def smoothed(values, ends, lengths, season, horizon):
    """Forecast by exponential smoothing.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_targets)
        Without gaps behind the first value of a history.
    ends, lengths : ndarray of int64 of shape (n,)
        The row after each history, and its rows.
    season, horizon : int
        Rows of a season (1 where there is none), and to forecast.

    Returns
    -------
    forecast : ndarray of shape (n, horizon, n_targets)
        The forecasts; NaN from histories that are too short.
    """
    forecast = np.full((ends.size, horizon, values.shape[1]), np.nan)
    lengths = np.minimum(lengths, rows_to_smooth(season))
    stride = -(-horizon // _N_STEPS)
    smooth(values, ends, lengths, smoothing_settings(season), season, _N_BEST, stride, forecast)
    return forecast


def move_towards(values, ends, lengths, plan, is_moving, forecasts):
    """Move forecasts half the way to those of exponential smoothing, where there are any.

    Parameters
    ----------
    values, ends, lengths
        As of :func:`smoothed`.
    plan : Plan
        The season, the whole horizon, and which level is the point forecast.
    is_moving : ndarray of bool of shape (n, n_targets)
        Series that never moved stay where they are.
    forecasts : ndarray of shape (n, n_steps, n_targets, n_levels)
        Changed in place, all levels alike; or the point forecasts alone.
    """
    other = smoothed(values, ends, lengths, plan.season, plan.horizon)[:, : forecasts.shape[1]]
    middle = plan.middle if forecasts.shape[3] > 1 else 0
    shift = (other - forecasts[..., middle]) / 2
    shift[~(np.isfinite(shift) & is_moving[:, np.newaxis])] = 0
    forecasts += shift[..., np.newaxis]
