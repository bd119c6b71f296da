"""Metrics for sequences that scikit-learn does not have, as functions and as scorers."""

from skrnn.metrics.scorers import (
    SequenceScorer,
    bleu_scorer,
    exact_match_scorer,
    neg_bits_per_step_scorer,
    neg_frame_log_loss_scorer,
    neg_perplexity_scorer,
    neg_step_log_loss_scorer,
    span_f1_scorer,
    span_precision_scorer,
    span_recall_scorer,
    step_accuracy_scorer,
)
from skrnn.metrics.sequences import (
    bits_per_step,
    bleu_score,
    exact_match_score,
    frame_log_loss,
    perplexity,
    step_accuracy_score,
    step_log_loss,
)
from skrnn.metrics.spans import (
    span_f1_score,
    span_precision_recall_fscore_support,
    span_precision_score,
    span_recall_score,
    span_report,
    spans,
)

__all__ = [
    "SequenceScorer",
    "bits_per_step",
    "bleu_score",
    "bleu_scorer",
    "exact_match_score",
    "exact_match_scorer",
    "frame_log_loss",
    "neg_bits_per_step_scorer",
    "neg_frame_log_loss_scorer",
    "neg_perplexity_scorer",
    "neg_step_log_loss_scorer",
    "perplexity",
    "span_f1_score",
    "span_f1_scorer",
    "span_precision_recall_fscore_support",
    "span_precision_score",
    "span_precision_scorer",
    "span_recall_score",
    "span_recall_scorer",
    "span_report",
    "spans",
    "step_accuracy_score",
    "step_accuracy_scorer",
    "step_log_loss",
]
