"""Paths into the future: forecasts plus the errors of forecasts that were made before."""

from __future__ import annotations

import numpy as np


def sample_paths(errors, forecasts, n_samples, rng):
    """Draw paths around forecasts.

    Parameters
    ----------
    errors : ConformalErrors
        The errors of earlier forecasts.
    forecasts : Forecasts
        Of no more steps than those of the errors.
    n_samples : int
        Paths of each place.
    rng : numpy.random.RandomState
        Source of the draws.

    Returns
    -------
    paths : ndarray of shape (n_samples, n, horizon, n_targets)
        In the units of the series.
    """
    n, horizon, n_targets = forecasts.centre.shape
    drawn = errors.draw(n_samples * n, rng)[:, :horizon]
    drawn = drawn.reshape(n_samples, n, horizon, n_targets)
    paths = forecasts.centre + drawn * forecasts.spread[:, np.newaxis]
    return np.stack([forecasts.back(path) for path in paths])


def continued_paths(model, errors, panel, series, positions, horizon, n_samples, rng):
    """Draw paths of any length from places in series.

    Parameters
    ----------
    model : Model
        The model.
    errors : ConformalErrors
        The errors of earlier forecasts.
    panel, series, positions
        The places.
    horizon, n_samples : int
        Steps and number of the paths.
    rng : numpy.random.RandomState
        Source of the draws.

    Returns
    -------
    paths : ndarray of shape (n_samples, n, horizon, n_targets)
        In the units of the series.
    """
    n, block = len(series), errors.horizon
    first = min(block, horizon)
    forecasts = model.forecast(panel, series, positions, first)
    parts = [sample_paths(errors, forecasts, n_samples, rng)]
    series, positions = np.tile(series, n_samples), np.tile(positions, n_samples)
    for done in range(block, horizon, block):
        path = parts[-1].reshape(n_samples * n, *parts[-1].shape[2:])
        panel, series, positions = panel.continued(
            series, positions, model.plan.memory, path, horizon - done
        )
        forecasts = model.forecast(panel, series, positions, min(block, horizon - done))
        drawn = sample_paths(errors, forecasts, 1, rng)
        parts.append(drawn.reshape(n_samples, n, *drawn.shape[2:]))
    return np.concatenate(parts, axis=2)
