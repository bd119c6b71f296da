"""RNNClassifier and RNNRegressor as citizens of scikit-learn."""

import copy
import hashlib
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_html_repr, get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from skrnn import RNNClassifier, RNNRegressor, SequenceScaler

ROOT = Path(__file__).resolve().parents[1]

# ------------------------------------------------------------------------------- check_estimator

# Each of cells, solvers, schedules, poolings, losses and the rest once. Few epochs, so a large
# rate: some checks ask for a model that has learned.
VARIANTS = [
    {"cell": "lstm", "bidirectional": True, "pooling": "mean", "alpha": 1e-3, "n_timesteps": 1,
     "learning_rate": "one_cycle"},
    {"cell": "rnn", "hidden_layer_sizes": (12, 8), "dropout": 0.05, "recurrent_dropout": 0.05},
    {"early_stopping": True, "n_iter_no_change": 30, "n_timesteps": 1},
    {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1, "shuffle": False},
    {"solver": "lbfgs", "cell": "lstm", "pooling": "max", "hidden_layer_sizes": 4, "max_iter": 8,
     "n_timesteps": 1},
    {"solver": "rmsprop", "cell": "rnn", "activation": "relu", "n_jobs": 2, "batch_size": 64,
     "learning_rate": "constant"},
    {"cell": "rnn", "activation": "logistic", "bptt_steps": 8, "max_grad_norm": None,
     "learning_rate": "invscaling", "power_t": 0.1, "n_timesteps": 1},
    {"n_timesteps": 1},
]  # fmt: skip
SMALL = {"hidden_layer_sizes": 8, "max_iter": 30, "learning_rate_init": 0.03}
LARGER = {"hidden_layer_sizes": 12, "max_iter": 100, "learning_rate_init": 0.03}
CLASSIFIERS = [RNNClassifier(**{**SMALL, **variant}) for variant in VARIANTS]
CLASSIFIERS[-1].set_params(loss="hinge")
# What differs from the classifier is the target; the networks are the same.
REGRESSORS = [
    RNNRegressor(**{**(SMALL if "n_timesteps" in variant else LARGER), **variant})
    for variant in (VARIANTS[0], VARIANTS[2], VARIANTS[4], VARIANTS[6], VARIANTS[7])
]
REGRESSORS[0].set_params(loss="huber")
REGRESSORS[-2].set_params(loss="quantile")
REGRESSORS[-1].set_params(loss="absolute_error")


@parametrize_with_checks([RNNClassifier(), RNNRegressor()])
def test_every_check_passes(estimator, check):
    check(estimator)


# Plateau schedules warn where the checks' few samples do not suffice; scikit-learn's own runner
# of checks ignores that as well.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([*CLASSIFIERS, *REGRESSORS])
def test_every_check_passes_for_variants(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("estimator", "model"),
    [(RNNClassifier(), MLPClassifier()), (RNNRegressor(), MLPRegressor())],
    ids=["classifier", "regressor"],
)
def test_no_check_is_left_out_that_the_mlp_runs(estimator, model):
    """The tags must not exempt from checks; one asks whether sparse data is handled."""

    def names(of):
        checks = estimator_checks_generator(of, legacy=True)
        return {getattr(check, "func", check).__name__ for _, check in checks}

    assert names(model) - names(estimator) == {"check_sample_weight_equivalence_on_sparse_data"}


def test_tags():
    for estimator in (RNNClassifier(), RNNRegressor()):
        tags = get_tags(estimator)
        assert not tags.no_validation
        assert not tags.non_deterministic
        assert not tags._skip_test
        assert tags.target_tags.required
        assert tags.input_tags.three_d_array
        assert not tags.input_tags.sparse
        assert not tags.input_tags.allow_nan
    assert is_classifier(RNNClassifier())
    assert get_tags(RNNClassifier()).classifier_tags.multi_label
    assert is_regressor(RNNRegressor())
    assert get_tags(RNNRegressor()).target_tags.multi_output


@pytest.mark.parametrize("name", ["RNNClassifier", "RNNRegressor"])
def test_parameters_of_the_mlp_keep_their_names(name):
    ours = {"RNNClassifier": RNNClassifier, "RNNRegressor": RNNRegressor}[name]().get_params()
    theirs = {"RNNClassifier": MLPClassifier, "RNNRegressor": MLPRegressor}[name]().get_params()
    assert set(theirs) - set(ours) == set()


# ------------------------------------------------------------------------------------------- data


def make_data(n=30, n_channels=3, dtype=np.float64, seed=0):
    """Return ragged sequences, classes and two targets."""
    rng = np.random.default_rng(seed)
    X = [
        rng.standard_normal((length, n_channels)).astype(dtype)
        for length in rng.integers(1, 9, size=n)
    ]
    return X, np.arange(n) % 3, 1e3 * rng.standard_normal((n, 2))


def fitted(kind="classifier", dtype=np.float64, **keywords):
    X, y, targets = make_data(dtype=dtype)
    keywords = {"hidden_layer_sizes": 5, "max_iter": 3, "random_state": 0, **keywords}
    if kind == "classifier":
        return RNNClassifier(**keywords).fit(X, y), X
    return RNNRegressor(**keywords).fit(X, targets), X


def outputs(model, X):
    names = ("predict", "predict_proba", "decision_function", "transform")
    return {name: getattr(model, name)(X) for name in names if hasattr(model, name)}


def assert_same_bits(a, b):
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert value.dtype == b[name].dtype
        np.testing.assert_array_equal(value, b[name], err_msg=name)


KINDS = [
    ("classifier", {}),
    ("classifier", {"cell": "lstm", "loss": "hinge", "hidden_layer_sizes": (5, 3)}),
    ("classifier", {"cell": "rnn", "activation": "relu", "early_stopping": True}),
    ("regressor", {"bidirectional": True, "pooling": "max"}),
    ("regressor", {"loss": "huber", "solver": "lbfgs", "max_iter": 50}),
    ("regressor", {"loss": "quantile", "solver": "sgd", "learning_rate": "adaptive"}),
]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# ------------------------------------------------------------------------------- copies and files


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


TRUSTED = {  # as docs/scikit_learn.md has it
    "RNNClassifier": ["skrnn.estimators.classifier.RNNClassifier"],
    "RNNRegressor": ["skrnn.estimators.regressor.RNNRegressor"],
    "SequenceScaler": ["skrnn.preprocessing.SequenceScaler"],
    "partial_fit": ["skrnn.solvers.Adam", "skrnn.training.History"],
}


def through_skops(model):
    data = skops.io.dumps(model)
    assert skops.io.get_untrusted_types(data=data) == TRUSTED[type(model).__name__]
    return skops.io.loads(data, trusted=TRUSTED[type(model).__name__])


REVIVE = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "joblib": through_joblib,
    "skops": through_skops,
}


@pytest.mark.parametrize("way", REVIVE)
@pytest.mark.parametrize(("kind", "keywords"), KINDS)
def test_copies_give_the_same_bits(kind, keywords, way):
    model, X = fitted(kind, **keywords)
    revived = REVIVE[way](model)
    assert_same_bits(outputs(revived, X), outputs(model, X))
    assert set(vars(revived)) == set(vars(model))
    assert revived.cell_ is model.cell_
    assert revived.get_params() == model.get_params()
    assert revived.loss_curve_ == model.loss_curve_
    assert set(revived.weights_) == set(model.weights_)


@pytest.mark.parametrize("way", ["pickle", "deepcopy", "joblib"])
def test_training_goes_on_from_a_copy(way):
    """partial_fit on a copy does what it does on the original: solver and random state too."""
    X, y, _ = make_data()
    model = RNNClassifier(5, dropout=0.2, batch_size=7, random_state=0)
    model.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    revived = REVIVE[way](model)
    for either in (model, revived):
        either.partial_fit(X, y)
    assert_same_bits(outputs(revived, X), outputs(model, X))


def test_skops_of_partial_fit_and_of_a_pipeline():
    X, y, _ = make_data()
    model = RNNClassifier(5, random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    trusted = sorted(TRUSTED["RNNClassifier"] + TRUSTED["partial_fit"])
    data = skops.io.dumps(model)
    assert sorted(skops.io.get_untrusted_types(data=data)) == trusted
    revived = skops.io.loads(data, trusted=trusted)
    assert_same_bits(outputs(revived.partial_fit(X, y), X), outputs(model.partial_fit(X, y), X))
    pipeline = make_pipeline(SequenceScaler(), RNNClassifier(5, max_iter=2)).fit(X, y)
    data = skops.io.dumps(pipeline)
    trusted = sorted(TRUSTED["RNNClassifier"] + TRUSTED["SequenceScaler"])
    assert sorted(skops.io.get_untrusted_types(data=data)) == trusted
    revived = skops.io.loads(data, trusted=trusted)
    np.testing.assert_array_equal(revived.predict_proba(X), pipeline.predict_proba(X))


def test_parameters_changed_after_fit_do_not_change_a_copy():
    model, X = fitted(cell="lstm")
    before = outputs(model, X)
    model.set_params(cell="gru", hidden_layer_sizes=99, pooling="max", bidirectional=True)
    for way in ("pickle", "deepcopy", "joblib", "skops"):
        if way != "skops":  # which cannot store the cell that the parameters no longer name
            assert_same_bits(outputs(REVIVE[way](model), X), before)
    model.set_params(cell="no such cell", loss="no such loss")
    np.testing.assert_array_equal(REVIVE["pickle"](model).transform(X), before["transform"])


def test_clone_and_set_params():
    model, X = fitted(cell="lstm", hidden_layer_sizes=(4, 3))
    _, y, _ = make_data()
    copied = clone(model)
    assert not hasattr(copied, "classes_")
    assert copied.get_params() == model.get_params()
    assert_same_bits(outputs(copied.fit(X, y), X), outputs(model, X))
    other = clone(model).set_params(cell="gru", hidden_layer_sizes=5).fit(X, y)
    assert_same_bits(outputs(other, X), outputs(fitted()[0], X))


def test_a_copy_shares_nothing():
    model, X = fitted()
    before = outputs(model, X)
    for way in ("pickle", "deepcopy", "joblib", "skops"):
        REVIVE[way](model).weights_["head.b_y"][...] = 7.0
    assert_same_bits(outputs(model, X), before)


# ---------------------------------------------------------------------------------- the same bits

THE_SAME_ANYWHERE = """
import hashlib, sys
import numpy as np
from skrnn import RNNClassifier, RNNRegressor
rng = np.random.default_rng(0)
X = [rng.standard_normal((n, 3)) for n in rng.integers(1, 9, size=100)]
y = np.arange(100) % 3
digest = hashlib.sha256()
for cell in ("gru", "lstm"):
    model = RNNClassifier(9, cell, dropout=0.2, max_iter=3, early_stopping=True, random_state=1)
    model.set_params(n_jobs=int(sys.argv[1]), batch_size=80).fit(X, y)
    digest.update(model.predict_proba(X).tobytes() + model.transform(X).tobytes())
print(digest.hexdigest())
"""


def test_same_bits_in_any_process_with_any_number_of_threads():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for variable in ("OMP_NUM_THREADS", "PYTHONHASHSEED"):
        environment.pop(variable, None)
    digests = [
        subprocess.run(
            [sys.executable, "-W", "error", "-c", THE_SAME_ANYWHERE, n_jobs],
            env=environment | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for n_jobs, seed in (("1", "1"), ("3", "2"))
    ]
    assert len(digests[0].strip()) == hashlib.sha256().digest_size * 2
    assert digests[0] == digests[1]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
def test_same_bits_for_every_n_jobs(dtype, solver):
    X, y, _ = make_data(n=100, dtype=dtype)
    dropout = 0.0 if solver == "lbfgs" else 0.2

    def fit(n_jobs):
        model = RNNClassifier((9, 5), bidirectional=True, solver=solver, random_state=0)
        model.set_params(max_iter=3, batch_size=70, n_jobs=n_jobs, dropout=dropout)
        return model.fit(X, y)

    expected = outputs(fit(None), X)
    for n_jobs in (1, 2, 3, 7, -1):
        assert_same_bits(outputs(fit(n_jobs), X), expected)


@pytest.mark.parametrize(("kind", "keywords"), KINDS)
def test_same_random_state_same_bits(kind, keywords):
    model, X = fitted(kind, **keywords)
    again, _ = fitted(kind, **keywords)
    assert_same_bits(outputs(again, X), outputs(model, X))
    seeded, _ = fitted(kind, **keywords, random_state=np.random.RandomState(0))
    assert_same_bits(outputs(seeded, X), outputs(model, X))


@given(
    picked=st.lists(st.integers(0, 79), min_size=1, max_size=50),
    kind=st.integers(0, len(KINDS) - 1),
    float32=st.booleans(),
    n_jobs=st.sampled_from([None, 2]),
)
def test_rows_do_not_depend_on_each_other(picked, kind, float32, n_jobs):
    dtype = np.float32 if float32 else np.float64
    model, _ = fitted(KINDS[kind][0], dtype=dtype, **KINDS[kind][1])
    X, _, _ = make_data(n=80, dtype=dtype, seed=1)
    together = outputs(model, X)
    some = outputs(model.set_params(n_jobs=n_jobs), [X[i] for i in picked])
    assert_same_bits(some, {name: value[picked] for name, value in together.items()})


def test_rows_do_not_depend_on_padding_or_layout():
    model, X = fitted()
    padded = np.full((len(X), 40, 3), np.nan)
    for row, sequence in zip(padded, X, strict=True):
        row[: len(sequence)] = sequence
    assert_same_bits(outputs(model, padded), outputs(model, X))


# ------------------------------------------------------------------------------------ float types


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kind", "keywords"), KINDS)
def test_float_type_of_the_input_is_that_of_everything(kind, keywords, dtype):
    model, X = fitted(kind, dtype=dtype, **keywords)
    assert all(weight.dtype == dtype for weight in model.weights_.values())
    for name, value in outputs(model, X).items():
        if kind == "regressor" or name != "predict":
            assert value.dtype == dtype, name
    other = [x.astype(np.float64 if dtype == np.float32 else np.float32) for x in X]
    assert model.transform(other).dtype == dtype


def test_float32_is_close_to_float64():
    (double, X), (single, _) = fitted(dtype=np.float64), fitted(dtype=np.float32)
    probabilities = single.predict_proba([x.astype(np.float32) for x in X])
    np.testing.assert_allclose(probabilities, double.predict_proba(X), atol=1e-3)
    assert not np.array_equal(probabilities, double.predict_proba(X))


# ------------------------------------------------------------------------------ names and pictures


def frame_list(X, names="abc"):
    return [pd.DataFrame(x, columns=list(names)) for x in X]


def long_frame(X, names="abc"):
    return pd.concat(dict(enumerate(frame_list(X, names))), names=["sequence", "time"])


@pytest.mark.parametrize("arrange", [frame_list, long_frame])
def test_channel_names(arrange):
    X, y, _ = make_data()
    model = RNNClassifier(5, max_iter=1).fit(arrange(X), y)
    np.testing.assert_array_equal(model.feature_names_in_, ["a", "b", "c"])
    assert model.n_features_in_ == 3
    assert model.predict(arrange(X)).shape == (30,)
    for method in ("predict", "predict_proba", "transform"):
        with pytest.raises(ValueError, match="must be in the same order"):
            getattr(model, method)(arrange(X, "acb"))
        with pytest.raises(ValueError, match=r"unseen at fit time:\n- x\n.*missing:\n- c"):
            getattr(model, method)(arrange(X, "abx"))
        with pytest.raises(ValueError, match="now missing:\n- c"):
            getattr(model, method)(arrange([x[:, :2] for x in X], "ab"))
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            getattr(model, method)(X)


def test_column_names_of_a_table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.standard_normal((30, 4)), columns=["t0", "t1", "t2", "t3"])
    model = RNNRegressor(5, max_iter=1).fit(X, X["t0"])
    np.testing.assert_array_equal(model.feature_names_in_, X.columns)
    assert model.n_features_in_ == 4
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(X[["t1", "t0", "t2", "t3"]])
    with pytest.raises(ValueError, match="now missing:\n- t2"):
        model.predict(X.drop(columns="t2"))


@pytest.mark.parametrize(
    ("bidirectional", "sizes", "n"), [(False, 5, 5), (True, 4, 8), (True, (7, 3), 6)]
)
def test_transform_gives_what_the_head_reads(bidirectional, sizes, n):
    model, X = fitted(bidirectional=bidirectional, hidden_layer_sizes=sizes)
    features = model.transform(X)
    assert features.shape == (30, n)
    names = model.get_feature_names_out()
    np.testing.assert_array_equal(names, [f"rnnclassifier{i}" for i in range(n)])
    raw = features @ model.weights_["head.W_hy"] + model.weights_["head.b_y"]
    np.testing.assert_array_equal(raw.argmax(axis=1), model.predict(X))
    np.testing.assert_array_equal(model.fit_transform(X, make_data()[1]), model.transform(X))


def test_transform_into_pandas():
    model, X = fitted()
    expected = model.transform(X)
    model.set_output(transform="pandas")
    frame = model.transform(X)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(model.get_feature_names_out())
    np.testing.assert_array_equal(frame, expected)
    assert isinstance(model.predict_proba(X), np.ndarray)
    with config_context(transform_output="pandas"):
        assert isinstance(fitted()[0].transform(X), pd.DataFrame)


def test_transform_of_frames_into_pandas():
    """The features have one row a sequence, whatever the index of X."""
    X, y, _ = make_data()
    for frames in (frame_list(X), long_frame(X)):
        model = RNNClassifier(5, max_iter=1).set_output(transform="pandas").fit(frames, y)
        assert model.transform(frames).shape == (30, 5)
    table = pd.DataFrame(np.eye(30)).add_prefix("t").set_index(np.arange(30) * 10)
    model.fit(table, y)
    assert list(model.transform(table).index) == list(table.index)


def test_features_for_another_estimator():
    X, y, _ = make_data()
    model = make_pipeline(RNNClassifier(5, max_iter=20, random_state=0), LogisticRegression())
    assert model.fit(X, y).score(X, y) > 0.5
    names = model[:-1].get_feature_names_out()
    np.testing.assert_array_equal(names, model[0].get_feature_names_out())


@pytest.mark.parametrize("estimator", [RNNClassifier(7), RNNRegressor(7, cell="lstm")])
def test_pictures_and_text(estimator):
    X, y, _ = make_data()
    assert "hidden_layer_sizes=7" in repr(estimator)
    unfitted = estimator_html_repr(estimator)
    assert "hidden_layer_sizes" in unfitted
    estimator = clone(estimator).set_params(max_iter=1).fit(X, y)
    assert type(estimator).__name__ in estimator_html_repr(estimator)
    assert "Fitted" in estimator_html_repr(make_pipeline(SequenceScaler(), estimator).fit(X, y))
