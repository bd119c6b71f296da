"""Exponential smoothing of each series by itself: what a network of few windows is averaged with.

Damped trend and additive season (Holt, 1957; Winters, 1960; Gardner and McKenzie, 1985), in the
form of error correction. Smoothing constants are not fitted but averaged over: of a grid of
settings those take part that forecast best, over the whole horizon, within the history at hand.
"""

from __future__ import annotations

import itertools
from functools import cache

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
# Settings are followed this many at a time, in the lanes of vectors.
_N_LANES = 16
# Seasons of history that are smoothed, and rows where there is no season.
_N_SEASONS, _N_ROWS = 10, 64


def rows_to_smooth(season):
    """Return how many rows of history matter at most."""
    return _N_SEASONS * season if season > 1 else _N_ROWS


def needed_rows(season):
    """Return how many rows a history needs: two seasons, or a few rows."""
    return max(2 * season, 4)


@cache
def smoothing_settings(season):
    """Return the grid of settings.

    Parameters
    ----------
    season : int
        Rows of a season; 1 where there is none.

    Returns
    -------
    settings : ndarray of shape (4, n_settings)
        The share of an error that goes to the level, that of the rest that goes to the season,
        that of the level's share that goes to the trend, and what is left of the trend a step
        later.
    """
    seasons = _SEASONS if season > 1 else (0.0,)
    grid = itertools.product(_LEVELS, seasons, _TRENDS)
    return np.array([(level, of_season, *trend) for level, of_season, trend in grid]).T.copy()


@jit
def _in_lanes(settings):
    """Return the settings with the last repeated until no lane is empty."""
    n_settings = settings.shape[1]
    filled = np.empty((settings.shape[0], -(-n_settings // _N_LANES) * _N_LANES))
    for j in range(filled.shape[1]):
        filled[:, j] = settings[:, min(j, n_settings - 1)]
    return filled


@jit
def _shares_of_trend(kept, horizon):
    """Return how much of the trend each step of the horizon has gone, for each setting."""
    damped, share = np.empty((horizon, kept.size)), np.ones(kept.size)
    for h in range(horizon):
        for j in range(kept.size):
            share[j] *= kept[j]
            damped[h, j] = share[j] if h == 0 else damped[h - 1, j] + share[j]
    return damped


@jit
def _start(history, has_trend, level, trend, seasonal):
    """Write the states of all settings before a history, from its first two seasons."""
    season = seasonal.shape[0]
    first, rise, middle = history[0], 0.0, (season - 1) / 2
    if season > 1:
        first, second = history[:season].mean(), history[season : 2 * season].mean()
        rise = (second - first) / season
    for j in range(level.size):
        trend[j] = rise * has_trend[j]
        level[j] = first - (middle + 1) * trend[j]
    for t in range(season):
        place = 0.0
        if season > 1:
            line = first + second + 2 * (t - middle) * rise
            place = (history[t] + history[season + t] - line) / 2
        seasonal[t, :] = place


@jit
def _follow(history, settings, damped, needed, first_step, stride, level, trend, seasonal, errors):
    """Take all settings through a history, and sum up the errors of their forecasts within it.

    The loops over the settings are the inner ones: they run in the lanes of vectors.
    """
    n, season, horizon = history.size, seasonal.shape[0], damped.shape[0]
    errors[:] = 0.0
    place = 0
    for t in range(n):
        value = history[t]
        for j in range(errors.size):
            before = level[j] + settings[3, j] * trend[j]
            error = value - before - seasonal[place, j]
            gain = settings[0, j] * error
            level[j] = before + gain
            trend[j] = settings[3, j] * trend[j] + settings[2, j] * gain
            seasonal[place, j] += settings[1, j] * (error - gain)
        place = place + 1 if place + 1 < season else 0
        if t + 1 < needed:
            continue
        for step in range(first_step, min(horizon, n - 1 - t) + 1, stride):
            value = history[t + step]
            ahead = (t + step) % season
            for j in range(errors.size):
                forecast = level[j] + damped[step - 1, j] * trend[j] + seasonal[ahead, j]
                errors[j] += abs(value - forecast)


@jit
def _mean_forecast(chosen, n, damped, level, trend, seasonal, out):
    """Write the mean of the forecasts of some settings after n rows."""
    season = seasonal.shape[0]
    out[:] = 0.0
    for j in chosen:
        for h in range(out.size):
            out[h] += level[j] + damped[h, j] * trend[j] + seasonal[(n + h) % season, j]
    out /= chosen.size


@jit
def smooth(values, ends, lengths, settings, season, needed, n_best, n_steps, forecast):
    """Write the forecasts from histories by exponential smoothing.

    Parameters
    ----------
    values, ends, lengths, season
        As of :func:`smoothed`.
    settings : ndarray of shape (4, n_settings)
        From :func:`smoothing_settings`.
    needed : int
        Rows that a history needs, see :func:`needed_rows`.
    n_best : int
        How many settings are averaged.
    n_steps : int
        Steps of the horizon whose errors are compared, at most.
    forecast : ndarray of shape (n, horizon, n_targets)
        Receives the forecasts; left as it is where a history is too short.
    """
    horizon, n_settings = forecast.shape[1], settings.shape[1]
    settings = _in_lanes(settings)
    n_lanes = settings.shape[1]
    level, trend, errors = np.empty(n_lanes), np.empty(n_lanes), np.empty(n_lanes)
    seasonal, path = np.empty((season, n_lanes)), np.empty(horizon)
    damped = _shares_of_trend(settings[3], horizon)
    stride = -(-horizon // n_steps)
    first_step = (horizon - 1) % stride + 1
    for i in range(ends.size):
        for k in range(values.shape[1]):
            first = ends[i] - lengths[i]
            while first < ends[i] and values[first, k] != values[first, k]:
                first += 1
            n = ends[i] - first
            if n < needed:
                continue
            history = np.empty(n)
            for t in range(n):
                history[t] = values[first + t, k]
            _start(history, settings[3] > 0, level, trend, seasonal)
            _follow(
                history, settings, damped, needed, first_step, stride, level, trend, seasonal,
                errors,
            )  # fmt: skip
            # Without errors to compare all settings are alike.
            n_chosen = n_best if errors.max() > 0 else n_settings
            chosen = np.argsort(errors[:n_settings], kind="mergesort")[:n_chosen]
            _mean_forecast(chosen, n, damped, level, trend, seasonal, path)
            forecast[i, :, k] = path


@jit
def _meet(other, movement, middle, forecasts):
    """Move forecasts half the way to others, where these are finite."""
    for i in range(forecasts.shape[0]):
        for h in range(forecasts.shape[1]):
            for k in range(forecasts.shape[2]):
                shift = (other[i, h, k] - forecasts[i, h, k, middle]) / 2
                if movement[i, k] > 0 and abs(shift) < np.inf:
                    for level in range(forecasts.shape[3]):
                        forecasts[i, h, k, level] += shift


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
    settings, needed = smoothing_settings(season), needed_rows(season)
    smooth(values, ends, lengths, settings, season, needed, _N_BEST, _N_STEPS, forecast)
    return forecast


def move_towards(values, ends, lengths, plan, movement, forecasts):
    """Move forecasts half the way to those of exponential smoothing, where there are any.

    Parameters
    ----------
    values, ends, lengths
        As of :func:`smoothed`.
    plan : Plan
        The season, the whole horizon, and which level is the point forecast.
    movement : ndarray of shape (n, n_targets)
        Series where this is zero never moved, and stay where they are.
    forecasts : ndarray of shape (n, n_steps, n_targets, n_levels)
        Changed in place, all levels alike; or the point forecasts alone.
    """
    other = smoothed(values, ends, lengths, plan.season, plan.horizon)
    _meet(other, movement, plan.middle if forecasts.shape[3] > 1 else 0, forecasts)
