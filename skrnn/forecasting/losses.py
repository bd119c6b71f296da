"""Losses of forecasts: targets may be missing, and several quantiles are learned side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn._jit import jit
from skrnn.losses import Loss, regression_loss, run_kernel


@jit
def _quantiles(raw, target, weight, levels, d_raw, value):
    """Pinball loss of a level for each column, averaged over the columns."""
    total = 0.0
    for i in range(raw.shape[0]):
        share = weight[i] / raw.shape[1]
        for k in range(raw.shape[1]):
            error = target[i, k] - raw[i, k]
            slope = levels[k] if error > 0 else (levels[k] - 1 if error < 0 else 0 * levels[k])
            d_raw[i, k] = -share * slope
            # A NaN must reach the total.
            total += share * slope * error if slope != 0 else share * error
    value[0] = total


def _identity(raw):
    return raw


@dataclass(frozen=True)
class ForecastLoss:
    """A regression loss that leaves out missing targets.

    Attributes
    ----------
    loss : Loss
        The loss where targets are present; its value is zero where output and target agree.
    levels : tuple of float or None
        Quantile of each output.
    """

    loss: Loss
    levels: tuple | None = None

    activation = "identity"
    link_inverse = staticmethod(_identity)
    takes_codes = False

    @property
    def kernel(self):
        """What is computed; trainings with different ones do not continue each other."""
        return self.loss.kernel

    def value_and_gradient(self, raw, target, weight, d_raw):
        """Return the weighted loss of a batch and write its gradient to `d_raw`."""
        missing = np.isnan(target)
        if missing.any():
            target = np.where(missing, raw, target)
        if self.levels is None:
            return self.loss.value_and_gradient(raw, target, weight, d_raw)
        # The outputs are the levels of the first step, those of the second, and so on.
        levels = np.resize(np.array(self.levels, dtype=raw.dtype), raw.shape[1])
        return run_kernel(self.loss.kernel, raw, target, weight, levels, d_raw)


def forecast_loss(name, *, huber_delta, levels=None):
    """Return the loss of a forecaster.

    Parameters
    ----------
    name : {"squared_error", "absolute_error", "huber"}
        The loss of point forecasts.
    huber_delta : float
        Where the Huber loss turns from squared to absolute.
    levels : tuple of float or None
        Quantile that each output is to be; the loss is then the pinball loss.

    Returns
    -------
    loss : ForecastLoss
        The loss.
    """
    if levels is not None:
        return ForecastLoss(Loss(_quantiles, "identity", _identity), tuple(levels))
    return ForecastLoss(regression_loss(name, huber_delta=huber_delta, quantile=0.5))
