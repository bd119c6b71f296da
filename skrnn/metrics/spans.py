"""Precision, recall and F1 of labelled spans, counted as the script of the CoNLL tasks counts."""

from __future__ import annotations

from collections import Counter

import numpy as np

from skrnn.metrics._ragged import read_pair

_PREFIXES = frozenset("BIESO")


def spans(tags):
    """Return the spans that a sequence of tags marks.

    A tag is ``"O"``, outside, or a prefix and the type of the span, as in ``"B-NP"``. The prefixes
    are B (begin), I (inside), E (end) and S (single), so that BIO (in both its forms, IOB1 and
    IOB2), IOE and BIOES are all read. As in the script of the CoNLL shared tasks a span also
    begins where the type changes, and where an I or E follows nothing.

    Parameters
    ----------
    tags : sequence of str
        The tags of one sequence.

    Returns
    -------
    list of tuple of (str, int, int)
        Type, first step, and the step after the last.

    Examples
    --------
    >>> from skrnn.metrics import spans
    >>> spans(["B-NP", "I-NP", "O", "I-VP", "B-VP"])
    [('NP', 0, 2), ('VP', 3, 4), ('VP', 4, 5)]
    """
    found, start = [], 0
    last_prefix, last_kind = "O", ""
    for i, tag in enumerate([*tags, "O"]):
        prefix, kind = _split(tag, i)
        other = kind != last_kind
        if last_prefix != "O" and (last_prefix in "ES" or prefix in "BSO" or other):
            found.append((last_kind, start, i))
        if prefix != "O" and (prefix in "BS" or last_prefix in "OES" or other):
            start = i
        last_prefix, last_kind = prefix, kind
    return found


def _split(tag, step):
    prefix, _, kind = str(tag).partition("-")
    if prefix not in _PREFIXES or (prefix == "O" and kind):
        raise ValueError(
            f"Tag {str(tag)!r} at step {step} is neither 'O' nor a B, I, E or S with the type of "
            "the span, such as 'B-NP'."
        )
    return prefix, kind


def _count(y_true, y_pred, ignore_label):
    """Return how many spans of each type are right, predicted and true."""
    right, predicted, true = Counter(), Counter(), Counter()
    for i, pair in enumerate(zip(*read_pair(y_true, y_pred, ignore_label, 0), strict=True)):
        try:
            expected, found = (set(spans(tags)) for tags in pair)
        except ValueError as error:
            raise ValueError(f"In sequence {i}: {error}") from None
        for counter, some in ((right, expected & found), (predicted, found), (true, expected)):
            counter.update(kind for kind, _, _ in some)
    return right, predicted, true


def _ratio(numerator, denominator, zero_division):
    return numerator / denominator if denominator else float(zero_division)


def _scores(right, predicted, true, beta, zero_division):
    precision = _ratio(right, predicted, zero_division)
    recall = _ratio(right, true, zero_division)
    if predicted + true == 0:
        return precision, recall, float(zero_division)
    weighted = beta**2 * true + predicted
    return precision, recall, _ratio((1 + beta**2) * right, weighted, 0.0)


def span_precision_recall_fscore_support(
    y_true,
    y_pred,
    *,
    beta=1.0,
    labels=None,
    average="micro",
    ignore_label=None,
    zero_division=0.0,
):
    """Compute precision, recall, F-measure and number of spans.

    A span counts as found if its type, its first and its last step are right. Over all types
    together (``average="micro"``) these are the figures of the CoNLL script.

    Parameters
    ----------
    y_true, y_pred : list of array-like of str, array-like of shape (n_sequences, n_steps), or \
Series with a (sequence, time) MultiIndex
        Tags of every step; see :func:`spans` for what they may be.
    beta : float, default=1.0
        Weight of recall in the F-measure.
    labels : list of str or None, default=None
        Types to count; None is all.
    average : {"micro", "macro", "weighted"} or None, default="micro"
        Count all spans together; or take the mean over types, as it is or weighted by the number
        of true spans. None returns one number for each type, in the order of `labels` or sorted.
    ignore_label : str or None, default=None
        Steps with this true tag, or with None or NaN, are left out.
    zero_division : float, default=0.0
        What to return where there are no spans to count.

    Returns
    -------
    precision, recall, fscore : float, or ndarray of shape (n_types,) if ``average=None``
    support : int, or ndarray of shape (n_types,) if ``average=None``
        Number of true spans.

    References
    ----------
    E. F. Tjong Kim Sang and S. Buchholz, "Introduction to the CoNLL-2000 shared task: chunking",
    CoNLL 2000.

    Examples
    --------
    >>> from skrnn.metrics import span_precision_recall_fscore_support
    >>> y_true = [["B-NP", "I-NP", "O"], ["B-VP"]]
    >>> y_pred = [["B-NP", "O", "O"], ["B-VP"]]
    >>> span_precision_recall_fscore_support(y_true, y_pred)
    (0.5, 0.5, 0.5, 2)
    """
    if average not in ("micro", "macro", "weighted", None):
        raise ValueError(f"average must be 'micro', 'macro', 'weighted' or None, got {average!r}.")
    right, predicted, true = _count(y_true, y_pred, ignore_label)
    kinds = sorted(predicted | true) if labels is None else list(labels)
    if average == "micro":
        totals = [sum(counter[kind] for kind in kinds) for counter in (right, predicted, true)]
        return *_scores(*totals, beta, zero_division), totals[2]
    table = np.array(
        [(*_scores(right[k], predicted[k], true[k], beta, zero_division), true[k]) for k in kinds]
    ).reshape(-1, 4)
    support = table[:, 3].astype(np.int64)
    if average is None:
        return *table[:, :3].T, support
    total = int(support.sum())
    if len(kinds) == 0 or (average == "weighted" and total == 0):
        return *[float(zero_division)] * 3, total
    weights = support if average == "weighted" else None
    return *(float(x) for x in np.average(table[:, :3], axis=0, weights=weights)), total


def span_precision_score(y_true, y_pred, **options):
    """Compute the fraction of predicted spans that are right.

    Parameters
    ----------
    y_true, y_pred : list of array-like of str, or as in the function below
        Tags of every step.
    **options : dict
        Those of :func:`span_precision_recall_fscore_support`.

    Returns
    -------
    precision : float or ndarray
        The precision.

    Examples
    --------
    >>> from skrnn.metrics import span_precision_score
    >>> span_precision_score([["B-NP", "I-NP"]], [["B-NP", "I-NP"]])
    1.0
    """
    return span_precision_recall_fscore_support(y_true, y_pred, **options)[0]


def span_recall_score(y_true, y_pred, **options):
    """Compute the fraction of true spans that are found.

    Parameters
    ----------
    y_true, y_pred : list of array-like of str, or as in the function below
        Tags of every step.
    **options : dict
        Those of :func:`span_precision_recall_fscore_support`.

    Returns
    -------
    recall : float or ndarray
        The recall.

    Examples
    --------
    >>> from skrnn.metrics import span_recall_score
    >>> span_recall_score([["B-NP", "B-NP"]], [["B-NP", "O"]])
    0.5
    """
    return span_precision_recall_fscore_support(y_true, y_pred, **options)[1]


def span_f1_score(y_true, y_pred, **options):
    """Compute the harmonic mean of precision and recall of spans, as CoNLL tasks report it.

    Parameters
    ----------
    y_true, y_pred : list of array-like of str, or as in the function below
        Tags of every step.
    **options : dict
        Those of :func:`span_precision_recall_fscore_support`.

    Returns
    -------
    f1 : float or ndarray
        The F1.

    Examples
    --------
    >>> from skrnn.metrics import span_f1_score
    >>> round(span_f1_score([["B-NP", "B-NP"]], [["B-NP", "O"]]), 3)
    0.667
    """
    return span_precision_recall_fscore_support(y_true, y_pred, **options)[2]


def span_report(y_true, y_pred, *, digits=2, ignore_label=None):
    """Write a table of the spans of each type, in the manner of the CoNLL script.

    Parameters
    ----------
    y_true, y_pred : list of array-like of str
        Tags of every step.
    digits : int, default=2
        Decimals of the percentages.
    ignore_label : str or None, default=None
        Steps with this true tag, or with None or NaN, are left out.

    Returns
    -------
    report : str
        The table.

    Examples
    --------
    >>> from skrnn.metrics import span_report
    >>> print(span_report([["B-NP", "I-NP", "B-VP"]], [["B-NP", "I-NP", "O"]]))
          precision   recall       F1  support
    all      100.00    50.00    66.67        2
    NP       100.00   100.00   100.00        1
    VP         0.00     0.00     0.00        1
    """
    right, predicted, true = _count(y_true, y_pred, ignore_label)
    kinds = sorted(predicted | true)
    width = max([3, *map(len, kinds)])
    totals = [sum(counter.values()) for counter in (right, predicted, true)]
    table = [("all", totals)] + [(k, [c[k] for c in (right, predicted, true)]) for k in kinds]
    lines = [f"{'':{width}}  {'precision':>10}{'recall':>9}{'F1':>9}{'support':>9}"]
    for kind, counted in table:
        numbers = [100 * score for score in _scores(*counted, 1.0, 0.0)]
        shown = "".join(f"{x:{w}.{digits}f}" for x, w in zip(numbers, (10, 9, 9), strict=True))
        lines.append(f"{kind:{width}}  {shown}{counted[2]:9d}")
    return "\n".join(lines)
