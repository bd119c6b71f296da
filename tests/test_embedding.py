"""Vectors for ids: gradients, sparse steps, and what the estimators make of tokens."""

import pickle

import networks
import numpy as np
import oracle
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skrnn import RNNClassifier, RNNRegressor, torch_layout
from skrnn.descent import clip_norm
from skrnn.embedding import SparseGradient
from skrnn.losses import classification_loss
from skrnn.network import Network
from skrnn.objective import Objective
from skrnn.solvers import Adam, RMSprop, StochasticGradientDescent
from skrnn.threads import Threads

# ------------------------------------------------------------------------------ the gradient itself

TABLES = {0: (7, 3), 2: (4, 2)}


def mixed_rows(lengths=(4, 1, 6, 3), seed=0):
    """Sequences with ids in channels 0 and 2 and a value between them."""
    rng = np.random.default_rng(seed)
    return [
        np.column_stack([rng.integers(0, 6, n), rng.standard_normal(n), rng.integers(0, 4, n)])
        for n in lengths
    ]


def embedded(rows, weights):
    first, second = weights["embedding.0"], weights["embedding.2"]
    return [
        np.concatenate([first[x[:, 0].astype(int)], x[:, 1:2], second[x[:, 2].astype(int)]], axis=1)
        for x in rows
    ]


def token_setting(cell="gru", pooling="last", bidirectional=False, learns=True):
    rng = np.random.default_rng(5)
    weights = oracle.random_weights(cell, 6, (4, 3), 3, bidirectional=bidirectional, rng=rng)
    tables = {f"embedding.{c}": rng.standard_normal(shape) for c, shape in TABLES.items()}
    network = Network(
        networks.cell_of(cell, "tanh"), 3, (4, 3), 3,
        bidirectional=bidirectional, pooling=pooling, tables=TABLES, train_tables=learns,
    )  # fmt: skip
    params = np.zeros(network.layout.size)
    for name, weight in weights.items():
        key, value = networks._stored(name, weight, len(network.cell.gates))
        network.layout.blocks[key].view(params)[...] = value
    for name, table in tables.items():
        network.layout.blocks[name].view(params)[...] = table
    rows = mixed_rows()
    sequences = networks.to_sequences(rows)
    n_rows = len(sequences.values) if pooling is None else len(rows)
    target = rng.integers(0, 3, size=n_rows)
    loss = classification_loss("log_loss", exclusive=True)
    objective = Objective(
        network, loss, sequences, target, rng.uniform(0.5, 2, size=n_rows), alpha=0.1
    )
    return network, params, rows, weights, tables, objective


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", None])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_every_single_weight(cell, pooling, bidirectional):
    network, params, _, _, _, objective = token_setting(cell, pooling, bidirectional)
    everything = np.arange(len(objective))
    with Threads(1) as threads:
        gradient = objective.gradient(params, everything, threads)[1]
        assert isinstance(gradient, SparseGradient)
        actual = gradient.astype(np.float64)
        expected = oracle.numerical_gradient(
            lambda vector: objective.gradient(vector, everything, threads)[0], params
        )
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-9)
    # No sequence has id 6.
    assert not network.layout.blocks["embedding.0"].view(actual)[6].any()
    assert [table.rows.tolist() for table in gradient.tables] == [list(range(6)), list(range(4))]


@pytest.mark.parametrize("pooling", ["last", "max"])
def test_the_forward_pass_is_the_oracle_on_the_vectors(pooling):
    network, params, rows, weights, tables, _ = token_setting("lstm", pooling, True)
    raw = networks.predict(network, params, networks.to_batch(rows))
    expected = oracle.raw_predictions("lstm", embedded(rows, tables), weights, pooling=pooling)
    np.testing.assert_allclose(raw, expected, rtol=1e-12)


def test_the_gradient_of_vectors_is_that_of_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rng = np.random.default_rng(2)
    network = Network(networks.cell_of("gru", "tanh"), 1, (4,), 3, pooling=None, tables={0: (9, 5)})
    params = network.initial_parameters(np.random.RandomState(0), np.float64, 5)
    rows = [rng.integers(0, 8, size=(n, 1)) for n in (5, 2, 7)]
    target = rng.integers(0, 3, size=14)
    loss = classification_loss("log_loss", exclusive=True)
    objective = Objective(network, loss, networks.to_sequences(rows), target, np.ones(14))
    with Threads(1) as threads:
        value, gradient = objective.gradient(params, np.arange(3), threads)
    table = torch.nn.Embedding(9, 5).double()
    gru, linear = torch.nn.GRU(5, 4).double(), torch.nn.Linear(4, 3).double()
    recurrent, head = torch_layout.export(network, params)
    gru.load_state_dict({k: torch.tensor(v) for k, v in recurrent.items()})
    linear.load_state_dict({k: torch.tensor(v) for k, v in head.items()})
    view = network.layout.blocks["embedding.0"].view
    table.load_state_dict({"weight": torch.tensor(view(params))})
    raw = torch.cat([linear(gru(table(torch.tensor(row[:, 0])))[0]) for row in rows])
    expected = torch.nn.functional.cross_entropy(raw, torch.tensor(target))
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    actual = gradient.astype(np.float64)
    np.testing.assert_allclose(view(actual), table.weight.grad.numpy(), rtol=0, atol=1e-10)
    ours, _ = torch_layout.export(network, actual)
    for key, parameter in gru.named_parameters():
        np.testing.assert_allclose(ours[key], parameter.grad.numpy(), rtol=0, atol=1e-10)


def test_vectors_that_are_given_have_no_gradient():
    network, params, _, _, _, objective = token_setting(learns=False)
    with Threads(1) as threads:
        gradient = objective.gradient(params, np.arange(4), threads)[1]
    assert gradient.tables == []
    assert not gradient.astype(np.float64)[network.n_dense :].any()
    before = params.copy()
    Adam(params).step(params, gradient, 0.1)
    np.testing.assert_array_equal(params[network.n_dense :], before[network.n_dense :])
    assert (params[: network.n_dense] != before[: network.n_dense]).any()


def test_same_bits_for_any_number_of_threads():
    network, params, *_ = token_setting()
    rows = mixed_rows(np.arange(1, 90) % 7 + 1)
    loss = classification_loss("log_loss", exclusive=True)
    target = np.arange(89) % 3
    objective = Objective(network, loss, networks.to_sequences(rows), target, np.ones(89))
    results = []
    for n_jobs in (1, 2, 3):
        with Threads(n_jobs) as threads:
            results.append(objective.gradient(params, np.arange(89), threads)[1].astype(float))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


# ------------------------------------------------------------------------------------- sparse steps


@pytest.mark.parametrize("solver", [Adam, RMSprop, StochasticGradientDescent])
def test_a_sparse_step_moves_the_rows_of_the_batch_as_a_dense_one_does(solver):
    network, params, _, _, _, objective = token_setting()
    sparse, dense = params.copy(), params.copy()
    one, other = solver(params), solver(params)
    with Threads(1) as threads:
        for _ in range(3):
            gradient = objective.gradient(sparse, np.arange(4), threads)[1]
            clip_norm(gradient, 0.05)
            one.step(sparse, gradient, 0.1)
            whole = objective.gradient(dense, np.arange(4), threads)[1].astype(np.float64)
            clip_norm(whole, 0.05)
            assert np.linalg.norm(whole) == pytest.approx(0.05, rel=1e-4)
            other.step(dense, whole, 0.1)
    np.testing.assert_allclose(sparse, dense, rtol=1e-9)
    table = network.layout.blocks["embedding.0"].view
    np.testing.assert_array_equal(table(sparse)[6], table(params)[6])


def test_rows_that_a_batch_does_not_touch_stay():
    network, params, *_, objective = token_setting()
    solver, table = Adam(params), network.layout.blocks["embedding.0"].view
    with Threads(1) as threads:
        for indices in ([0], [1], [2]):
            before = params.copy()
            gradient = objective.gradient(params, np.array(indices), threads)[1]
            solver.step(params, gradient, 0.1)
            moved = np.flatnonzero((table(params) != table(before)).any(axis=1))
            touched = np.unique(mixed_rows()[indices[0]][:, 0])
            np.testing.assert_array_equal(moved, touched)


# -------------------------------------------------------------------------------------- estimators


def sentences(n=60, n_ids=12, seed=0):
    rng = np.random.default_rng(seed)
    X = [rng.integers(0, n_ids, size=k) for k in rng.integers(2, 9, size=n)]
    return X, np.array([int(3 in x) for x in X])


SMALL = {"hidden_layer_sizes": 6, "max_iter": 4, "random_state": 0}


def test_tokens_are_learned():
    X, y = sentences(120)
    model = RNNClassifier(12, embedding_dim=6, max_iter=40, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.95
    assert model.weights_["embedding.0"].shape == (12, 6)
    starts = [x[0] for x in X]
    tags = [(x == first).astype(int) for x, first in zip(X, starts, strict=True)]
    tagger = RNNClassifier(16, embedding_dim=6, mode="many_to_many", max_iter=60, random_state=0)
    assert tagger.fit(X, tags).score(X, tags) > 0.9
    counts = np.array([float((x == 3).sum()) for x in X])
    assert (
        RNNRegressor(12, embedding_dim=6, max_iter=40, random_state=0)
        .fit(X, counts)
        .score(X, counts)
        > 0.9
    )


def test_every_layout_of_tokens_gives_the_same():
    X, y = sentences()
    model = RNNClassifier(**SMALL, embedding_dim=3).fit(X, y)
    expected = model.predict_proba(X)
    assert expected.dtype == np.float32
    padded = np.full((len(X), 9, 1), np.nan, dtype=np.float32)
    for row, x in zip(padded, X, strict=True):
        row[: len(x), 0] = x
    frame = pd.concat({i: pd.DataFrame({"id": x}) for i, x in enumerate(X)})
    for other in ([x.tolist() for x in X], [x[:, np.newaxis] for x in X], padded, frame):
        fitted = RNNClassifier(**SMALL, embedding_dim=3).fit(other, y)
        np.testing.assert_array_equal(fitted.predict_proba(other), expected)
    doubles = [x.astype(np.float64) for x in X]
    double = RNNClassifier(**SMALL, embedding_dim=3).fit(doubles, y).predict_proba(doubles)
    assert double.dtype == np.float64
    np.testing.assert_allclose(double, expected, atol=1e-4)
    table = np.array([np.resize(x, 5) for x in X])
    assert RNNClassifier(**SMALL, embedding_dim=3).fit(table, y).predict(table).shape == (60,)


def test_channels_of_ids_beside_channels_of_values():
    rows = mixed_rows(lengths=[3, 5, 2, 4] * 10)
    y = np.array([int(x[0, 2] > 1) for x in rows])
    model = RNNClassifier(**SMALL, embedding_dim={0: 3, 2: 2}).fit(rows, y)
    assert model.weights_["embedding.0"].shape[1] == 3
    assert model.weights_["embedding.2"].shape == (4, 2)
    assert model.weights_["layer_0.forward.W_xr"].shape == (6, 6)
    frames = [pd.DataFrame(x, columns=["word", "speed", "tag"]) for x in rows]
    named = RNNClassifier(**SMALL, embedding_dim={"word": 3, "tag": 2}).fit(frames, y)
    np.testing.assert_array_equal(named.predict_proba(frames), model.predict_proba(rows))
    with pytest.raises(ValueError, match=r"the channel 'tags', but X has the channels \['word'"):
        RNNClassifier(**SMALL, embedding_dim={"tags": 2}).fit(frames, y)
    with pytest.raises(ValueError, match="the channel 3, but X has the channels"):
        RNNClassifier(**SMALL, embedding_dim={3: 2}).fit(rows, y)


def test_pretrained_vectors():
    X, y = sentences()
    vectors = np.random.default_rng(1).standard_normal((12, 4))
    frozen = RNNClassifier(**SMALL, embeddings=vectors, train_embeddings=False).fit(X, y)
    np.testing.assert_array_equal(frozen.weights_["embedding.0"], vectors.astype(np.float32))
    tuned = RNNClassifier(**SMALL, embeddings=vectors).fit(X, y)
    moved = tuned.weights_["embedding.0"] - vectors
    assert 0 < np.abs(moved).max() < 1
    # One batch, so that the order of batches does not depend on how many vectors were drawn.
    parameters = {**SMALL, "batch_size": 60}
    frozen = RNNClassifier(**parameters, embeddings=vectors, train_embeddings=False).fit(X, y)
    as_values = [vectors[x].astype(np.float32) for x in X]
    expected = RNNClassifier(**parameters).fit(as_values, y).predict_proba(as_values)
    np.testing.assert_allclose(frozen.predict_proba(X), expected, atol=1e-5)
    for bad, message in (
        (vectors[:5], "not in the vocabulary of 5 ids"),
        (vectors[0], "shape"),
        (np.full((12, 4), np.nan), "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            RNNClassifier(**SMALL, embeddings=bad).fit(X, y)
    with pytest.raises(ValueError, match="Leave them None"):
        RNNClassifier(**SMALL, embeddings=vectors, embedding_dim=5).fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop", "lbfgs"])
def test_every_solver_moves_vectors(solver):
    X, y = sentences()
    model = RNNClassifier(**SMALL, embedding_dim=3, vocabulary_size=20, solver=solver)
    before = clone(model).set_params(max_iter=1, learning_rate_init=1e-12, solver="sgd").fit(X, y)
    table = model.fit(X, y).weights_["embedding.0"]
    moved = (np.abs(table - before.weights_["embedding.0"]) > 1e-6).any(axis=1)
    assert moved[:12].all()
    assert not moved[12:].any()


def test_tokens_in_partial_fit_warm_start_pickle_and_streams():
    X, y = sentences()
    model = RNNClassifier(**SMALL, embedding_dim=3, vocabulary_size=12)
    model.partial_fit(X[:30], y[:30], classes=[0, 1]).partial_fit(X[30:], y[30:])
    revived = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        revived.partial_fit(X, y).predict_proba(X), model.partial_fit(X, y).predict_proba(X)
    )
    state = model.init_state(2)
    for t in range(2):
        p, state = model.step([X[0][t], X[1][t]], state, response_method="predict_proba")
    np.testing.assert_array_equal(p, model.predict_proba([X[0][:2], X[1][:2]]))
    with pytest.raises(ValueError, match="x holds 12 for sequence 1, channel 0"):
        model.step([0, 12], state)
    warm = RNNClassifier(**SMALL, embedding_dim=3, warm_start=True).fit(X, y)
    loss = warm.loss_
    assert warm.fit(X, y).loss_ < loss
    with pytest.raises(ValueError, match="is the id 12, which is not in the vocabulary of 12 ids"):
        warm.fit([np.append(X[0], 12), *X[1:]], y)
    search = GridSearchCV(model, {"embedding_dim": [2, 4]}, cv=2, n_jobs=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1, 2], [3, -1, 2]], "Sequence 1, step 1, channel 0 of X is -1, but ids are whole"),
        ([[1, 2.5], [3, 1, 2]], "Sequence 0, step 1, channel 0 of X is 2.5, but ids are whole"),
        ([[1, 2], [3, 1, 20]], "Sequence 1, step 2, channel 0 of X is the id 20.*8 ids, 0 to 7"),
        (["some text", "more"], "make_pipeline"),
        (
            [["some", "words"], ["more"]],
            "X holds strings.*lists of words, before the estimator: make",
        ),
        ([1, 2, 0], r"X holds single ids, the first 1.*\[X\]"),
        (np.array([1, 2, 0]), r"X holds single ids, the first 1.*\[X\]"),
        ([[1, 2], []], "Sequence 1 of X is empty"),
    ],
)
def test_bad_ids(X, message):
    model = RNNClassifier(**SMALL, embedding_dim=3, vocabulary_size=8)
    with pytest.raises(ValueError, match=message):
        model.fit(X, [0, 1])
    fitted = model.fit([[1, 2], [3, 1, 7]], [0, 1])
    with pytest.raises(ValueError, match=message):
        fitted.predict(X)


def test_what_is_no_id_without_embedding_dim():
    with pytest.raises(ValueError, match="before the estimator with embedding_dim"):
        RNNClassifier(**SMALL).fit(["some text", "more"], [0, 1])
    with pytest.raises(ValueError, match="vocabulary_size=8 counts ids, but without embedding_dim"):
        RNNClassifier(**SMALL, vocabulary_size=8).fit([[1, 2], [3, 1]], [0, 1])
    with pytest.raises(ValueError, match="at most 16777216 ids are told apart"):
        RNNClassifier(**SMALL, embedding_dim=2).fit([[1, 2], [3, 2**24]], [0, 1])


@pytest.mark.parametrize(
    "parameters",
    [
        {"embedding_dim": 0},
        {"embedding_dim": {0: "x"}},
        {"embedding_dim": 3, "vocabulary_size": {0: -2}},
        {"embedding_dim": 3, "vocabulary_size": 2**24 + 1},
        {"embedding_dim": 3, "train_embeddings": "no"},
    ],
)
def test_bad_parameters(parameters):
    X, y = sentences()
    with pytest.raises(ValueError, match=f"{list(parameters)[-1]}.* must be"):
        RNNClassifier(**parameters).fit(X, y)
