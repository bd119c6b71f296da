"""Scorers that searches accept, also for ragged targets."""

from __future__ import annotations

from dataclasses import dataclass, field

from sklearn.utils.validation import _check_response_method

from skrnn.metrics.sequences import (
    bits_per_step,
    bleu_score,
    exact_match_score,
    frame_log_loss,
    perplexity,
    step_accuracy_score,
    step_log_loss,
)
from skrnn.metrics.spans import span_f1_score, span_precision_score, span_recall_score


@dataclass(frozen=True)
class SequenceScorer:
    """A metric as a callable that scores a fitted estimator, larger being better.

    scikit-learn's own scorers of probabilities want one row a sample; this one hands the metric
    whatever layout the estimator returns.

    Parameters
    ----------
    score_func : callable
        ``score_func(y_true, y_pred, **options)``.
    response_method : {"predict", "predict_proba"}, default="predict"
        What of the estimator the metric compares with the targets.
    greater_is_better : bool, default=True
        If False, the sign of the metric is flipped.
    takes_labels : bool, default=False
        Whether the metric wants ``labels=estimator.classes_``.
    options : dict
        More arguments of the metric.

    Examples
    --------
    >>> from skrnn.metrics import SequenceScorer, span_f1_score
    >>> macro = SequenceScorer(span_f1_score, options={"average": "macro"})
    >>> macro
    SequenceScorer(span_f1_score, average='macro')
    """

    score_func: object
    response_method: str = "predict"
    greater_is_better: bool = True
    takes_labels: bool = False
    options: dict = field(default_factory=dict)

    def __call__(self, estimator, X, y, sample_weight=None):
        """Score an estimator.

        Parameters
        ----------
        estimator : estimator instance
            A fitted one.
        X : array-like or list of array-like
            The sequences.
        y : array-like or list of array-like
            The targets.
        sample_weight : array-like, list of array-like or None, default=None
            Weight of each sequence or step, for metrics that take it.

        Returns
        -------
        score : float
            The larger, the better.
        """
        respond = _check_response_method(estimator, self.response_method)
        options = dict(self.options)
        if self.takes_labels:
            options.setdefault("labels", estimator.classes_)
        if sample_weight is not None:
            options["sample_weight"] = sample_weight
        score = self.score_func(y, respond(X), **options)
        return score if self.greater_is_better else -score

    def __repr__(self):
        parts = [self.score_func.__name__]
        parts += [f"{name}={value!r}" for name, value in self.options.items()]
        return f"{type(self).__name__}({', '.join(parts)})"


def _of_probabilities(score_func, takes_labels):
    return SequenceScorer(score_func, "predict_proba", False, takes_labels)


span_f1_scorer = SequenceScorer(span_f1_score)
span_precision_scorer = SequenceScorer(span_precision_score)
span_recall_scorer = SequenceScorer(span_recall_score)
step_accuracy_scorer = SequenceScorer(step_accuracy_score)
exact_match_scorer = SequenceScorer(exact_match_score)
bleu_scorer = SequenceScorer(bleu_score)
neg_step_log_loss_scorer = _of_probabilities(step_log_loss, True)
neg_perplexity_scorer = _of_probabilities(perplexity, True)
neg_bits_per_step_scorer = _of_probabilities(bits_per_step, True)
neg_frame_log_loss_scorer = _of_probabilities(frame_log_loss, False)
