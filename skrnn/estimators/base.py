"""What classifier and regressor share: from checked data to a fitted network and back."""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy
from functools import lru_cache

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from skrnn import inference, prepared
from skrnn.cells import resolve_cell
from skrnn.estimators import keeping
from skrnn.estimators.callbacks import EpochCallbacks
from skrnn.estimators.examples import ExampleReading
from skrnn.estimators.modes import MODES
from skrnn.estimators.parameters import CONSTRAINTS, check_hidden_layer_sizes
from skrnn.estimators.pickling import Pickling
from skrnn.estimators.solving import Solving
from skrnn.estimators.tokens import give_vectors
from skrnn.estimators.weights import WeightAccess
from skrnn.streaming import Streaming
from skrnn.threads import Threads
from skrnn.training import History, StochasticTraining, train_lbfgs
from skrnn.validation import usual_shape
from skrnn.workspace import aligned


@contextmanager
def unchanged_on_error(estimator):
    """Undo every attribute that a failed fit has set; callbacks still need theirs."""
    attributes = vars(estimator)
    before = dict(attributes)
    try:
        yield
    except BaseException:
        for name in list(attributes):
            if not name.startswith(("_skl_callbacks", "_callback_")):
                del attributes[name]
        attributes.update(before)
        raise


@contextmanager
def rewound_on_error(rng):
    """Undo what a failed fit has drawn from a generator, if there is one."""
    before = None if rng is None else rng.get_state(legacy=False)
    try:
        yield
    except BaseException:
        if rng is not None:
            rng.set_state(before)
        raise


@lru_cache
def _names_of_parameters(estimator_class):
    """Return the names of the parameters: scikit-learn looks for them several times a fit."""
    return super(BaseRNN, estimator_class)._get_param_names()


def works_in_batches(estimator):
    """Tell `available_if` that there is a `partial_fit`."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit needs a solver that works in batches; solver='lbfgs' takes all data at "
            "once. Use fit, or choose solver='adam'."
        )
    return True


def _as_it_is(rows):
    return rows


class BaseRNN(
    ExampleReading,
    Solving,
    Streaming,
    WeightAccess,
    Pickling,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Everything but the targets.

    A subclass checks targets (`_check_y`) and turns them into what the loss takes (`_encode`), says
    which loss it is (`_make_loss`), how raw outputs become predictions (`_decode`), and how they
    are scored (`_to_score`, `_score_rows`).
    """

    _parameter_constraints = CONSTRAINTS

    @classmethod
    def _get_param_names(cls):
        return list(_names_of_parameters(cls))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __sklearn_is_fitted__(self):
        return "_params" in vars(self)

    # ------------------------------------------------------------------- fit

    def _fit(self, X, y, sample_weight, X_val, y_val):
        with unchanged_on_error(self):
            examples = self._check_examples(X, y, sample_weight, reset=True, whole_fit=True)
            rng = check_random_state(self.random_state)
            training, validation = self._validation_data(examples, X_val, y_val, rng)
            warm = self._goes_on()
            network, params = self._make_network(examples, rng, warm)
            loss = self._loss = self._make_loss()
            history = History(stops_by_validation=self.early_stopping)
            callbacks = self._epoch_callbacks(
                {
                    "X": X,
                    "y": y,
                    "metadata": None if sample_weight is None else {"sample_weight": sample_weight},
                },
                lambda weights: {
                    "_network": network,
                    "_params": weights,
                    "_loss": loss,
                    "_fitted_mode": self.mode,
                },
            )
            with Threads(self.n_jobs) as threads:
                validate = self._make_validate(network, loss, validation, threads)
                callbacks.begin()
                if self.solver == "lbfgs":
                    # Its line search needs a loss without the noise of single precision.
                    dtype, training = params.dtype, training.astype(np.float64)
                    params = train_lbfgs(
                        self._make_objective(network, loss, training),
                        params.astype(np.float64),
                        self._settings(len(training.sequences)),
                        threads,
                        history,
                        validate and (lambda vector: validate(vector.astype(dtype))),
                        lambda history, vector: callbacks(history, vector.astype(dtype)),
                    ).astype(dtype)
                    n_seen = history.n_epochs * len(training.sequences)
                else:
                    objective = self._make_objective(network, loss, training)
                    trainer = StochasticTraining(
                        objective,
                        self._make_solver(params),
                        self._make_schedule(),
                        self._settings(len(objective)),
                        rng,
                        threads,
                        n_seen=self.t_ if warm else 0,
                    )
                    params = trainer.run(params, history, validate, callbacks)
                    n_seen = trainer.n_seen
            self._solver = self._partial_fit_rng = None
            keeping.take(vars(self).pop("_kept_objective", None))
            self._set_fitted(network, loss, params, history, n_seen)
            self.n_iter_ = history.n_epochs
            callbacks.end()
        return self

    def _epoch_callbacks(self, data, fitted_attributes):
        context = self._init_callback_context(max_subtasks=self.max_iter)
        return EpochCallbacks(self, context, data, fitted_attributes)

    def _partial_fit(self, X, y, sample_weight):
        first = not hasattr(self, "_params")
        # What was passed as random_state belongs to others as well; from the first call on it is a
        # generator of its own.
        kept_rng = None if first else getattr(self, "_partial_fit_rng", None)
        with unchanged_on_error(self), rewound_on_error(kept_rng):
            examples = self._check_examples(X, y, sample_weight, reset=first)
            # Training writes to what is kept between calls; if it fails that must be as before.
            solver = None if first else getattr(self, "_solver", None)
            solver = None if solver is None else solver.copy()
            rng = check_random_state(self.random_state) if kept_rng is None else kept_rng
            history = None if first else getattr(self, "_history", None)
            network, params = self._make_network(examples, rng, warm=not first)
            loss = self._loss = self._make_loss()
            solver = self._make_solver(params) if solver is None else solver
            history = History() if history is None else history.copy()
            settings = self._settings(len(examples.sequences), max_iter=1, early_stopping=False)
            objective = self._go_on_with(network, loss, examples)
            with Threads(self.n_jobs) as threads:
                trainer = StochasticTraining(
                    objective,
                    solver,
                    self._make_schedule(partial=True),
                    settings,
                    rng,
                    threads,
                    n_seen=0 if first else self.t_,
                )
                params = trainer.run(objective.own(params), history)
            self._keep(objective)
            self._partial_fit_rng = deepcopy(rng) if kept_rng is None else rng
            self._solver = solver
            self._set_fitted(network, loss, params, history, trainer.n_seen)
            self.n_iter_ = history.n_epochs
        return self

    def _goes_on(self):
        """Tell whether `fit` starts from the weights of the last one."""
        return self.warm_start and hasattr(self, "_params")

    def _make_cell(self):
        return resolve_cell(self.cell, self.activation)

    def _make_network(self, examples, rng, warm):
        dtype = examples.sequences.dtype
        sizes = check_hidden_layer_sizes(self.hidden_layer_sizes)
        mode = MODES[self.mode]
        network = mode.make_network(self, examples.sequences.n_channels, sizes)
        if not warm:
            longest = int(examples.sequences.lengths.max())
            params = network.initial_parameters(rng, dtype, min(longest, mode.longest_memory))
            if self.embeddings is not None:
                give_vectors(self, network, params)
            return network, params
        old, new = self._network.layout.blocks, network.layout.blocks
        same_loss = self._loss.kernel is self._make_loss().kernel
        same_mode = self._fitted_mode == self.mode
        if old != new or self._network.cell is not network.cell or not (same_loss and same_mode):
            raise ValueError(
                "The network or its loss changed since the last fit: warm_start and partial_fit go "
                f"on training the same weights. Before: {self._network}; now: {network}. Use a "
                "clone for another network or loss, or other channels or classes."
            )
        return network, aligned(self._params, dtype)

    def _set_fitted(self, network, loss, params, history, n_seen):
        self._network = network
        self._params = aligned(params)
        self._loss = loss
        self._fitted_mode = self.mode
        self._history = None if self._solver is None else history
        self._kept_best = history.stops_by_validation
        self.cell_ = network.cell
        self.loss_curve_ = history.losses
        self.loss_ = history.losses[-1] if history.losses else np.inf
        self.best_loss_ = history.best_loss
        self.validation_scores_ = history.validation_scores or None
        self.validation_loss_curve_ = history.validation_losses or None
        self.best_validation_score_ = history.best_score
        self.best_iter_ = history.best_epoch
        self.t_ = n_seen
        self.n_layers_ = len(network.hidden_layer_sizes) + 2
        self.n_parameters_ = network.layout.size
        self.out_activation_ = loss.activation

    # --------------------------------------------------------------- results

    def _run(self, X, what, finish, names=None):
        """Run X and arrange what `finish` makes of each row; an attribute may name the columns.

        ``what(head)`` names what is read of the network.
        """
        if "_params" not in vars(self):  # much quicker than scikit-learn's look at all attributes
            check_is_fitted(self)
        rows = self._run_short(X, what, finish)
        if rows is not None:
            return rows
        mode = MODES[self._fitted_mode]
        sequences = mode.read_inputs(self, X, reset=False, dtype=self._params.dtype)
        rows = self._run_sequences(sequences, what(self._network.head), finish)
        names = None if names is None else getattr(self, names, None)
        return mode.arrange(self, X, sequences, rows, names)

    def _run_short(self, X, what, finish):
        """Return a row for each of a few sequences in a usual array; None leaves it to the rest."""
        network, params = self._network, self._params
        shape = usual_shape(self, X, params.dtype)
        # n_jobs=0 is refused where threads are made.
        if shape is None or self.n_jobs == 0 or not prepared.is_short(network, *shape):
            return None
        X = X.reshape(*shape, network.n_channels)
        return prepared.run_short(network, params, X, what(network.head), finish)

    def _run_sequences(self, sequences, what, finish=_as_it_is):
        with Threads(self.n_jobs) as threads:
            try:
                return inference.run(
                    self._network,
                    self._params,
                    sequences,
                    threads,
                    what,
                    lambda values, rows: finish(values),
                )
            except inference.Overflow as overflow:
                offsets = self._network.head.row_offsets(sequences)
                row = int(np.searchsorted(offsets, overflow.row, side="right")) - 1
        raise ValueError(
            f"The network overflows {self._params.dtype} in sequence {row} of X: its values are "
            "too far from those seen in fit. Scale them, for example with skrnn.SequenceScaler."
        )

    def predict(self, X):
        """Predict the target of each sequence, or of each step.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.

        Returns
        -------
        y : ndarray of shape (n_sequences,) or (n_sequences, n_outputs)
            The predictions; a sequence's do not depend on the other sequences. With
            ``mode="many_to_many"`` an array of shape (n_sequences, n_steps) or (n_sequences,
            n_steps, n_outputs), a list of arrays where X is ragged, a Series or DataFrame where X
            is a frame with a (sequence, time) MultiIndex.
        """
        return self._run(X, lambda head: head.predicts_from, self._decode, "_target_names")

    def transform(self, X):
        """Return what the output layer reads: pooled hidden states of the top layer.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.

        Returns
        -------
        features : ndarray of shape (n_sequences, n_units)
            Units of the top layer, those of the backward direction after those of the forward.
            With ``mode="many_to_many"`` those of every step, in the layout that `predict` has; with
            ``"encoder_decoder"`` and ``"one_to_many"`` the state of the top layer with which the
            decoder begins.
        """
        check_is_fitted(self)
        if MODES[self._fitted_mode].decodes:
            features = MODES[self._fitted_mode].transform(self, X)
        else:
            features = self._run(X, lambda head: "features", _as_it_is)
        as_frame = _get_output_config("transform", self)["dense"] == "pandas"
        index = MODES[self._fitted_mode].feature_index(X) if as_frame else None
        if index is not None:
            from pandas import DataFrame

            return DataFrame(features, index=index)
        return features

    @property
    def _n_features_out(self):
        return self._network.n_features
