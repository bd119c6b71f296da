"""One step at a time gives what `predict` gives, and leaves the estimator alone."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from skrnn import RNNClassifier, RNNRegressor

CELLS = [("gru", "tanh"), ("lstm", "tanh"), ("rnn", "tanh"), ("rnn", "relu"), ("rnn", "logistic")]


def make_data(n=6, n_steps=9, n_channels=3, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, n_steps, n_channels)).astype(dtype)
    return SimpleNamespace(X=X, y=np.arange(n) % 3, target=rng.standard_normal((n, 2)))


def fitted_classifier(data, **keywords):
    defaults = {"hidden_layer_sizes": 5, "max_iter": 2, "random_state": 0}
    return RNNClassifier(**{**defaults, **keywords}).fit(data.X, data.y)


def assert_follows(model, X, **keywords):
    """Stream X and compare the result after each step with that for the steps so far."""
    respond = getattr(model, keywords.get("response_method", "predict"))
    state = model.init_state(len(X))
    for t in range(X.shape[1]):
        y, state = model.step(X[:, t], state, **keywords)
        expected = respond(np.ascontiguousarray(X[:, : t + 1]))
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y, expected)
        assert state.n_steps == t + 1
    return state


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("hidden_layer_sizes", [5, (7, 4)], ids=str)
@pytest.mark.parametrize(("cell", "activation"), CELLS)
def test_same_bits_after_each_step(cell, activation, hidden_layer_sizes, pooling, dtype):
    data = make_data(dtype=dtype)
    model = fitted_classifier(
        data,
        cell=cell,
        activation=activation,
        hidden_layer_sizes=hidden_layer_sizes,
        pooling=pooling,
    )
    for response_method in ("predict", "predict_proba", "transform"):
        assert_follows(model, data.X, response_method=response_method)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "quantile"])
@pytest.mark.parametrize("n_outputs", [0, 1, 2])
def test_regression(loss, n_outputs):
    data = make_data()
    y = np.abs(data.target[:, 0] if n_outputs == 0 else data.target[:, :n_outputs]) * 1e4
    model = RNNRegressor(5, "lstm", loss=loss, max_iter=2, random_state=0).fit(data.X, y)
    assert_follows(model, data.X)


@pytest.mark.parametrize("kind", ["binary", "labels", "hinge", "strings", "one class"])
def test_classification(kind):
    data = make_data()
    y = {
        "binary": data.y > 0,
        "labels": np.column_stack([data.y > 0, data.y > 1]).astype(int),
        "hinge": data.y,
        "strings": np.array(["ab", "c", "d"])[data.y],
        "one class": np.zeros_like(data.y),
    }[kind]
    loss = "hinge" if kind == "hinge" else "log_loss"
    model = RNNClassifier(5, loss=loss, max_iter=2, random_state=0).fit(data.X, y)
    assert_follows(model, data.X)


@given(
    n=st.integers(1, 40),
    n_units=st.integers(1, 35),
    n_channels=st.integers(1, 5),
    cell=st.sampled_from(["gru", "lstm", "rnn"]),
    float32=st.booleans(),
    seed=st.integers(0, 5),
)
def test_same_bits_for_any_width(n, n_units, n_channels, cell, float32, seed):
    data = make_data(n, 4, n_channels, np.float32 if float32 else np.float64, seed)
    model = RNNRegressor(n_units, cell, max_iter=1, random_state=seed)
    model.fit(data.X, data.X[:, 0, 0])
    assert_follows(model, data.X)


def test_a_table_is_streamed_channel_by_channel():
    data = make_data()
    flat = data.X.reshape(len(data.X), -1)
    model = RNNClassifier(5, max_iter=2, n_timesteps=9, random_state=0).fit(flat, data.y)
    assert_follows(model, data.X)
    univariate = RNNClassifier(5, max_iter=2, random_state=0).fit(data.X[:, :, 0], data.y)
    assert_follows(univariate, data.X[:, :, :1])


def test_one_sequence_may_be_given_as_a_vector():
    data = make_data()
    model = fitted_classifier(data)
    state = model.init_state()
    for x in data.X[0]:
        y, state = model.step(x, state)
    np.testing.assert_array_equal(y, model.predict(data.X[:1]))
    y, _ = model.step(data.X[0, 0].tolist(), model.init_state(1))
    np.testing.assert_array_equal(y, model.predict(data.X[:1, :1]))


def test_rows_do_not_depend_on_their_neighbours():
    data = make_data(n=37)
    model = fitted_classifier(data, cell="lstm", pooling="mean")
    together = model.init_state(37)
    alone = [model.init_state() for _ in range(37)]
    for t in range(data.X.shape[1]):
        y, together = model.step(data.X[:, t], together, response_method="predict_proba")
        for i in range(37):
            own, alone[i] = model.step(data.X[i, t], alone[i], response_method="predict_proba")
            np.testing.assert_array_equal(own[0], y[i])


def test_nothing_is_changed():
    """A state can be kept and gone on from twice; neither estimator nor input is written to."""
    data = make_data()
    for pooling in ("last", "mean", "max"):
        model = fitted_classifier(data, cell="lstm", hidden_layer_sizes=(5, 3), pooling=pooling)
        before = pickle.dumps(model)
        X = data.X.copy()
        _, state = model.step(data.X[:, 0], model.init_state(6))
        kept = pickle.dumps(state)
        results = [model.step(data.X[:, 1], state, response_method="transform") for _ in range(2)]
        np.testing.assert_array_equal(results[0][0], results[1][0])
        results[0][0][...] = np.nan  # what is returned is not what the state remembers
        again, _ = model.step(data.X[:, 2], results[1][1], response_method="transform")
        np.testing.assert_array_equal(again, model.transform(data.X[:, :3]))
        after_first, _ = model.step(data.X[:, 2], results[0][1], response_method="transform")
        np.testing.assert_array_equal(after_first, again)
        assert pickle.dumps(state) == kept
        assert pickle.dumps(model) == before
        np.testing.assert_array_equal(data.X, X)


def test_a_state_survives_pickling():
    data = make_data()
    model = fitted_classifier(data)
    state = model.init_state(6)
    for t in range(4):
        _, state = model.step(data.X[:, t], state)
    revived, state = pickle.loads(pickle.dumps((model, state)))
    y, _ = revived.step(data.X[:, 4], state, response_method="predict_proba")
    np.testing.assert_array_equal(y, model.predict_proba(data.X[:, :5]))


def test_any_memory_gives_the_same():
    data = make_data()
    model = fitted_classifier(data)
    x = data.X[:, 0].copy()
    read_only = x.copy()
    read_only.flags.writeable = False
    expected, _ = model.step(x, model.init_state(6), response_method="predict_proba")
    for same in (np.asfortranarray(x), read_only, x.astype(">f8"), data.X[:, 0], x.tolist()):
        y, _ = model.step(same, model.init_state(6), response_method="predict_proba")
        np.testing.assert_array_equal(y, expected)


def test_unfitted():
    with pytest.raises(NotFittedError):
        RNNClassifier().init_state()
    data = make_data()
    state = fitted_classifier(data).init_state()
    with pytest.raises(NotFittedError):
        RNNClassifier().step(data.X[0, 0], state)


def test_a_bidirectional_network_refuses():
    data = make_data()
    model = fitted_classifier(data, bidirectional=True)
    with pytest.raises(ValueError, match=r"from its end .*bidirectional=False"):
        model.init_state(3)
    state = fitted_classifier(data).init_state(6)
    with pytest.raises(ValueError, match=r"from its end .*bidirectional=False"):
        model.step(data.X[:, 0], state)


@pytest.mark.parametrize("n", [0, -1])
def test_init_state_needs_a_sequence(n):
    with pytest.raises(ValueError, match=f"n_sequences must be at least 1, got {n}"):
        fitted_classifier(make_data()).init_state(n)


@pytest.mark.parametrize("n", [2.0, "2", None, True])
def test_init_state_needs_an_integer(n):
    with pytest.raises(TypeError, match="n_sequences must be an integer"):
        fitted_classifier(make_data()).init_state(n)


@pytest.mark.parametrize(
    ("x", "match"),
    [
        (np.ones((6, 2)), r"shape \(6, 3\).*got \(6, 2\)"),
        (np.ones((5, 3)), r"shape \(6, 3\).*got \(5, 3\)"),
        (np.ones(3), r"shape \(6, 3\).*got \(1, 3\)"),
        (np.ones((6, 1, 3)), r"shape \(6, 3\).*got \(6, 1, 3\)"),
        (1.0, r"shape \(6, 3\)"),
        (np.full((6, 3), np.nan), "nan for sequence 0, channel 0.*[Ii]mpute"),
        (np.where(np.eye(6, 3, -2) > 0, np.inf, 1.0), "inf for sequence 2, channel 0"),
        (np.full((6, 3), 1j), "[Cc]omplex"),
        (np.full((6, 3), "a"), "string"),
        ([[1.0, 2.0, 3.0], [1.0]], "x is ragged"),
        (np.ma.masked_array(np.ones((6, 3)), mask=np.eye(6, 3)), "masked"),
    ],
)
def test_bad_steps(x, match):
    model = fitted_classifier(make_data())
    with pytest.raises((ValueError, TypeError), match=match):
        model.step(x, model.init_state(6))


def test_too_large_for_the_weights():
    model = fitted_classifier(make_data(dtype=np.float32))
    with pytest.raises(ValueError, match="inf"):
        model.step(np.full((6, 3), 1e300), model.init_state(6))


@pytest.mark.parametrize("state", [None, np.zeros((6, 5)), "state"])
def test_a_state_comes_from_init_state(state):
    data = make_data()
    with pytest.raises(TypeError, match="init_state"):
        fitted_classifier(data).step(data.X[:, 0], state)


@pytest.mark.parametrize(
    "keywords",
    [
        {"hidden_layer_sizes": 4},
        {"hidden_layer_sizes": (5, 5)},
        {"cell": "lstm"},
    ],
    ids=str,
)
def test_a_state_of_another_network(keywords):
    data = make_data()
    state = fitted_classifier(data, **keywords).init_state(6)
    with pytest.raises(ValueError, match="another network"):
        fitted_classifier(data).step(data.X[:, 0], state)


def test_a_state_of_another_float_type_is_refused():
    data = make_data()
    state = fitted_classifier(make_data(dtype=np.float32)).init_state(6)
    with pytest.raises(ValueError, match="another network"):
        fitted_classifier(data).step(data.X[:, 0], state)


@pytest.mark.parametrize("response_method", ["score", None, "predict_log_proba"])
def test_unknown_response(response_method):
    data = make_data()
    model = fitted_classifier(data)
    with pytest.raises(ValueError, match="response_method must be"):
        model.step(data.X[:, 0], model.init_state(6), response_method=response_method)


def test_no_probabilities():
    data = make_data()
    for model in (
        fitted_classifier(data, loss="hinge"),
        RNNRegressor(5, max_iter=1).fit(data.X, data.target),
    ):
        with pytest.raises(ValueError, match="response_method must be"):
            model.step(data.X[:, 0], model.init_state(6), response_method="predict_proba")
