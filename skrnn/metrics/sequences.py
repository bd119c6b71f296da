"""Metrics of outputs at every step, and of whole output sequences.

All of them read targets as the estimators return them: ragged lists, arrays, or pandas objects with
a (sequence, time) MultiIndex.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy.special import xlogy

from skrnn.metrics._ragged import (
    check_aligned,
    is_missing,
    read_sequences,
    step_weights,
)


def step_accuracy_score(y_true, y_pred, *, sample_weight=None, ignore_label=None):
    """Compute the fraction of steps whose label is right.

    Parameters
    ----------
    y_true, y_pred : list of array-like, array-like of shape (n_sequences, n_steps) or \
(n_sequences, n_steps, n_labels), or pandas object with a (sequence, time) MultiIndex
        Labels of every step. Of several labels a step all must be right.
    sample_weight : array-like of shape (n_sequences,), list of array-like, or None, default=None
        Weight of each sequence, or of each step.
    ignore_label : object, default=None
        Steps with this true label, or with None or NaN, are left out.

    Returns
    -------
    accuracy : float
        Between 0 and 1.

    Examples
    --------
    >>> from skrnn.metrics import step_accuracy_score
    >>> step_accuracy_score([[0, 1], [1, 1]], [[0, 1], [1, 0]])
    0.75
    """
    true, pred = read_sequences(y_true, "y_true"), read_sequences(y_pred, "y_pred")
    check_aligned(true, pred)
    kept = [~is_missing(steps, ignore_label) for steps in true]
    weights = step_weights(sample_weight, [len(steps) for steps in true], kept)
    right = [_agree(t, p)[keep] for t, p, keep in zip(true, pred, kept, strict=True)]
    return float(_average(np.concatenate(right), weights))


def _agree(true, pred):
    same = true == pred
    return same.all(axis=1) if same.ndim == 2 else same


def _average(values, weights):
    if not weights.sum() > 0:
        raise ValueError("There are no steps to score: all are ignored or have the weight zero.")
    return np.average(values, weights=weights)


def exact_match_score(y_true, y_pred, *, sample_weight=None):
    """Compute the fraction of sequences that are right from the first step to the last.

    Predicted sequences may have other lengths than the true ones; they are wrong then.

    Parameters
    ----------
    y_true, y_pred : list of array-like or of str, or array-like of shape (n_sequences, n_steps)
        The sequences.
    sample_weight : array-like of shape (n_sequences,) or None, default=None
        Weight of each sequence.

    Returns
    -------
    fraction : float
        Between 0 and 1.

    Examples
    --------
    >>> from skrnn.metrics import exact_match_score
    >>> exact_match_score([["a", "b"], ["a"]], [["a", "b"], ["a", "b"]])
    0.5
    """
    true, pred = _read_tokens(y_true, "y_true"), _read_tokens(y_pred, "y_pred")
    if len(true) != len(pred):
        raise ValueError(f"y_true holds {len(true)} sequences, but y_pred holds {len(pred)}.")
    return float(
        np.average([t == p for t, p in zip(true, pred, strict=True)], weights=sample_weight)
    )


def _read_tokens(y, name):
    if not isinstance(y, str) and len(y) and all(isinstance(text, str) for text in y):
        return [list(text) for text in y]
    return [steps.tolist() for steps in read_sequences(y, name)]


# Likelihood ---------------------------------------------------------------------------------------


def step_log_loss(y_true, y_proba, *, labels=None, sample_weight=None, ignore_label=None):
    """Compute the mean negative log likelihood of a step, in nats.

    Parameters
    ----------
    y_true : list of array-like, array-like of shape (n_sequences, n_steps), or Series with a \
(sequence, time) MultiIndex
        Label of every step.
    y_proba : list of array-like of shape (n_steps, n_classes), or array-like of shape \
(n_sequences, n_steps, n_classes)
        Probability of each class at every step, as `predict_proba` gives it.
    labels : array-like of shape (n_classes,), default=None
        Class of each column, as in `classes_`; None is 0, 1, 2, and so on.
    sample_weight : array-like of shape (n_sequences,), list of array-like, or None, default=None
        Weight of each sequence, or of each step.
    ignore_label : object, default=None
        Steps with this true label, or with None or NaN, are left out.

    Returns
    -------
    loss : float
        The lower, the better; infinite if a true label has the probability zero.

    Examples
    --------
    >>> from skrnn.metrics import step_log_loss
    >>> y_proba = [[[0.5, 0.5], [0.25, 0.75]], [[1.0, 0.0]]]
    >>> round(step_log_loss([["a", "b"], ["a"]], y_proba, labels=["a", "b"]), 4)
    0.3269
    """
    true = read_sequences(y_true, "y_true", 0)
    proba = read_sequences(y_proba, "y_proba", 1)
    check_aligned(true, proba, ("y_true", "y_proba"))
    n_classes = proba[0].shape[1]
    labels = np.arange(n_classes) if labels is None else np.asarray(labels)
    if labels.shape != (n_classes,):
        raise ValueError(
            f"labels names {labels.size} classes, but y_proba has {n_classes} columns."
        )
    kept = [~is_missing(steps, ignore_label) for steps in true]
    weights = step_weights(sample_weight, [len(steps) for steps in true], kept)
    order = np.argsort(labels, kind="stable")
    losses = []
    for i, (steps, of_steps, keep) in enumerate(zip(true, proba, kept, strict=True)):
        columns = _columns_of(steps[keep], labels, order, i)
        with np.errstate(divide="ignore"):
            losses.append(-np.log(of_steps[keep][np.arange(columns.size), columns]))
    return float(_average(np.concatenate(losses), weights))


def _columns_of(steps, labels, order, i):
    places = np.searchsorted(labels, steps, sorter=order)
    columns = order[np.minimum(places, labels.size - 1)]
    wrong = labels[columns] != steps
    if wrong.any():
        raise ValueError(
            f"Sequence {i} of y_true holds {steps[wrong].tolist()[0]!r}, which is not among the "
            f"labels {labels.tolist()}."
        )
    return columns


def perplexity(y_true, y_proba, **options):
    """Compute the perplexity: the number of equally likely labels that would be as surprising.

    Parameters
    ----------
    y_true, y_proba : list of array-like
        As for :func:`step_log_loss`, whose exponential this is.
    **options : dict
        Those of :func:`step_log_loss`.

    Returns
    -------
    perplexity : float
        At least 1; the lower, the better.

    Examples
    --------
    >>> from skrnn.metrics import perplexity
    >>> round(perplexity([[0, 1]], [[[0.25, 0.75], [0.75, 0.25]]]), 4)
    4.0
    """
    return float(np.exp(step_log_loss(y_true, y_proba, **options)))


def bits_per_step(y_true, y_proba, **options):
    """Compute the mean negative log likelihood of a step, in bits: bits a character, of a text.

    Parameters
    ----------
    y_true, y_proba : list of array-like
        As for :func:`step_log_loss`.
    **options : dict
        Those of :func:`step_log_loss`.

    Returns
    -------
    bits : float
        The lower, the better.

    Examples
    --------
    >>> from skrnn.metrics import bits_per_step
    >>> round(bits_per_step([[0, 1]], [[[0.25, 0.75], [0.75, 0.25]]]), 4)
    2.0
    """
    return float(step_log_loss(y_true, y_proba, **options) / np.log(2))


def frame_log_loss(y_true, y_proba, *, sample_weight=None):
    """Compute the negative log likelihood of a frame of several yes-or-no labels, in nats.

    It is summed over the labels of a frame and averaged over frames, as results on piano rolls are
    reported: 88 keys, each pressed or not.

    Parameters
    ----------
    y_true : list of array-like of shape (n_steps, n_labels), or array-like of shape \
(n_sequences, n_steps, n_labels)
        0 or 1 for each label at every step. Steps with a NaN are left out.
    y_proba : list of array-like of shape (n_steps, n_labels), or the same array
        Probability of each label at every step.
    sample_weight : array-like of shape (n_sequences,), list of array-like, or None, default=None
        Weight of each sequence, or of each step.

    Returns
    -------
    loss : float
        The lower, the better.

    References
    ----------
    N. Boulanger-Lewandowski, Y. Bengio and P. Vincent, "Modeling temporal dependencies in
    high-dimensional sequences", ICML 2012.

    Examples
    --------
    >>> from skrnn.metrics import frame_log_loss
    >>> round(frame_log_loss([[[1, 0], [0, 0]]], [[[0.5, 0.5], [0.5, 0.5]]]), 4)
    1.3863
    """
    true = read_sequences(y_true, "y_true", 1)
    proba = read_sequences(y_proba, "y_proba", 1)
    check_aligned(true, proba, ("y_true", "y_proba"))
    kept = [~is_missing(steps, None) for steps in true]
    weights = step_weights(sample_weight, [len(steps) for steps in true], kept)
    losses = []
    for i, (steps, of_steps, keep) in enumerate(zip(true, proba, kept, strict=True)):
        if steps.shape[1] != of_steps.shape[1]:
            raise ValueError(
                f"Sequence {i} has {steps.shape[1]} labels a step in y_true, but "
                f"{of_steps.shape[1]} in y_proba."
            )
        steps, of_steps = steps[keep].astype(float), of_steps[keep].astype(float)
        losses.append(-(xlogy(steps, of_steps) + xlogy(1 - steps, 1 - of_steps)).sum(axis=1))
    return float(_average(np.concatenate(losses), weights))


# Translation --------------------------------------------------------------------------------------


def bleu_score(y_true, y_pred, *, max_order=4, smooth=False):
    """Compute the BLEU score of a corpus.

    Parameters
    ----------
    y_true : list of sequence of tokens, or list of list of sequence of tokens
        One reference, or several, for each prediction. Tokens are strings or ids.
    y_pred : list of sequence of tokens
        The predictions; they may be empty.
    max_order : int, default=4
        Length of the longest n-grams.
    smooth : bool, default=False
        Add one to the counts of n-grams of two and more tokens (Lin and Och, 2004). Without it a
        corpus with no n-gram of the longest kind right has the score zero.

    Returns
    -------
    score : float
        Between 0 and 1.

    References
    ----------
    K. Papineni, S. Roukos, T. Ward and W.-J. Zhu, "BLEU: a method for automatic evaluation of
    machine translation", ACL 2002.

    C.-Y. Lin and F. J. Och, "ORANGE: a method for evaluating automatic evaluation metrics for
    machine translation", COLING 2004.

    Examples
    --------
    >>> from skrnn.metrics import bleu_score
    >>> y_true = [["the", "cat", "is", "on", "the", "mat"]]
    >>> y_pred = [["the", "cat", "sat", "on", "the", "mat"]]
    >>> round(bleu_score(y_true, y_pred, max_order=2), 4)
    0.7071
    """
    if not isinstance(max_order, (int, np.integer)) or max_order < 1:
        raise ValueError(f"max_order must be a positive integer, got {max_order!r}.")
    if len(y_true) != len(y_pred):
        raise ValueError(f"y_true holds {len(y_true)} sequences, but y_pred holds {len(y_pred)}.")
    if len(y_pred) == 0:
        raise ValueError("y_pred holds no sequences.")
    right, possible = np.zeros(max_order), np.zeros(max_order)
    n_predicted = n_reference = 0
    for i, (references, prediction) in enumerate(zip(y_true, y_pred, strict=True)):
        references = _references(references, i)
        prediction = _token_list(prediction, f"y_pred[{i}]")
        n_predicted += len(prediction)
        # The reference closest in length; of two the shorter.
        n_reference += min(
            (abs(len(reference) - len(prediction)), len(reference)) for reference in references
        )[1]
        for order in range(1, max_order + 1):
            counted = _ngrams(prediction, order)
            most = Counter()
            for reference in references:
                most |= _ngrams(reference, order)
            right[order - 1] += (counted & most).total()
            possible[order - 1] += counted.total()
    if smooth:
        right[1:] += 1
        possible[1:] += 1
    if right.min() == 0:
        return 0.0
    brevity = min(0.0, 1 - n_reference / n_predicted)
    return float(np.exp(brevity + np.log(right / possible).mean()))


def _ngrams(tokens, order):
    return Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))


def _token_list(tokens, name):
    if isinstance(tokens, str) or not hasattr(tokens, "__len__"):
        raise TypeError(f"{name} is {tokens!r:.60}; split it into a list of tokens first.")
    return tokens.tolist() if isinstance(tokens, np.ndarray) else list(tokens)


def _references(references, i):
    references = _token_list(references, f"y_true[{i}]")
    several = bool(references) and not isinstance(references[0], str)
    if several and hasattr(references[0], "__len__"):
        return [_token_list(reference, f"y_true[{i}]") for reference in references]
    return [references]
