"""Conformal prediction: how far off forecasts were tells how far off they will be.

The errors are those of a rolling origin over rows that the network did not learn from, in units of
the scale of each window, so that errors of many series can be pooled. For each step of the horizon
the bound of a level is an order statistic of the errors, taken so that it holds for any finite
number of exchangeable errors (Vovk, Gammerman and Shafer, 2005; Lei et al., 2018).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

# Errors of one step that speak for themselves; fewer are pooled with those of other steps.
_ENOUGH = 40
# Errors whose signs are believed: fewer are taken to fall on both sides alike.
_ENOUGH_FOR_SIGNS = 100
# Forecasts whose errors are known at each step, from which paths are drawn.
_ENOUGH_PATHS = 10
_LEVELS_OF_PATHS = 100


def order_statistic(errors, level):
    """Return the finite-sample quantile of errors.

    Above the median this is the ceil((n + 1) level)-th smallest of n errors, below it the
    floor((n + 1) level)-th: at least the share ``level`` (or ``1 - level``) of new errors lies
    on this side of it. If n is too small for a level, the outermost error is carried outwards as
    the tail of a normal distribution would be.

    Parameters
    ----------
    errors : ndarray of shape (n,)
        In rising order.
    level : float
        Between 0 and 1.

    Returns
    -------
    error : float
        The quantile; 0 without errors.
    """
    n = errors.size
    if n == 0:
        return 0.0
    rank = (n + 1) * level
    # (n + 1) level is often a whole number that rounding has moved.
    place = int(np.floor(rank + 1e-9)) if level < 0.5 else int(np.ceil(rank - 1e-9))
    if level == 0.5:
        return float(np.median(errors))
    if 1 <= place <= n:
        return float(errors[place - 1])
    centre = np.median(errors)
    outermost = errors[0] if place < 1 else errors[-1]
    return float(centre + (outermost - centre) * max(1.0, norm.ppf(level) / _outermost(n, place)))


def _outermost(n, place):
    """Return the normal quantile that the outermost of n errors stands for."""
    share = 1 / (n + 1) if place < 1 else n / (n + 1)
    return norm.ppf(share) if n > 1 else np.sign(place - 0.5) * norm.ppf(0.75)


@dataclass(frozen=True, eq=False)
class ConformalErrors:
    """Errors of forecasts from past origins, and what follows for the next.

    Attributes
    ----------
    errors : ndarray of shape (n, horizon, n_targets, n_levels)
        What happened minus the forecast of each level of the network (one, the point forecast, if
        it gives no quantiles), in units of the window's scale; NaN where unknown.
    series, positions : ndarray of int64 of shape (n,)
        Where each forecast started.
    levels : tuple of float
        Levels of the network.
    """

    errors: np.ndarray
    series: np.ndarray
    positions: np.ndarray
    levels: tuple = (0.5,)

    @property
    def horizon(self):
        """Steps whose errors are known."""
        return self.errors.shape[1]

    def corrections(self, alpha):
        """Return what is to be added to the network's quantile of a level.

        Parameters
        ----------
        alpha : float
            The level.

        Returns
        -------
        corrections : ndarray of shape (horizon, n_targets)
            In units of the scale of a window.
        """
        errors = interpolate_levels(self.errors, self.levels, alpha)
        result = np.empty(errors.shape[1:])
        for k in range(errors.shape[2]):
            by_step = [errors[:, h, k] for h in range(errors.shape[1])]
            by_step = [np.sort(column[np.isfinite(column)]) for column in by_step]
            if len(self.levels) == 1:
                by_step = [_both_sides(column) for column in by_step]
            result[:, k] = _by_step(by_step, alpha)
        return result

    def rescaled(self, factors):
        """Return the errors in other units, those of each target multiplied by a factor."""
        return replace(self, errors=self.errors * factors[:, np.newaxis])

    def updated(self, errors, series, positions):
        """Return the errors after new observations: gaps filled, new origins in for the oldest.

        Parameters
        ----------
        errors, series, positions : ndarray
            As the attributes, of all origins about which something is new.
        """
        known = {place: row for row, place in enumerate(zip(self.series, self.positions))}
        merged, is_new = self.errors.copy(), np.ones(len(errors), dtype=bool)
        for i, place in enumerate(zip(series, positions)):
            row = known.get(place)
            if row is not None:
                merged[row] = np.where(np.isnan(merged[row]), errors[i], merged[row])
                is_new[i] = False
        is_new &= np.isfinite(errors).any(axis=(1, 2, 3))
        everything = replace(
            self,
            errors=np.concatenate([merged, errors[is_new]]),
            series=np.concatenate([self.series, series[is_new]]),
            positions=np.concatenate([self.positions, positions[is_new]]),
        )
        age = _ages(everything.series, everything.positions)
        size = max(len(self.errors), _ENOUGH_FOR_SIGNS)
        return everything.take(np.sort(np.argsort(age, kind="stable")[:size]))

    def take(self, index):
        """Return the errors of some of the forecasts."""
        return replace(
            self,
            errors=self.errors[index],
            series=self.series[index],
            positions=self.positions[index],
        )

    def draw(self, n, rng):
        """Draw the errors of whole forecasts, step by step as they once occurred together.

        Where hardly any are known for the whole horizon, every step of a draw is taken at the same
        level instead.

        Parameters
        ----------
        n : int
            How many.
        rng : numpy.random.RandomState
            Source of the choice.

        Returns
        -------
        errors : ndarray of shape (n, horizon, n_targets)
            In units of the scale of a window.
        """
        middle = self.errors[..., self.levels.index(0.5)]
        whole = middle[np.isfinite(middle).all(axis=(1, 2))]
        if len(whole) >= _ENOUGH_PATHS:
            return whole[rng.randint(len(whole), size=n)]
        grid = (np.arange(_LEVELS_OF_PATHS) + 0.5) / _LEVELS_OF_PATHS
        table = np.stack([self.corrections(level) for level in grid])
        return table[rng.randint(_LEVELS_OF_PATHS, size=n)]


def _ages(series, positions):
    newest = np.zeros(series.max() + 1, np.int64)
    np.maximum.at(newest, series, positions)
    return newest[series] - positions


def _both_sides(errors):
    """Return few errors with both signs; each level then has half of them on its side."""
    if errors.size >= _ENOUGH_FOR_SIGNS:
        return errors
    return np.sort(np.concatenate([errors, -errors]))


def _by_step(by_step, alpha):
    """Return the quantile at each step, from its own errors or from all in its unit."""
    if all(column.size >= _ENOUGH for column in by_step):
        return [order_statistic(column, alpha) for column in by_step]
    units = _step_units(by_step)
    parts = [column / unit for column, unit in zip(by_step, units, strict=True) if unit > 0]
    pooled = np.sort(np.concatenate([np.empty(0), *parts]))
    return [
        order_statistic(column, alpha) if column.size >= _ENOUGH
        else unit * order_statistic(pooled, alpha)
        for column, unit in zip(by_step, units, strict=True)
    ]  # fmt: skip


def _step_units(by_step):
    """Return the usual size of the errors at each step, growing where none are known."""
    units = np.array([np.abs(column).mean() if column.size > 2 else np.nan for column in by_step])
    known = np.flatnonzero(np.isfinite(units))
    if known.size == 0:
        sizes = [np.abs(column).mean() for column in by_step if column.size]
        return np.full(len(by_step), sizes[0] if sizes else 1.0)
    steps = np.arange(len(by_step))
    filled = np.interp(steps, known, units[known])
    late = steps > known[-1]
    filled[late] *= np.sqrt((steps[late] + 1) / (known[-1] + 1))
    return filled


def interpolate_levels(values, levels, alpha):
    """Return the quantile `alpha` from those of some levels along the last axis.

    Beyond the outermost levels it is that of the outermost.
    """
    if len(levels) == 1:
        return values[..., 0]
    right = min(max(int(np.searchsorted(levels, alpha)), 1), len(levels) - 1)
    low, high = levels[right - 1], levels[right]
    share = min(max((alpha - low) / (high - low), 0.0), 1.0)
    return (1 - share) * values[..., right - 1] + share * values[..., right]


def forecast_quantiles(forecasts, errors, levels, alphas, block):
    """Return quantiles of forecasts, in the units of the series.

    Beyond the steps whose errors are known, deviations of one stretch of steps add to those of the
    stretches before, as independent errors do.

    Parameters
    ----------
    forecasts : Forecasts
        The forecasts.
    errors : ConformalErrors or None
        The errors of others; None leaves the quantiles to the network.
    levels : tuple of float
        Levels of the network; 0.5 alone where it gives points.
    alphas : list of float
        Levels to return, in any order.
    block : int
        Steps that the network or the errors cover at once.

    Returns
    -------
    quantiles : ndarray of shape (n_alphas, n, horizon, n_targets)
        They do not cross.
    """
    order = np.argsort(alphas, kind="stable")
    wanted = [*np.asarray(alphas, dtype=float)[order]]
    horizon = forecasts.centre.shape[1]
    unit = forecasts.spread[:, np.newaxis]
    own = forecasts.quantiles
    result = []
    middle = _deviation(forecasts, own, errors, levels, 0.5, horizon, block)
    for alpha in wanted:
        deviation = _deviation(forecasts, own, errors, levels, alpha, horizon, block)
        deviation = middle + _accumulated(deviation - middle, block)
        result.append(forecasts.centre + deviation * unit)
    bent = np.maximum.accumulate(np.stack(result), axis=0)
    quantiles = np.empty(bent.shape)
    for place, values in zip(order, bent, strict=True):
        quantiles[place] = forecasts.back(values)
    return quantiles


def _deviation(forecasts, own, errors, levels, alpha, horizon, block):
    """Return how far a quantile lies from the point forecast, in units of the spread."""
    deviation = np.zeros((1, horizon, forecasts.centre.shape[2]))
    if own is not None:
        unit = np.where(forecasts.spread > 0, forecasts.spread, 1.0)[:, np.newaxis]
        deviation = (interpolate_levels(own, levels, alpha) - forecasts.centre) / unit
    if errors is not None:
        corrections = errors.corrections(alpha)
        steps = np.arange(horizon) % block
        deviation = deviation + corrections[steps]
    return deviation


def _accumulated(deviation, block):
    """Add the deviations at the ends of earlier stretches to those of later ones."""
    horizon = deviation.shape[1]
    result = deviation.copy()
    carried = np.zeros_like(deviation[:, 0])
    for first in range(block, horizon, block):
        carried = carried + deviation[:, first - 1] ** 2
        stretch = deviation[:, first : first + block]
        grown = np.sqrt(stretch**2 + carried[:, np.newaxis])
        sign = np.sign(deviation[:, first - 1])[:, np.newaxis]
        result[:, first : first + block] = sign * grown
    return result


def probabilities(values, name):
    """Return a list of probabilities, all between 0 and 1."""
    numbers = np.atleast_1d(np.asarray(values, dtype=float))
    if numbers.ndim != 1 or numbers.size == 0 or not ((numbers > 0) & (numbers < 1)).all():
        raise ValueError(f"{name} must lie between 0 and 1, got {values!r}.")
    return numbers.tolist()
