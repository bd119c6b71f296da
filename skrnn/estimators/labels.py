"""Classes and labels: checked, weighted, and encoded as a loss takes them."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import check_array

from skrnn.sequences import labels_of


def _balance(column, weight):
    """Return the factors that give all classes the same total weight."""
    present = np.unique(column[weight > 0])
    factors = compute_class_weight(
        "balanced", classes=present, y=column[weight > 0], sample_weight=weight[weight > 0]
    )
    places = np.minimum(np.searchsorted(present, column), present.size - 1)
    return factors[places]


def _refuse_none(y):
    if y.ndim == 1 and y.dtype == object:
        missing = np.flatnonzero([label is None for label in y])
        if missing.size:
            raise ValueError(f"y[{missing[0]}] is None. Leave out sequences without a class.")


def _are_plain_classes(y):
    """Tell whether y needs no closer look at its kind, which takes as long as some batches."""
    return type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "iub"


def _are_all_among(y, classes):
    """Tell whether all of y are among the classes, which are sorted, without naming the others."""
    return bool((classes.take(np.searchsorted(classes, y), mode="clip") == y).all())


class Labels:
    """Mixin: the targets of a classifier."""

    @property
    def _is_binary(self):
        """Whether one output tells two classes apart."""
        return self.classes_.size == 2 and self.n_outputs_ == 1

    def _check_y(self, y, *, reset):
        if reset:
            self._check_head()
        elif not self._multilabel and _are_plain_classes(y):
            if not _are_all_among(y, self.classes_):
                self._refuse_new_classes(y)
            return y
        if not issparse(y):
            y = labels_of(y) if isinstance(y, (list, tuple)) else y
            assert_all_finite(np.asarray(y), input_name="y")
            _refuse_none(np.asarray(y))
        # scikit-learn casts numbers that are too large for int
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            if self.mode != "many_to_one":  # a vocabulary is large beside a short text
                warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            check_classification_targets(y)
            kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            raise ValueError(
                "y has several columns with more than two values each (multiclass-multioutput). "
                "Pass one class a sequence, a 0/1 column for each label, or use "
                "sklearn.multioutput.MultiOutputClassifier."
            )
        if kind.startswith("multilabel"):
            return self._check_labels(y, reset=reset)
        y = column_or_1d(y, warn=True)
        if reset:
            self._set_classes(getattr(self, "_announced_classes", unique_labels(y)))
            self._multilabel = False
            n_classes = self.classes_.size
            self.n_outputs_ = 1 if n_classes == 2 and self.head == "linear" else n_classes
        elif self._multilabel:
            raise ValueError("y is one-dimensional, but fit saw a column for each label.")
        self._refuse_new_classes(y)
        return y

    def _refuse_new_classes(self, y):
        unseen = ~np.isin(y, self.classes_)
        if unseen.any():
            raise ValueError(
                f"y holds classes that were not there before: {np.unique(y[unseen]).tolist()}; "
                f"known are {self.classes_.tolist()}. partial_fit takes all of them as `classes` "
                "in its first call."
            )

    def _set_classes(self, classes):
        if self._goes_on() and not np.array_equal(self.classes_, classes):
            raise ValueError(
                f"warm_start goes on with the classes of the last fit, {self.classes_.tolist()}, "
                f"but y has {classes.tolist()}. Set warm_start=False, or use a clone."
            )
        self.classes_ = classes

    def _check_head(self):
        if self.head == "linear":
            return
        reason = None
        if self.mode != "many_to_many":
            reason = f"mode={self.mode!r} has no tag for each step; set mode='many_to_many'"
        elif self.loss != "log_loss":
            reason = f"it has no loss={self.loss!r}; set loss='log_loss'"
        elif self.class_weight is not None:
            reason = "classes have no weights of their own in it; set class_weight=None"
        if reason is not None:
            raise ValueError(f"head='crf' judges the tags of a whole sequence together: {reason}.")

    def _check_weights(self, weight, row_offsets):
        if self.head == "linear":
            return
        for i, (start, stop) in enumerate(itertools.pairwise(row_offsets)):
            of_steps = weight[start:stop][weight[start:stop] > 0]
            if of_steps.size and of_steps.min() < of_steps.max():
                raise ValueError(
                    f"head='crf' judges a whole sequence together, so its steps have one weight, "
                    f"but those of sequence {i} have weights from {of_steps.min()} to "
                    f"{of_steps.max()}. Pass one weight a sequence; a step of weight 0 is one "
                    "whose tag is not known."
                )

    def _check_labels(self, y, *, reset):
        if self.head != "linear":
            raise ValueError(
                "head='crf' chooses one tag a step, but y has a column for each label; set "
                "head='linear'."
            )
        y = check_array(y, accept_sparse=True, input_name="y", dtype=None)
        y = y.toarray() if issparse(y) else y
        if reset:
            self._multilabel = True
            self.n_outputs_ = y.shape[1]
            self._set_classes(getattr(self, "_announced_classes", np.arange(y.shape[1])))
            if self.classes_.size != y.shape[1]:
                raise ValueError(
                    f"y has {y.shape[1]} label columns, but classes names {self.classes_.size}; "
                    "pass one number for each column."
                )
        if not self._multilabel or y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y has {y.shape[1]} label columns, but fit saw "
                f"{self.n_outputs_ if self._multilabel else 'one class a sequence'}."
            )
        return y

    def _encode(self, y, dtype):
        if self._multilabel:
            return np.ascontiguousarray(y, dtype=dtype)
        codes = np.searchsorted(self.classes_, y)
        if self._is_binary:
            return codes.astype(dtype).reshape(-1, 1)
        return codes.astype(np.int64)

    def _weigh_classes(self, y, weight):
        if self.class_weight is None:
            return weight
        if self.class_weight == "balanced":
            columns = y.reshape(len(y), -1).T
            factors = np.prod([_balance(column, weight) for column in columns], axis=0)
        elif self._multilabel:
            factors = compute_sample_weight(self.class_weight, y)
        else:
            # Of all classes, though a batch of partial_fit may hold only some of them.
            of_classes = compute_class_weight(
                self.class_weight, classes=self.classes_, y=self.classes_
            )
            factors = of_classes[np.searchsorted(self.classes_, y)]
        wrong = ~(np.isfinite(factors) & (factors >= 0))
        if wrong.any():
            i = int(wrong.argmax())
            raise ValueError(
                f"class_weight gives class {y[i]} the weight {factors[i]}; weights must be finite "
                "and not negative."
            )
        weight = weight * factors
        if not weight.any():
            raise ValueError(
                "class_weight and sample_weight together give every sequence the weight zero."
            )
        return weight

    def _strata(self, y, n_held_out):
        """Return the classes, if each can be on both sides of the split."""
        if self._multilabel:
            return None
        counts = np.unique(y, return_counts=True)[1]
        enough = counts.min() > 1 and counts.size <= min(n_held_out, y.size - n_held_out)
        return y if enough else None
