"""Metrics of sequences against the CoNLL script, scikit-learn, published figures and formulas."""

import itertools
import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score

from skrnn import metrics

CONLL = json.loads((Path(__file__).parent / "data" / "conlleval.json").read_text())["cases"]
each_case = pytest.mark.parametrize("name", CONLL)


def tags_of(case):
    return [[text.split() for text in case[side]] for side in ("y_true", "y_pred")]


def in_percent(scores):
    return [round(100 * score, 2) for score in scores]


# Spans --------------------------------------------------------------------------------------------


@each_case
def test_spans_are_counted_as_the_conll_script_counts(name):
    case = CONLL[name]
    y_true, y_pred = tags_of(case)
    accuracy, *expected = case["accuracy, precision, recall, F1 in %"]
    *scores, support = metrics.span_precision_recall_fscore_support(y_true, y_pred)
    assert in_percent(scores) == expected
    assert support == case["true"] == sum(len(metrics.spans(tags)) for tags in y_true)
    assert case["predicted"] == sum(len(metrics.spans(tags)) for tags in y_pred)
    assert in_percent([metrics.step_accuracy_score(y_true, y_pred)]) == [accuracy]


@each_case
def test_types_are_counted_as_the_conll_script_counts(name):
    case = CONLL[name]
    y_true, y_pred = tags_of(case)
    by_type = case["precision, recall, F1 in %, predicted spans"]
    for kind, (*expected, predicted) in by_type.items():
        of_kind = metrics.span_precision_recall_fscore_support(y_true, y_pred, labels=[kind])
        assert in_percent(of_kind[:3]) == expected
        found = [span for tags in y_pred for span in metrics.spans(tags) if span[0] == kind]
        assert len(found) == predicted


@each_case
def test_the_report_holds_the_figures_of_the_conll_script(name):
    case = CONLL[name]
    lines = metrics.span_report(*tags_of(case)).splitlines()[1:]
    expected = [case["accuracy, precision, recall, F1 in %"][1:]]
    by_type = case["precision, recall, F1 in %, predicted spans"]
    expected += [by_type[kind][:3] for kind in sorted(by_type)]
    assert [[float(x) for x in line.split()[-4:-1]] for line in lines] == expected


def encode(lengths, scheme):
    """Tags of neighbouring spans of one type; a length of zero is a step outside."""
    tags = []
    for length in lengths:
        inside = ["I"] * max(0, length - 2)
        tags += {
            "BIO": ["O"] if not length else ["B", *inside, *["I"] * (length > 1)],
            "BIOES": [["O"], ["S"]][length] if length < 2 else ["B", *inside, "E"],
        }[scheme]
    return [tag if tag == "O" else f"{tag}-X" for tag in tags]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.sampled_from(["BIO", "BIOES"]))
def test_spans_come_back_from_their_tags(lengths, scheme):
    ends = np.cumsum([max(1, length) for length in lengths])
    expected = [
        ("X", end - length, end) for length, end in zip(lengths, ends, strict=True) if length
    ]
    assert metrics.spans(encode(lengths, scheme)) == expected


def test_averages():
    y_true = [["B-A", "B-B", "B-B", "O"]]
    y_pred = [["B-A", "B-B", "O", "B-C"]]

    def f1(average):
        return metrics.span_f1_score(y_true, y_pred, average=average)

    np.testing.assert_allclose(f1(None), [1, 2 / 3, 0])
    assert f1("micro") == pytest.approx(2 / 3)
    assert f1("macro") == pytest.approx((1 + 2 / 3) / 3)
    assert f1("weighted") == pytest.approx((1 + 2 * 2 / 3) / 3)
    assert metrics.span_f1_score(y_true, y_pred, labels=["A"]) == 1


def test_precision_recall_and_beta():
    y_true, y_pred = [["B-A", "B-A", "B-A", "B-A"]], [["B-A", "O", "O", "O"]]
    assert metrics.span_precision_score(y_true, y_pred) == 1
    assert metrics.span_recall_score(y_true, y_pred) == 0.25
    assert metrics.span_f1_score(y_true, y_pred, beta=2) == pytest.approx(5 * 0.25 / (4 + 0.25))


def test_without_spans():
    y = [["O", "O"]]
    assert metrics.span_precision_recall_fscore_support(y, y) == (0, 0, 0, 0)
    assert metrics.span_f1_score(y, y, zero_division=1.0) == 1
    assert metrics.span_f1_score(y, y, average="macro", zero_division=1.0) == 1


@pytest.mark.parametrize("tag", ["X-NP", "O-NP", "NP", ""])
def test_bad_tags(tag):
    with pytest.raises(ValueError, match=f"sequence 1: Tag '{tag}' at step 1"):
        metrics.span_f1_score([["O"], ["O", "O"]], [["O"], ["O", tag]])


# Steps --------------------------------------------------------------------------------------------


def draw(seed=0, n_classes=3, lengths=(4, 1, 6)):
    rng = np.random.default_rng(seed)
    y_true = [rng.integers(0, n_classes, size=n) for n in lengths]
    y_pred = [rng.integers(0, n_classes, size=n) for n in lengths]
    y_proba = [rng.dirichlet(np.ones(n_classes), size=n) for n in lengths]
    weights = [rng.uniform(0.5, 2, size=n) for n in lengths]
    return y_true, y_pred, y_proba, weights


def as_series(y):
    index = [(name, t) for name, steps in zip("cab", y, strict=True) for t in range(len(steps))]
    return pd.Series(np.concatenate(y), index=pd.MultiIndex.from_tuples(index))


def test_steps_are_scored_as_scikit_learn_scores_them_end_to_end():
    y_true, y_pred, y_proba, weights = draw()
    flat = [np.concatenate(part) for part in (y_true, y_pred, y_proba, weights)]
    accuracy = metrics.step_accuracy_score(y_true, y_pred, sample_weight=weights)
    assert accuracy == pytest.approx(accuracy_score(flat[0], flat[1], sample_weight=flat[3]))
    loss = metrics.step_log_loss(y_true, y_proba, sample_weight=weights)
    assert loss == pytest.approx(log_loss(flat[0], flat[2], sample_weight=flat[3]))
    assert metrics.perplexity(y_true, y_proba, sample_weight=weights) == pytest.approx(np.exp(loss))
    bits = metrics.bits_per_step(y_true, y_proba, sample_weight=weights)
    assert bits == pytest.approx(loss / np.log(2))


def test_weights_of_sequences_are_those_of_their_steps():
    y_true, y_pred, y_proba, _ = draw()
    of_steps = [np.full(len(steps), w) for steps, w in zip(y_true, (1.0, 3.0, 0.5), strict=True)]
    for score, other in ((metrics.step_accuracy_score, y_pred), (metrics.step_log_loss, y_proba)):
        expected = score(y_true, other, sample_weight=of_steps)
        assert score(y_true, other, sample_weight=[1.0, 3.0, 0.5]) == pytest.approx(expected)


def test_every_layout_scores_the_same():
    y_true, y_pred = draw(lengths=(5, 5, 5))[:2]
    expected = metrics.step_accuracy_score(y_true, y_pred)
    for convert in (np.array, as_series, lambda y: [row.tolist() for row in y]):
        assert metrics.step_accuracy_score(convert(y_true), convert(y_pred)) == expected
    ragged = draw()
    expected = metrics.step_log_loss(ragged[0], ragged[2])
    assert metrics.step_log_loss(as_series(ragged[0]), ragged[2]) == expected
    padded = np.full((3, 9, 3), np.nan)
    for row, steps in zip(padded, ragged[2], strict=True):
        row[: len(steps)] = steps
    assert metrics.step_log_loss(ragged[0], padded) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("mark", [np.nan, None, "?"])
def test_ignored_steps_do_not_count(mark):
    y_true, y_pred = [["a", mark, "b"], [mark, "a"]], [["a", "b", "b"], ["a", "b"]]
    y_true = [np.array(row, dtype=object) for row in y_true]
    ignore = {"ignore_label": "?"} if mark == "?" else {}
    assert metrics.step_accuracy_score(y_true, y_pred, **ignore) == pytest.approx(2 / 3)
    y_proba = [np.full((3, 2), 0.5), np.full((2, 2), 0.5)]
    loss = metrics.step_log_loss(y_true, y_proba, labels=["a", "b"], **ignore)
    assert loss == pytest.approx(np.log(2))


def test_ignored_tags_do_not_count():
    y_true, y_pred = [["B-A", "?", "B-B"]], [["B-A", "B-C", "B-B"]]
    assert metrics.span_f1_score(y_true, y_pred, ignore_label="?") == 1


def test_labels_may_come_in_any_order():
    y_proba = [[[0.1, 0.9], [0.4, 0.6]]]
    loss = metrics.step_log_loss([["b", "a"]], y_proba, labels=["b", "a"])
    assert loss == pytest.approx(-(np.log(0.1) + np.log(0.6)) / 2)


def test_an_impossible_label_is_infinitely_surprising():
    assert metrics.perplexity([[0]], [[[0.0, 1.0]]]) == np.inf


def test_frames_sum_over_labels():
    rng = np.random.default_rng(0)
    y_true = [rng.integers(0, 2, size=(n, 4)) for n in (3, 5)]
    y_proba = [rng.uniform(0.1, 0.9, size=steps.shape) for steps in y_true]
    flat = [np.concatenate(part) for part in (y_true, y_proba)]
    expected = -np.log(np.where(flat[0] == 1, flat[1], 1 - flat[1])).sum(axis=1).mean()
    assert metrics.frame_log_loss(y_true, y_proba) == pytest.approx(expected)
    sure = [steps.astype(float) for steps in y_true]
    assert metrics.frame_log_loss(y_true, sure) == 0


def test_exact_matches():
    assert metrics.exact_match_score(["one", "two"], ["one", "tow"]) == 0.5
    assert metrics.exact_match_score([[1, 2], [3]], [[1, 2], [3, 4]]) == 0.5
    weighted = metrics.exact_match_score(np.eye(2), np.eye(2)[::-1], sample_weight=[1, 3])
    assert weighted == 0


# BLEU ---------------------------------------------------------------------------------------------

# The sentences of Papineni et al. (2002) with the scores that NLTK documents for them.
FIRST = (
    "It is a guide to action which ensures that the military always obeys the commands of the party"
)
REFERENCES = [
    "It is a guide to action that ensures that the military will forever heed Party commands",
    "It is the guiding principle which guarantees the military forces always being under the "
    "command of the Party",
    "It is the practical guide for the army always to heed the directions of the party",
]
SECOND = "he read the book because he was interested in world history"
REFERENCE = "he was interested in world history because he read the book"


def test_bleu_of_one_sentence():
    references = [[text.split() for text in REFERENCES]]
    assert metrics.bleu_score(references, [FIRST.split()]) == pytest.approx(0.5045666840058485)


def test_bleu_of_a_corpus():
    references = [[text.split() for text in REFERENCES], [REFERENCE.split()]]
    predictions = [FIRST.split(), SECOND.split()]
    assert metrics.bleu_score(references, predictions) == pytest.approx(0.5920778868801042)


def test_bleu_of_short_outputs():
    y = [np.array([3, 1, 4]), np.array([1, 5])]
    assert metrics.bleu_score(y, y, max_order=2) == 1
    assert metrics.bleu_score(y, y) == 0
    assert metrics.bleu_score(y, [[], []]) == 0
    # Half of the words, all right: only the brevity penalty is left.
    assert metrics.bleu_score([["a", "b"]], [["a"]], max_order=1) == pytest.approx(np.exp(-1))
    # Repeated words count as often as the reference has them.
    assert metrics.bleu_score([["a", "b"]], [["a", "a"]], max_order=1) == 0.5


def test_smoothed_bleu():
    # 3 of 4 words, and 1 + 1 of 3 + 1 pairs.
    found = metrics.bleu_score([list("abcd")], [list("abxd")], max_order=2, smooth=True)
    assert found == pytest.approx(np.sqrt(3 / 4 * 2 / 4))


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([[0, 1], [1]], [[0, 1], [1, 0]], "Sequence 1 has 1 steps in y_true, but 2 in y_pred"),
        ([[0]], [[0], [1]], "y_true holds 1 sequences, but y_pred holds 2"),
        ([0, 1], [0, 1], "y_true must hold one sequence a sample.*sample 0 is 0"),
        (["ab"], ["ab"], "sample 0 is 'ab'"),
        (np.arange(3), np.arange(3), "one sequence a sample"),
        ([[0]], [0], "y_pred must hold"),
        ([], [], "y_true holds no sequences"),
        ([[0], []], [[0], []], "Sequence 1 of y_true is empty"),
        ([[None, np.nan]], [[0, 1]], "no steps to score"),
    ],
    ids=str,
)
def test_bad_targets(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        metrics.step_accuracy_score(y_true, y_pred)


@pytest.mark.parametrize("y", ["text", 3, None])
def test_targets_of_no_kind(y):
    with pytest.raises(TypeError, match="y_true must hold one sequence a sample"):
        metrics.step_accuracy_score(y, [[0]])


def test_bad_probabilities():
    y_true, _, y_proba, _ = draw()
    with pytest.raises(ValueError, match="Sequence 0 of y_true holds 'c', which is not among"):
        metrics.step_log_loss([["c"]], [[[0.5, 0.5]]], labels=["a", "b"])
    with pytest.raises(ValueError, match="labels names 2 classes, but y_proba has 3"):
        metrics.step_log_loss(y_true, y_proba, labels=["a", "b"])
    with pytest.raises(ValueError, match=r"Sequence 0 of y_proba has shape \(4,\)"):
        metrics.step_log_loss(y_true, y_true)
    with pytest.raises(ValueError, match="Sequence 0 has 2 labels a step in y_true, but 3"):
        metrics.frame_log_loss([[[0, 1]]], [[[0.5, 0.5, 0.5]]])
    with pytest.raises(ValueError, match="2 weights for 3 sequences"):
        metrics.step_log_loss(y_true, y_proba, sample_weight=[1.0, 2.0])


def test_bad_options():
    with pytest.raises(ValueError, match="average must be"):
        metrics.span_f1_score([["O"]], [["O"]], average="mean")
    with pytest.raises(ValueError, match="max_order must be a positive integer, got 0"):
        metrics.bleu_score([["a"]], [["a"]], max_order=0)
    with pytest.raises(TypeError, match=r"y_pred\[0\] is 'a b'; split it"):
        metrics.bleu_score([["a", "b"]], ["a b"])
    with pytest.raises(ValueError, match="y_true holds 1 sequences, but y_pred holds 0"):
        metrics.bleu_score([["a"]], [])


# Scorers ------------------------------------------------------------------------------------------


class Tagger(ClassifierMixin, BaseEstimator):
    """Predicts for each step the commonest tag of its token, in ragged lists."""

    def __init__(self, share=1.0):
        self.share = share

    def fit(self, X, y):
        self.classes_ = np.unique(np.concatenate(y))
        steps = list(zip(itertools.chain(*X), itertools.chain(*y), strict=True))
        self.known_ = {}
        for token, tag in steps[: int(self.share * len(steps))]:
            self.known_.setdefault(token, tag)
        return self

    def predict_proba(self, X):
        default = self.classes_[-1]
        tags = [np.array([self.known_.get(token, default) for token in row]) for row in X]
        return [0.8 * (row[:, None] == self.classes_) + 0.2 / len(self.classes_) for row in tags]

    def predict(self, X):
        return [self.classes_[row.argmax(axis=1)] for row in self.predict_proba(X)]


def tagged(n=24):
    rng = np.random.default_rng(0)
    X = [rng.integers(0, 3, size=rng.integers(1, 9)) for _ in range(n)]
    return X, [np.array(["B-A", "I-A", "O"])[row] for row in X]


SCORERS = {name: getattr(metrics, name) for name in metrics.__all__ if name.endswith("_scorer")}


@pytest.mark.parametrize("name", sorted(set(SCORERS) - {"neg_frame_log_loss_scorer"}))
def test_searches_take_scorers_for_ragged_targets(name):
    X, y = tagged()
    grid = {"share": [0.02, 1.0]}
    search = GridSearchCV(Tagger(), grid, scoring=SCORERS[name], cv=2, error_score="raise")
    search.fit(X, y)
    assert search.best_params_ == {"share": 1.0}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_scorers_of_several_metrics_at_once():
    X, y = tagged()
    search = GridSearchCV(Tagger(), {"share": [1.0]}, scoring=SCORERS_OF_TAGS, refit="f1", cv=2)
    results = search.fit(X, y).cv_results_
    assert results["mean_test_f1"] == results["mean_test_accuracy"] == 1
    assert results["mean_test_perplexity"] < -1


SCORERS_OF_TAGS = {
    "f1": metrics.span_f1_scorer,
    "accuracy": metrics.step_accuracy_scorer,
    "perplexity": metrics.neg_perplexity_scorer,
}


def test_a_scorer_is_its_metric():
    X, y = tagged()
    model = Tagger(0.02).fit(X, y)
    expected = metrics.step_log_loss(y, model.predict_proba(X), labels=model.classes_)
    assert metrics.neg_step_log_loss_scorer(model, X, y) == -expected
    weight = np.arange(1.0, len(X) + 1)
    expected = metrics.step_accuracy_score(y, model.predict(X), sample_weight=weight)
    assert metrics.step_accuracy_scorer(model, X, y, sample_weight=weight) == expected


def test_scorers_of_frames():
    X = np.zeros((6, 2, 1))
    y = np.zeros((6, 2, 2))

    class Half(Tagger):
        def fit(self, X, y):
            return self

        def predict_proba(self, X):
            return np.full((len(X), 2, 2), 0.5)

    scores = cross_val_score(Half(), X, y, scoring=metrics.neg_frame_log_loss_scorer, cv=2)
    np.testing.assert_allclose(scores, -2 * np.log(2))


def test_scorers_pickle_and_say_what_they_are():
    for scorer in SCORERS.values():
        assert pickle.loads(pickle.dumps(scorer)) == scorer
    assert repr(metrics.span_f1_scorer) == "SequenceScorer(span_f1_score)"


def test_a_scorer_says_what_the_estimator_lacks():
    with pytest.raises(AttributeError, match="predict_proba"):
        metrics.neg_perplexity_scorer(BaseEstimator(), [[0]], [[0]])
