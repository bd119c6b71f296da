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
            Weight of each sequence, or of each step as in `fit`.

        Returns
        -------
        score : float
            The accuracy of ``predict(X)`` (of several labels, the share of rows with all of them
            right), or its R².
        """
        mode = MODES[getattr(self, "_fitted_mode", self.mode)]
        return mode.score(self, super().score, X, y, sample_weight)
