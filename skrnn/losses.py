"""Losses: the value, its gradient with respect to the raw output, and the way back to targets.

Each kernel takes the raw outputs (n, K), the targets, weights that are already divided by what
the batch is normalised by, the shape parameters of the loss, an array for the gradient, and one of
a single float64 for the weighted loss. All are arrays, so that lists of calls may hold them. Losses
of several outputs are summed over labels and averaged over regression targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from skrnn._jit import inlined, jit
from skrnn._math import exp, logistic
from skrnn._views import flat


@inlined
def _sum(values):
    """Add in four chains, where one would wait for itself: a vocabulary is long."""
    a = b = c = d = values.dtype.type(0)
    quarter = values.size // 4
    for k in range(quarter):
        a += values[k]
        b += values[k + quarter]
        c += values[k + 2 * quarter]
        d += values[k + 3 * quarter]
    for k in range(4 * quarter, values.size):
        a += values[k]
    return (a + b) + (c + d)


@inlined
def _write_powers(scores, powers):
    """Write exponentials relative to the highest score; return that score and their sum."""
    highest = scores[0]
    for k in range(1, scores.size):
        if scores[k] > highest:  # `max` would be a function of its own for the compiler
            highest = scores[k]
    # By itself, so that it becomes vector code.
    for k in range(scores.size):
        powers[k] = exp(scores[k] - highest)
    return highest, _sum(powers)


@jit
def _softmax_log_loss(raw, target, weight, shape, d_raw, value):
    """Multinomial: ``target`` holds the class of each row."""
    total = 0.0
    for i in range(raw.shape[0]):
        scores, shares = flat(raw, i, i + 1), flat(d_raw, i, i + 1)
        highest, norm = _write_powers(scores, shares)
        share = weight[i] / norm
        for k in range(shares.size):
            shares[k] *= share
        right = target[i]
        shares[right] -= weight[i]
        total += weight[i] * (np.log(norm) - (scores[right] - highest))
    value[0] = total


@jit
def _logistic_log_loss(raw, target, weight, shape, d_raw, value):
    """Binary: ``target`` holds 0 or 1 for each output."""
    total = 0.0
    for i in range(raw.shape[0]):
        for k in range(raw.shape[1]):
            r = raw[i, k]
            d_raw[i, k] = weight[i] * (logistic(r) - target[i, k])
            total += weight[i] * (max(r, 0.0) - r * target[i, k] + np.log1p(np.exp(-abs(r))))
    value[0] = total


@jit
def _hinge(raw, target, weight, shape, d_raw, value):
    """Binary: ``target`` holds 0 or 1 for each output, read as a sign."""
    total = 0.0
    for i in range(raw.shape[0]):
        for k in range(raw.shape[1]):
            sign = 2 * target[i, k] - 1
            margin = 1 - sign * raw[i, k]
            # A NaN must reach the total, so the test is not `margin > 0`.
            if margin <= 0:
                d_raw[i, k] = 0
            else:
                d_raw[i, k] = -weight[i] * sign
                total += weight[i] * margin
    value[0] = total


@jit
def _multiclass_hinge(raw, target, weight, shape, d_raw, value):
    """Crammer and Singer (2001): the margin to the best of the wrong classes."""
    total = 0.0
    for i in range(raw.shape[0]):
        for k in range(raw.shape[1]):
            d_raw[i, k] = 0
        right = target[i]
        wrong = 1 if right == 0 else 0
        for k in range(raw.shape[1]):
            # A NaN, once met, stays.
            if k != right and (raw[i, k] > raw[i, wrong] or raw[i, k] != raw[i, k]):
                wrong = k
        margin = 1 - (raw[i, right] - raw[i, wrong])
        if not margin <= 0:
            d_raw[i, right] = -weight[i]
            d_raw[i, wrong] = weight[i]
            total += weight[i] * margin
    value[0] = total


@jit
def _squared_error(raw, target, weight, shape, d_raw, value):
    total = 0.0
    for i in range(raw.shape[0]):
        share = weight[i] / raw.shape[1]
        for k in range(raw.shape[1]):
            error = raw[i, k] - target[i, k]
            d_raw[i, k] = share * error
            total += 0.5 * share * error * error
    value[0] = total


@jit
def _absolute_error(raw, target, weight, shape, d_raw, value):
    total = 0.0
    for i in range(raw.shape[0]):
        share = weight[i] / raw.shape[1]
        for k in range(raw.shape[1]):
            error = raw[i, k] - target[i, k]
            d_raw[i, k] = share * np.sign(error)
            total += share * abs(error)
    value[0] = total


@jit
def _huber(raw, target, weight, shape, d_raw, value):
    """Huber (1964): squared up to ``shape[0]``, absolute beyond."""
    total, delta = 0.0, shape[0]
    for i in range(raw.shape[0]):
        share = weight[i] / raw.shape[1]
        for k in range(raw.shape[1]):
            error = raw[i, k] - target[i, k]
            if abs(error) > delta:
                d_raw[i, k] = share * delta * np.sign(error)
                total += share * delta * (abs(error) - 0.5 * delta)
            else:
                d_raw[i, k] = share * error
                total += 0.5 * share * error * error
    value[0] = total


@jit
def _quantile(raw, target, weight, shape, d_raw, value):
    """Pinball loss of the quantile ``shape[0]``."""
    total, level = 0.0, shape[0]
    for i in range(raw.shape[0]):
        share = weight[i] / raw.shape[1]
        for k in range(raw.shape[1]):
            error = target[i, k] - raw[i, k]
            slope = level if error > 0 else (level - 1 if error < 0 else 0.0)
            d_raw[i, k] = -share * slope
            total += share * slope * error if slope != 0 else share * error
    value[0] = total


@jit
def _poisson(raw, target, weight, shape, d_raw, value):
    """Negative log likelihood with the logarithm as link, less the term without parameters."""
    total = 0.0
    for i in range(raw.shape[0]):
        share = weight[i] / raw.shape[1]
        for k in range(raw.shape[1]):
            mean = exp(raw[i, k])
            d_raw[i, k] = share * (mean - target[i, k])
            total += share * (mean - target[i, k] * raw[i, k])
    value[0] = total


def _identity(raw):
    return raw


def run_kernel(kernel, raw, target, weight, shape, d_raw):
    """Return what the kernel of a loss writes as its value."""
    value = np.empty(1)
    kernel(raw, target, weight, shape, d_raw, value)
    return float(value[0])


@dataclass(frozen=True)
class Loss:
    """A loss with its kernel, output activation and shape parameter.

    Attributes
    ----------
    kernel : callable
        ``kernel(raw, target, weight, shape, d_raw, value)`` writes the gradient and the weighted
        loss.
    activation : str
        Name of the output activation, as ``out_activation_`` has it.
    link_inverse : callable
        From raw outputs to probabilities or means; None where there are none.
    takes_codes : bool
        Whether targets are class numbers (n,) instead of values (n, K).
    shape : float
        Threshold of the Huber loss, level of the quantile loss.
    """

    kernel: object
    activation: str
    link_inverse: object
    takes_codes: bool = False
    shape: float = 0.0

    def value_and_gradient(self, raw, target, weight, d_raw):
        """Return the weighted loss of a batch and write its gradient to `d_raw`."""
        return run_kernel(self.kernel, raw, target, weight, np.array([self.shape]), d_raw)

    def prepare(self, raw, target, weight, d_raw):
        """Return where the loss of a batch will be, and the call that writes it.

        Parameters
        ----------
        raw, target, weight, d_raw : ndarray
            As for `value_and_gradient`; they must stay where they are.

        Returns
        -------
        value : ndarray of shape (1,)
            The place.
        call : tuple of (callable, tuple)
            A kernel and its arguments.
        """
        value = np.empty(1)
        return value, (self.kernel, (raw, target, weight, np.array([self.shape]), d_raw, value))


@jit
def _write_softmax(raw, shares):
    for i in range(raw.shape[0]):
        scores, line = flat(raw, i, i + 1), flat(shares, i, i + 1)
        _, norm = _write_powers(scores, line)
        for k in range(line.size):
            line[k] /= norm


def _softmax(raw):
    # SciPy's takes longer than all the steps of a short sequence.
    raw = np.ascontiguousarray(raw)
    shares = np.empty_like(raw)
    _write_softmax(raw, shares)
    return shares


def classification_loss(name, *, exclusive):
    """Return the loss of a classifier.

    Parameters
    ----------
    name : {"log_loss", "hinge"}
        The loss.
    exclusive : bool
        Whether each row has exactly one of several classes; otherwise each output is a yes or no.

    Returns
    -------
    loss : Loss
        The loss.
    """
    if name == "log_loss":
        if exclusive:
            return Loss(_softmax_log_loss, "softmax", _softmax, takes_codes=True)
        return Loss(_logistic_log_loss, "logistic", expit)
    if exclusive:
        return Loss(_multiclass_hinge, "identity", None, takes_codes=True)
    return Loss(_hinge, "identity", None)


def regression_loss(name, *, huber_delta, quantile):
    """Return the loss of a regressor.

    Parameters
    ----------
    name : {"squared_error", "absolute_error", "huber", "quantile", "poisson"}
        The loss.
    huber_delta : float
        Where the Huber loss turns from squared to absolute, in units of the scaled target.
    quantile : float
        Level of the quantile loss.

    Returns
    -------
    loss : Loss
        The loss.
    """
    return {
        "squared_error": Loss(_squared_error, "identity", _identity),
        "absolute_error": Loss(_absolute_error, "identity", _identity),
        "huber": Loss(_huber, "identity", _identity, shape=float(huber_delta)),
        "quantile": Loss(_quantile, "identity", _identity, shape=float(quantile)),
        "poisson": Loss(_poisson, "exponential", np.exp),
    }[name]
