"""The classifier."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import unique_labels

from skrnn.estimators.base import BaseRNN, works_in_batches
from skrnn.estimators.decoded import Decoding
from skrnn.estimators.generation import ClassGeneration
from skrnn.estimators.gradient_flow import GradientFlow
from skrnn.estimators.labels import Labels
from skrnn.estimators.modes import MODES
from skrnn.estimators.output_labels import OutputLabels
from skrnn.estimators.parameters import CONSTRAINTS, document
from skrnn.estimators.scoring import Scoring
from skrnn.losses import classification_loss


def _refuse_sequences_of_their_own_length(estimator):
    mode = getattr(estimator, "_fitted_mode", estimator.mode)
    if MODES[mode].decodes:
        raise AttributeError(
            f"With mode={mode!r} what comes next depends on what came out before, so there are no "
            "probabilities of each step by itself. Use predict."
        )


def _has_probabilities(estimator):
    """Tell `available_if` whether the outputs in use are, or will be, probabilities."""
    _refuse_sequences_of_their_own_length(estimator)
    fitted = getattr(estimator, "_loss", None)
    available = estimator.loss == "log_loss" if fitted is None else fitted.link_inverse is not None
    if not available:
        raise AttributeError(
            "predict_proba is not available with loss='hinge'; fit with loss='log_loss'."
        )
    return True


def _has_margins(estimator):
    """Tell `available_if` whether the outputs in use are, or will be, margins."""
    _refuse_sequences_of_their_own_length(estimator)
    fitted = getattr(estimator, "_loss", None)
    return estimator.loss == "hinge" if fitted is None else fitted.link_inverse is None


@document
class RNNClassifier(
    ClassGeneration,
    Scoring,
    GradientFlow,
    OutputLabels,
    Labels,
    ClassifierMixin,
    Decoding,
    BaseRNN,
):
    """Recurrent network that gives each sequence, or each step, a class or several labels.

    Sequences may be of unequal length: each is run to its true end, nothing is padded. The
    output layer is a softmax for several classes, a logistic unit for two, and one for each label
    of a multilabel y. Outputs can also be sequences of labels of their own length (`mode`), a
    translation of a sequence or the caption of a vector; a string is a sequence of characters.

    Parameters
    ----------
    {network}
    head : {"linear", "crf"}, default="linear"
        With ``mode="many_to_many"`` and one class a step: ``"linear"`` judges each step by itself,
        ``"crf"`` all steps of a sequence together, by a linear-chain conditional random field that
        learns which class follows which. `predict` then gives the most probable sequence of
        classes (Viterbi), `predict_proba` the probability of each class at each step given the
        whole sequence, and the loss is the negative log likelihood of whole sequences. A step
        without a target is summed over. Streaming is not possible, nor is `class_weight`.
    loss : {"log_loss", "hinge"}, default="log_loss"
        ``"log_loss"`` gives probabilities; ``"hinge"`` is the margin loss, of Crammer and Singer
        for several classes.
    {training}
    class_weight : dict, "balanced", list of dict or None, default=None
        Weight of each class in the loss, as everywhere in scikit-learn; multiplied with
        `sample_weight`. ``"balanced"`` needs all data at once and is refused by `partial_fit`.
    ignore_label : object, default=None
        With ``mode="many_to_many"``, a value in y that is no class: its steps count neither in
        the loss nor in scores. NaN and None always are such values.
    beam_width : int, default=1
        With ``mode="encoder_decoder"`` and ``"one_to_many"``, how many beginnings of an output
        `predict` follows side by side; 1 takes the likeliest label at each step.
    {threads}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes; for a multilabel y the numbers of the labels.
    {attributes}

    See Also
    --------
    RNNRegressor : Recurrent network that gives each sequence numbers.
    SequenceScaler : Standardises the channels of sequences.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.standard_normal((n, 2)).cumsum(axis=0) for n in rng.integers(5, 15, size=60)]
    >>> y = np.array(["down" if x[-1, 0] < 0 else "up" for x in X])
    >>> model = RNNClassifier(hidden_layer_sizes=8, max_iter=50, random_state=0).fit(X, y)
    >>> model.predict(X[:2]).shape
    (2,)
    >>> bool(model.score(X, y) > 0.9)
    True

    From vectors to words, letter by letter:

    >>> X = np.tile(np.eye(3), (20, 1))
    >>> y = np.tile(["red", "green", "blue"], 20)
    >>> model = RNNClassifier(mode="one_to_many", hidden_layer_sizes=16, max_iter=50,
    ...                       random_state=0).fit(X, y)
    >>> model.predict(np.eye(3)).tolist()
    ['red', 'green', 'blue']
    """

    _parameter_constraints = {
        **CONSTRAINTS,
        "loss": [StrOptions({"log_loss", "hinge"})],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "ignore_label": "no_validation",
        "head": [StrOptions({"linear", "crf"})],
        "beam_width": [Interval(Integral, 1, None, closed="left")],
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
        head="linear",
        dropout=0.0,
        recurrent_dropout=0.0,
        loss="log_loss",
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
        class_weight=None,
        ignore_label=None,
        beam_width=1,
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
        self.head = head
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.loss = loss
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
        self.class_weight = class_weight
        self.ignore_label = ignore_label
        self.beam_width = beam_width
        self.n_jobs = n_jobs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        """Train on labelled sequences.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps) or (n_sequences, n_steps, n_channels), \
list of array-like of shape (n_steps_i, n_channels), or DataFrame
            The sequences. Trailing steps of NaN in a 3-D X are padding. A DataFrame with a
            (sequence, time) MultiIndex holds sequences of any length.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            The class of each sequence, or a 0/1 column for each label. With
            ``mode="many_to_many"`` of shape (n_sequences, n_steps) or (n_sequences, n_steps,
            n_labels), or a list of arrays as long as the sequences, or a Series or DataFrame with
            the index of X. With ``"encoder_decoder"`` and ``"one_to_many"`` one sequence of labels
            for each, of any length: a list of strings or of arrays, or an array of shape
            (n_sequences, n_output_steps).
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the loss; where y has a target for each step, also of each
            step, in any layout of y. A step of weight zero is not taught; with
            ``mode="encoder_decoder"`` and ``"one_to_many"`` the next step still reads it. The end
            of an output has the mean weight of its steps.
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
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one pass over some more data.

        The step size stays at `learning_rate_init` where `learning_rate` would follow the length
        of a whole training.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.
        y : array-like of shape (n_sequences,) or (n_sequences, n_labels)
            The class of each sequence, or a 0/1 column for each label; of each step as in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever come; needed in the first call only.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of each sequence in the loss, or of each step as in `fit`.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            As `fit`, and if y holds a class that is not among the classes.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all data at once, which partial_fit never sees. "
                "Compute the weights with sklearn.utils.class_weight.compute_class_weight and pass "
                "them as a dict."
            )
        known = getattr(self, "classes_", None)
        if known is None and classes is None:
            raise ValueError(
                "classes must be passed on the first call to partial_fit: all classes that will "
                "ever come."
            )
        if (
            known is not None
            and classes is not None
            and not np.array_equal(known, unique_labels(classes))
        ):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                f"{known!r}."
            )
        self._announced_classes = unique_labels(classes) if known is None else known
        try:
            return self._partial_fit(X, y, sample_weight)
        finally:
            del self._announced_classes

    def _make_loss(self):
        exclusive = not self._multilabel and not self._is_binary
        if exclusive and self.classes_.size == 1:
            return classification_loss("log_loss", exclusive=True)
        return classification_loss(self.loss, exclusive=exclusive)

    def _decode(self, raw):
        if self._multilabel:
            return (raw > 0).astype(np.int64)
        if self._is_binary:
            return self.classes_[(raw[:, 0] > 0).astype(np.int64)]
        return self.classes_[raw.argmax(axis=1)]

    def _to_score(self, raw):
        return self._decode(raw)

    def _score_rows(self, predicted, y, weight):
        from sklearn.metrics import accuracy_score

        return accuracy_score(y, predicted, sample_weight=weight)

    def _probabilities(self, raw):
        probabilities = self._loss.link_inverse(raw)
        if self._multilabel or not self._is_binary:
            return probabilities
        # Not one minus the other, which would lose small probabilities.
        return np.column_stack([self._loss.link_inverse(-raw), probabilities])

    def _log_probabilities(self, raw):
        if self._multilabel:
            return log_expit(raw)
        if self._is_binary:
            return np.column_stack([log_expit(-raw), log_expit(raw)])
        return log_softmax(raw, axis=1)

    def _margins(self, raw):
        return raw[:, 0] if raw.shape[1] == 1 and not self._multilabel else raw

    @available_if(_has_probabilities)
    def predict_proba(self, X):
        """Estimate the probability of each class, or of each label.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.

        Returns
        -------
        probabilities : ndarray of shape (n_sequences, n_classes) or (n_sequences, n_labels)
            In the order of `classes_`. With ``mode="many_to_many"`` a row for each step, in the
            layout that `predict` has.
        """
        return self._run(X, lambda head: head.estimates_from, self._probabilities, "classes_")

    @available_if(_has_probabilities)
    def predict_log_proba(self, X):
        """Estimate the logarithm of the probability of each class, or of each label.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.

        Returns
        -------
        log_probabilities : ndarray of shape (n_sequences, n_classes) or (n_sequences, n_labels)
            In the order of `classes_`. With ``mode="many_to_many"`` a row for each step, in the
            layout that `predict` has.
        """
        return self._run(X, lambda head: head.estimates_from, self._log_probabilities, "classes_")

    @available_if(_has_margins)
    def decision_function(self, X):
        """Return the raw outputs: the larger, the surer.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.

        Returns
        -------
        scores : ndarray of shape (n_sequences,) or (n_sequences, n_outputs)
            One column a class or label; for two classes one number, positive for the second. With
            ``mode="many_to_many"`` a row for each step, in the layout that `predict` has.
        """
        return self._run(X, lambda head: "raw", self._margins, "classes_")
