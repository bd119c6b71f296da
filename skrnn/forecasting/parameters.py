"""What the parameters of the forecaster may be, and how its docstring shares the others'."""

from __future__ import annotations

from numbers import Integral, Real

import pandas as pd
from sklearn.utils._param_validation import Interval, StrOptions

from skrnn.estimators import RNNRegressor
from skrnn.estimators.parameters import CONSTRAINTS, document


class WholeNumbers(Interval):
    """The whole numbers of an interval: True is not 1 here."""

    def is_satisfied_by(self, val):
        """Tell whether a value is among them."""
        return not isinstance(val, bool) and super().is_satisfied_by(val)


_POSITIVE = WholeNumbers(Integral, 1, None, closed="left")

FORECASTING = {
    "horizon": [_POSITIVE],
    "lookback": [StrOptions({"auto"}), _POSITIVE],
    # Labels of columns may be anything; they are checked against the columns.
    "target": "no_validation",
    "known_future": "no_validation",
    "static": "no_validation",
    "freq": [str, Integral, pd.offsets.BaseOffset, None],
    "strategy": [StrOptions({"direct", "recursive"})],
    "scaling": [StrOptions({"auto", "window", "standard"}), None],
    "power_transform": [StrOptions({"auto", "log", "box-cox"}), None],
    "difference": [WholeNumbers(Integral, 0, 1, closed="both")],
    "season_length": [StrOptions({"auto"}), _POSITIVE, None],
    "multivariate": [StrOptions({"joint", "separate"})],
    "smoothing": [StrOptions({"auto"}), "boolean"],
    "baseline": [StrOptions({"level", "seasonal_naive"})],
    "segment_length": [StrOptions({"auto"}), _POSITIVE],
    "calendar": [StrOptions({"auto"}), "array-like", None],
    "loss": [StrOptions({"absolute_error", "squared_error", "huber"})],
    "huber_delta": [Interval(Real, 0, None, closed="neither")],
    "quantiles": ["array-like", None],
    "calibrate": ["boolean"],
    "windows_per_epoch": [StrOptions({"auto"}), _POSITIVE, None],
}

FORECASTER_CONSTRAINTS = {**CONSTRAINTS, **FORECASTING}

# What the regressor is told otherwise here, and what concerns other outputs or inputs than windows.
_NOT_PASSED_ON = {"quantile", "n_timesteps", "warm_start", "random_state"} | {
    *("mode", "attention", "repeat_vector"),
    *("embedding_dim", "vocabulary_size", "embeddings", "train_embeddings"),
}

# Parameters that go to the network as they are.
NETWORK_PARAMETERS = tuple(
    name for name in RNNRegressor._get_param_names() if name not in _NOT_PASSED_ON
)

# Passages of the shared docstrings that are otherwise here.
_DIFFERENCES = {
    """alpha : float, default=1e-4
        Strength of the L2 penalty on weights (not biases), divided by the size of a batch times the
        mean sample weight (in `partial_fit` by the size alone) when added to the loss.""":
    """alpha : float, default=1.0
        Strength of the L2 penalty on weights (not biases), divided by the number of windows (at
        least of a batch) when added to the loss.""",
    "learning_rate_init : float, default=0.01": "learning_rate_init : float, default=0.005",
    """Share of the training data to split off for `early_stopping`; at random, and in a
        classifier with the same share of each class where there are enough sequences of each.""":
    """Share of the rows of each series (or of X, with y), at its end, that `early_stopping`
        watches.""",
    """ The
        validation data are given to `fit`, or split off.""": "",
}  # fmt: skip


def positive_integer(number, name):
    """Return a positive integer.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    if isinstance(number, bool) or not isinstance(number, Integral):
        raise TypeError(f"{name} must be an integer, got {number!r}.")
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number}.")
    return int(number)


def document_forecaster(estimator):
    """Fill what it shares with the other estimators into the forecaster's docstring.

    Parameters
    ----------
    estimator : class
        Its docstring holds the placeholders of :func:`skrnn.estimators.parameters.document`.

    Returns
    -------
    estimator : class
        The same class.
    """
    document(estimator)
    for theirs, ours in _DIFFERENCES.items():
        estimator.__doc__ = estimator.__doc__.replace(theirs, ours)
    return estimator
