"""Checked training data, and how classifier and regressor come by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from skrnn.estimators.canonical import merge_repeated
from skrnn.estimators.modes import MODES
from skrnn.sequences import Sequences, rows_of


@dataclass(frozen=True)
class Examples:
    """Training or validation data: targets both as given and as the loss takes them.

    Attributes
    ----------
    sequences : Sequences
        The inputs.
    y, target, weight : ndarray of shape (rows, ...)
        A row a sequence or a step.
    row_offsets : ndarray of shape (n_sequences + 1,)
        Rows ``row_offsets[i]`` to ``row_offsets[i + 1]`` are those of sequence i.
    """

    sequences: Sequences
    y: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    row_offsets: np.ndarray

    def take(self, index):
        """Return some of the examples."""
        rows, row_offsets = rows_of(self.row_offsets, index)
        return Examples(
            self.sequences.take(index),
            self.y[rows],
            self.target[rows],
            self.weight[rows],
            row_offsets,
        )

    def astype(self, dtype):
        """Return the examples in another float type."""
        sequences = self.sequences.astype(dtype)
        is_number = self.target.dtype.kind == "f"
        target = self.target.astype(dtype) if is_number else self.target
        return replace(self, sequences=sequences, target=target)

    @property
    def mean_count(self):
        """Rows with a weight for each sequence, on average."""
        return np.count_nonzero(self.weight) / len(self.sequences)


class ExampleReading:
    """Mixin: from what `fit` is given to examples."""

    def _check_examples(self, X, y, sample_weight, *, reset, whole_fit=False):
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        self._check_mode()
        mode = MODES[self.mode]
        dtype = None if reset else self._params.dtype
        sequences = mode.read_inputs(self, X, reset=reset, dtype=dtype)
        y, ignored, row_offsets = mode.read_targets(self, y, sequences, X, reset=reset)
        weight = mode.read_weights(sample_weight, sequences, X, row_offsets)
        weight = self._weigh_classes(y, np.where(ignored, 0.0, weight))
        with np.errstate(over="ignore"):
            total = weight.sum()
        if not np.finfo(np.float64).tiny <= total < np.inf:
            raise ValueError(
                f"The weights of the sequences sum to {total}. Multiply all of them, and alpha, by "
                "a constant that brings them near one."
            )
        self._check_weights(weight, row_offsets)
        if whole_fit and self._is_one_batch(len(sequences)):
            sequences = sequences.in_memory()
            sequences, y, weight, row_offsets = merge_repeated(sequences, y, weight, row_offsets)
        elif (weight == 0).any():
            # As if they were not there; their classes still count.
            kept = np.flatnonzero(np.logical_or.reduceat(weight > 0, row_offsets[:-1]))
            sequences = sequences.take(kept)
            rows, row_offsets = rows_of(row_offsets, kept)
            y, weight = y[rows], weight[rows]
        if reset and not self._goes_on():
            self._learn_target_scale(y, weight, whole_fit)
        target = self._encode(y, sequences.dtype)
        return Examples(sequences, y, target, weight, row_offsets)

    def _learn_target_scale(self, y, weight, whole_fit):
        weighted = weight > 0
        self._fit_target_scale(y[weighted], weight[weighted], whole_fit)

    def _fit_target_scale(self, y, weight, whole_fit):
        """Learn how targets are scaled; classes are not."""

    def _weigh_classes(self, y, weight):
        return weight

    def _check_weights(self, weight, row_offsets):
        """Refuse weights that the loss cannot take."""

    # Sequences that a validation score needs.
    _fewest_to_score = 1

    def _strata(self, y, n_held_out):
        return None

    def _validation_data(self, examples, X_val, y_val, rng):
        """Return training and validation examples; None where there is no validation."""
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together: only one of them was passed.")
        if X_val is not None:
            return examples, self._given_validation_data(X_val, y_val, examples)
        if not self.early_stopping:
            return examples, None
        n_sequences = len(examples.sequences)
        n_held_out = max(self._fewest_to_score, ceil(self.validation_fraction * n_sequences))
        if n_held_out >= n_sequences:
            raise ValueError(
                f"early_stopping holds out {n_held_out} sequences for validation "
                f"(validation_fraction={self.validation_fraction}), which leaves none for training "
                f"(n_samples={n_sequences}). Pass X_val and y_val, or set early_stopping=False."
            )
        # Imported where it is used: it brings half of scikit-learn along.
        from sklearn.model_selection import train_test_split

        train, held_out = train_test_split(
            np.arange(n_sequences),
            random_state=rng,
            test_size=n_held_out,
            stratify=MODES[self.mode].strata(self, examples.y, n_held_out),
        )
        training, held_out = examples.take(train), examples.take(held_out)
        if not self._goes_on():
            # Nothing of the held-out part may show in how the targets are scaled.
            self._learn_target_scale(training.y, training.weight, whole_fit=True)
        return self._encoded(training), self._encoded(held_out)

    def _given_validation_data(self, X_val, y_val, examples):
        mode = MODES[self.mode]
        dtype = examples.sequences.dtype
        sequences = mode.read_inputs(self, X_val, reset=False, dtype=dtype)
        y, ignored, row_offsets = mode.read_targets(self, y_val, sequences, X_val, reset=False)
        target = self._encode(y, sequences.dtype)
        weight = np.where(ignored, 0.0, 1.0)
        return Examples(sequences, y, target, weight, row_offsets)

    def _encoded(self, examples):
        target = self._encode(examples.y, examples.sequences.dtype)
        return replace(examples, target=target)
