"""Outputs that are sequences of labels: checked, taught, searched for and scored."""

from __future__ import annotations

from itertools import pairwise
from numbers import Integral

import numpy as np

from skrnn.estimators.modes import MODES
from skrnn.outputs import token_outputs
from skrnn.search import search_tokens
from skrnn.sequences import label
from skrnn.targets import place_of, refuse_mixed


def _refuse_fractions(rows, offsets):
    """Refuse labels that are numbers but not whole ones."""
    if rows.dtype.kind != "f":
        return
    wrong = ~np.isfinite(rows) | (rows != np.floor(rows))
    if wrong.any():
        i, step = place_of(int(wrong.argmax()), offsets)
        raise ValueError(
            f"y holds {rows[wrong.argmax()]} in sequence {i}, step {step}; labels are integers or "
            "strings. For sequences of numbers use RNNRegressor."
        )


class OutputLabels:
    """Mixin: what a classifier does with output sequences of their own length.

    Labels have the numbers 0 to C - 1 of their place in ``classes_``. A decoder reads C first, and
    says C last where outputs end by themselves; neither is a label, so any label may be in y.
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if MODES.get(self.mode, MODES["many_to_one"]).decodes:
            # Whole sequences are no classes: folds are not to be stratified by them.
            tags.estimator_type = None
        return tags

    def _check_outputs(self, rows, offsets, layout, *, reset):
        if rows.ndim == 2:
            raise ValueError(
                f"y has {rows.shape[1]} columns at each step; with mode={self.mode!r} a classifier "
                "says one label a step. For several numbers a step use RNNRegressor."
            )
        if reset and self.loss != "log_loss":
            raise ValueError(
                f"loss={self.loss!r} gives no probabilities, which making sequences asks for. Use "
                "loss='log_loss'."
            )
        _refuse_fractions(rows, offsets)
        refuse_mixed(rows, np.arange(len(rows)), offsets)
        if not reset:
            self._refuse_unseen(rows, np.arange(len(rows)), offsets)
        rows = self._check_y(rows, reset=reset)
        self._note_layout(offsets, layout, reset=reset)
        if reset:
            self.n_outputs_ = self.classes_.size + (layout.n_steps is None)
        return rows

    def _refuse_unseen(self, labels, rows, offsets):
        """Refuse labels that are no classes, naming sequence and step of the first."""
        if labels.ndim == 2 or self._multilabel:
            return
        unseen = ~np.isin(labels, self.classes_)
        if unseen.any():
            k = int(unseen.argmax())
            i, step = place_of(rows[k], offsets)
            raise ValueError(
                f"y holds {label(labels[k])} in sequence {i}, step {step}, a label that was not "
                f"there before; known are {self.classes_.tolist()}. partial_fit takes all of them "
                "as `classes` in its first call."
            )

    def _note_layout(self, offsets, layout, *, reset):
        longest = int(np.diff(offsets).max())
        if reset:
            self._output_layout, self._longest_output = layout, longest
        self._longest_output = max(longest, self._longest_output)

    @property
    def _end(self):
        return self.classes_.size if self._output_layout.n_steps is None else None

    def _output_sizes(self, sizes):
        """Return how many tokens a decoder reads, of what size, and its raw outputs."""
        dim = self.embedding_dim if isinstance(self.embedding_dim, Integral) else sizes[0]
        return self.classes_.size + 1, int(dim), self.n_outputs_

    def _teach(self, target, weight, offsets):
        """Return outputs as a decoder reads and says them."""
        return token_outputs(target, weight, offsets, start=self.classes_.size, end=self._end)

    def _generate(self, network, params, sequences, threads, n_steps, beam_width=None, known=False):
        """Return the codes of the outputs that a network makes.

        Of outputs that end by themselves, lengths that are `known` are of no account.
        """
        beam_width = self.beam_width if beam_width is None else beam_width
        if not isinstance(beam_width, Integral) or beam_width < 1:
            raise ValueError(f"beam_width must be an integer of at least 1, got {beam_width!r}.")
        if known and self._end is not None:
            n_steps = np.full(n_steps.size, self._longest_output)
        return search_tokens(
            network,
            params,
            sequences,
            threads,
            start=self.classes_.size,
            end=self._end,
            n_steps=n_steps,
            beam_width=beam_width,
        )[0]

    def _said(self, made):
        """Return outputs as labels."""
        return [self.classes_[codes] for codes in made]

    def _score_outputs(self, made, y, offsets, weight):
        """Return the share of steps that are right; of unequal lengths the longer counts.

        A step beyond the end of the true output has the mean weight of those before.
        """
        right = total = 0.0
        for said, span in zip(self._said(made), pairwise(offsets), strict=True):
            true, own = y[slice(*span)], weight[slice(*span)]
            n_both = min(said.size, true.size)
            right += own[:n_both][said[:n_both] == true[:n_both]].sum()
            total += own.sum() + own.mean() * max(0, said.size - true.size)
        return float(right / total)
