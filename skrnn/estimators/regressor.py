"""The regressor."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array

from skrnn.estimators.base import BaseRNN, works_in_batches
from skrnn.estimators.decoded import Decoding
from skrnn.estimators.generation import NumberGeneration
from skrnn.estimators.gradient_flow import GradientFlow
from skrnn.estimators.output_values import OutputValues
from skrnn.estimators.parameters import CONSTRAINTS, document
from skrnn.estimators.scoring import Scoring
from skrnn.losses import regression_loss


@document
class RNNRegressor(
    NumberGeneration, Scoring, GradientFlow, OutputValues, RegressorMixin, Decoding, BaseRNN
):
    """Recurrent network that gives each sequence, or each step, a number or several.

    Sequences may be of unequal length: each is run to its true end, nothing is padded. Targets are
    scaled inside and predictions scaled back, so targets in the tens of thousands or of 1e-6 train
    alike.

    Parameters
    ----------
    {network}
    loss : {"squared_error", "absolute_error", "huber", "quantile", "poisson"}, \
default="squared_error"
        What to minimise; averaged over several targets. ``"poisson"`` has a logarithmic link and
        asks for targets that are not negative.
    huber_delta : float, default=1.35
        Error, in standard deviations of the target, from which on ``"huber"`` is absolute.
    quantile : float, default=0.5
        Level of ``"quantile"``.
    {training}
    {threads}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    RNNClassifier : Recurrent network that gives each sequence a class.
    SequenceScaler : Standardises the channels of sequences.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.uniform(size=(n, 1)) for n in rng.integers(5, 15, size=80)]
    >>> y = np.array([1000 * x.mean() for x in X])
    >>> model = RNNRegressor(hidden_layer_sizes=8, max_iter=100, random_state=0).fit(X, y)
    >>> model.predict(X[:3]).shape
    (3,)
    >>> bool(model.score(X, y) > 0.8)
    True
    """

    _parameter_constraints = {
        **CONSTRAINTS,
        "loss": [StrOptions({"squared_error", "absolute_error", "huber", "quantile", "poisson"})],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        cell="gru",
        *,
        mode="many_to_one",
        embedding_dim=None,
        vocabulary_size=None,
        embeddings=None,
        train_embeddings=True,
        activation="tanh",
        bidirectional=False,
        attention=None,
        repeat_vector=False,
        pooling="last",
        dropout=0.0,
        recurrent_dropout=0.0,
        loss="squared_error",
        huber_delta=1.35,
        quantile=0.5,
        solver="adam",
        alpha=1e-4,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=0.01,
        power_t=0.5,
        max_iter=200,
        max_grad_norm=1.0,
        bptt_steps=None,
        checkpoint_steps=None,
        n_timesteps=None,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        rho=0.9,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        n_jobs=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.cell = cell
        self.mode = mode
        self.embedding_dim = embedding_dim
        self.vocabulary_size = vocabulary_size
        self.embeddings = embeddings
        self.train_embeddings = train_embeddings
        self.activation = activation
        self.bidirectional = bidirectional
        self.attention = attention
        self.repeat_vector = repeat_vector
        self.pooling = pooling
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.loss = loss
        self.huber_delta = huber_delta
        self.quantile = quantile
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.max_grad_norm = max_grad_norm
        self.bptt_steps = bptt_steps
        self.checkpoint_steps = checkpoint_steps
        self.n_timesteps = n_timesteps
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.rho = rho
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.n_jobs = n_jobs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        """Train on sequences with targets.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps) or (n_sequences, n_steps, n_channels), \
list of array-like of shape (n_steps_i, n_channels), or DataFrame
            The sequences. Trailing steps of NaN in a 3-D X are padding. A DataFrame with a
            (sequence, time) MultiIndex holds sequences of any length.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
            The targets. With ``mode="many_to_many"`` of shape (n_sequences, n_steps) or
            (n_sequences, n_steps, n_outputs), or a list of arrays as long as the sequences, or a
            Series or DataFrame with the index of X; a step that is NaN is ignored. With
            ``"encoder_decoder"`` and ``"one_to_many"`` one sequence of numbers for each, of any
            length: a list of arrays of shape (n_steps_i,) or (n_steps_i, n_outputs), or an array
            of shape (n_sequences, n_output_steps) or (n_sequences, n_output_steps, n_outputs).
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the loss; where y has a target for each step, also of each
            step, in any layout of y. A step of weight zero is not taught; with
            ``mode="encoder_decoder"`` and ``"one_to_many"`` the next step still reads it.
        X_val, y_val : array-like, default=None
            Validation data to watch each epoch, and to stop by if `early_stopping`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter are not as described, or if training diverges; the
            estimator is then as it was before.
        """
        return self._fit(X, y, sample_weight, X_val, y_val)

    @available_if(works_in_batches)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one pass over some more data.

        Targets keep the scale of the first call. The step size stays at `learning_rate_init` where
        `learning_rate` would follow the length of a whole training.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs)
            The targets, of each step as in `fit`.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the loss, or of each step as in `fit`.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            As `fit`.
        """
        return self._partial_fit(X, y, sample_weight)

    def _check_y(self, y, *, reset):
        y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y", estimator=self)
        columns = y.reshape(len(y), -1)
        if self.loss == "poisson" and (columns < 0).any():
            row = int((columns < 0).any(axis=1).argmax())
            raise ValueError(
                f"loss='poisson' asks for targets that are not negative, but y[{row}] is {y[row]}."
            )
        if reset:
            self.n_outputs_ = columns.shape[1]
            self._one_dimensional = y.ndim == 1
        if columns.shape[1] != self.n_outputs_:
            raise ValueError(f"y has {columns.shape[1]} columns, but fit saw {self.n_outputs_}.")
        return y

    # R^2 of a single target is not defined.
    _fewest_to_score = 2

    def _fit_target_scale(self, y, weight, whole_fit):
        """Standardise the targets; those of a logarithmic link are divided by their mean.

        Targets that are all the same have no spread. In the first call of `partial_fit` their size
        then stands for that of the others to come.
        """
        columns = y.reshape(len(y), -1)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.average(columns, axis=0, weights=weight)
            spread = np.abs(columns - mean).max(axis=0)
        if not np.isfinite(spread).all():
            column = int(np.isfinite(spread).argmin())
            raise ValueError(
                f"The targets in column {column} of y are too large: their mean or spread "
                "overflows. Divide them by a constant first."
            )
        if self.loss == "poisson":
            if (mean == 0).any():
                raise ValueError("loss='poisson' asks for targets that are not all zero.")
            self._target_mean, self._target_scale = np.zeros_like(mean), mean
            return
        # Taking out the size first keeps the squares of very large or small targets finite.
        size = spread
        size[size == 0] = 1.0
        variance = np.average(((columns - mean) / size) ** 2, axis=0, weights=weight)
        scale = size * np.sqrt(variance)
        constant = ~(scale > 10 * np.finfo(np.float64).eps * np.abs(mean))
        scale[constant] = 1.0
        if not whole_fit:
            scale[constant & (mean != 0)] = np.abs(mean[constant & (mean != 0)])
        self._target_mean, self._target_scale = mean, scale

    def _encode(self, y, dtype):
        limit = np.finfo(dtype).max
        if np.abs(y).max() > limit:
            raise ValueError(
                f"y holds {y.flat[np.abs(y).argmax()]}, too large for predictions in {dtype}, the "
                "type of X. Pass X as float64, or divide y by a constant."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (y.reshape(len(y), -1) - self._target_mean) / self._target_scale
            scaled = np.ascontiguousarray(scaled, dtype=dtype)
        if not np.isfinite(scaled).all():
            row = int(np.isfinite(scaled).all(axis=1).argmin())
            raise ValueError(
                f"y[{row}] is {y[row]}, too far from the targets that fit saw first to be scaled "
                "as they are."
            )
        return scaled

    def _make_loss(self):
        loss = regression_loss(self.loss, huber_delta=self.huber_delta, quantile=self.quantile)
        return self._with_end(loss)

    def _decode(self, raw):
        limit = np.finfo(raw.dtype).max
        with np.errstate(over="ignore"):
            scaled = self._loss.link_inverse(raw.astype(np.float64))
            y = scaled * self._target_scale + self._target_mean
        y = y.clip(-limit, limit).astype(raw.dtype)
        return y[:, 0] if self._one_dimensional else y

    def _to_score(self, raw):
        # R^2 is the same in any unit; in that of the loss, squares do not overflow.
        with np.errstate(over="ignore"):
            return self._loss.link_inverse(raw.astype(np.float64)).clip(-1e150, 1e150)

    def _score_rows(self, predicted, y, weight):
        from sklearn.metrics import r2_score

        return r2_score(self._encode(y, np.dtype(np.float64)), predicted, sample_weight=weight)
