"""Outputs that are sequences of numbers: checked, taught, unrolled and scored."""

from __future__ import annotations

import numpy as np

from skrnn.estimators.modes import MODES
from skrnn.losses import classification_loss
from skrnn.outputs import value_outputs
from skrnn.search import unroll_values
from skrnn.sequences import label
from skrnn.targets import place_of
from skrnn.teaching import EndingLoss


class OutputValues:
    """Mixin: what a regressor does with output sequences of their own length.

    Where outputs end by themselves the network has one more raw output, the log odds that a step
    is the last.
    """

    def _refuse_unseen(self, values, rows, offsets):
        """Do nothing: any number may come."""

    def _check_outputs(self, rows, offsets, layout, *, reset):
        if rows.dtype.kind in "US":
            raise ValueError(
                f"y holds {label(rows.flat[0])} in sequence 0, step 0, but this regressor says "
                "numbers. For sequences of labels or characters use RNNClassifier."
            )
        if rows.dtype.kind in "fO":
            wrong = ~np.isfinite(rows.astype(np.float64)).reshape(len(rows), -1).all(axis=1)
            if wrong.any():
                i, step = place_of(int(wrong.argmax()), offsets)
                raise ValueError(
                    f"y holds {rows[wrong.argmax()]} in sequence {i}, step {step}. An output ends "
                    "with its last number: pass a list of arrays where lengths differ."
                )
        rows = self._check_y(rows, reset=reset)
        longest = int(np.diff(offsets).max())
        if reset:
            self._output_layout, self._longest_output = layout, longest
        self._longest_output = max(longest, self._longest_output)
        return rows

    @property
    def _ends(self):
        return self._output_layout.n_steps is None

    def _with_end(self, loss):
        """Return a loss, with that of the end where outputs end by themselves."""
        if not MODES[self.mode].decodes or not self._ends:
            return loss
        return EndingLoss(loss, classification_loss("log_loss", exclusive=False))

    def _output_sizes(self, sizes):
        """Return that a decoder reads no tokens, how many numbers, and its raw outputs."""
        return None, self.n_outputs_, self.n_outputs_ + self._ends

    def _teach(self, target, weight, offsets):
        """Return outputs as a decoder reads and says them."""
        return value_outputs(target, weight, offsets, ends=self._ends)

    def _generate(self, network, params, sequences, threads, n_steps, beam_width=None, known=False):
        """Return the raw outputs that a network makes; of lengths that are `known`, no end."""
        return unroll_values(
            network,
            params,
            sequences,
            threads,
            link_inverse=self._loss.link_inverse,
            n_steps=n_steps,
            ends=self._ends and not known,
        )

    def _said(self, made):
        """Return outputs in the unit of y, of shape (T_i, K)."""
        return [self._decode(raw).reshape(len(raw), -1) for raw in made]

    def _score_outputs(self, made, y, offsets, weight):
        """Return R² over all steps that the true outputs have."""
        limit = 1e150  # whose square is finite
        scaled = self._encode(y, np.dtype(np.float64))
        predicted = np.full(scaled.shape, 0.0)
        for i, raw in enumerate(made):
            own = self._loss.link_inverse(raw.astype(np.float64))
            predicted[offsets[i] : offsets[i] + len(own)] = own
        # Imported where it is used: it brings much of scikit-learn along.
        from sklearn.metrics import r2_score

        return r2_score(scaled, predicted.clip(-limit, limit), sample_weight=weight)
