"""Bad input: an error that says what, where and what to do, and an estimator as it was before."""

import pickle
import warnings
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.exceptions import NotFittedError

from skrnn import RNNClassifier, RNNRegressor

N, STEPS, CHANNELS = 8, 5, 2
Y = np.arange(N) % 2
BOTH = [RNNClassifier, RNNRegressor]


def good_array():
    return np.random.default_rng(0).standard_normal((N, STEPS, CHANNELS))


def small(estimator=RNNClassifier, **keywords):
    return estimator(**{"hidden_layer_sizes": 3, "max_iter": 2, "random_state": 0, **keywords})


@contextmanager
def raises_and_leaves(model, error, match):
    """The error is raised, and nothing of the model has changed."""
    before, bits = dict(vars(model)), pickle.dumps(model)
    with pytest.raises(error, match=match):
        yield
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
    assert pickle.dumps(model) == bits


def refuses_fit(X, y, match, error=ValueError, estimators=BOTH, fit=None, **keywords):
    """Neither a new estimator nor a fitted one takes the data, in `fit` or in `partial_fit`."""
    fit = fit or {}
    for estimator in estimators:
        new = small(estimator, **keywords)
        with raises_and_leaves(new, error, match):
            new.fit(X, y, **fit)
        with pytest.raises(NotFittedError):
            new.predict(good_array())
        fitted = small(estimator).fit(good_array(), Y).set_params(**keywords)
        expected = fitted.transform(good_array())
        with raises_and_leaves(fitted, error, match):
            fitted.fit(X, y, **fit)
        np.testing.assert_array_equal(fitted.transform(good_array()), expected)


def refuses_predict(X, match, error=ValueError, in_first_fit=True):
    for estimator in BOTH:
        model = small(estimator).fit(good_array(), Y)
        methods = ["predict", "transform"]
        if estimator is RNNClassifier:
            methods += ["predict_proba", "predict_log_proba"]
        for method in methods:
            with raises_and_leaves(model, error, match):
                getattr(model, method)(X)
        with raises_and_leaves(model, error, match):
            model.gradient_flow(X, Y)
        with raises_and_leaves(model, error, match):
            model.score(X, Y)
        new = {"classes": [0, 1]} if estimator is RNNClassifier else {}
        begun = small(estimator).partial_fit(good_array(), Y, **new)
        for partly in (model, begun, *([small(estimator)] if in_first_fit else [])):
            with raises_and_leaves(partly, error, match):
                partly.partial_fit(X, Y, **new)


# ---------------------------------------------------------------------------------------------- X


def with_value(value, *place):
    X = good_array()
    X[place] = value
    return X


def ragged(**replacements):
    sequences = list(good_array())
    for i, sequence in replacements.items():
        sequences[int(i[1:])] = sequence
    return sequences


def as_long_frame(X):
    frames = {i: pd.DataFrame(x, columns=["u", "v"]) for i, x in enumerate(X)}
    return pd.concat(frames, names=["sequence", "time"])


BAD_X = {
    "NaN inside": (with_value(np.nan, 3, 1, 1), "row 3, step 1, channel 1.* padding.* [Ii]mpute"),
    "NaN step inside": (with_value(np.nan, 3, 1), "row 3, step 1.*padding.*comes later.*[Ii]mpute"),
    "infinity": (with_value(-np.inf, 2, 4, 0), "infinity.*row 2, step 4, channel 0"),
    "NaN in a list": (
        list(with_value(np.nan, 3, 1, 1)), "sequence 3, step 1, channel 1.*[Ii]mpute",
    ),
    "NaN in a frame": (
        as_long_frame(with_value(np.nan, 3, 1, 1)), r"sequence 3, step 1 \(time 1\), column 'v'",
    ),
    "all padding": (
        with_value(np.nan, 5), "Row 5 of X is an empty sequence: all its steps are NaN.*Remove",
    ),
    "empty sequence": (ragged(_4=np.empty((0, 2))), "Sequence 4 of X is empty.*Remove it"),
    "no sequence": ([], r"no sequence.*0 sample"),
    "no row": (np.empty((0, 5, 2)), "0 sample"),
    "no step": (np.empty((8, 0, 2)), "axis 1 has no steps"),
    "no channel": (np.empty((8, 5, 0)), "axis 2 has no channels"),
    "other channels": (
        ragged(_6=np.ones((3, 4))), "Sequence 6 of X has 4 channels, but sequence 0 has 2",
    ),
    "strings": (ragged(_1=np.array([["a", "b"]])), "sequence 1 of X holds strings.*'a'.*Encode"),
    "object strings": (
        np.array([["a", 1.0]] * N, dtype=object), r"index \(0, 0\) is the string 'a'",
    ),
    "a string": ("sequences", "strings"),
    "four axes": (np.ones((8, 5, 2, 1)), "4 dimensions.*reshape"),
    "one axis": (np.ones(8), "Reshape your data"),
    "complex": (good_array() * 1j, "Complex data not supported"),
    "masked": (
        np.ma.masked_array(good_array(), mask=good_array() > 2), "masked array.*filled",
    ),
    "ragged inside": (ragged(_2=[[1.0, 2.0], [3.0]]), "sequence 2 of X is ragged in itself"),
    "dates": (np.full((N, 3), "2024-01-01", dtype="M8[D]"), "datetime64"),
}  # fmt: skip
WRONG_TYPE_X = {
    "sparse": (sparse.csr_array(np.eye(N)), "[Ss]parse.*dense"),
    "sparse sequence": (ragged(_7=sparse.csr_array(np.eye(2))), "sequence 7.*toarray"),
    "dict": ({"a": [1.0]}, "X is a dict. Pass an array"),
    "iterator": (iter(np.ones((N, 3))), "Pass an array"),
    "objects": (np.array([[{}, 1.0]] * N, dtype=object), "number"),
}


@pytest.mark.parametrize("name", BAD_X)
def test_bad_sequences(name):
    X, match = BAD_X[name]
    refuses_fit(X, Y, match)
    refuses_predict(X, match)


@pytest.mark.parametrize("name", WRONG_TYPE_X)
def test_sequences_of_the_wrong_type(name):
    X, match = WRONG_TYPE_X[name]
    refuses_fit(X, Y, match, error=TypeError)
    refuses_predict(X, match, error=TypeError)


def test_trailing_padding_is_none_of_this():
    X = good_array()
    X[2, 3:] = np.nan
    for estimator in BOTH:
        model = small(estimator).fit(X, Y)
        expected = model.predict([x[~np.isnan(x).all(axis=1)] for x in X])
        np.testing.assert_array_equal(model.predict(X), expected)


def test_n_timesteps_that_do_not_divide():
    refuses_fit(
        np.ones((N, 12)),
        Y,
        r"n_timesteps=5 does not divide the 12 columns of X. 4 \(.*3\) or 6 \(.*2\) would",
        n_timesteps=5,
    )


def test_other_channels_than_in_fit():
    for X, match in (
        (np.ones((8, 5, 3)), "X has 3 channels.*expecting 2 channels"),
        (np.ones((8, 5)), "X has 1 channels.*expecting 2.*n_timesteps"),
        (list(np.ones((8, 5, 1))), "X has 1 channels.*expecting 2 channels"),
    ):
        refuses_predict(X, match, in_first_fit=False)
    table = small().fit(np.ones((N, 5)), Y)
    with raises_and_leaves(table, ValueError, "X has 4 features.*expecting 5 features"):
        table.predict(np.ones((N, 4)))


def test_other_names_than_in_fit():
    X = as_long_frame(good_array())
    model = small().fit(X, Y)
    with raises_and_leaves(model, ValueError, "same order"):
        model.predict(X[["v", "u"]])
    with raises_and_leaves(model, ValueError, "missing:\n- v"):
        model.partial_fit(X[["u"]], Y)


@pytest.mark.parametrize("estimator", BOTH)
def test_before_fit(estimator):
    X = good_array()
    model = small(estimator)
    for call in (
        lambda: model.predict(X),
        lambda: model.transform(X),
        lambda: model.score(X, Y),
        lambda: model.gradient_flow(X, Y),
        lambda: model.init_state(1),
        lambda: model.weights_,
        lambda: model.set_weights({}),
        lambda: model.to_torch(),
        lambda: model.load_torch({}),
        lambda: model.get_feature_names_out(),
    ):
        with raises_and_leaves(model, NotFittedError, "not fitted yet"):
            call()
    if estimator is RNNClassifier:
        with raises_and_leaves(model, NotFittedError, "not fitted yet"):
            model.predict_proba(X)


# ---------------------------------------------------------------------------------------------- y


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (Y[:-1], r"\[8, 7\].*8 sequences.*7 targets"),
        ([], r"\[8, 0\]"),
        (None, "requires y to be passed"),
        (3, "one target for each"),
        (np.zeros((N, 2, 2)), "length 2.*mode='many_to_many'.*mode='encoder_decoder'"),
        ([[0] * (1 + i % 2) for i in range(N)], "length 1.*mode='many_to_many'"),
        ([Y[: 1 + i % 2] for i in range(N)], "length 1.*mode='many_to_many'"),
        ([0] + [[0, 1]] * (N - 1), "length 2.*mode='many_to_many'"),
        ([np.zeros((3, 2))] * N, "length 3.*mode='many_to_many'"),
        (np.where(Y == 1, np.nan, 0.0), "NaN"),
        (np.where(Y == 1, np.inf, 0.0), "infinity"),
        (Y * 1j, "[Cc]omplex"),
        (sparse.csr_array(np.eye(N)), r"[Ss]parse|multi"),
        ([{}] * N, "label type|number|argument"),
    ],
    ids=[
        "short",
        "empty",
        "None",
        "scalar",
        "3-D",
        "ragged lists",
        "ragged",
        "mixed",
        "list of 2-D",
        "NaN",
        "inf",
        "complex",
        "sparse",
        "dicts",
    ],
)
def test_bad_targets(y, match):
    if sparse.issparse(y):
        refuses_fit(
            good_array(), y, match, error=(ValueError, TypeError), estimators=[RNNRegressor]
        )
    else:
        refuses_fit(good_array(), y, match, error=(ValueError, TypeError))


def test_bad_classes():
    refuses_fit(good_array(), np.linspace(0, 1, N), "[Cc]ontinuous", estimators=[RNNClassifier])
    columns = np.column_stack([np.arange(N), np.arange(N)])
    refuses_fit(good_array(), columns, "MultiOutputClassifier", estimators=[RNNClassifier])
    unknown = ["a", "b", float("nan"), "a"] * 2
    refuses_fit(good_array(), unknown, "NaN", estimators=[RNNClassifier])
    missing = ["a", "b", None, "a"] * 2
    refuses_fit(good_array(), missing, r"y\[2\] is None", estimators=[RNNClassifier])
    mixed = np.array([0, "a"] * 4, dtype=object)
    refuses_fit(
        good_array(), mixed, "mix|unknown|not supported|Unknown", error=(ValueError, TypeError),
        estimators=[RNNClassifier],
    )  # fmt: skip


def test_bad_numbers():
    refuses_fit(good_array(), ["a", "b"] * 4, "string", estimators=[RNNRegressor])
    X = good_array()
    huge = np.where(Y == 0, 1.7e308, -1.7e308)
    refuses_fit(X, huge, "column 0 of y are too large.*Divide", estimators=[RNNRegressor])
    refuses_fit(
        X.astype(np.float32), Y * 1e300, "too large.*float32.*float64", estimators=[RNNRegressor]
    )
    poisson = {"estimators": [RNNRegressor], "loss": "poisson"}
    refuses_fit(X, Y - 0.5, r"not negative, but y\[0\] is -0.5", **poisson)
    refuses_fit(X, np.zeros(N), "not all zero", **poisson)


def test_y_in_another_order():
    X = as_long_frame(good_array())
    refuses_fit(X, pd.Series(Y, index=range(N)[::-1]), r"y.loc\[X.index.*unique")


def test_new_classes_in_partial_fit():
    X = good_array()
    model = small().partial_fit(X, Y, classes=[0, 1])
    with raises_and_leaves(
        model, ValueError, r"not there before: \[2\]; known are \[0, 1\].*`classes`"
    ):
        model.partial_fit(X, Y + 1)
    with raises_and_leaves(model, ValueError, "not the same as on last call"):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    with raises_and_leaves(model, ValueError, "label columns"):
        model.partial_fit(X, np.eye(N, 3, dtype=int) + np.eye(N, 3, 1, dtype=int))
    new = small()
    with raises_and_leaves(new, ValueError, "classes must be passed on the first call"):
        new.partial_fit(X, Y)
    with raises_and_leaves(new, ValueError, "not there before"):
        new.partial_fit(X, Y + 1, classes=[0, 1])
    model = small(RNNRegressor).partial_fit(X, Y)
    with raises_and_leaves(model, ValueError, "y has 2 columns, but fit saw 1"):
        model.partial_fit(X, np.column_stack([Y, Y]))
    with raises_and_leaves(model, ValueError, r"y\[1\] is 1e\+308, too far from the targets"):
        model.partial_fit(X, Y * 1e308)


def test_partial_fit_needs_batches():
    model = small(solver="lbfgs")
    assert not hasattr(model, "partial_fit")
    with raises_and_leaves(model, AttributeError, "partial_fit"):
        model.partial_fit(good_array(), Y, classes=[0, 1])


def test_one_class_only():
    """As most of scikit-learn's classifiers: a model that predicts the one."""
    X = good_array()
    for loss in ("log_loss", "hinge"):
        for y in (np.full(N, 7), np.full(N, "only")):
            model = small(loss=loss).fit(X, y)
            np.testing.assert_array_equal(model.predict(X), y)
    np.testing.assert_array_equal(small().fit(X, Y * 0).predict_proba(X), np.ones((N, 1)))


# ---------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize(
    ("weight", "match"),
    [
        (-np.ones(N), "[Nn]egative"),
        (np.zeros(N), "zero"),
        (np.ones(N - 1), "shape"),
        (np.ones((N, 2)), "1D array or scalar"),
        (np.where(Y, np.nan, 1), "NaN"),
        (np.where(Y, np.inf, 1), "infinity"),
        (["a"] * N, "could not convert|string"),
        (np.full(N, 1e308), "sum to inf"),
        (np.full(N, 1e-320), "sum to"),
    ],
    ids=["negative", "zero", "short", "2-D", "NaN", "inf", "strings", "huge", "tiny"],
)
def test_bad_weights(weight, match):
    refuses_fit(good_array(), Y, match, fit={"sample_weight": weight})


@pytest.mark.parametrize(
    ("class_weight", "match"),
    [
        ({0: -1.0}, "class 0 the weight -1"),
        ({1: np.nan}, "class 1 the weight nan"),
        ({0: 0.0, 1: 0.0}, "zero"),
        ("heavy", "class_weight.*balanced"),
        ([{0: 1}], "class_weight"),
    ],
    ids=str,
)
def test_bad_class_weights(class_weight, match):
    refuses_fit(good_array(), Y, match, estimators=[RNNClassifier], class_weight=class_weight)


# ------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize("sizes", [0, -1, "64", (64, -1), (), 2.5, (3, 2.5), True, None, (3, "a")])
def test_bad_hidden_layer_sizes(sizes):
    refuses_fit(
        good_array(), Y, r"hidden_layer_sizes must be a positive integer.*such as 64 or \(64, 32\)",
        hidden_layer_sizes=sizes,
    )  # fmt: skip


def test_bad_cells():
    refuses_fit(good_array(), Y, "Unknown cell 'gnu'.*Did you mean 'gru'", cell="gnu")
    refuses_fit(good_array(), Y, "Unknown cell 'LSTN'.*Did you mean 'lstm'", cell="LSTN")
    refuses_fit(good_array(), Y, "Unknown cell 'perceptron'; choose one of", cell="perceptron")
    refuses_fit(good_array(), Y, "cell must be one of.*got 3", error=TypeError, cell=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activation", "relv"),
        ("bidirectional", "yes"),
        ("pooling", "first"),
        ("dropout", 1.0),
        ("recurrent_dropout", -0.1),
        ("loss", "no such loss"),
        ("solver", "adams"),
        ("alpha", -1.0),
        ("batch_size", 0),
        ("learning_rate", 0.1),
        ("learning_rate_init", 0.0),
        ("max_iter", 0),
        ("max_iter", 2.0),
        ("max_grad_norm", 0.0),
        ("bptt_steps", 0),
        ("checkpoint_steps", 0),
        ("checkpoint_steps", "sqrt"),
        ("n_timesteps", 0),
        ("n_timesteps", 2.0),
        ("random_state", "seed"),
        ("tol", -1.0),
        ("momentum", 2.0),
        ("validation_fraction", 1.0),
        ("beta_1", 1.0),
        ("epsilon", 0.0),
        ("n_iter_no_change", 0),
        ("n_jobs", 1.5),
        ("learning_rate_init", np.nan),
        ("alpha", np.inf),
    ],
    ids=str,
)
def test_bad_parameters(name, value):
    refuses_fit(good_array(), Y, name, **{name: value})


def test_n_jobs_zero():
    for estimator in BOTH:
        model = small(estimator, n_jobs=0)
        with raises_and_leaves(model, ValueError, "n_jobs"):
            model.fit(good_array(), Y)
        model = small(estimator).fit(good_array(), Y).set_params(n_jobs=0)
        with raises_and_leaves(model, ValueError, "n_jobs"):
            model.predict(good_array())


def test_lbfgs_has_no_dropout():
    refuses_fit(good_array(), Y, "dropout=0", solver="lbfgs", dropout=0.5)


def test_validation_data():
    X = good_array()
    stop = {"early_stopping": True}
    refuses_fit(X, Y, "X_val and y_val go together", fit={"X_val": X})
    refuses_fit(X, Y, "X_val and y_val go together", fit={"y_val": Y})
    refuses_fit(X, Y, "channels", fit={"X_val": X[:, :, :1], "y_val": Y}, **stop)
    refuses_fit(X, Y, r"\[8, 7\]", fit={"X_val": X, "y_val": Y[1:]}, **stop)
    refuses_fit(
        X, Y, "not there before", estimators=[RNNClassifier], fit={"X_val": X, "y_val": Y + 1}
    )
    refuses_fit(X[:1], Y[:1], "n_samples=1.*X_val", **stop)
    refuses_fit(X, Y, "leaves none for training", validation_fraction=0.99, **stop)


@pytest.mark.parametrize("estimator", BOTH)
def test_early_stopping_with_few_sequences(estimator):
    X = good_array()
    for n in range(3, N + 1):
        model = small(estimator, early_stopping=True).fit(X[:n], np.arange(n))
        assert np.isfinite(model.validation_scores_).all()
        assert np.isfinite(model.transform(X)).all()


def test_a_changed_network_cannot_go_on():
    X = good_array()
    model = small(warm_start=True).fit(X, Y)
    with raises_and_leaves(
        model.set_params(hidden_layer_sizes=4), ValueError, "network or its loss changed"
    ):
        model.fit(X, Y)
    with raises_and_leaves(model, ValueError, "network or its loss changed"):
        model.partial_fit(X, Y)
    with raises_and_leaves(model.set_params(hidden_layer_sizes=3), ValueError, "classes"):
        model.fit(X, np.arange(N))
    with raises_and_leaves(
        model.set_params(cell="lstm"), ValueError, "network or its loss changed"
    ):
        model.fit(X, Y)


# ------------------------------------------------------------------------------------- divergence


def test_gradient_flow_that_overflows():
    model = small(RNNRegressor).fit(good_array(), Y)
    with raises_and_leaves(model, ValueError, "gradient overflows in layer 0.*Scale"):
        model.gradient_flow(good_array(), Y * 1e300)


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "rmsprop", "lbfgs"])
def test_diverging_training(solver, dtype, estimator):
    X = (good_array() * 1e15).astype(dtype)
    wild = {"cell": "rnn", "activation": "relu", "solver": solver, "max_grad_norm": None}
    wild |= {"learning_rate_init": 1e30, "max_iter": 50, "learning_rate": "constant"}
    model = small(estimator, **wild)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(X, Y)
        except ValueError:
            assert not hasattr(model, "n_features_in_")
        else:
            assert all(np.isfinite(weight).all() for weight in model.weights_.values())
    if solver == "sgd":
        match = r"diverged in epoch \d+.*[Ll]ower learning_rate_init or max_grad_norm.*scale"
        with raises_and_leaves(model, ValueError, match):
            model.fit(X, Y)


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam", "rmsprop"])
def test_diverging_partial_fit(solver, estimator):
    """What failed leaves no trace in the solver either: training goes on as if it had not been."""
    X, new = good_array(), {"classes": [0, 1]} if estimator is RNNClassifier else {}

    def begin():
        model = small(estimator, cell="rnn", activation="relu", solver=solver, dropout=0.2)
        return model.set_params(max_grad_norm=None).partial_fit(X, Y, **new)

    model = begin().set_params(learning_rate_init=1e308)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with raises_and_leaves(model, ValueError, r"diverged in epoch 2"):
            model.partial_fit(X * 1e200, Y)
    model.set_params(learning_rate_init=0.01).partial_fit(X, Y)
    expected = begin().set_params(learning_rate_init=0.01).partial_fit(X, Y)
    np.testing.assert_array_equal(model.transform(X), expected.transform(X))


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_values_beyond_all_bounds_in_predict(estimator, cell):
    """A network of ReLUs overflows; the others saturate, until their input product overflows."""
    model = small(estimator, cell=cell, activation="relu").fit(good_array(), Y)
    results = [model.predict, model.transform]
    results += [model.predict_proba] if estimator is RNNClassifier else []
    for X in (good_array() * 1e300, good_array().clip(-1, 1) * 1.7e308):
        for method in results:
            try:
                result = method(X)
            except ValueError as error:
                assert "overflow" in str(error)
                assert "sequence" in str(error)
            else:
                assert np.isfinite(result).all()


# ----------------------------------------------------------------------------------- what is fine


@pytest.mark.parametrize("estimator", BOTH)
def test_any_memory_gives_the_same(estimator):
    X = np.round(8 * good_array())  # exact in every type
    expected = small(estimator).fit(X, Y).transform(X)
    read_only = X.copy()
    read_only.flags.writeable = False
    strided = np.zeros((N, 2 * STEPS, CHANNELS))
    strided[:, ::2] = X
    same = {
        "integers": X.astype(np.int64),
        "small integers": X.astype(np.int8),
        "objects": X.astype(object),
        "read-only": read_only,
        "Fortran": np.asfortranarray(X),
        "strided": strided[:, ::2],
        "backwards": X[::-1].copy()[::-1],
        "big-endian": X.astype(">f8"),
        "unmasked": np.ma.masked_array(X, mask=False),
        "list": list(X),
        "nested": X.tolist(),
        "long double": X.astype(np.longdouble),
    }
    for name, layout in same.items():
        model = small(estimator).fit(layout, Y)
        np.testing.assert_array_equal(model.transform(layout), expected, err_msg=name)
        np.testing.assert_array_equal(model.transform(X), expected, err_msg=name)
    single = small(estimator).fit(X.astype(np.float32), Y).transform(X)
    half = small(estimator).fit(X.astype(np.float16), Y)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(half.transform(X.astype(np.float16)), single)
    np.testing.assert_array_equal(half.transform(X.astype(">f4")), single)


@pytest.mark.parametrize("estimator", BOTH)
def test_longer_sequences_than_in_fit(estimator):
    model = small(estimator).fit(good_array(), Y)
    longer = np.tile(good_array(), (1, 40, 1))
    assert np.isfinite(model.predict(longer)).all()
    assert model.predict(longer[:1, :1]).shape == (1,)


@pytest.mark.parametrize("estimator", BOTH)
def test_input_is_never_written_to(estimator):
    X, y, weight = good_array(), Y.copy(), np.linspace(1, 2, N)
    model = small(estimator, early_stopping=True).fit(X, y, sample_weight=weight)
    model.predict(X), model.transform(X), model.partial_fit(X, y), model.gradient_flow(X, y)
    np.testing.assert_array_equal(X, good_array())
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(weight, np.linspace(1, 2, N))


# -------------------------------------------------------------------------------- anything at all

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
any_numbers = hnp.arrays(
    dtype=st.one_of(
        hnp.floating_dtypes(),
        hnp.integer_dtypes(),
        hnp.boolean_dtypes(),
        hnp.complex_number_dtypes(),
        hnp.unicode_string_dtypes(),
        hnp.datetime64_dtypes(),
    ),
    shape=shapes,
)
some_floats = hnp.arrays(
    dtype=st.sampled_from([np.float64, np.float32, np.float16, ">f8"]),
    shape=st.one_of(
        shapes, st.tuples(st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 2, 2]))
    ),
    elements=st.sampled_from([0.0, 1.0, -2.5, 6e4, np.nan, np.inf]),
)
tame_floats = hnp.arrays(
    dtype=st.sampled_from([np.float64, np.float32, np.int8]),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4), st.just(2)),
    elements=st.integers(-3, 3),
)
huge_floats = hnp.arrays(
    dtype=st.sampled_from([np.float64, np.float32]),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4), st.just(2)),
    elements=st.sampled_from([0.0, 1.0, -1e-300, 1e38, -3e38]),
)
nested = st.recursive(
    st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=2), st.booleans()),
    lambda children: st.lists(children, max_size=3),
    max_leaves=12,
)
anything = st.one_of(
    tame_floats,
    some_floats,
    huge_floats,
    any_numbers,
    st.lists(st.one_of(some_floats, tame_floats.map(lambda x: x[0])), max_size=4),
    nested,
    some_floats.map(lambda x: x.astype(object)),
    some_floats.filter(lambda x: x.ndim == 2).map(pd.DataFrame),
)
targets = st.one_of(
    st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=4).map(np.array),
    st.lists(st.sampled_from([-1.5, 0.0, 1e-300, 1e300]), min_size=1, max_size=4).map(np.array),
    any_numbers,
    nested,
)
weights = st.one_of(
    st.none(),
    st.lists(st.sampled_from([0.0, 1.0, 1e-300, 1e300, -1.0, np.nan]), min_size=1, max_size=4),
    any_numbers,
)
throw_at = settings(
    max_examples=80, deadline=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip


@contextmanager
def result_or_refusal(model):
    """Either no error, or one of the two kinds with a message, and the model as it was."""
    bits = pickle.dumps(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)
        try:
            yield
        except (ValueError, TypeError) as error:
            assert len(str(error)) > 15, error
            assert pickle.dumps(model) == bits


def assert_all_is_well(model):
    assert all(np.isfinite(weight).all() for weight in model.weights_.values())
    assert np.isfinite(model.loss_)


@pytest.mark.parametrize("estimator", BOTH)
@given(data=st.data(), X=anything, y=targets, weight=weights)
@throw_at
def test_anything_thrown_at_fit(estimator, data, X, y, weight):
    keywords = {
        "cell": data.draw(st.sampled_from(["gru", "lstm", "rnn"])),
        "pooling": data.draw(st.sampled_from(["last", "mean", "max"])),
        "early_stopping": data.draw(st.booleans()),
        "n_timesteps": data.draw(st.sampled_from([None, None, 2])),
    }
    model = small(estimator, **keywords)
    with result_or_refusal(model):
        model.fit(X, y, sample_weight=weight)
        assert_all_is_well(model)
        predictions = model.predict(X)
        assert len(predictions) == len(np.asarray(y))
        if estimator is RNNRegressor:
            assert np.isfinite(predictions).all()


@pytest.mark.parametrize("estimator", BOTH)
@given(X=anything, y=targets, weight=weights)
@throw_at
def test_anything_thrown_at_partial_fit(estimator, X, y, weight):
    new = {"classes": [0, 1]} if estimator is RNNClassifier else {}
    model = small(estimator, cell="lstm").partial_fit(good_array(), Y, **new)
    with result_or_refusal(model):
        model.partial_fit(X, y, sample_weight=weight)
        assert_all_is_well(model)


@pytest.fixture(scope="module")
def fitted_models():
    return [
        small(estimator, cell=cell, activation=activation).fit(good_array(), Y)
        for estimator in BOTH
        for cell, activation in (("gru", "tanh"), ("rnn", "relu"))
    ]


@given(which=st.integers(0, 3), X=anything, y=targets)
@throw_at
def test_anything_thrown_at_the_rest(fitted_models, which, X, y):
    model = fitted_models[which]
    methods = ["predict", "transform", "predict_proba", "predict_log_proba"]
    for name in methods:
        if not hasattr(model, name):
            continue
        with result_or_refusal(model):
            result = getattr(model, name)(X)
            assert result.shape[0] == len(X)
            assert not np.isnan(result).any()
    with result_or_refusal(model):
        model.gradient_flow(X, y)
    with result_or_refusal(model), np.errstate(over="ignore", invalid="ignore"):
        model.score(X, y)  # whose metric is scikit-learn's
    with result_or_refusal(model):
        result, _ = model.step(X, model.init_state(2))
        assert result.shape == (2,)
        assert not np.isnan(result).any()
    with result_or_refusal(model):
        model.set_weights({"head.b_y": X})
    if not isinstance(X, int) or X < 10**6:  # states of more sequences fill the memory there is
        with result_or_refusal(model):
            model.init_state(X)
