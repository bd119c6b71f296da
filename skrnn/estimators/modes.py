"""How outputs stand to inputs: one for each sequence, or one for each step.

A mode reads targets and weights into rows, and puts rows back into the layout of X. What rows
mean, classes or numbers, is the estimator's business.
"""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrnn import inference
from skrnn.estimators.decoding import EncoderDecoderMode, OneToManyMode
from skrnn.estimators.tokens import read_inputs
from skrnn.estimators.weighing import checked_weights, is_frame, weights_of_steps
from skrnn.layouts import frame_ids, is_scalar, plain_input
from skrnn.network import Network
from skrnn.objective import Dropout, Objective
from skrnn.sequences import is_pandas
from skrnn.streams import StreamObjective
from skrnn.targets import ignored_steps, names_of, read_steps, refuse_mixed, restore_steps
from skrnn.validation import check_target_length


def _refuse_sequences(y):
    """Raise if y holds a sequence of targets for each sequence, of which one alone is asked."""
    lengths = _lengths_of_targets(y)
    if lengths:
        raise ValueError(
            "mode='many_to_one' takes one target for each sequence, but y holds a sequence of "
            f"them, the first of length {lengths[0]}. If there is a target for each step of X, set "
            "mode='many_to_many'; if the targets are sequences of a length of their own, "
            "mode='encoder_decoder'."
        )


def _lengths_of_targets(y):
    """Return the lengths of the sequences in y; none where y is a line or a table."""
    if is_pandas(y):
        y = y.to_numpy()
    is_array = isinstance(y, np.ndarray)
    if not is_array and not isinstance(y, (list, tuple)):
        return []
    if is_array and (y.ndim == 2 or (y.dtype != object and y.ndim < 2)):
        return []
    lengths = [len(own) for own in y if not is_scalar(own)]
    is_table = not is_array and len(lengths) == len(y) and len(set(lengths)) == 1
    return [] if is_table and np.asarray(y, dtype=object).ndim == 2 else lengths


class ManyToOne:
    """One output for each sequence."""

    # Whether X may be read batch by batch, with lengths that are not known before.
    reads_lazily = True
    # Whether outputs are sequences of their own length.
    decodes = False
    # Steps over which fresh memory gates are to remember, if sequences are that long.
    longest_memory = np.inf
    network_class = Network

    def read_inputs(self, estimator, X, *, reset, dtype=None):
        """Read X, and set or check the attributes that describe it."""
        return read_inputs(estimator, X, reset=reset, dtype=dtype, lazy=self.reads_lazily)

    def make_network(self, estimator, n_channels, sizes):
        """Return the network that the estimator's parameters call for."""
        return Network(
            estimator._make_cell(),
            n_channels,
            sizes,
            estimator.n_outputs_,
            bidirectional=estimator.bidirectional,
            pooling=self.pooling(estimator),
            head=getattr(estimator, "head", "linear"),
            tables=estimator._tables,
            train_tables=estimator.train_embeddings,
        )

    def make_dropout(self, inputs, recurrent):
        """Return what draws dropout masks."""
        return Dropout(inputs, recurrent)

    def make_objective(self, estimator, network, loss, examples, **options):
        """Return what is minimised."""
        kind = StreamObjective if "n_streams" in options else Objective
        return kind(network, loss, examples.sequences, examples.target, examples.weight, **options)

    def make_validate(self, estimator, network, loss, examples, threads):
        """Return what gives score and loss on validation data, for weights."""
        scale = (examples.weight / examples.weight.sum()).astype(examples.sequences.dtype)

        head = network.head
        n_block = None if head.each_step else inference.block_size(examples.sequences)

        def validate(params):
            losses = {}

            def note_loss(values, rows):
                target, weight, unused = examples.target[rows], scale[rows], np.empty_like(values)
                size = n_block or rows.size
                for first in range(0, rows.size, size):
                    block = slice(first, first + size)
                    losses[rows[first]] = loss.value_and_gradient(
                        values[block], target[block], weight[block], unused[block]
                    )
                return estimator._to_score(values)

            def read(what, finish):
                return inference.run(network, params, examples.sequences, threads, what, finish)

            try:
                scored = read(head.estimates_from, note_loss)
                if head.predicts_from != head.estimates_from:
                    scored = read(
                        head.predicts_from, lambda values, rows: estimator._to_score(values)
                    )
            except inference.Overflow:
                return np.nan, np.inf
            score = estimator._score_rows(scored, examples.y, examples.weight)
            # Added in one order, whichever thread was first.
            return score, sum(losses[row] for row in sorted(losses))

        return validate

    def pooling(self, estimator):
        """Return what the head of the network reads; None is every step by itself."""
        return estimator.pooling

    def row_offsets(self, sequences):
        """Return where the rows of each sequence begin, and end after the last."""
        return np.arange(len(sequences) + 1)

    def read_targets(self, estimator, y, sequences, X, *, reset):
        """Read targets.

        Parameters
        ----------
        estimator : estimator instance
            Its `_check_y` checks rows of targets.
        y : array-like
            The targets.
        sequences : Sequences
            What they belong to.
        X : object
            What the sequences were read from.
        reset : bool
            Whether to set the attributes that describe targets, or to compare with them.

        Returns
        -------
        rows : ndarray of shape (rows, ...)
            The targets.
        ignored : ndarray of bool of shape (rows,)
            Rows without a target, which hold any valid one instead.
        row_offsets : ndarray of int64 of shape (n_sequences + 1,)
            Where the rows of each sequence begin, and the end.
        """
        check_target_length(sequences, y, X)
        _refuse_sequences(y)
        rows = estimator._check_y(y, reset=reset)
        return rows, np.zeros(len(rows), dtype=bool), self.row_offsets(sequences)

    def read_weights(self, sample_weight, sequences, X, row_offsets):
        """Return the weight of each row, float64."""
        return checked_weights(sample_weight, len(sequences))

    def strata(self, estimator, y, n_held_out):
        """Return the groups that a validation split keeps in proportion, or None."""
        return estimator._strata(y, n_held_out)

    def arrange(self, estimator, X, sequences, rows, names):
        """Return rows in the layout that X calls for; `names` are for a frame's columns."""
        return rows

    def feature_index(self, X):
        """Return the index that features of X have in a frame; None leaves it to scikit-learn."""
        # scikit-learn would use the index of X, which has a row for each step.
        return frame_ids(X.index) if is_frame(X) else None

    def score(self, estimator, usual, X, y, sample_weight):
        """Return the score, as scikit-learn has it."""
        return usual(X, y, sample_weight=sample_weight)


class ManyToMany(ManyToOne):
    """One output for each step."""

    reads_lazily = False
    # The near past decides most outputs: longer memory made tags, music and text slower to learn.
    longest_memory = 2

    def pooling(self, estimator):
        """Return None: each step is read by itself."""
        return None

    def row_offsets(self, sequences):
        """Return where the steps of each sequence begin, and end after the last."""
        return sequences.offsets

    def read_targets(self, estimator, y, sequences, X, *, reset):
        """Read targets of every step; those that are to be ignored are marked."""
        ignore_label = getattr(estimator, "ignore_label", None)
        y = plain_input(y)
        rows = read_steps(y, sequences, X, ignore_label=ignore_label)
        ignored = ignored_steps(rows, sequences, ignore_label)
        kept, places = rows[~ignored], np.flatnonzero(~ignored)
        if kept.ndim == 1:
            refuse_mixed(kept, places, sequences.offsets)
        kept = np.array(kept.tolist()) if kept.dtype == object else kept
        if not reset:
            estimator._refuse_unseen(kept, places, sequences.offsets)
        checked = estimator._check_y(kept, reset=reset)
        if reset:
            estimator._target_names = names_of(y)
            # Where each sequence has one step, y need not have an axis for it.
            estimator._lacks_step_axis = (
                sequences.lengths.max() == 1 and not is_frame(y) and np.shape(y) == rows.shape
            )
        filled = np.empty((len(rows), *checked.shape[1:]), dtype=checked.dtype)
        filled[ignored], filled[~ignored] = checked[0], checked
        return filled, ignored, self.row_offsets(sequences)

    def read_weights(self, sample_weight, sequences, X, row_offsets):
        """Return the weight of each step; one for a sequence is that of all its steps."""
        return weights_of_steps(sample_weight, sequences, X)

    def strata(self, estimator, y, n_held_out):
        """Return None: a sequence has many targets."""
        return None

    def arrange(self, estimator, X, sequences, rows, names):
        """Return rows as a 2-D or 3-D array, a list of arrays, or a frame with the index of X."""
        if estimator._lacks_step_axis and sequences.lengths.max() == 1 and not is_frame(X):
            return rows
        padding = getattr(estimator, "ignore_label", None)
        if rows.dtype.kind == "f":
            padding = np.nan
        return restore_steps(X, sequences, rows, names=names, padding=padding)

    def feature_index(self, X):
        """Return None: features have the index of X."""
        return None

    def score(self, estimator, usual, X, y, sample_weight):
        """Return the score over all steps that have a target."""
        check_is_fitted(estimator)
        sequences = self.read_inputs(estimator, X, reset=False, dtype=estimator._params.dtype)
        rows, ignored, offsets = self.read_targets(estimator, y, sequences, X, reset=False)
        weight = self.read_weights(sample_weight, sequences, X, offsets)
        weight = np.where(ignored, 0.0, weight)
        what = estimator._network.head.predicts_from
        scored = estimator._run_sequences(sequences, what, estimator._to_score)
        return estimator._score_rows(scored, rows, weight)


MODES = {
    "many_to_one": ManyToOne(),
    "many_to_many": ManyToMany(),
    "one_to_many": OneToManyMode(),
    "encoder_decoder": EncoderDecoderMode(),
}
