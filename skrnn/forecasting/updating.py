"""New observations: the history, the errors and, if wanted, the network move on."""

from __future__ import annotations

import numpy as np
from sklearn.callback import with_callbacks

from skrnn.forecasting.reading import read_update
from skrnn.forecasting.windows import all_origins

# Share of the epochs of a fit that go on training after new observations.
_SHARE_OF_EPOCHS = 0.1


class Updating:
    """Mixin: `update` of a fitted forecaster."""

    @with_callbacks
    def update(self, X, *, refit=False):
        """Take in new observations of the training series.

        The history grows, the errors that make the intervals move along, and the network stays as
        it is: the cost is that of the new rows.

        Parameters
        ----------
        X : series in the layout of `fit`
            Rows that follow on those seen so far; new series may be among them.
        refit : bool, default=False
            Whether to go on training the network, on old and new observations, for a tenth of
            `max_iter` epochs.

        Returns
        -------
        self : RNNForecaster
            The forecaster.

        Raises
        ------
        ValueError
            If the rows do not follow on, or differ from those of `fit` in their columns.
        """
        before = self._histories(None)
        after = read_update(X, before)
        if self._errors is not None:
            self._errors = self._moved_errors(before, after)
        self._series = after
        if refit:
            self._go_on()
        return self

    def _moved_errors(self, before, after):
        """Return the errors after comparing what is new with what was forecast."""
        horizon, n_old = int(self.horizon), len(before)
        memory = self._model.plan.memory
        # Only the rows that the new origins can see.
        n_new = after.lengths.copy()
        n_new[:n_old] -= before.lengths
        grown = np.flatnonzero(n_new)
        recent = after.tail(n_new[grown] + horizon + memory, grown)
        first = np.maximum(recent.lengths - n_new[grown] - horizon, 1)
        series, positions = all_origins(recent.lengths, first)
        if series.size == 0:
            return self._errors
        panel = self._panel(recent)
        forecasts = self._model.forecast(panel, series, positions, horizon)
        errors = self._model.errors(forecasts, panel, series, positions)
        cut = after.lengths[grown] - recent.lengths
        return self._errors.updated(errors, grown[series], positions + cut[series])

    def _go_on(self):
        regressor = self._model.regressor
        if not regressor.is_trained:
            return
        epochs = regressor.max_iter
        regressor.warm_start, regressor.verbose = True, self.verbose
        regressor.max_iter = max(1, round(_SHARE_OF_EPOCHS * epochs))
        try:
            panel = self._panel(self._series)
            self._train(
                self._model, lambda owner: self._model.train(panel, owner=owner), None, None
            )
        finally:
            regressor.max_iter, regressor.warm_start = epochs, False
