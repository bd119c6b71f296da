"""head='crf': the conditional random field on top of a network, inside the classifier."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skrnn import RNNClassifier, crf
from skrnn.batching import PackedBatch, Shape
from skrnn.cells import resolve_cell
from skrnn.losses import classification_loss
from skrnn.metrics import neg_step_log_loss_scorer, span_f1_scorer
from skrnn.network import Network
from skrnn.sequences import Sequences
from skrnn.workspace import Workspace

LENGTHS = (7, 3, 5, 1, 6)


def draw(n=40, seed=0):
    """Tags that follow from their step and from the tag before: no B-A, I-A without their like."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for length in rng.integers(1, 9, size=n):
        steps, tags = rng.normal(size=(length, 3)), []
        for step in steps:
            inside = bool(tags) and tags[-1] != "O" and step[1] > 0
            tags.append("I-A" if inside else ("B-A" if step[0] > 0 else "O"))
        X.append(steps)
        y.append(np.array(tags))
    return X, y


def tagger(**parameters):
    defaults = {"mode": "many_to_many", "head": "crf", "max_iter": 60, "random_state": 0}
    return RNNClassifier(6, **(defaults | parameters))


@pytest.fixture(scope="module")
def fitted():
    X, y = draw()
    return tagger(bidirectional=True).fit(X, y), X, y


# The network --------------------------------------------------------------------------------------


def test_gradients_of_all_weights_agree_with_differences():
    rng = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
    sequences = Sequences(rng.normal(size=(offsets[-1], 2)), offsets)
    network = Network(
        resolve_cell("gru", "tanh"), 2, (3,), 3, bidirectional=True, pooling=None, head="crf"
    )
    params = 0.5 * rng.normal(size=network.layout.size)
    batch, workspace = PackedBatch(sequences, np.arange(len(LENGTHS))), Workspace()
    rows = network.head.rows(batch, np.arange(len(LENGTHS)))
    target, weight = rng.integers(0, 3, size=offsets[-1]), np.repeat([1, 2, 0.5, 1, 3], LENGTHS)
    weight[[1, 9]] = 0  # unknown tags
    loss = classification_loss("log_loss", exclusive=True)

    def run(vector):
        trace = network.forward(vector, batch, workspace)
        d_raw = np.empty_like(trace.raw)
        arguments = (trace, target[rows], weight[rows], d_raw)
        return network.value_and_gradient(loss, vector.copy(), *arguments), trace, d_raw

    _, trace, d_raw = run(params)
    network.backward(params, trace, d_raw, workspace)
    gradient = np.zeros_like(params)
    for task in network.gradient_tasks():
        network.add_weight_gradients(
            task, trace, d_raw, type(network.bind(params))(network, gradient)
        )
    differences = np.empty_like(params)
    for k in range(params.size):
        up, down = params.copy(), params.copy()
        up[k] += 1e-6
        down[k] -= 1e-6
        differences[k] = (run(up)[0] - run(down)[0]) / 2e-6
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-8)


# The classifier -----------------------------------------------------------------------------------


def test_it_learns_what_follows_what(fitted):
    model, X, y = fitted
    assert model.score(X, y) > 0.9
    transitions = model.weights_["head.transitions"]
    b, i, o = (model.classes_.tolist().index(tag) for tag in ("B-A", "I-A", "O"))
    assert transitions[o, i] < min(transitions[b, i], transitions[i, i])


def test_predictions_are_those_of_the_field(fitted):
    model, X, _ = fitted
    for steps, tags, probabilities in zip(X, model.predict(X), model.predict_proba(X), strict=True):
        raw = model._run_sequences(Sequences(steps, np.array([0, len(steps)])), "raw")
        shape = Shape(np.array([len(steps)]))
        parameters = [model.weights_[f"head.{name}"] for name in ("transitions", "start", "end")]
        best, logs = np.empty(len(steps), dtype=np.int64), np.empty_like(raw)
        crf.best_tags(raw, shape.starts, shape.lengths, *parameters, best)
        crf.log_probabilities(raw, shape.starts, shape.lengths, *parameters, logs)
        assert (tags == model.classes_[best]).all()
        np.testing.assert_allclose(probabilities, np.exp(logs), rtol=1e-10)


def test_log_probabilities_are_logarithms(fitted):
    model, X, _ = fitted
    for logs, probabilities in zip(model.predict_log_proba(X), model.predict_proba(X), strict=True):
        np.testing.assert_allclose(np.exp(logs), probabilities, rtol=1e-12)


def test_every_sequence_by_itself_and_any_number_of_threads(fitted):
    model, X, y = fitted
    alone = [model.predict_proba([steps])[0] for steps in X[:6]]
    together = model.predict_proba(X)
    assert all((a == b).all() for a, b in zip(alone, together, strict=False))
    threaded = tagger(bidirectional=True, n_jobs=2).fit(X, y)
    assert (threaded._params == model._params).all()


def test_pickle_and_clone(fitted):
    model, X, _ = fitted
    again = pickle.loads(pickle.dumps(model))
    assert all((a == b).all() for a, b in zip(again.predict_proba(X), model.predict_proba(X)))
    assert clone(model).head == "crf"


def test_two_tags_and_one():
    X, y = draw()
    two = tagger().fit(X, [np.where(tags == "O", "no", "yes") for tags in y])
    assert two.n_outputs_ == 2 and two.predict_proba(X)[0].shape[1] == 2
    one = tagger(max_iter=1).fit(X, [np.full(len(tags), "O") for tags in y])
    assert (one.predict(X)[0] == "O").all()


def test_single_precision():
    X, y = draw()
    model = tagger(max_iter=2).fit([steps.astype(np.float32) for steps in X], y)
    assert model.predict_proba(X)[0].dtype == np.float32


def test_frames_in_and_out():
    X, y = draw(12)
    index = pd.MultiIndex.from_tuples(
        [(i, t) for i, tags in enumerate(y) for t in range(len(tags))]
    )
    frame = pd.DataFrame(np.concatenate(X), index=index)
    tags = pd.Series(np.concatenate(y), index=index, name="tag")
    predicted = tagger(max_iter=2).fit(frame, tags).predict(frame)
    assert predicted.index.equals(index)


def test_steps_without_a_tag_are_summed_over():
    X, y = draw()
    some = [np.where(np.arange(len(tags)) == 1, "?", tags) for tags in y]
    model = tagger(ignore_label="?", bidirectional=True).fit(X, some)
    assert model.classes_.tolist() == ["B-A", "I-A", "O"]
    assert model.score(X, y) > 0.85


@pytest.mark.filterwarnings("ignore:lbfgs stopped before it converged")
def test_weights_of_sequences_are_repetitions():
    X, y = draw(10)
    options = {"solver": "lbfgs", "max_iter": 4}
    weight = np.arange(10) % 3
    weighted = tagger(**options).fit(X, y, sample_weight=weight)
    places = np.repeat(np.arange(10), weight)
    repeated = tagger(**options).fit([X[i] for i in places], [y[i] for i in places])
    np.testing.assert_allclose(weighted._params, repeated._params, atol=1e-7)


def test_validation_data_and_early_stopping():
    X, y = draw()
    model = tagger(early_stopping=True, n_iter_no_change=3).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_
    given = tagger(max_iter=3).fit(X, y, X_val=X, y_val=y)
    assert given.validation_scores_[-1] == pytest.approx(given.score(X, y))


def test_searches():
    X, y = draw(20)
    search = GridSearchCV(
        tagger(max_iter=3), {"head": ["linear", "crf"]}, scoring=span_f1_scorer, cv=2, n_jobs=2
    )
    assert np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]).all()
    assert np.isfinite(neg_step_log_loss_scorer(search.best_estimator_, X, y))


def test_partial_fit_and_warm_start():
    X, y = draw()
    model = tagger()
    for _ in range(3):
        model.partial_fit(X, y, classes=["B-A", "I-A", "O"])
    assert model.n_iter_ == 3
    with pytest.raises(ValueError, match="network or its loss changed"):
        model.set_params(head="linear", warm_start=True).fit(X, y)


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mode": "many_to_one"}, "mode='many_to_one' has no tag for each step"),
        ({"loss": "hinge"}, "loss='hinge'"),
        ({"class_weight": "balanced"}, "class_weight=None"),
        ({"head": "field"}, "'head' parameter"),
    ],
    ids=str,
)
def test_bad_parameters(parameters, message):
    X, y = draw(6)
    y = [tags[0] for tags in y] if "mode" in parameters else y
    with pytest.raises(ValueError, match=message):
        tagger(**parameters).fit(X, y)


def test_bad_weights():
    X, y = draw(6)
    weight = [np.ones(len(tags)) for tags in y]
    i = next(i for i, tags in enumerate(y) if len(tags) > 2)
    weight[i][0] = 2.5
    with pytest.raises(ValueError, match=rf"those of sequence {i} have weights from 1.0 to 2.5"):
        tagger().fit(X, y, sample_weight=weight)


def test_bad_targets():
    X, _ = draw(6)
    with pytest.raises(ValueError, match="y has a column for each label"):
        tagger().fit(X, [np.eye(2, dtype=int)[np.arange(len(steps)) % 2] for steps in X])


def test_it_cannot_follow_a_stream():
    X, y = draw(6)
    model = tagger(max_iter=1).fit(X, y)
    with pytest.raises(ValueError, match="cannot follow a stream"):
        model.init_state()
