"""Short calls give what long ones give, see every change of the weights, and share nothing."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skrnn import RNNClassifier, RNNRegressor, inference, prepared, threads
from skrnn.threads import Threads

METHODS = ("predict", "predict_proba", "predict_log_proba", "transform")


def make_data(n=6, n_steps=7, n_channels=3, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, n_steps, n_channels)).astype(dtype), np.arange(n) % 3


def fitted(X, y, **keywords):
    defaults = {"hidden_layer_sizes": 4, "cell": "rnn", "max_iter": 1, "random_state": 0}
    return RNNClassifier(**{**defaults, **keywords}).fit(X, y)


@pytest.fixture
def without(monkeypatch):
    """A function that calls another one as if nothing were short."""

    def call(function, *args):
        with monkeypatch.context() as patch:
            patch.setattr(prepared, "MOST_NUMBERS", 0)
            return function(*args)

    return call


@pytest.fixture
def only_prepared(monkeypatch):
    """Nothing may take the long way."""

    def refuse(*args):
        raise AssertionError("the long way was taken")

    monkeypatch.setattr("skrnn.inference.run", refuse)


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()
    assert found.flags.writeable


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("sizes", [4, (5, 3)], ids=str)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_same_bits_as_the_long_way(bidirectional, sizes, pooling, without):
    X, y = make_data()
    model = fitted(
        X, y, cell="lstm", hidden_layer_sizes=sizes, bidirectional=bidirectional, pooling=pooling
    )
    for method in METHODS:
        respond = getattr(model, method)
        for rows in (X, X[:1], X[2:4, :3].copy()):
            assert_same(respond(rows), without(respond, rows))


def test_copies_of_weights_in_panels_follow_the_weights():
    """Networks of such a size read copies; alone, a sequence reads the weights themselves."""
    X, y = make_data(n=9)
    model = fitted(X, y, hidden_layer_sizes=(33, 33))
    before = model.predict_proba(X)
    model._params *= 0.5  # where they are, as a solver moves them
    after = model.predict_proba(X)
    assert abs(after - before).max() > 1e-3
    assert_same(after, np.concatenate([model.predict_proba(X[i : i + 1]) for i in range(9)]))


def test_margins(without):
    X, y = make_data()
    for classes in (y, y > 0):
        model = fitted(X, classes, loss="hinge")
        assert_same(model.decision_function(X[:2]), without(model.decision_function, X[:2]))


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 5),
    n_steps=st.integers(1, 6),
    n_units=st.integers(1, 20),
    cell=st.sampled_from(["gru", "lstm", "rnn"]),
    seed=st.integers(0, 99),
)
def test_same_bits_for_any_shape(n, n_steps, n_units, cell, seed):
    X, y = make_data(n_steps=n_steps, seed=seed)
    model = fitted(X, y, cell=cell, hidden_layer_sizes=n_units)
    # Rows do not depend on each other, so a list, which goes the long way, has the same bits.
    assert_same(model.predict_proba(X[:n]), model.predict_proba(list(X))[:n])


@pytest.mark.parametrize("n_outputs", [0, 1, 2])
def test_regression(n_outputs, without):
    X = make_data(dtype=np.float64)[0]
    target = X[:, 0, 0] if n_outputs == 0 else X[:, 0, :n_outputs]
    model = RNNRegressor(3, "rnn", max_iter=1, random_state=0).fit(X, target)
    assert_same(model.predict(X[:2]), without(model.predict, X[:2]))


def test_usual_arrays_take_the_short_way(only_prepared):
    X, y = make_data()
    model = fitted(X, y)
    table = fitted(X[:, :, 0], y)
    wide = fitted(X.reshape(6, 21), y, n_timesteps=7)
    for method in METHODS:
        getattr(model, method)(X)
        getattr(table, method)(np.ascontiguousarray(X[:1, :, 0]))
        getattr(wide, method)(X.reshape(6, 21))


def test_large_calls_take_the_long_way(monkeypatch):
    X, y = make_data()
    model = fitted(X, y)
    monkeypatch.setattr(prepared, "run_short", None)
    model.predict(np.tile(X, (100, 1, 1)))  # more than a piece
    model.predict(np.tile(X, (1, 3000, 1)))  # more than is worth keeping


def test_threads_start_where_the_work_is_worth_it(monkeypatch):
    X, y = make_data(n=80, n_steps=11)
    model = fitted(X, y).set_params(n_jobs=2)
    started, start = [], threads.Threads._started
    monkeypatch.setattr(threads.Threads, "_started", lambda self: started.append(1) or start(self))
    expected = model.predict_proba(X)
    assert len(started) == 1
    monkeypatch.setattr(inference, "WORTH_SHARING", 80 * 11 * model._network.n_dense + 1)
    assert_same(model.predict_proba(X), expected)
    assert len(started) == 1


def test_padding_is_left_out():
    X, y = make_data()
    model = fitted(X, y)
    expected = model.predict_proba(X[:1, :4].copy())
    X[0, 4:] = np.nan
    assert_same(model.predict_proba(X[:1]), expected)


@pytest.mark.parametrize(
    ("value", "match"), [(np.nan, "NaN"), (np.inf, "infinity"), (1e30, "overflows float32")]
)
def test_errors_are_those_of_the_long_way(value, match, without):
    X, y = make_data()
    model = fitted(X, y, activation="relu", hidden_layer_sizes=(8, 8))
    model.set_weights({name: 1e5 * w for name, w in model.weights_.items()})
    X[1, 3] = value
    X[1, 3, 1] = abs(value)
    messages = []
    for call in (model.predict, lambda X: without(model.predict, X)):
        # Without the compiler, NumPy warns of what overflows.
        with np.errstate(all="ignore"), pytest.raises(ValueError, match=match) as caught:
            call(X)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_every_change_of_the_weights_is_seen(without):
    X, y = make_data()
    model = fitted(X, y)
    changes = (
        lambda: model.set_weights({"head.b_y": np.array([3.0, 2.0, 1.0])}),
        lambda: model.load_torch(**fitted(X, y, random_state=1).to_torch()),
        lambda: model.partial_fit(X, y),
        lambda: model.set_params(hidden_layer_sizes=6, cell="gru").fit(X, y),
        lambda: model.fit(X.astype(np.float64)[:, :, :2].copy(), y),
    )
    rows = X[:2]
    before = model.predict_proba(rows)
    for change in changes:
        change()
        if model.n_channels_ == 2:
            rows = rows.astype(np.float64)[:, :, :2].copy()
        after = model.predict_proba(rows)
        assert (after != before).any()
        assert_same(after, without(model.predict_proba, rows))
        before = after


def test_results_belong_to_the_caller():
    X, y = make_data()
    model = fitted(X, y)
    margins = fitted(X, y, loss="hinge")
    for respond in (model.transform, model.predict_proba, margins.decision_function):
        first = respond(X[:1])
        kept = first.copy()
        respond(X[1:2])
        assert_same(first, kept)


def test_nothing_prepared_is_pickled():
    X, y = make_data()
    model = fitted(X, y)
    before = len(pickle.dumps(model))
    model.predict(X)
    assert len(pickle.dumps(model)) == before
    assert_same(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))


def test_few_shapes_are_kept():
    X, y = make_data(n_steps=20)
    model = fitted(X, y)
    for n_steps in range(1, 21):
        model.predict(X[:1, :n_steps].copy())
    idle = model._network.bind(model._params).idle
    assert 0 < len(idle) <= prepared.MOST_SHAPES
    assert all(len(runs) == 1 for runs in idle.values())


def test_threads_share_no_buffers():
    X, y = make_data(n=40)
    model = fitted(X, y, cell="gru", hidden_layer_sizes=16)
    expected = model.predict_proba(list(X))
    with ThreadPoolExecutor(4) as executor:
        for _ in range(5):
            rows = executor.map(lambda i: model.predict_proba(X[i : i + 1]), range(40))
            assert_same(np.concatenate(list(rows)), expected)


def test_a_single_call_starts_no_thread():
    with Threads(2) as threads:
        assert threads.map(lambda: threading.get_ident()) == []
        assert threads.map(lambda _: threading.get_ident(), [0]) == [threading.get_ident()]
