"""What classifier and regressor share: from checked data to a fitted network and back."""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skrnn import bptt, inference, solvers
from skrnn.cells import resolve_cell
from skrnn.estimators.callbacks import EpochCallbacks
from skrnn.estimators.canonical import merge_repeated
from skrnn.estimators.parameters import CONSTRAINTS, check_hidden_layer_sizes
from skrnn.estimators.weights import WeightAccess
from skrnn.layouts import frame_ids
from skrnn.network import Network
from skrnn.objective import Dropout, Objective
from skrnn.sequences import Sequences, all_finite, is_pandas
from skrnn.streaming import Streaming
from skrnn.threads import Threads
from skrnn.training import History, Settings, StochasticTraining, train_lbfgs
from skrnn.validation import check_sequences, check_target_length


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


def works_in_batches(estimator):
    """Tell `available_if` that there is a `partial_fit`."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit needs a solver that works in batches; solver='lbfgs' takes all data at "
            "once. Use fit, or choose solver='adam'."
        )
    return True


def _made_anew(make):
    """Return what the present parameters lead to; None if they are not valid any more."""
    try:
        return make()
    except (KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Examples:
    """Checked training or validation data: targets both as given and as the loss takes them."""

    sequences: Sequences
    y: np.ndarray
    target: np.ndarray
    weight: np.ndarray

    def take(self, index):
        """Return some of the examples."""
        return Examples(
            self.sequences.take(index), self.y[index], self.target[index], self.weight[index]
        )

    def astype(self, dtype):
        """Return the examples in another float type."""
        sequences = self.sequences.astype(dtype)
        is_number = self.target.dtype.kind == "f"
        target = self.target.astype(dtype) if is_number else self.target
        return replace(self, sequences=sequences, target=target)


class BaseRNN(
    Streaming,
    WeightAccess,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Everything but the targets.

    A subclass checks targets (`_check_y`) and turns them into what the loss takes (`_encode`), says
    which loss it is (`_make_loss`), how raw outputs become predictions (`_decode`), and how they
    are scored (`_score_raw`).
    """

    _parameter_constraints = CONSTRAINTS

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __getstate__(self):
        # Cell, network and loss hold functions, which skops does not store; they follow from the
        # rest, unless parameters were changed since fit.
        state = dict(super().__getstate__())
        state.pop("cell_", None)
        network, loss = state.pop("_network", None), state.pop("_loss", None)
        if network is not None:
            state["_network_shape"] = {
                "cell": None if network.cell is _made_anew(self._make_cell) else network.cell,
                "n_channels": network.n_channels,
                "hidden_layer_sizes": network.hidden_layer_sizes,
                "n_outputs": network.n_outputs,
                "bidirectional": network.n_directions == 2,
                "pooling": network.pooling,
            }
            state["_own_loss"] = None if loss == _made_anew(self._make_loss) else loss
        return state

    def __setstate__(self, state):
        state = dict(state)
        shape, loss = state.pop("_network_shape", None), state.pop("_own_loss", None)
        super().__setstate__(state)
        if shape is not None:
            self.cell_ = self._make_cell() if shape["cell"] is None else shape["cell"]
            self._network = Network(**{**shape, "cell": self.cell_})
            self._loss = self._make_loss() if loss is None else loss
        # Memory-mapped weights, as a parallel search hands out, are read-only; a kernel would be
        # compiled once more for them.
        if "_params" in state and not state["_params"].flags.writeable:
            self._params = np.array(state["_params"])

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
                lambda weights: {"_network": network, "_params": weights, "_loss": loss},
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
                        self._settings(len(training.weight)),
                        threads,
                        history,
                        validate and (lambda vector: validate(vector.astype(dtype))),
                        lambda history, vector: callbacks(history, vector.astype(dtype)),
                    ).astype(dtype)
                    n_seen = history.n_epochs * len(training.weight)
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
            self._set_fitted(network, loss, params, history, n_seen)
            self.n_iter_ = history.n_epochs
            callbacks.end()
        return self

    def _epoch_callbacks(self, data, fitted_attributes):
        context = self._init_callback_context(max_subtasks=self.max_iter)
        return EpochCallbacks(self, context, data, fitted_attributes)

    def _partial_fit(self, X, y, sample_weight):
        with unchanged_on_error(self):
            first = not hasattr(self, "_params")
            examples = self._check_examples(X, y, sample_weight, reset=first)
            # Training writes to what is kept between calls; if it fails that must be as before.
            solver, rng = (
                None if first else deepcopy(getattr(self, name, None))
                for name in ("_solver", "_partial_fit_rng")
            )
            history = None if first else getattr(self, "_history", None)
            rng = check_random_state(self.random_state) if rng is None else rng
            network, params = self._make_network(examples, rng, warm=not first)
            loss = self._loss = self._make_loss()
            solver = self._make_solver(params) if solver is None else solver
            history = History() if history is None else history.copy()
            settings = self._settings(len(examples.weight), max_iter=1, early_stopping=False)
            with Threads(self.n_jobs) as threads:
                trainer = StochasticTraining(
                    # What one call holds says nothing about the mean weight of all of them.
                    self._make_objective(network, loss, examples, mean_weight=1.0),
                    solver,
                    self._make_schedule(partial=True),
                    settings,
                    rng,
                    threads,
                    n_seen=0 if first else self.t_,
                )
                params = trainer.run(params, history)
            self._solver, self._partial_fit_rng = solver, rng
            self._set_fitted(network, loss, params, history, trainer.n_seen)
            self.n_iter_ = history.n_epochs
        return self

    def _check_examples(self, X, y, sample_weight, *, reset, whole_fit=False):
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        dtype = None if reset else self._params.dtype
        sequences = check_sequences(self, X, reset=reset, dtype=dtype)
        check_target_length(sequences, y, X)
        y = self._check_y(y, reset=reset)
        weight = _check_sample_weight(
            sample_weight, np.empty((len(sequences), 1)), dtype=np.float64, ensure_non_negative=True
        )
        weight = self._weigh_classes(y, weight)
        with np.errstate(over="ignore"):
            total = weight.sum()
        if not np.finfo(np.float64).tiny <= total < np.inf:
            raise ValueError(
                f"The weights of the sequences sum to {total}. Multiply all of them, and alpha, by "
                "a constant that brings them near one."
            )
        if whole_fit and self._is_one_batch(len(sequences)):
            sequences, y, weight = merge_repeated(sequences, y, weight)
        elif (weight == 0).any():
            # As if they were not there; their classes still count.
            kept = np.flatnonzero(weight)
            sequences, y, weight = sequences.take(kept), y[kept], weight[kept]
        if reset and not self._goes_on():
            self._fit_target_scale(y, weight, whole_fit)
        target = self._encode(y, sequences.values.dtype)
        return Examples(sequences, y, target, weight)

    def _is_one_batch(self, n_sequences):
        return self.solver == "lbfgs" or self._batch_size(n_sequences) == n_sequences

    def _batch_size(self, n_sequences):
        if self.batch_size == "auto":
            return min(n_sequences, max(32, min(64, n_sequences // 8)))
        return min(n_sequences, self.batch_size)

    def _goes_on(self):
        """Tell whether `fit` starts from the weights of the last one."""
        return self.warm_start and hasattr(self, "_params")

    def _fit_target_scale(self, y, weight, whole_fit):
        """Learn how targets are scaled; classes are not."""

    def _weigh_classes(self, y, weight):
        return weight

    def _validation_data(self, examples, X_val, y_val, rng):
        """Return training and validation examples; None where there is no validation."""
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together: only one of them was passed.")
        if X_val is not None:
            sequences = check_sequences(
                self, X_val, reset=False, dtype=examples.sequences.values.dtype
            )
            check_target_length(sequences, y_val, X_val)
            y = self._check_y(y_val, reset=False)
            target = self._encode(y, sequences.values.dtype)
            return examples, Examples(sequences, y, target, np.ones(len(sequences)))
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
        train, held_out = train_test_split(
            np.arange(n_sequences),
            random_state=rng,
            test_size=n_held_out,
            stratify=self._strata(examples.y, n_held_out),
        )
        training, held_out = examples.take(train), examples.take(held_out)
        if not self._goes_on():
            # Nothing of the held-out part may show in how the targets are scaled.
            self._fit_target_scale(training.y, training.weight, whole_fit=True)
        return self._encoded(training), self._encoded(held_out)

    def _encoded(self, examples):
        target = self._encode(examples.y, examples.sequences.values.dtype)
        return replace(examples, target=target)

    # Sequences that a validation score needs.
    _fewest_to_score = 1

    def _strata(self, y, n_held_out):
        return None

    def _make_cell(self):
        return resolve_cell(self.cell, self.activation)

    def _make_network(self, examples, rng, warm):
        dtype = examples.sequences.values.dtype
        network = Network(
            self._make_cell(),
            examples.sequences.n_channels,
            check_hidden_layer_sizes(self.hidden_layer_sizes),
            self.n_outputs_,
            bidirectional=self.bidirectional,
            pooling=self.pooling,
        )
        if not warm:
            longest = int(examples.sequences.lengths.max())
            return network, network.initial_parameters(rng, dtype, longest)
        old, new = self._network.layout.blocks, network.layout.blocks
        same_loss = self._loss.kernel is self._make_loss().kernel
        if old != new or self._network.cell is not network.cell or not same_loss:
            raise ValueError(
                "The network or its loss changed since the last fit: warm_start and partial_fit go "
                f"on training the same weights. Before: {self._network}; now: {network}. Use a "
                "clone for another network or loss, or other channels or classes."
            )
        return network, self._params.astype(dtype)

    def _make_objective(self, network, loss, examples, mean_weight=None):
        if self.solver == "lbfgs" and (self.dropout > 0 or self.recurrent_dropout > 0):
            raise ValueError(
                "solver='lbfgs' minimises one fixed function and cannot drop units at random; set "
                "dropout=0 and recurrent_dropout=0, or choose solver='adam'."
            )
        dropout = None
        if self.dropout > 0 or self.recurrent_dropout > 0:
            dropout = Dropout(self.dropout, self.recurrent_dropout)
        walk = bptt.full if self.bptt_steps is None else bptt.Truncated(self.bptt_steps)
        return Objective(
            network,
            loss,
            examples.sequences,
            examples.target,
            examples.weight,
            alpha=self.alpha,
            dropout=dropout,
            walk=walk,
            mean_weight=mean_weight,
        )

    def _make_validate(self, network, loss, validation, threads):
        if validation is None:
            return None
        scale = (validation.weight / validation.weight.sum()).astype(
            validation.sequences.values.dtype
        )

        def validate(params):
            raw = inference.run(network, params, validation.sequences, threads, "raw")
            value = loss.value_and_gradient(raw, validation.target, scale, np.empty_like(raw))
            return self._score_raw(raw, validation.y, validation.weight), value

        return validate

    def _make_solver(self, params):
        if self.solver == "adam":
            return solvers.Adam(
                params, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon
            )
        if self.solver == "rmsprop":
            return solvers.RMSprop(params, rho=self.rho, epsilon=self.epsilon)
        return solvers.StochasticGradientDescent(
            params, momentum=self.momentum, nesterov=self.nesterovs_momentum
        )

    def _make_schedule(self, partial=False):
        """Return the schedule; what lasts for a whole training is constant in `partial_fit`."""
        if self.learning_rate == "invscaling":
            return solvers.InverseScaling(self.learning_rate_init, self.power_t)
        if partial or self.learning_rate == "constant":
            return solvers.Constant(self.learning_rate_init)
        kinds = {
            "adaptive": solvers.Adaptive,
            "cosine": solvers.Cosine,
            "one_cycle": solvers.OneCycle,
        }
        return kinds[self.learning_rate](self.learning_rate_init)

    def _settings(self, n_sequences, max_iter=None, early_stopping=None):
        return Settings(
            max_iter=self.max_iter if max_iter is None else max_iter,
            batch_size=self._batch_size(n_sequences),
            shuffle=self.shuffle,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            max_grad_norm=self.max_grad_norm,
            max_fun=self.max_fun,
            early_stopping=self.early_stopping if early_stopping is None else early_stopping,
            verbose=int(self.verbose),
        )

    def _set_fitted(self, network, loss, params, history, n_seen):
        self._network = network
        self._params = params
        self._loss = loss
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

    def _run(self, X, what):
        if "_params" not in vars(self):  # much quicker than scikit-learn's look at all attributes
            check_is_fitted(self)
        sequences = check_sequences(self, X, reset=False, dtype=self._params.dtype)
        with Threads(self.n_jobs) as threads:
            results = inference.run(self._network, self._params, sequences, threads, what)
        if not all_finite(results):
            row = int(np.isfinite(results).all(axis=1).argmin())
            raise ValueError(
                f"The network overflows {results.dtype} in sequence {row} of X: its values are too "
                "far from those seen in fit. Scale them, for example with skrnn.SequenceScaler."
            )
        return results

    def predict(self, X):
        """Predict the target of each sequence.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.

        Returns
        -------
        y : ndarray of shape (n_sequences,) or (n_sequences, n_outputs)
            The predictions; a row's do not depend on the other rows.
        """
        return self._decode(self._run(X, "raw"))

    def transform(self, X):
        """Return what the output layer reads: the pooled hidden state of the top layer.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.

        Returns
        -------
        features : ndarray of shape (n_sequences, n_units)
            Units of the top layer, those of the backward direction after those of the forward.
        """
        features = self._run(X, "features")
        as_frame = _get_output_config("transform", self)["dense"] == "pandas"
        if as_frame and is_pandas(X) and X.index.nlevels > 1:
            from pandas import DataFrame

            # scikit-learn would use the index of X, which has a row for each step.
            return DataFrame(features, index=frame_ids(X.index))
        return features

    @property
    def _n_features_out(self):
        return self._network.n_features
