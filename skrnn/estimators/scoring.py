"""Scores of one output for each sequence, or for each step."""

from __future__ import annotations

from skrnn.estimators.modes import MODES


class Scoring:
    """Mixin: `score` for either; goes before scikit-learn's own mixin."""

    def score(self, X, y, sample_weight=None):
        """Return the accuracy of a classifier, or the coefficient of determination R².

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.
        y : array-like
            Their true targets. With ``mode="many_to_many"`` those of each step, in any layout that
            `fit` takes; steps without one do not count.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence, or of each step as in `fit`; a predicted step beyond the end of
            the true ones has their mean weight.

        Returns
        -------
        score : float
            The accuracy of ``predict(X)`` (of several labels, the share of rows with all of them
            right), or its R². With ``mode="encoder_decoder"`` and ``"one_to_many"`` the share of
            steps at which ``predict(X)`` has the right label, where of a predicted and a true
            sequence of unequal length the longer one counts; or R² over all steps of the true
            sequences, whose lengths are given to the network.
        """
        mode = MODES[getattr(self, "_fitted_mode", self.mode)]
        return mode.score(self, super().score, X, y, sample_weight)
