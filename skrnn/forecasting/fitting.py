"""The network on windows: the regressor's training and inference on another form of data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skrnn import inference, prepared
from skrnn._subnormals import begin, end
from skrnn.estimators import RNNRegressor
from skrnn.estimators.callbacks import EpochCallbacks
from skrnn.estimators.examples import Examples
from skrnn.forecasting.losses import forecast_loss
from skrnn.sequences import line_is_finite
from skrnn.threads import Threads


class WindowRegressor(RNNRegressor):
    """The regressor on windows that are normalised already, with targets that may be missing.

    It is told its targets' quantile levels (`levels`) and how many windows make an epoch
    (`epoch_size`) as attributes, and reports epochs to the callbacks of its owner.
    """

    levels = None
    epoch_size = None
    is_trained = False
    _tables = None
    _owner = None

    @property
    def dtype(self):
        """Float type of the weights."""
        return self._params.dtype

    def fit_windows(self, windows, target, validation=None, *, owner=None):
        """Train.

        Parameters
        ----------
        windows : Windows
            The histories.
        target : ndarray of shape (n, n_outputs)
            What followed, normalised; NaN where it is not known.
        validation : tuple of (Windows, ndarray) or None
            The same of the data to watch.
        owner : tuple of (estimator, context, data, callable) or None
            The estimator whose callbacks hear of the epochs, their context, the data they are
            shown, and ``attributes(regressor_attributes)``, which makes of the fitted attributes
            here those of the estimator.

        Returns
        -------
        self : WindowRegressor
            The fitted regressor.
        """
        self._owner = owner
        self.n_outputs_ = target.shape[1]
        watched = None if validation is None else _examples(*validation)
        try:
            self._fit(_examples(windows, target), None, None, watched, None)
            self.is_trained = True
            return self
        finally:
            self._owner = None

    def raw(self, windows):
        """Return the raw outputs for windows, of shape (n, n_outputs)."""
        if len(windows) == 0:
            return np.empty((0, self.n_outputs_), dtype=self._params.dtype)
        with Threads(self.n_jobs) as threads:
            try:
                return inference.run(
                    self._network, self._params, windows, threads, "raw", lambda rows, _: rows
                )
            except inference.Overflow:
                raise ValueError(
                    f"The network overflows {self._params.dtype} in a window of history: its "
                    "values are too far from those seen in fit."
                ) from None

    def raw_of_batch(self, windows):
        """Return the raw outputs for a few windows of one length in one go."""
        n, n_steps = len(windows), -(-int(windows.n_rows[0]) // windows.segment)
        network, params = self._network, self._params
        run, flags = prepared.borrow(prepared.PreparedRun, network, params, (n, n_steps)), begin()
        try:
            windows.pack_all(run.starts, run.trace.steps)
            raw = run.advance_and_read().copy()
        finally:
            end(flags)
            prepared.give_back(network, params, run)
        if not line_is_finite(raw.reshape(-1)):
            raise ValueError(f"The network overflows {raw.dtype} in the new rows.")
        return raw

    def _check_examples(self, X, y, sample_weight, *, reset, whole_fit=False):
        return X

    def _validation_data(self, examples, X_val, y_val, rng):
        return examples, X_val

    def _epoch_callbacks(self, data, fitted_attributes):
        if self._owner is None:
            return _Unheard()
        estimator, context, data, attributes = self._owner
        return EpochCallbacks(
            estimator, context, data, lambda weights: attributes(fitted_attributes(weights))
        )

    def _settings(self, n_sequences, max_iter=None, early_stopping=None):
        settings = super()._settings(n_sequences, max_iter, early_stopping)
        # Without shuffling an epoch would always be the same first windows.
        return replace(settings, epoch_size=self.epoch_size if self.shuffle else None)

    def _make_objective(self, network, loss, examples, mean_weight=None):
        objective = super()._make_objective(network, loss, examples, mean_weight)
        # The penalty is divided by the number of windows, not of those in a batch: few windows
        # need it, and many do not.
        n = len(objective)
        objective.alpha *= min(1.0, self._batch_size(n) / n)
        return objective

    def _make_loss(self):
        return forecast_loss(self.loss, huber_delta=self.huber_delta, levels=self.levels)

    def _to_score(self, raw):
        return raw

    def _score_rows(self, raw, y, weight):
        """Return the negative loss: there is no unit in which other scores would mean more."""
        share = (weight / weight.sum()).astype(raw.dtype)
        return -float(self._loss.value_and_gradient(raw, y, share, np.empty_like(raw)))


class _Unheard:
    """In place of callbacks where there is no one to tell."""

    def begin(self):
        pass

    def __call__(self, history, params):
        return False

    def end(self):
        pass


def _examples(windows, target):
    n_windows = len(windows)
    return Examples(windows, target, target, np.ones(n_windows), np.arange(n_windows + 1))
