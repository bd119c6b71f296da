"""Conformal prediction: how far off forecasts were tells how far off they will be.

The errors are those of a rolling origin over rows that the network did not learn from, in units of
the scale of each window, so that errors of many series can be pooled. For each step of the horizon
the bound of a level is an order statistic of the errors, taken so that it holds for any finite
number of exchangeable errors (Vovk, Gammerman and Shafer, 2005; Lei et al., 2018). Where some
series bring more errors than others, these count less, so that all series count alike.
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


def order_statistic(errors, level, weights=None):
    """Return the finite-sample quantile of errors.

    Above the median this is the ceil((n + 1) level)-th smallest of n errors, below it the
    floor((n + 1) level)-th: at least the share ``level`` (or ``1 - level``) of new errors lies
    on this side of it. If n is too small for a level, the outermost error is carried outwards as
    the tail of a normal distribution would be. Errors with weights are counted by these.

    Parameters
    ----------
    errors : ndarray of shape (n,)
        In rising order.
    level : float
        Between 0 and 1.
    weights : ndarray of shape (n,) or None
        Of mean 1; None is 1 for each.

    Returns
    -------
    error : float
        The quantile; 0 without errors.
    """
    n = errors.size
    if n == 0:
        return 0.0
    counted = np.arange(1.0, n + 1) if weights is None else np.cumsum(weights)
    # Counts are often whole numbers that rounding has moved.
    rounding = 1e-9 * n
    if level == 0.5:
        half = counted[-1] / 2
        middle = np.searchsorted(counted, [half - rounding, half + rounding])
        return float(errors[middle].mean())
    is_low = level < 0.5
    if not is_low:
        counted = counted[-1] - np.concatenate([counted[-2::-1], [0.0]])
    place = int(np.searchsorted(counted, (n + 1) * min(level, 1 - level) + rounding, side="right"))
    if place > 0:
        return float(errors[place - 1 if is_low else n - place])
    centre = np.median(errors)
    outermost = errors[0] if is_low else errors[-1]
    return float(centre + (outermost - centre) * max(1.0, norm.ppf(level) / _outermost(n, is_low)))


def _outermost(n, is_low):
    """Return the normal quantile that the outermost of n errors stands for."""
    share = n / (n + 1) if n > 1 else 0.75
    return norm.ppf(1 - share if is_low else share)


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
            by_step = [self._sorted(errors[:, h, k]) for h in range(errors.shape[1])]
            if len(self.levels) == 1:
                by_step = [_both_sides(*column) for column in by_step]
            result[:, k] = _by_step(by_step, alpha)
        return result

    def _sorted(self, errors):
        """Return the errors of a step that are known, rising, and their weights."""
        known = np.flatnonzero(np.isfinite(errors))
        known = known[np.argsort(errors[known], kind="stable")]
        series = self.series[known]
        counts = np.bincount(series)
        n_series = np.count_nonzero(counts)
        return errors[known], known.size / n_series / counts[series] if n_series else errors[known]

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
        merged, is_new = self.errors.copy(), np.isfinite(errors).any(axis=(1, 2, 3))
        rows = np.flatnonzero(np.isin(self.series, series))
        most = max(positions.max(), self.positions.max(initial=0)) + 1
        places = self.series[rows] * most + self.positions[rows], series * most + positions
        _, known, again = np.intersect1d(*places, assume_unique=True, return_indices=True)
        known = rows[known]
        merged[known] = np.where(np.isnan(merged[known]), errors[again], merged[known])
        is_new[again] = False
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


def _both_sides(errors, weights):
    """Return few errors with both signs; each level then has half of them on its side."""
    if errors.size >= _ENOUGH_FOR_SIGNS:
        return errors, weights
    return _merged([errors, -errors], [weights, weights])


def _merged(errors, weights):
    """Return parts of errors and their weights as one, rising."""
    errors, weights = np.concatenate(errors), np.concatenate(weights)
    order = np.argsort(errors, kind="stable")
    return errors[order], weights[order]


def _by_step(by_step, alpha):
    """Return the quantile at each step, from its own errors or from all in its unit."""
    if all(errors.size >= _ENOUGH for errors, _ in by_step):
        return [order_statistic(errors, alpha, weights) for errors, weights in by_step]
    units = _step_units([errors for errors, _ in by_step])
    moving = [
        (errors / unit, weights)
        for (errors, weights), unit in zip(by_step, units, strict=True) if unit > 0
    ]  # fmt: skip
    pooled = _merged(*zip((np.empty(0), np.empty(0)), *moving, strict=True))
    return [
        order_statistic(errors, alpha, weights) if errors.size >= _ENOUGH
        else unit * order_statistic(pooled[0], alpha, pooled[1])
        for (errors, weights), unit in zip(by_step, units, strict=True)
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
