"""Modes whose outputs are sequences of their own length: from a sequence, or from one vector.

A mode reads inputs and outputs, makes the network and what trains it, and lets it speak. What the
steps of an output are, labels or numbers, is the business of :class:`OutputLabels` and
:class:`OutputValues`.
"""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from skrnn import inference
from skrnn.encoder_decoder import EncoderDecoder
from skrnn.estimators.tokens import read_inputs
from skrnn.estimators.weighing import weights_of_outputs
from skrnn.layouts import frame_ids, layout_of, plain_input
from skrnn.output_layouts import read_outputs
from skrnn.search import encode_all
from skrnn.sequences import Sequences, is_pandas
from skrnn.teaching import PairDropout, TeachingObjective, mean_loss, run_given
from skrnn.threads import Threads
from skrnn.validation import check_target_order


class EncoderDecoderMode:
    """A sequence out for each sequence in."""

    decodes = True
    longest_memory = np.inf
    network_class = EncoderDecoder

    # ------------------------------------------------------------------ data

    def read_inputs(self, estimator, X, *, reset, dtype=None):
        """Read X, and set or check the attributes that describe it."""
        return read_inputs(estimator, X, reset=reset, dtype=dtype)

    def read_targets(self, estimator, y, sequences, X, *, reset):
        """Read output sequences.

        Parameters
        ----------
        estimator : estimator instance
            Its `_check_outputs` checks their steps.
        y : array-like
            The outputs.
        sequences : Sequences
            What they belong to.
        X : object
            What the sequences were read from.
        reset : bool
            Whether to set the attributes that describe outputs, or to compare with them.

        Returns
        -------
        rows : ndarray of shape (N,) or (N, K)
            All steps, end to end.
        ignored : ndarray of bool of shape (N,)
            All False: a step of an output is never without a target.
        row_offsets : ndarray of int64 of shape (n + 1,)
            Where the steps of each sequence begin.
        """
        check_target_order(X, y)
        rows, offsets, layout = read_outputs(y, len(sequences))
        rows = estimator._check_outputs(rows, offsets, layout, reset=reset)
        return rows, np.zeros(len(rows), dtype=bool), offsets

    def read_weights(self, sample_weight, sequences, X, row_offsets):
        """Return the weight of each step of y; one for a sequence is that of all its steps."""
        return weights_of_outputs(sample_weight, row_offsets)

    def strata(self, estimator, y, n_held_out):
        """Return None: a sequence has many labels."""
        return None

    # -------------------------------------------------------------- training

    def make_network(self, estimator, n_channels, sizes):
        """Return the network that the estimator's parameters call for."""
        n_tokens, n_values, n_raw = estimator._output_sizes(sizes)
        return EncoderDecoder(
            estimator._make_cell(),
            n_channels,
            sizes,
            n_raw,
            n_tokens=n_tokens,
            n_values=n_values,
            **self._source_options(estimator),
        )

    def _source_options(self, estimator):
        return {
            "bidirectional": estimator.bidirectional,
            "attention": estimator.attention,
            "tables": estimator._tables,
            "train_tables": estimator.train_embeddings,
        }

    def make_objective(self, estimator, network, loss, examples, **options):
        """Return what is minimised."""
        outputs = estimator._teach(examples.target, examples.weight, examples.row_offsets)
        return TeachingObjective(network, loss, examples.sequences, outputs, **options)

    def make_dropout(self, inputs, recurrent):
        """Return what draws dropout masks."""
        return PairDropout(inputs, recurrent)

    def make_validate(self, estimator, network, loss, examples, threads):
        """Return what gives score and loss on validation data.

        The score is that of outputs made by greedy search, the loss that of the given ones.
        """
        outputs = estimator._teach(examples.target, examples.weight, examples.row_offsets)
        n_steps = np.diff(examples.row_offsets)

        def validate(params):
            try:
                made = estimator._generate(
                    network, params, examples.sequences, threads, n_steps, beam_width=1, known=True
                )
            except inference.Overflow:
                return np.nan, np.inf
            score = estimator._score_outputs(
                made, examples.y, examples.row_offsets, examples.weight
            )
            return score, mean_loss(network, loss, params, examples.sequences, outputs, threads)

        return validate

    # --------------------------------------------------------------- results

    def predict(self, estimator, X, n_steps):
        """Return the outputs that the network makes, in the layout that y had in fit."""
        sequences = self._checked(estimator, X)
        n_steps = _check_n_steps(n_steps, len(sequences), estimator._longest_output)
        made = _speak(estimator, sequences, n_steps)
        return estimator._output_layout.restore(estimator._said(made))

    def _checked(self, estimator, X):
        check_is_fitted(estimator)
        return self.read_inputs(estimator, X, reset=False, dtype=estimator._params.dtype)

    def score(self, estimator, usual, X, y, sample_weight):
        """Return the score of the outputs that the network makes."""
        sequences = self._checked(estimator, X)
        rows, _, offsets = self.read_targets(estimator, y, sequences, X, reset=False)
        weight = self.read_weights(sample_weight, sequences, X, offsets)
        made = _speak(estimator, sequences, np.diff(offsets), known=True)
        return estimator._score_outputs(made, rows, offsets, weight)

    def transform(self, estimator, X):
        """Return the state of the top layer with which the decoder begins."""
        sequences = self._checked(estimator, X)
        with Threads(estimator.n_jobs) as threads:
            return encode_all(estimator._network, estimator._params, sequences, threads)

    def feature_index(self, X):
        """Return the index that features of X have in a frame; None leaves it to scikit-learn."""
        return frame_ids(X.index) if is_pandas(X) and X.index.nlevels > 1 else None

    def attention_weights(self, estimator, X, y):
        """Return the attention weights of each sequence."""
        sequences = self._checked(estimator, X)
        y = estimator.predict(X) if y is None else y
        rows, _, offsets = self.read_targets(estimator, y, sequences, X, reset=False)
        target = estimator._encode(rows, estimator._params.dtype)
        outputs = estimator._teach(target, np.ones(len(rows)), offsets)
        weights = [None] * len(sequences)

        def note(trace, piece):
            for i, own in zip(piece[trace.output.order], _alpha_of(trace), strict=True):
                weights[i] = own[: offsets[i + 1] - offsets[i]]  # without the step that ends it

        with Threads(estimator.n_jobs) as threads:
            run_given(estimator._network, estimator._params, sequences, outputs, threads, note)
        return weights


class OneToManyMode(EncoderDecoderMode):
    """A sequence out for each vector in."""

    def read_inputs(self, estimator, X, *, reset, dtype=None):
        """Read X as one vector a sample, and set or check the attributes that describe it."""
        if layout_of(plain_input(X)) != "table":
            raise ValueError(
                "X holds sequences; with mode='one_to_many' it is one vector a sample, of shape "
                "(n_samples, n_features). For sequences use mode='encoder_decoder'."
            )
        if estimator.embeddings is not None:
            raise ValueError(
                "embeddings are vectors for the ids in X, but with mode='one_to_many' X holds "
                "vectors already. Set embeddings=None."
            )
        kinds = [np.float64, np.float32] if dtype is None else dtype
        values = validate_data(estimator, X, reset=reset, dtype=kinds, order="C")
        if reset:
            estimator._tables = None
            estimator.n_channels_ = values.shape[1]
            estimator._fitted_layout = "table"
        return Sequences(values, np.arange(len(values) + 1))

    def _source_options(self, estimator):
        return {"reads_vectors": True, "feeds_vector": estimator.repeat_vector}


def _alpha_of(trace):
    """Return the attention weights of each output sequence, a row a step."""
    look, shape = trace.decoder.look, trace.output.shape
    for place, length in enumerate(shape.lengths):
        rows = shape.starts[:length] + place
        yield np.array([look.alpha[look.places[r] : look.places[r + 1], 0] for r in rows])


def _speak(estimator, sequences, n_steps, **options):
    """Let the network of a fitted estimator make outputs."""
    with Threads(estimator.n_jobs) as threads:
        try:
            return estimator._generate(
                estimator._network, estimator._params, sequences, threads, n_steps, **options
            )
        except inference.Overflow as overflow:
            row = overflow.row
    raise ValueError(
        f"The network overflows {estimator._params.dtype} in sequence {row} of X: its values are "
        "too far from those seen in fit. Scale them, for example with skrnn.SequenceScaler."
    )


def _check_n_steps(n_steps, n_sequences, default):
    """Return the number of steps of each output."""
    if n_steps is None:
        return np.full(n_sequences, default)
    is_whole = isinstance(n_steps, Integral) or np.asarray(n_steps).dtype.kind in "iu"
    array = np.asarray(n_steps)
    if not is_whole or isinstance(n_steps, bool) or array.shape not in ((), (n_sequences,)):
        raise ValueError(
            f"n_steps must be None, an integer, or one for each of the {n_sequences} sequences, "
            f"got {n_steps!r}."
        )
    if array.size and array.min() < 1:
        raise ValueError(f"n_steps must be at least 1, got {int(array.min())}.")
    return np.broadcast_to(array, (n_sequences,)).astype(np.int64)
