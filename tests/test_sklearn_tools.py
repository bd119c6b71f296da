"""Every layout of X through scikit-learn's tools; docs/scikit_learn.md has the table of it."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from skrnn import RNNClassifier, RNNRegressor, SequenceScaler

N, STEPS = 36, 5
CLASSES = np.arange(N) % 3
WEIGHTS = np.linspace(0.5, 2.0, N)

# ---------------------------------------------------------------------------------------- layouts


@cache
def sequences(kind):
    """The same sequences for every layout: univariate, of two channels, or ragged."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 8, size=N) if kind == "ragged" else np.full(N, STEPS)
    n_channels = 1 if kind == "univariate" else 2
    trend = np.linspace(0, 1, 8)[:, np.newaxis] * (CLASSES - 1)[:, np.newaxis, np.newaxis]
    return [
        trend[i, :length] + 0.3 * rng.standard_normal((length, n_channels))
        for i, length in enumerate(lengths)
    ]


def objects(arrays):
    result = np.empty(len(arrays), dtype=object)
    for i, array in enumerate(arrays):
        result[i] = array
    return result


def padded(arrays):
    result = np.full((len(arrays), max(map(len, arrays)), arrays[0].shape[1]), np.nan)
    for row, array in zip(result, arrays, strict=True):
        row[: len(array)] = array
    return result


def frames(arrays):
    return [pd.DataFrame(array, columns=list("ab")[: array.shape[1]]) for array in arrays]


def long_frame(arrays):
    return pd.concat(dict(enumerate(frames(arrays))), names=["sequence", "time"])


LAYOUTS = {
    "table": ("univariate", lambda arrays: np.stack(arrays)[:, :, 0]),
    "table frame": (
        "univariate",
        lambda arrays: pd.DataFrame(np.stack(arrays)[:, :, 0]).add_prefix("t"),
    ),
    "list of 1-D": ("univariate", lambda arrays: [array.ravel() for array in arrays]),
    "wide table": ("dense", lambda arrays: np.stack(arrays).reshape(N, -1)),
    "array": ("dense", np.stack),
    "objects": ("dense", objects),
    "frames": ("dense", frames),
    "padded array": ("ragged", padded),
    "ragged objects": ("ragged", objects),
    "ragged frames": ("ragged", frames),
    "ragged tuple": ("ragged", tuple),
}


def arranged(layout):
    """Return X, and the keywords with which estimators read it."""
    kind, arrange = LAYOUTS[layout]
    return arrange(sequences(kind)), {"n_timesteps": STEPS} if layout == "wide table" else {}


# ------------------------------------------------------------------------------------------ tools


def classifier(**keywords):
    return RNNClassifier(4, max_iter=2, random_state=0, **keywords)


def regressor(**keywords):
    return RNNRegressor(4, max_iter=2, random_state=0, **keywords)


GRID = {"hidden_layer_sizes": [3, 4]}
TARGETS = np.column_stack([CLASSES * 1e3, np.sin(np.arange(N))])


def pipeline(X, keywords):
    model = make_pipeline(SequenceScaler(**keywords), classifier(**keywords))
    return model.fit(X, CLASSES).predict_proba(X)


def features(X, keywords):
    model = make_pipeline(classifier(**keywords), LogisticRegression())
    return model.fit(X, CLASSES).predict_proba(X)


def union(X, keywords):
    model = FeatureUnion([("a", classifier(**keywords)), ("b", classifier(cell="rnn", **keywords))])
    return model.fit_transform(X, CLASSES)


def grid_search(X, keywords):
    model = make_pipeline(SequenceScaler(**keywords), classifier(**keywords))
    grid = {"rnnclassifier__hidden_layer_sizes": [3, 4], "rnnclassifier__cell": ["gru", "rnn"]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=-1, error_score="raise")
    return search.fit(X, CLASSES).predict_proba(X)


def halving(X, keywords):
    search = HalvingGridSearchCV(
        classifier(**keywords), GRID, cv=2, factor=2, min_resources=12, random_state=0
    )
    return search.set_params(error_score="raise").fit(X, CLASSES).predict_proba(X)


def randomized(X, keywords):
    search = RandomizedSearchCV(
        regressor(**keywords), GRID, n_iter=2, cv=2, random_state=0, error_score="raise"
    )
    return search.fit(X, TARGETS).predict(X)


def scores(X, keywords):
    return cross_val_score(classifier(**keywords), X, CLASSES, cv=2, error_score="raise")


def validated(X, keywords):
    result = cross_validate(regressor(**keywords), X, TARGETS, cv=2, error_score="raise")
    return result["test_score"]


def held_out(X, keywords):
    return cross_val_predict(classifier(**keywords), X, CLASSES, cv=2, method="predict_proba")


def in_time(X, keywords):
    splits = TimeSeriesSplit(n_splits=2)
    return cross_val_score(regressor(**keywords), X, CLASSES, cv=splits, error_score="raise")


def calibrated(X, keywords):
    model = CalibratedClassifierCV(classifier(**keywords), cv=2)
    return model.fit(X, CLASSES).predict_proba(X)


def frozen(X, keywords):
    fitted = FrozenEstimator(classifier(**keywords).fit(X, CLASSES))
    return CalibratedClassifierCV(fitted, cv=2).fit(X, CLASSES).predict_proba(X)


def voting(X, keywords):
    models = [("gru", classifier(**keywords)), ("rnn", classifier(cell="rnn", **keywords))]
    return VotingClassifier(models, voting="soft").fit(X, CLASSES).predict_proba(X)


def voting_regressor(X, keywords):
    models = [("gru", regressor(**keywords)), ("rnn", regressor(cell="rnn", **keywords))]
    return VotingRegressor(models).fit(X, TARGETS[:, 0]).predict(X)


def stacking(X, keywords):
    models = [("gru", classifier(**keywords)), ("rnn", classifier(cell="rnn", **keywords))]
    return StackingClassifier(models, cv=2).fit(X, CLASSES).predict_proba(X)


def stacking_regressor(X, keywords):
    model = StackingRegressor([("gru", regressor(**keywords))], final_estimator=Ridge(), cv=2)
    return model.fit(X, TARGETS[:, 0]).predict(X)


def one_vs_rest(X, keywords):
    return OneVsRestClassifier(classifier(**keywords)).fit(X, CLASSES).predict_proba(X)


def multi_output(X, keywords):
    return MultiOutputRegressor(regressor(**keywords)).fit(X, TARGETS).predict(X)


def multi_output_classifier(X, keywords):
    labels = np.column_stack([CLASSES, CLASSES > 0])
    return MultiOutputClassifier(classifier(**keywords)).fit(X, labels).predict(X)


def transformed_target(X, keywords):
    model = TransformedTargetRegressor(regressor(**keywords), func=np.log1p, inverse_func=np.expm1)
    return model.fit(X, TARGETS[:, 0]).predict(X)


def threshold(X, keywords):
    model = FixedThresholdClassifier(classifier(**keywords), threshold=0.4)
    return model.fit(X, CLASSES > 0).predict(X)


def learning(X, keywords):
    _, train, test = learning_curve(
        classifier(**keywords), X, CLASSES, cv=2, train_sizes=[0.5, 1.0], error_score="raise"
    )
    return np.hstack([train, test])


def validation(X, keywords):
    model, values = classifier(**keywords), [3, 4]
    train, test = validation_curve(
        model, X, CLASSES, param_name="hidden_layer_sizes", param_range=values, cv=2
    )
    return np.hstack([train, test])


def split(X, keywords):
    X_train, X_test, y_train, _ = train_test_split(X, CLASSES, random_state=0, stratify=CLASSES)
    return classifier(**keywords).fit(X_train, y_train).predict_proba(X_test)


def routed(X, keywords):
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(
            SequenceScaler(**keywords).set_fit_request(sample_weight=True),
            classifier(**keywords)
            .set_fit_request(sample_weight=True)
            .set_score_request(sample_weight=True),
        )
        grid = {"rnnclassifier__hidden_layer_sizes": [3, 4]}
        search = GridSearchCV(model, grid, cv=2, error_score="raise")
        return search.fit(X, CLASSES, sample_weight=WEIGHTS).predict_proba(X)


TOOLS = (
    pipeline, features, union, grid_search, halving, randomized, scores, validated, held_out,
    in_time, calibrated, frozen, voting, voting_regressor, stacking, stacking_regressor,
    one_vs_rest, multi_output, multi_output_classifier, transformed_target, threshold, learning,
    validation, split, routed,
)  # fmt: skip


@cache
def expected(tool, kind):
    """What a tool makes of a list of arrays."""
    return tool(list(sequences(kind)), {})


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.__name__)
def test_tools_give_the_same_for_every_layout(tool, layout):
    X, keywords = arranged(layout)
    actual = tool(X, keywords)
    assert np.isfinite(actual).all()
    np.testing.assert_array_equal(actual, expected(tool, LAYOUTS[layout][0]))


def test_weights_reach_the_estimator_by_routing():
    X, keywords = arranged("padded array")
    assert not np.array_equal(routed(X, keywords), grid_search_unweighted(X))


def grid_search_unweighted(X):
    model = make_pipeline(SequenceScaler(), classifier())
    grid = {"rnnclassifier__hidden_layer_sizes": [3, 4]}
    return GridSearchCV(model, grid, cv=2).fit(X, CLASSES).predict_proba(X)


def test_sample_weight_equals_repetition_through_a_pipeline():
    X = list(sequences("ragged"))
    weights = 1 + np.arange(N) % 2
    repeated = [i for i in range(N) for _ in range(weights[i])]
    model = make_pipeline(SequenceScaler(), classifier(batch_size=100))
    steps = {"sequencescaler__sample_weight": weights, "rnnclassifier__sample_weight": weights}
    weighted = model.fit(X, CLASSES, **steps).predict_proba(X)
    model.fit([X[i] for i in repeated], CLASSES[repeated])
    np.testing.assert_allclose(weighted, model.predict_proba(X), rtol=1e-6)


# -------------------------------------------------------- what scikit-learn refuses, and what then

COUNTS_NO_ROWS = {
    pipeline, features, union, voting, voting_regressor, one_vs_rest, multi_output,
    multi_output_classifier, transformed_target,
}  # fmt: skip


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.__name__)
def test_long_frames(tool):
    """Tools that split X count the rows of a frame; a list of its sequences is for them."""
    X = long_frame(sequences("ragged"))
    if tool in COUNTS_NO_ROWS:
        actual = tool(X, {})
    else:
        n_rows = len(X)
        with pytest.raises(
            ValueError, match=rf"inconsistent numbers of samples: \[{n_rows}, {N}\]"
        ):
            tool(X, {})
        actual = tool([frame for _, frame in X.groupby(level=0, sort=False)], {})
    np.testing.assert_array_equal(actual, expected(tool, "ragged"))


FLAT_ONLY = {
    "BaggingClassifier": lambda model: BaggingClassifier(model, n_estimators=2, random_state=0),
    "AdaBoostClassifier": lambda model: AdaBoostClassifier(
        model.set_params(max_iter=20), n_estimators=2, random_state=0
    ),
    "OneVsOneClassifier": OneVsOneClassifier,
    "SelfTrainingClassifier": SelfTrainingClassifier,
    "StackingClassifier(passthrough=True)": lambda model: StackingClassifier(
        [("a", model)], cv=2, passthrough=True
    ),
    "StandardScaler": lambda model: make_pipeline(StandardScaler(), model),
    "ColumnTransformer": lambda model: make_pipeline(
        ColumnTransformer([("all", "passthrough", slice(0, None))]), model
    ),
}
READ_AS_3D = {("AdaBoostClassifier", "array")}


@pytest.mark.parametrize("layout", ["array", "padded array", "ragged objects", "ragged tuple"])
@pytest.mark.parametrize("tool", FLAT_ONLY)
def test_tools_of_tables_only(tool, layout):
    X, _ = arranged(layout)
    model = FLAT_ONLY[tool](classifier())
    if (tool, layout) in READ_AS_3D:
        model.fit(X, CLASSES)
        return
    with pytest.raises((ValueError, IndexError)):
        model.fit(X, CLASSES)


@pytest.mark.parametrize("tool", FLAT_ONLY)
def test_a_wide_table_instead_of_a_3d_array(tool):
    """Sequences of one length fit in a table, which all of scikit-learn takes."""
    X, _ = arranged("array")
    model = FLAT_ONLY[tool](classifier(n_timesteps=X.shape[1]))
    y = np.where(np.arange(N) < 30, CLASSES, -1) if "SelfTraining" in tool else CLASSES
    assert model.fit(X.reshape(N, -1), y).predict(X.reshape(N, -1)).shape == (N,)


def test_features_of_a_network_instead_of_ragged_sequences():
    """The states of a fitted network are a table, whatever the sequences were."""
    X, _ = arranged("ragged tuple")
    table = FrozenEstimator(classifier().fit(X, CLASSES)).transform(X)
    assert table.shape == (N, 4)
    model = BaggingClassifier(LogisticRegression(), random_state=0)
    assert model.fit(table, CLASSES).predict(table).shape == (N,)


def test_chain_adds_columns_to_the_table():
    labels = np.column_stack([CLASSES > 0, CLASSES > 1]).astype(int)
    X, keywords = arranged("wide table")
    with pytest.raises(ValueError, match="n_timesteps=5 does not divide the 11 columns"):
        ClassifierChain(classifier(**keywords)).fit(X, labels)
    assert classifier(**keywords).fit(X, labels).predict(X).shape == labels.shape
