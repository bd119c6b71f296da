"""Sequences continued: what a model gives out at one step is what it reads at the next."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from skrnn.estimators.modes import MODES
from skrnn.sampling import draw_class, draw_labels
from skrnn.sequences import is_pandas, label

_OPTIONS = {
    "n_steps": [Interval(Integral, 1, None, closed="left")],
    "temperature": [Interval(Real, 0, None, closed="neither")],
    "top_k": [Interval(Integral, 1, None, closed="left"), None],
    "top_p": [Interval(Real, 0, 1, closed="right"), None],
    "random_state": ["random_state"],
}
_UNKNOWN_ID = 1


def _refuse(why):
    raise ValueError(f"This model cannot generate: {why}")


def _check_can_generate(estimator, **options):
    """Refuse models whose outputs do not continue their inputs step by step, and bad options."""
    check_is_fitted(estimator)
    validate_parameter_constraints(
        _OPTIONS, options, caller_name=f"{type(estimator).__name__}.generate"
    )
    network = estimator._network
    if estimator._fitted_mode != "many_to_many":
        _refuse(
            f"mode={estimator._fitted_mode!r} gives no output at every step of its input. Fit with "
            "mode='many_to_many', each step's target being the step that follows it."
        )
    if network.n_directions == 2:
        _refuse("it reads sequences backwards too, from an end that is yet to come. Fit with "
                "bidirectional=False.")  # fmt: skip
    if not network.head.can_stream:
        _refuse("its head judges all steps of a sequence together. Fit with head='linear'.")
    return network


def _continue(estimator, prompt, n_steps, choose):
    """Read a prompt, then feed back what is chosen.

    ``choose(output)`` returns the result of a step, what to read next, and whether to stop.
    """
    mode = MODES[estimator._fitted_mode]
    if not is_pandas(prompt):
        prompt = np.asarray(prompt)
        # A column, since a line of numbers might be taken for the row of a table.
        prompt = prompt[:, np.newaxis] if prompt.ndim == 1 else prompt
    if np.ndim(prompt) and len(prompt) == 0:
        raise ValueError("The prompt is empty: pass at least one step, from which to go on.")
    sequences = mode.read_inputs(estimator, [prompt], reset=False, dtype=estimator._params.dtype)
    state, results = estimator.init_state(), []
    for x in sequences.values:
        output, state = estimator.step(x, state, response_method=choose.reads)
    for number in range(n_steps):
        result, x, stops = choose(output[0])
        if stops:
            break
        results.append(result)
        if number + 1 < n_steps:
            output, state = estimator.step(x, state, response_method=choose.reads)
    return results


class _Numbers:
    """Feeds predictions back."""

    reads = "predict"

    def __call__(self, output):
        return output, np.atleast_1d(output), False


class _Labels:
    """Draws labels by their probabilities and feeds them back as numbers."""

    reads = "predict_proba"

    def __init__(self, rng, temperature):
        self.rng, self.temperature = rng, temperature

    def __call__(self, probabilities):
        probabilities = probabilities.astype(np.float64)
        with np.errstate(divide="ignore"):
            log_odds = np.log(probabilities) - np.log1p(-probabilities)
        labels = draw_labels(log_odds, self.rng, temperature=self.temperature)
        return labels, labels, False


class _Classes:
    """Draws a class and feeds back the row of `inputs` that stands for it."""

    reads = "predict_proba"

    def __init__(self, classes, inputs, stop, rng, options):
        self.classes, self.inputs, self.stop = classes, inputs, stop
        self.rng, self.options = rng, options

    def __call__(self, probabilities):
        with np.errstate(divide="ignore"):
            chosen = draw_class(np.log(probabilities), self.rng, **self.options)
        said = self.classes[chosen]
        return said, self.inputs[chosen], self.stop is not None and said == self.stop


def _rows_of_classes(estimator, network):
    """Return what stands for each class where it is read: its id, its value, or one-hot."""
    classes, tables = estimator.classes_, network.inputs.tables
    if network.n_channels == 1 and classes.dtype.kind in "iuf":
        if tables:
            wrong = network.inputs.first_invalid(classes[:, np.newaxis])
            if wrong is not None:
                _refuse(f"its class {classes[wrong[0]]} is none of the {tables[0][0]} ids that it "
                        "reads. Let y be X one step ahead.")  # fmt: skip
        return classes[:, np.newaxis]
    if network.n_channels == classes.size and not tables:
        return np.eye(classes.size)
    _refuse(
        f"it reads {network.n_channels} channels and gives one of {classes.size} classes, such as "
        f"{classes[0]!r}, so it is not known what of its input a class stands for. Let X be ids "
        "or numbers and y the same one step ahead, or let X hold one column for each class."
    )


class NumberGeneration:
    """Mixin: a regressor that continues sequences."""

    def generate(self, prompt, n_steps):
        """Continue a sequence by feeding predictions back.

        The model must be fitted with ``mode="many_to_many"`` on targets that are the inputs one
        step ahead. Each step costs one step.

        Parameters
        ----------
        prompt : array-like of shape (n_prompt_steps,) or (n_prompt_steps, n_channels)
            The beginning of the sequence.
        n_steps : int
            Steps to add.

        Returns
        -------
        continuation : ndarray of shape (n_steps,) or (n_steps, n_channels)
            What follows the prompt.

        Raises
        ------
        ValueError
            If the model cannot generate; the message says why.
        """
        network = _check_can_generate(self, n_steps=n_steps)
        if network.n_channels != self.n_outputs_ or network.inputs.tables:
            _refuse(
                f"it reads {network.n_channels} channels and gives {self.n_outputs_} numbers, "
                "which are not the next step's input. Let y be X one step ahead."
            )
        return np.array(_continue(self, prompt, n_steps, _Numbers()))


class ClassGeneration:
    """Mixin: a classifier that continues sequences."""

    def generate(
        self,
        prompt,
        n_steps,
        *,
        temperature=1.0,
        top_k=None,
        top_p=None,
        random_state=None,
        stop=None,
        tokenizer=None,
    ):
        """Continue a sequence by drawing each step and reading it at the next.

        The model must be fitted with ``mode="many_to_many"`` on targets that are the inputs one
        step ahead: ids with `embedding_dim`, numbers of a single channel, one-hot rows, or several
        labels a step (as the notes of a piano roll). Each step costs one step.

        Parameters
        ----------
        prompt : array-like of shape (n_prompt_steps,) or (n_prompt_steps, n_channels), or str
            The beginning of the sequence; a text with `tokenizer`.
        n_steps : int
            Most steps to add.
        temperature : float, default=1.0
            Logarithms of probabilities are divided by it: below one what is likely becomes
            likelier, above one everything becomes more alike.
        top_k : int or None, default=None
            Draw among this many likeliest classes only; 1 always takes the likeliest.
        top_p : float or None, default=None
            Draw among the likeliest classes that together have this probability only.
        random_state : int, RandomState instance or None, default=None
            Source of the draws; the same int gives the same continuation.
        stop : object, default=None
            A class that ends the continuation; it is left out. With `tokenizer` a token.
        tokenizer : SequenceTokenizer or None, default=None
            The fitted tokenizer by which the model's ids were made.

        Returns
        -------
        continuation : ndarray of shape (n_steps,) or (n_steps, n_labels), or str
            What follows the prompt; shorter if `stop` was drawn. A text with `tokenizer`.

        Raises
        ------
        ValueError
            If the model cannot generate, which the message explains, or an option or the prompt
            is not as described.

        Examples
        --------
        >>> import numpy as np
        >>> from skrnn import RNNClassifier
        >>> ids = np.tile([0, 1, 2, 3], 50)
        >>> model = RNNClassifier(16, mode="many_to_many", embedding_dim=4, bptt_steps=10,
        ...                       max_iter=40, random_state=0).fit([ids[:-1]], [ids[1:]])
        >>> model.generate([0, 1, 2, 3, 0, 1], 5, top_k=1)
        array([2, 3, 0, 1, 2])
        """
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
        network = _check_can_generate(self, n_steps=n_steps, random_state=random_state, **options)
        if not hasattr(self, "predict_proba"):
            _refuse("loss='hinge' gives no probabilities to draw from. Fit with loss='log_loss'.")
        rng = check_random_state(random_state)
        if self._multilabel:
            return self._generate_labels(network, prompt, n_steps, rng, temperature, top_k, top_p)
        inputs = _rows_of_classes(self, network)
        if tokenizer is not None:
            _check_tokenizer(tokenizer, self.classes_)
            prompt, stop = _ids_of_text(tokenizer, prompt), _id_of_stop(tokenizer, stop)
        elif isinstance(prompt, str):
            raise ValueError("prompt is a text: pass the fitted SequenceTokenizer as tokenizer.")
        if stop is not None and stop not in self.classes_.tolist():
            raise ValueError(f"stop={stop!r} is none of the classes {self.classes_.tolist()}.")
        choose = _Classes(self.classes_, inputs, stop, rng, options)
        drawn = np.array(_continue(self, prompt, n_steps, choose), dtype=self.classes_.dtype)
        return drawn if tokenizer is None else tokenizer.inverse_transform([drawn])[0]

    def _generate_labels(self, network, prompt, n_steps, rng, temperature, top_k, top_p):
        if top_k is not None or top_p is not None:
            raise ValueError(
                "top_k and top_p choose among classes of which one holds; the labels of this model "
                "are drawn each by itself. Lower the temperature instead."
            )
        if network.n_channels != self.n_outputs_ or network.inputs.tables:
            _refuse(
                f"it reads {network.n_channels} channels and gives {self.n_outputs_} labels, "
                "which are not the next step's input. Let y be X one step ahead."
            )
        return np.array(_continue(self, prompt, n_steps, _Labels(rng, temperature)))


def _check_tokenizer(tokenizer, classes):
    """Refuse a tokenizer whose vocabulary lacks ids that the model says."""
    check_is_fitted(tokenizer)
    if classes.dtype.kind not in "iu" or classes[-1] >= tokenizer.n_tokens_:
        raise ValueError(
            f"The model says {label(classes[-1])}, but the tokenizer has ids from 0 to "
            f"{tokenizer.n_tokens_ - 1}: it is not the one that made the model's y."
        )


def _ids_of_text(tokenizer, prompt):
    if not isinstance(prompt, str) or not prompt:
        raise ValueError(
            f"With a tokenizer the prompt must be a text of one token or more, got {prompt!r}."
        )
    ids = tokenizer.transform([prompt])[0]
    unknown = np.flatnonzero(np.asarray(ids) == _UNKNOWN_ID)
    if unknown.size:
        raise ValueError(
            f"The prompt {prompt!r} has a token that the tokenizer does not know, the first at "
            f"position {unknown[0]}. Use tokens that were in the texts it was fitted on."
        )
    return ids


def _id_of_stop(tokenizer, stop):
    if stop is None:
        return None
    if stop not in tokenizer.vocabulary_:
        raise ValueError(f"stop={stop!r} is no token that the tokenizer knows.")
    return tokenizer.vocabulary_[stop]
