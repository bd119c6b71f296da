"""Vectors for ids: gradients, sparse steps, and what the estimators make of tokens."""

import networks
import numpy as np
import oracle
import pytest

from skrnn.embedding import SparseGradient
from skrnn.losses import classification_loss
from skrnn.network import Network
from skrnn.objective import Objective, clip_norm
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
    from skrnn import torch_layout

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
