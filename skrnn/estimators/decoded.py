"""What estimators offer where outputs are sequences of their own length."""

from __future__ import annotations

from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skrnn.estimators.modes import MODES


def _looks_back(estimator):
    """Tell `available_if` whether there is attention."""
    if estimator.attention is None:
        raise AttributeError(
            "attention_weights needs mode='encoder_decoder' and attention='additive' or "
            "'multiplicative'."
        )
    return True


class Decoding:
    """Mixin: results of the modes that decode, and errors where a method is not for them."""

    @property
    def _decodes(self):
        return MODES[getattr(self, "_fitted_mode", self.mode)].decodes

    def _refuse_if_decoding(self, method):
        if self._decodes:
            raise ValueError(
                f"{method} is not available with mode={self._fitted_mode!r}: it is for networks "
                "with one output for each sequence, or for each step."
            )

    def _check_mode(self):
        """Refuse parameters that the mode has no use for."""
        if self.attention is not None and self.mode != "encoder_decoder":
            raise ValueError(
                f"attention={self.attention!r} looks at the states of an encoder, and "
                f"mode={self.mode!r} has none. Use mode='encoder_decoder', or attention=None."
            )
        if getattr(self, "ignore_label", None) is not None and self.mode != "many_to_many":
            raise ValueError(
                f"ignore_label={self.ignore_label!r} marks steps without a target, for "
                f"mode='many_to_many'; with mode={self.mode!r} give what is not to be taught "
                "sample_weight 0, or leave it out."
            )
        if self.repeat_vector and self.mode != "one_to_many":
            raise ValueError(
                f"repeat_vector=True repeats the vector of mode='one_to_many'; mode={self.mode!r} "
                "has none."
            )

    def predict(self, X, *, n_steps=None):
        """Predict the target of each sequence, or of each step, or the sequence that follows.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.
        n_steps : int or array-like of shape (n_sequences,), default=None
            With ``mode="encoder_decoder"`` and ``"one_to_many"``: steps of each output; the most of
            them, if outputs end where the network says so. None is as many as the longest output
            in `fit` has.

        Returns
        -------
        y : ndarray of shape (n_sequences,) or (n_sequences, n_outputs)
            The predictions; a sequence's do not depend on the other sequences. With
            ``mode="many_to_many"`` an array of shape (n_sequences, n_steps) or (n_sequences,
            n_steps, n_outputs), a list of arrays where X is ragged, a Series or DataFrame where X
            is a frame with a (sequence, time) MultiIndex. With ``mode="encoder_decoder"`` and
            ``"one_to_many"`` in the layout of the y of `fit`: an array, a list of arrays or of
            strings, or an array of those.
        """
        if not self._decodes:
            if n_steps is not None:
                raise ValueError(
                    f"n_steps={n_steps!r} is for mode='encoder_decoder' and 'one_to_many'; with "
                    f"mode={self.mode!r} outputs have the steps of X, or one."
                )
            return super().predict(X)
        check_is_fitted(self)
        return MODES[self._fitted_mode].predict(self, X, n_steps)

    @available_if(_looks_back)
    def attention_weights(self, X, y=None):
        """Return how much each step of the outputs looked at each step of the inputs.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.
        y : array-like, default=None
            The outputs to follow, as in `fit`; the predictions if None.

        Returns
        -------
        weights : list of ndarray of shape (n_output_steps_i, n_input_steps_i)
            Of each sequence; every row sums to one.

        See Also
        --------
        skrnn.AttentionDisplay : Draws them.
        """
        check_is_fitted(self)
        return MODES[self._fitted_mode].attention_weights(self, X, y)
