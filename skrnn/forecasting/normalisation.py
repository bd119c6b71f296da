"""From the values of a series to what a network reads and gives, and exactly back.

Two layers. A *transform* (nothing, a logarithm or a Box-Cox power) is fitted once on the training
part and bends every value. What normalises a window is then measured on this window alone: a level
to subtract, and a unit to divide by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import boxcox, inv_boxcox
from scipy.stats import boxcox_normmax

from skrnn._jit import jit

# Movements of this share of the size of values are rounding, also that of float32.
_ROUNDING = 2e-6


@dataclass(frozen=True)
class Transform:
    """An increasing function of the values, with its inverse.

    Attributes
    ----------
    power : float or None
        Exponent of Box and Cox (1964); 0 is the logarithm, None leaves values alone.
    offset : float
        Added before: one where there are zeros.
    floor : float
        Smaller values count as this one.
    limit : float
        Transformed values are kept within this distance of zero on the way back.
    """

    power: float | None = None
    offset: float = 0.0
    floor: float = -np.inf
    limit: float = np.inf

    def forward(self, values):
        """Transform values; NaN stays NaN."""
        if self.power is None:
            return values
        values = np.maximum(values, self.floor) + self.offset
        return np.log(values) if self.power == 0 else boxcox(values, self.power)

    def inverse(self, values):
        """Undo :meth:`forward`."""
        if self.power is None:
            return values
        if self.power != 0:
            # Below this point no value has this transform: a step above it is the smallest.
            edge = -1 / self.power
            values = np.maximum(values, edge) if self.power > 0 else np.minimum(values, edge)
        values = np.minimum(np.maximum(values, -self.limit), self.limit)
        return (np.exp(values) if self.power == 0 else inv_boxcox(values, self.power)) - self.offset


def fit_transform(kind, values, where):
    """Choose and fit the transform of one target.

    Parameters
    ----------
    kind : {None, "log", "box-cox", "auto"}
        What to fit; ``"auto"`` is the logarithm if all values are positive.
    values : ndarray of shape (n_rows,)
        The values of all series, NaN where missing.
    where : str
        What the values are, for messages.

    Returns
    -------
    transform : Transform
        The transform.

    Raises
    ------
    ValueError
        If a negative value has no logarithm.
    """
    present = values[~np.isnan(values)]
    if kind is None or present.size == 0:
        return Transform()
    lowest = present.min()
    if kind == "auto" and lowest <= 0:
        return Transform()
    if lowest < 0:
        raise ValueError(
            f"power_transform={kind!r} asks for values that are not negative, but {where} holds "
            f"{lowest:g}. Set power_transform=None, or add a constant first."
        )
    offset = 1.0 if lowest == 0 else 0.0
    floor = 0.0 if offset else lowest / 2
    power = 0.0
    if kind == "box-cox" and np.ptp(present) > 0:
        power = float(np.clip(boxcox_normmax(present + offset, method="mle"), 0.0, 1.0))
    bent = boxcox(np.array([floor, present.max()]) + offset, power)
    # A network that goes astray may not take the exponential out of the floating-point range.
    limit = 10.0 + 4 * np.abs(bent).max()
    return Transform(power, offset, floor, float(limit))


@jit
def carry_forward(values, offsets, season, filled):
    """Fill missing values with that of one season before, or else with the last one.

    Values before the first of a series stay missing: nothing is known about them.
    """
    for i in range(offsets.size - 1):
        first = offsets[i]
        for row in range(first, offsets[i + 1]):
            for k in range(values.shape[1]):
                value = values[row, k]
                if value != value and row - season >= first:
                    value = filled[row - season, k]
                if value != value and row > first:
                    value = filled[row - 1, k]
                filled[row, k] = value


# How the unit of a window is told.
FIXED, ONE, SIZE, SPREAD = range(4)


@jit
def measure(
    values, ends, lengths, level_rows, kinds, home, width, usual, most, level, spread, unit
):
    """Write what windows are like: their level, how far they stray from it, and their unit.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_targets)
        NaN is left out.
    ends, lengths : ndarray of int64 of shape (n,)
        The row after each window, and how many rows it has.
    level_rows : int
        Rows at the end whose mean is the level.
    kinds : ndarray of int64 of shape (n_targets,)
        FIXED is the level `home` and the unit `width` for all windows. Else the level is that of
        the window, and the unit is ONE, the SIZE (the mean distance from zero), or the SPREAD (the
        mean distance from the level; `usual` where nothing moves).
    home, width, usual, most : ndarray of shape (n_targets,)
        See `kinds`; a unit grows with a spread beyond `most` of it.
    level, spread, unit : ndarray of shape (n, n_targets)
        Receive the results. The spread of a window that does not move is zero; the level of one of
        missing values alone is NaN.
    """
    for i in range(ends.size):
        low = ends[i] - lengths[i]
        for k in range(values.shape[1]):
            total, count = 0.0, 0
            for row in range(max(low, ends[i] - level_rows), ends[i]):
                value = values[row, k]
                if value == value:
                    total += value
                    count += 1
            centre = total / count if count > 0 else np.nan
            distance, size, count = 0.0, 0.0, 0
            for row in range(low, ends[i]):
                value = values[row, k]
                if value == value:
                    distance += abs(value - centre)
                    size += abs(value)
                    count += 1
            count = max(count, 1)
            distance, size = distance / count, size / count
            # What is left of a subtraction of equal numbers is no movement.
            if distance <= _ROUNDING * size:
                distance = 0.0
            own = 1.0
            if kinds[k] == SIZE and size > 0:
                own = size
            elif kinds[k] == SPREAD:
                own = distance if distance > 0 else usual[k]
            own *= max(1.0, distance / (own * most[k]))
            if kinds[k] == FIXED:
                centre, own = home[k], width[k]
            level[i, k] = centre
            spread[i, k] = distance
            unit[i, k] = own


@jit
def repeat_season(values, ends, lengths, season, base):
    """Write the seasonal naive forecast from each window; the last value where it is too short."""
    horizon = base.shape[1]
    for i in range(ends.size):
        low = ends[i] - lengths[i]
        for h in range(horizon):
            back = season - h % season
            for k in range(values.shape[1]):
                value = np.nan
                if ends[i] - back >= low:
                    value = values[ends[i] - back, k]
                if value != value:
                    value = values[ends[i] - 1, k]
                base[i, h, k] = value
