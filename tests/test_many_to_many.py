"""One output for each step: gradients, layouts of targets, weights, ignored steps, and tools."""

import itertools
import pickle
import warnings
from dataclasses import replace

import networks
import numpy as np
import oracle
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrnn import RNNClassifier, RNNRegressor, inference, torch_layout
from skrnn.cells import GRU
from skrnn.losses import classification_loss, regression_loss
from skrnn.network import DropoutMasks, Network
from skrnn.objective import Objective
from skrnn.threads import Threads
from skrnn.workspace import Workspace

MANY = {"mode": "many_to_many"}
SMALL = {**MANY, "hidden_layer_sizes": 6, "max_iter": 4, "random_state": 0}
REGRESSION = {"huber_delta": 0.4, "quantile": 0.7}
LOSSES = {
    "multiclass": classification_loss("log_loss", exclusive=True),
    "multilabel": classification_loss("log_loss", exclusive=False),
    "squared_error": regression_loss("squared_error", **REGRESSION),
    "poisson": regression_loss("poisson", **REGRESSION),
}


def ragged(lengths=(4, 1, 6, 3, 2, 5), n_channels=2, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, n_channels)).astype(dtype) for n in lengths]


def classes_of(X, n_classes=3):
    return [np.abs(x.cumsum(axis=0)[:, 0]).astype(int) % n_classes for x in X]


def rows_of(nested):
    return np.concatenate([np.asarray(part) for part in nested])


def padded(parts, value=np.nan):
    """Ragged parts as one array with trailing padding."""
    parts = [np.asarray(part) for part in parts]
    longest = max(map(len, parts))
    dtype = np.result_type(parts[0].dtype, np.asarray(value).dtype)
    array = np.full((len(parts), longest, *parts[0].shape[1:]), value, dtype)
    for row, part in zip(array, parts, strict=True):
        row[: len(part)] = part
    return array


def long_frame(parts, columns=("a", "b")):
    frames = {f"s{i}": pd.DataFrame(part, columns=list(columns)) for i, part in enumerate(parts)}
    return pd.concat(frames, names=["sequence", "time"])


def long_series(parts, name="tag"):
    return pd.concat({f"s{i}": pd.Series(part, name=name) for i, part in enumerate(parts)})


# -------------------------------------------------------------------------------------- gradients

CELLS = ["rnn", "gru", "lstm"]
SHAPES = list(itertools.product([(3,), (4, 3)], [False, True], [[4, 4, 4], [3, 1, 5, 2]]))


def setting(cell, hidden, bidirectional, lengths, n_outputs=3):
    rng = np.random.default_rng(7)
    weights = oracle.random_weights(
        cell, 2, hidden, n_outputs, bidirectional=bidirectional, rng=rng
    )
    network = Network(
        networks.cell_of(cell, "tanh"), 2, hidden, n_outputs,
        bidirectional=bidirectional, pooling=None,
    )  # fmt: skip
    X = ragged(lengths, seed=3)
    return network, weights, networks.to_params(network, weights), X, rng


def oracle_raw(cell, X, weights):
    """Raw outputs of every step, sequence after sequence."""
    outputs = [oracle.run_network(cell, x, weights)[0] for x in X]
    return np.concatenate([o @ weights["head.W_hy"] + weights["head.b_y"] for o in outputs])


def targets_for(name, n_rows, rng):
    if name == "multiclass":
        return rng.integers(0, 3, size=n_rows)
    if name == "multilabel":
        return rng.integers(0, 2, size=(n_rows, 3)).astype(float)
    return rng.uniform(0.1, 2, size=(n_rows, 3))


def summed_loss(name, raw, target, weight):
    """The loss by its definition, over all steps; of complex numbers too."""
    if name == "multiclass":
        # The logarithm of a sum of exponentials, less the raw output of the right class.
        per_step = np.log(np.exp(raw).sum(axis=1)) - raw[np.arange(len(raw)), target]
    elif name == "multilabel":
        per_step = (np.log(1 + np.exp(raw)) - target * raw).sum(axis=1)
    elif name == "squared_error":
        per_step = 0.5 * ((raw - target) ** 2).mean(axis=1)
    else:
        per_step = (np.exp(raw) - target * raw).mean(axis=1)
    return (weight * per_step).sum()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("hidden", "bidirectional", "lengths"), SHAPES, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_is_the_derivative_of_the_oracle(cell, hidden, bidirectional, lengths, name):
    network, weights, params, X, rng = setting(cell, hidden, bidirectional, lengths)
    sequences = networks.to_sequences(X)
    target = targets_for(name, len(sequences.values), rng)
    weight = rng.uniform(0.5, 2, size=len(target)) * (rng.uniform(size=len(target)) > 0.2)
    objective = Objective(network, LOSSES[name], sequences, target, weight)
    with Threads(1) as threads:
        value, gradient = objective.gradient(params, np.arange(len(X)), threads)
    share = weight / weight.sum()
    expected = summed_loss(name, oracle_raw(cell, X, weights), target, share)
    assert value == pytest.approx(expected, rel=1e-12)
    gradient = networks.from_params(network, gradient, weights)
    for block in weights:
        direction = rng.normal(size=weights[block].shape)
        moved = {k: w + 1e-30j * direction if k == block else w + 0j for k, w in weights.items()}
        slope = summed_loss(name, oracle_raw(cell, X, moved), target, share).imag / 1e-30
        actual = np.sum(gradient[block] * direction)
        assert actual == pytest.approx(slope, rel=1e-11, abs=1e-11), block


@pytest.mark.parametrize("name", ["multiclass", "squared_error"])
def test_the_gradient_is_that_of_torch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    network, _, params, X, rng = setting("lstm", (4, 3), True, [5, 3, 6])
    sequences = networks.to_sequences(X)
    target = targets_for(name, len(sequences.values), rng)
    objective = Objective(network, LOSSES[name], sequences, target, np.ones(len(target)))
    with Threads(1) as threads:
        value, gradient = objective.gradient(params, np.arange(len(X)), threads)
    recurrent, head = torch_layout.export(network, params)
    lstm = torch.nn.LSTM(2, 4, bidirectional=True).double()
    upper = torch.nn.LSTM(8, 3, bidirectional=True).double()
    linear = torch.nn.Linear(6, 3).double()
    lstm.load_state_dict({k: torch.tensor(v) for k, v in recurrent.items() if "l0" in k})
    upper.load_state_dict(
        {k.replace("l1", "l0"): torch.tensor(v) for k, v in recurrent.items() if "l1" in k}
    )
    linear.load_state_dict({k: torch.tensor(v) for k, v in head.items()})
    raw = torch.cat([linear(upper(lstm(torch.tensor(x))[0])[0]) for x in X])
    if name == "multiclass":
        loss = torch.nn.functional.cross_entropy(raw, torch.tensor(target))
    else:
        loss = 0.5 * torch.nn.functional.mse_loss(raw, torch.tensor(target))
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-12)
    ours_recurrent, ours_head = torch_layout.export(network, gradient)
    for module, suffix, own in ((lstm, "l0", "l0"), (upper, "l0", "l1")):
        for key, parameter in module.named_parameters():
            ours = ours_recurrent[key.replace(suffix, own)]
            np.testing.assert_allclose(ours, parameter.grad.numpy(), rtol=0, atol=1e-10)
    for key, parameter in linear.named_parameters():
        np.testing.assert_allclose(ours_head[key], parameter.grad.numpy(), rtol=0, atol=1e-10)


def test_dropout_masks_reach_every_step_alike():
    network, weights, params, X, rng = setting("gru", (4, 3), True, [3, 1, 5])
    inputs = [rng.uniform(0.5, 2, size=(3, 8)), rng.uniform(0.5, 2, size=(3, 6))]
    recurrent = {
        (i, d): rng.uniform(0.5, 2, size=(3, h)) for i, h in enumerate((4, 3)) for d in range(2)
    }
    masks = DropoutMasks(recurrent, inputs)
    batch = networks.to_batch(X)
    raw = np.empty((9, 3))
    ordered = masks.take(batch.order)
    raw[batch.source_rows] = network.forward(params, batch, Workspace(), ordered).raw
    expected = [
        oracle_raw("gru", [x], networks.masked_weights(weights, masks, i)) for i, x in enumerate(X)
    ]
    np.testing.assert_allclose(raw, np.concatenate(expected), rtol=1e-12)


# ---------------------------------------------------------------------------------------- layouts


def test_lists_in_lists_out():
    X = ragged()
    y = classes_of(X)
    model = RNNClassifier(**SMALL).fit(X, y)
    predicted = model.predict(X)
    assert isinstance(predicted, list)
    assert [part.shape for part in predicted] == [part.shape for part in y]
    probabilities = model.predict_proba(X)
    assert [p.shape for p in probabilities] == [(len(x), 3) for x in X]
    for part, p, logs in zip(predicted, probabilities, model.predict_log_proba(X), strict=True):
        np.testing.assert_array_equal(part, p.argmax(axis=1))
        np.testing.assert_allclose(np.exp(logs), p)
    objects = np.empty(len(X), dtype=object)
    objects[:] = X
    assert model.predict(objects).dtype == object
    assert model.predict(pd.Series(list(X), index=list("abcdef"))).index.tolist() == list("abcdef")


def test_every_layout_of_y_gives_the_same_model():
    X = ragged()
    y = classes_of(X)
    expected = rows_of(RNNClassifier(**SMALL).fit(X, y).predict_proba(X))
    frame = long_frame(X)
    alike = [
        (padded(X), padded(y, -7), {}),
        (padded(X), [list(part) for part in y], {}),
        (X, pd.Series(y), {}),
        (X, padded(y), {}),
        (X, padded(y, -1), {"ignore_label": -1}),
        (frame, long_series(y), {}),
        (X, long_series(y), {}),
        (frame, y, {}),
    ]
    for other_X, other_y, parameters in alike:
        model = RNNClassifier(**SMALL, **parameters).fit(other_X, other_y)
        if other_X is frame:
            np.testing.assert_array_equal(model.predict_proba(frame), expected)
        else:
            np.testing.assert_array_equal(rows_of(model.predict_proba(X)), expected)


def test_arrays_in_arrays_out():
    X = np.random.default_rng(0).standard_normal((8, 5, 2))
    y = X.cumsum(axis=1)
    model = RNNRegressor(**SMALL).fit(X, y)
    assert model.predict(X).shape == (8, 5, 2)
    assert model.transform(X).shape == (8, 5, 6)
    model.fit(X, y[:, :, 0])
    assert model.predict(X).shape == (8, 5)
    table = RNNRegressor(**SMALL).fit(X[:, :, 0], y[:, :, 0])
    assert table.predict(X[:, :, 0]).shape == (8, 5)
    wide = RNNRegressor(**SMALL, n_timesteps=5).fit(X.reshape(8, 10), y)
    np.testing.assert_array_equal(
        wide.predict(X.reshape(8, 10)), RNNRegressor(**SMALL).fit(X, y).predict(X)
    )


def test_padded_arrays():
    X = ragged()
    array = padded(X)
    regressor = RNNRegressor(**SMALL).fit(array, padded([x[:, 0] for x in X]))
    predicted = regressor.predict(array)
    assert predicted.shape == array.shape[:2]
    np.testing.assert_array_equal(np.isnan(predicted), np.isnan(array[:, :, 0]))
    y = padded(classes_of(X), -1)
    classifier = RNNClassifier(**SMALL, ignore_label=-1).fit(array, y)
    np.testing.assert_array_equal(classifier.classes_, [0, 1, 2])
    np.testing.assert_array_equal(classifier.predict(array) == -1, y == -1)
    assert classifier.predict_proba(array).shape == (*y.shape, 3)
    unpadded = RNNClassifier(**SMALL).fit(array, classes_of(X)).predict(array)
    assert [len(part) for part in unpadded] == [len(x) for x in X]
    names = [np.array(["no", "yes"])[part % 2] for part in classes_of(X)]
    named = RNNClassifier(**SMALL, ignore_label="padding").fit(array, names).predict(array)
    assert set(np.unique(named)) <= {"no", "yes", "padding"}


def test_frames_in_frames_out():
    X = ragged()
    frame, y = long_frame(X), long_series(classes_of(X))
    shuffled = np.argsort(np.tile(np.arange(3), len(frame))[: len(frame)], kind="stable")
    model = RNNClassifier(**SMALL).fit(frame, y)
    predicted = model.predict(frame)
    assert predicted.index.equals(frame.index)
    assert predicted.name == "tag"
    mixed = frame.iloc[shuffled].sort_index(level="time", kind="stable", sort_remaining=False)
    pd.testing.assert_series_equal(model.predict(mixed).loc[frame.index], predicted)
    probabilities = model.predict_proba(frame)
    assert list(probabilities.columns) == [0, 1, 2]
    wide = long_frame([x[:, ::-1] for x in X], columns=("u", "v"))
    regressor = RNNRegressor(**SMALL).fit(frame, wide)
    assert list(regressor.predict(frame).columns) == ["u", "v"]
    with pytest.raises(ValueError, match=r"The index of y is not that of X.*y\.loc\[X\.index\]"):
        model.fit(frame, y.iloc[::-1])


def test_one_step_each_needs_no_axis_for_it():
    X = np.random.default_rng(0).standard_normal((30, 3))
    y = (X[:, 0] > 0).astype(int)
    flat = RNNClassifier(**SMALL, n_timesteps=1).fit(X, y)
    assert flat.predict(X).shape == (30,)
    assert flat.predict_proba(X).shape == (30, 2)
    column = RNNClassifier(**SMALL, n_timesteps=1).fit(X, y[:, np.newaxis])
    assert column.predict(X).shape == (30, 1)
    several = RNNRegressor(**SMALL, n_timesteps=1).fit(X, X)
    assert several.predict(X).shape == (30, 3)
    np.testing.assert_array_equal(flat.predict(X), column.predict(X)[:, 0])


@given(st.lists(st.integers(1, 7), min_size=2, max_size=9), st.randoms())
def test_a_step_does_not_depend_on_the_future_or_on_other_sequences(lengths, random):
    X = ragged(lengths)
    model = RNNRegressor(**SMALL)
    train = ragged()
    model.fit(train, [x[:, 0] for x in train])
    together = model.predict(X)
    i = random.randrange(len(X))
    cut = random.randint(1, lengths[i])
    np.testing.assert_array_equal(model.predict([X[i][:cut]])[0], together[i][:cut])


# --------------------------------------------------------------------------- weights, ignored steps


def test_ignored_steps_teach_nothing_and_count_for_nothing():
    X = ragged()
    y = [part.astype(float) for part in classes_of(X)]
    y[0][1] = y[2][4] = np.nan
    model = RNNClassifier(**SMALL).fit(X, y)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    weight = [np.where(np.isnan(part), 0.0, 1.0) for part in y]
    filled = [np.nan_to_num(part, nan=2.0) for part in y]
    weighted = RNNClassifier(**SMALL).fit(X, filled, sample_weight=weight)
    np.testing.assert_allclose(
        rows_of(weighted.predict_proba(X)), rows_of(model.predict_proba(X)), rtol=1e-9
    )
    known = ~np.isnan(rows_of(y))
    expected = accuracy_score(rows_of(y)[known], rows_of(model.predict(X))[known])
    assert model.score(X, y) == pytest.approx(expected)
    objects = [np.array(["abc"[int(v)] if v == v else None for v in part], object) for part in y]
    named = RNNClassifier(**SMALL).fit(X, objects)
    assert named.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(rows_of(named.predict_proba(X)), rows_of(model.predict_proba(X)))


def test_an_ignored_step_of_several_outputs():
    X = ragged()
    y = [x.copy() for x in X]
    y[3][1] = np.nan
    model = RNNRegressor(**SMALL).fit(X, y)
    known = ~np.isnan(rows_of(y)).any(axis=1)
    expected = r2_score(rows_of(y)[known], rows_of(model.predict(X))[known])
    assert model.score(X, y) == pytest.approx(expected)
    y[3][2, 1] = np.nan
    with pytest.raises(ValueError, match="sequence 3, step 2, column 1"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="no target at all"):
        model.fit(X, [np.full(len(x), np.nan) for x in X])


@pytest.mark.parametrize("layout", ["sequence", "list", "padded", "frame"])
def test_weights_of_steps(layout):
    X = ragged()
    y = classes_of(X)
    rng = np.random.default_rng(1)
    of_sequence = rng.uniform(0.5, 2, size=len(X))
    of_step = [np.full(len(x), w) for x, w in zip(X, of_sequence, strict=True)]
    given = {
        "sequence": of_sequence,
        "list": of_step,
        "padded": padded(of_step),
        "frame": long_series(of_step),
    }[layout]
    expected = RNNClassifier(**SMALL).fit(X, y, sample_weight=of_step)
    model = RNNClassifier(**SMALL).fit(X, y, sample_weight=given)
    np.testing.assert_array_equal(
        rows_of(model.predict_proba(X)), rows_of(expected.predict_proba(X))
    )
    score = accuracy_score(rows_of(y), rows_of(model.predict(X)), sample_weight=rows_of(of_step))
    assert model.score(X, y, sample_weight=given) == pytest.approx(score)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 1.0, 2: 0.5}])
def test_class_weights_are_weights_of_steps(class_weight):
    X = ragged()
    y = classes_of(X)
    rows = rows_of(y)
    if class_weight == "balanced":
        factors = len(rows) / (3 * np.bincount(rows))
    else:
        factors = np.array([class_weight[k] for k in range(3)])
    model = RNNClassifier(**SMALL, class_weight=class_weight).fit(X, y)
    expected = RNNClassifier(**SMALL).fit(X, y, sample_weight=[factors[part] for part in y])
    np.testing.assert_allclose(
        rows_of(model.predict_proba(X)), rows_of(expected.predict_proba(X)), rtol=1e-9
    )


def test_a_weighted_sequence_is_a_repeated_one():
    X = ragged()
    y = classes_of(X)
    weight = np.array([2, 0, 1, 3, 1, 1])
    repeated = RNNClassifier(**SMALL).fit(
        [x for x, n in zip(X, weight, strict=True) for _ in range(n)],
        [part for part, n in zip(y, weight, strict=True) for _ in range(n)],
    )
    model = RNNClassifier(**SMALL).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(
        rows_of(model.predict_proba(X)), rows_of(repeated.predict_proba(X))
    )


# ---------------------------------------------------------------------------------- learning, tools


def running_sum(n=40, dtype=np.float64):
    rng = np.random.default_rng(0)
    X = [rng.choice([-1.0, 1.0], size=(k, 1)).astype(dtype) for k in rng.integers(5, 12, size=n)]
    return X, [np.sign(x.cumsum(axis=0)[:, 0]).astype(int) for x in X]


def test_it_learns_what_needs_memory():
    X, y = running_sum()
    model = RNNClassifier(16, **MANY, max_iter=80, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.97
    assert model.loss_ < 0.2
    sums = [x.cumsum(axis=0)[:, 0] for x in X]
    assert RNNRegressor(16, **MANY, max_iter=80, random_state=0).fit(X, sums).score(X, sums) > 0.97


def test_fresh_units_remember_no_longer_than_most_steps_need():
    X = np.zeros((4, 50, 1))
    options = {"learning_rate_init": 1e-9, "max_iter": 1, "alpha": 0.0, "random_state": 0}
    model = RNNClassifier(64, **options).fit(X, [0, 1, 0, 1])
    assert model.weights_["layer_0.forward.b_xz"].max() > 3
    model.set_params(mode="many_to_many").fit(X, np.arange(200).reshape(4, 50) % 2)
    np.testing.assert_allclose(model.weights_["layer_0.forward.b_xz"], 0, atol=1e-6)
    long = replace(GRU, initial_bias={"z": 5.0})
    model.set_params(cell=long).fit(X, np.arange(200).reshape(4, 50) % 2)
    np.testing.assert_allclose(model.weights_["layer_0.forward.b_xz"], 5, atol=1e-6)


def test_several_labels_a_step():
    X, y = running_sum()
    labels = [np.column_stack([part > 0, part < 0, part == 0]).astype(int) for part in y]
    model = RNNClassifier(16, **MANY, max_iter=150, random_state=0).fit(X, labels)
    assert [part.shape for part in model.predict(X)] == [part.shape for part in labels]
    assert model.score(X, labels) > 0.9
    assert model.predict_proba(X)[0].shape == labels[0].shape


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop", "lbfgs"])
def test_early_stopping_and_validation_data(solver):
    X, y = running_sum()
    model = RNNClassifier(8, **MANY, max_iter=8, early_stopping=True, random_state=0)
    model.set_params(solver=solver).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_
    y_val = [part.astype(float) for part in y[:5]]
    y_val[0][0] = np.nan
    model.set_params(early_stopping=False).fit(X[5:], y[5:], X_val=X[:5], y_val=y_val)
    assert model.validation_scores_[-1] == pytest.approx(model.score(X[:5], y_val))


def test_streaming_gives_what_predict_gives():
    X, y = running_sum()
    for dtype in (np.float64, np.float32):
        data = [x.astype(dtype) for x in X]
        model = RNNClassifier((5, 4), **MANY, max_iter=2, random_state=0).fit(data, y)
        whole = model.predict_proba(data[:1])[0]
        state = model.init_state()
        for t, x in enumerate(data[0]):
            p, state = model.step(x, state, response_method="predict_proba")
            np.testing.assert_array_equal(p[0], whole[t])
    features, _ = model.step(data[0][0], model.init_state(), response_method="transform")
    np.testing.assert_array_equal(features[0], model.transform(data[:1])[0][0])


def test_partial_fit_warm_start_and_pickle():
    X, y = running_sum()
    model = RNNClassifier(8, **MANY, random_state=0)
    for _ in range(3):
        for part in (slice(0, 20), slice(20, 40)):
            model.partial_fit(X[part], y[part], classes=[-1, 0, 1])
    assert model.n_iter_ == 6
    revived = pickle.loads(pickle.dumps(model))
    revived.partial_fit(X, y)
    model.partial_fit(X, y)
    np.testing.assert_array_equal(
        rows_of(revived.predict_proba(X)), rows_of(model.predict_proba(X))
    )
    with pytest.raises(ValueError, match="y holds 7 in sequence 0, step 0, a label that was not"):
        model.partial_fit(X[:1], [np.full(len(X[0]), 7)])
    warm = RNNClassifier(8, **MANY, warm_start=True, max_iter=3, random_state=0).fit(X, y)
    before = warm.loss_
    assert warm.fit(X, y).loss_ < before
    with pytest.raises(ValueError, match="network or its loss changed"):
        warm.set_params(mode="many_to_one").fit(X, [part[-1] for part in y])


def test_parameters_changed_after_fit_change_nothing():
    X, y = running_sum()
    model = RNNClassifier(**SMALL).fit(X, y)
    before = rows_of(model.predict_proba(X))
    model.set_params(mode="many_to_one")
    np.testing.assert_array_equal(rows_of(model.predict_proba(X)), before)
    np.testing.assert_array_equal(
        rows_of(pickle.loads(pickle.dumps(model)).predict_proba(X)), before
    )


def test_search_and_cross_validation():
    X, y = running_sum()
    grid = {"hidden_layer_sizes": [4, 8]}
    search = GridSearchCV(RNNClassifier(**MANY, max_iter=5, random_state=0), grid, cv=3, n_jobs=2)
    X_array = np.random.default_rng(0).choice([-1.0, 1.0], size=(30, 6, 1))
    search.fit(X_array, np.sign(X_array.cumsum(axis=1)[:, :, 0]).astype(int))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    search.set_params(cv=KFold(3)).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    series = np.random.default_rng(0).standard_normal((20, 6))
    model = RNNRegressor(**MANY, max_iter=3, random_state=0)
    assert cross_val_predict(model, series, series.cumsum(axis=1), cv=3).shape == (20, 6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_same_bits_for_every_n_jobs(dtype):
    X, y = running_sum(90, dtype)
    model = RNNClassifier((7, 5), **MANY, bidirectional=True, dropout=0.2, max_iter=3)
    model.set_params(random_state=0, batch_size=70)
    expected = rows_of(clone(model).fit(X, y).predict_proba(X))
    assert expected.dtype == dtype
    for n_jobs in (2, 3):
        other = clone(model).set_params(n_jobs=n_jobs).fit(X, y)
        np.testing.assert_array_equal(rows_of(other.predict_proba(X)), expected)


def test_the_gradient_flow_of_every_step():
    X, y = running_sum()
    y = [part.astype(float) for part in y]
    y[0][-1] = np.nan
    flow = RNNClassifier(**SMALL).fit(X, y).gradient_flow(X, y)
    assert flow.norms.shape[:2] == (1, 1)
    assert (flow.norms > 0).all()


# -------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y[:-1], r"\[6, 5\].*X holds 6 sequences"),
        (lambda y: [part[:-1] if i == 2 else part for i, part in enumerate(y)],
         "Sequence 2 of X has 6 steps, but y has 5 rows"),
        (lambda y: [np.append(part, 0) if i == 4 else part for i, part in enumerate(y)],
         "Sequence 4 of X has 2 steps, but y has 3 rows"),
        (lambda y: [part[0] for part in y], "sequence 2 of X has 6 steps"),
        (lambda y: 3, "a row for each step, got 3"),
        (lambda y: [part[:, np.newaxis] if i == 1 else part for i, part in enumerate(y)],
         r"sequence 1 has shape \(1, 1\), but that of sequence 0 has shape \(4,\)"),
        (lambda y: padded(y, 0), "Sequence 0 of X has 4 steps, but y has 6 rows"),
        (lambda y: np.zeros((6, 6, 1, 1)), "4 dimensions"),
        (lambda y: long_series(y[:-1]), "5 sequences, X has 6"),
    ],
)  # fmt: skip
def test_targets_that_do_not_fit(change, message):
    X = ragged()
    y = classes_of(X)
    model = RNNClassifier(**SMALL)
    with pytest.raises(ValueError, match=message):
        model.fit(X, change(y))
    with pytest.raises(ValueError, match=message):
        clone(model).fit(X, y).score(X, change(y))


def test_labels_that_are_missing_or_of_another_kind():
    """Strings beside NaN, None and numbers in plain lists, which NumPy would make strings."""
    X = ragged()
    y = [["abc"[k] for k in part] for part in classes_of(X)]
    expected = RNNClassifier(**SMALL, ignore_label="?")
    known = RNNClassifier(**SMALL)
    for missing in (float("nan"), None):
        y[3][1], y[0][0] = missing, missing
        marked = [["?" if v is missing else v for v in part] for part in y]
        np.testing.assert_array_equal(known.fit(X, y)._params, expected.fit(X, marked)._params)
        assert known.classes_.tolist() == ["a", "b", "c"]
    y[4][1] = 2
    with pytest.raises(ValueError, match=r"y holds 2 in sequence 4, step 1, but '[abc]' in seq"):
        known.fit(X, y)
    y[4] = [0, 1]
    with pytest.raises(ValueError, match=r"y holds 0 in sequence 4, step 0.*all strings or all"):
        known.fit(X, y)


def test_targets_that_nearly_fit_get_a_hint():
    X = ragged()
    y = classes_of(X)
    model = RNNClassifier(**SMALL)
    with pytest.raises(ValueError, match="as many as all steps: give each sequence its own part"):
        model.fit(X, np.concatenate(y))
    with pytest.raises(ValueError, match="rows of X: pass y as a Series with its index"):
        model.fit(long_frame(X), np.concatenate(y))
    with pytest.raises(ValueError, match=r"pass list\(text\)"):
        model.fit(X, ["a" * len(x) for x in X])


def test_weights_that_do_not_fit():
    X = ragged()
    y = classes_of(X)
    model = RNNClassifier(**SMALL)
    with pytest.raises(ValueError, match="Sequence 0 of X has 4 steps, but sample_weight has 1"):
        model.fit(X, y, sample_weight=[[1.0]] + [np.ones(len(x)) for x in X[1:]])
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        model.fit(X, y, sample_weight=[-np.ones(len(x)) for x in X])
    with pytest.raises(ValueError, match="mode"):
        RNNClassifier(mode="many_to_few").fit(X, y)


# ------------------------------------------------------------------------------------ scikit-learn

CHECKED = {"n_timesteps": 1, "hidden_layer_sizes": 8, "max_iter": 30, "learning_rate_init": 0.03}


# With one step a sequence, targets of shape (n, 1) are (sequences, steps), not a mistaken column.
@parametrize_with_checks(
    [RNNClassifier(**MANY, **CHECKED), RNNRegressor(**MANY, **CHECKED)],
    expected_failed_checks=lambda estimator: (
        {"check_supervised_y_2d": "y of shape (n, 1) holds a step for each sequence"}
        if is_classifier(estimator)
        else {}
    ),
)
def test_every_check_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize("mode", ["many_to_many", "encoder_decoder"])
def test_no_warning_of_many_classes_where_steps_have_words(mode):
    X = [np.arange(13), np.arange(12)]
    y = [[f"word {i}" for i in x] for x in X]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        RNNClassifier(2, mode=mode, embedding_dim=2, max_iter=1).fit(X, y)


def test_a_large_vocabulary_is_computed_a_few_steps_at_a_time(monkeypatch):
    """However few raw outputs a piece may hold, results are the same; training agrees too."""
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 2)) for n in (9, 4, 6, 9, 1)]
    y = [rng.integers(0, 10, size=len(x)) for x in X]
    model = RNNClassifier(5, **MANY, max_iter=3, random_state=0)
    expected = model.fit(X, y, X_val=X, y_val=y).predict(X)
    curves = model.loss_curve_, model.validation_loss_curve_, model.validation_scores_
    score = model.score(X, y)
    for most in (1, 40, 150):
        monkeypatch.setattr(inference, "PIECE_OUTPUTS", most)
        again = model.predict(X)
        np.testing.assert_array_equal(np.concatenate(again), np.concatenate(expected))
        assert model.score(X, y) == score
        other = clone(model).fit(X, y, X_val=X, y_val=y)
        np.testing.assert_allclose(other.loss_curve_, curves[0], rtol=1e-9)
        np.testing.assert_allclose(other.validation_loss_curve_, curves[1], rtol=1e-9)
        assert other.validation_scores_ == curves[2]
