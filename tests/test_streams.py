"""Long sequences in streams: how they are cut, what is carried, and the gradient of a stretch."""

import networks
import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn import RNNClassifier, RNNRegressor, inference
from skrnn.losses import classification_loss
from skrnn.network import Network
from skrnn.objective import Objective
from skrnn.streams import StreamObjective, cut_streams
from skrnn.threads import Threads

LOG_LOSS = classification_loss("log_loss", exclusive=True)


@given(
    lengths=st.lists(st.integers(1, 200), min_size=1, max_size=8),
    n_streams=st.integers(1, 12),
    n_steps=st.integers(1, 30),
)
def test_streams_partition_the_sequences(lengths, n_streams, n_steps):
    offsets = np.append(0, np.cumsum(lengths))
    streams = cut_streams(offsets, n_streams, n_steps)
    assert set(offsets) <= set(streams.tolist())
    assert (np.diff(streams) > 0).all()
    if len(lengths) == 1:
        assert len(streams) - 1 == max(1, min(n_streams, lengths[0] // n_steps))
        assert np.ptp(np.diff(streams)) <= 1
    cut = ~np.isin(streams[:-1], offsets[:-1]) | ~np.isin(streams[1:], offsets[1:])
    assert (np.diff(streams)[cut] >= n_steps).all()


def setting(lengths, cell="lstm", dtype=np.float64):
    rng = np.random.default_rng(4)
    weights = oracle.random_weights(cell, 2, (4, 3), 3, bidirectional=False, rng=rng)
    network = Network(networks.cell_of(cell, "tanh"), 2, (4, 3), 3, pooling=None)
    rows = [rng.standard_normal((n, 2)).astype(dtype) for n in lengths]
    sequences = networks.to_sequences(rows, dtype)
    target = rng.integers(0, 3, size=len(sequences.values))
    return network, networks.to_params(network, weights, dtype), weights, sequences, target


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_stretches_together_are_the_whole_with_truncated_gradients(cell):
    """With weights that stay, losses add up to that of the whole, gradients to the oracle's."""
    network, params, weights, sequences, target = setting([9, 5, 7], cell)
    weight = np.random.default_rng(0).uniform(0.5, 2, size=len(target))
    streams = StreamObjective(network, LOG_LOSS, sequences, target, weight, n_streams=3, n_steps=4)
    whole = Objective(network, LOG_LOSS, sequences, target, weight)
    total_loss, total = 0.0, np.zeros_like(params)
    with Threads(1) as threads:
        batches = streams.batches(np.array([2, 0, 1]), 3)
        assert [batch.tolist() for batch in batches] == [[5, 0, 3], [6, 1, 4], [2]]
        for batch in batches:
            loss, gradient = streams.gradient(params, batch, threads)
            total_loss += loss * batch.size / 7
            total += gradient * batch.size / 7
        assert total_loss == pytest.approx(whole.gradient(params, np.arange(3), threads)[0])

    def loss_of(vector):
        """The state enters every stretch as a constant: only a complex step sees it."""
        own, value = oracle.unflatten(vector, weights), 0
        for first, last in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
            state = None
            for start in range(first, last, 4):
                rows = slice(start, min(start + 4, last))
                if state is not None:
                    state = {key: tuple(part.real for part in s) for key, s in state.items()}
                out, state = oracle.run_network(cell, sequences.values[rows], own, initial=state)
                raw = out @ own["head.W_hy"] + own["head.b_y"]
                right = raw[np.arange(len(raw)), target[rows]]
                value += (weight[rows] * (np.log(np.exp(raw).sum(axis=1)) - right)).sum()
        return value / weight.sum()

    expected = oracle.complex_step_gradient(loss_of, oracle.flatten(weights))
    actual = oracle.flatten(networks.from_params(network, total, weights))
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)


def test_one_stretch_is_the_usual_gradient():
    network, params, _, sequences, target = setting([9, 5, 7])
    weight = np.ones(len(target))
    streams = StreamObjective(network, LOG_LOSS, sequences, target, weight, n_streams=3, n_steps=9)
    whole = Objective(network, LOG_LOSS, sequences, target, weight)
    with Threads(1) as threads:
        (batch,) = streams.batches(np.arange(3), 3)
        loss, gradient = streams.gradient(params, batch, threads)
        expected = whole.gradient(params, np.arange(3), threads)
        assert loss == expected[0]
        np.testing.assert_array_equal(gradient, expected[1])


def test_streams_of_one_long_sequence():
    network, params, _, sequences, target = setting([103])
    options = {"n_streams": 4, "n_steps": 10}
    streams = StreamObjective(network, LOG_LOSS, sequences, target, np.ones(103), **options)
    assert len(streams) == 4
    batches = streams.batches(np.arange(4), 4)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(streams.stream_of)))
    results = []
    for n_jobs in (1, 3):
        with Threads(n_jobs) as threads:
            results.append([streams.gradient(params, batch, threads)[0] for batch in batches])
    assert results[0] == results[1]


# ------------------------------------------------------------------------------------- estimators

TEXT = "she sells sea shells by the sea shore. " * 60
IDS = np.array([sorted(set(TEXT)).index(character) for character in TEXT])
LANGUAGE = {"mode": "many_to_many", "embedding_dim": 8, "bptt_steps": 15, "random_state": 0}


def test_a_text_is_learned():
    model = RNNClassifier(32, **LANGUAGE, batch_size=8, max_iter=25).fit([IDS[:-1]], [IDS[1:]])
    assert model.score([IDS[:-1]], [IDS[1:]]) > 0.9
    # 292 steps of each of 8 streams: stretches of 15, the last of which are shorter.
    assert model.t_ == 25 * 8 * 20
    assert model.loss_ < model.loss_curve_[0] / 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_for_every_n_jobs_and_batches_of_streams(dtype):
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 2)).astype(dtype) for n in rng.integers(5, 60, size=80)]
    y = [x.cumsum(axis=0)[:, 0] for x in X]
    model = RNNRegressor((6, 4), mode="many_to_many", bptt_steps=7, batch_size=70, dropout=0.2)
    model.set_params(random_state=0, max_iter=2, early_stopping=True)
    expected = np.concatenate(model.fit(X, y).predict(X))
    again = np.concatenate(model.set_params(n_jobs=3).fit(X, y).predict(X))
    np.testing.assert_array_equal(again, expected)
    assert again.dtype == dtype


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("change", [{"bidirectional": True}, {"solver": "lbfgs"}])
def test_where_no_state_is_carried_gradients_are_truncated(change):
    model = RNNClassifier(4, **LANGUAGE, max_iter=2, **change)
    X, y = IDS[:200].reshape(10, 20), IDS[1:201].reshape(10, 20)
    truncated = model.fit(X, y).predict_proba(X)
    whole = model.set_params(bptt_steps=None).fit(X, y).predict_proba(X)
    assert not np.array_equal(truncated, whole)


def test_partial_fit_of_streams():
    model = RNNClassifier(16, **LANGUAGE)
    losses = [
        model.partial_fit([IDS[:-1]], [IDS[1:]], classes=np.unique(IDS)).loss_ for _ in range(4)
    ]
    assert losses[-1] < losses[0]


def test_very_long_sequences_are_predicted_in_stretches(monkeypatch):
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((n, 2)) for n in (50, 31, 7, 30, 50)]
    y = [x[:, 0] > 0 for x in X]
    for parameters in ({"bidirectional": False}, {"bidirectional": True}):
        model = RNNClassifier((5, 3), mode="many_to_many", max_iter=1, **parameters).fit(X, y)
        monkeypatch.undo()
        expected = np.concatenate(model.predict_proba(X))
        for n_rows in (1, 8, 20, 64):
            monkeypatch.setattr(inference, "PIECE_ROWS", n_rows)
            np.testing.assert_array_equal(np.concatenate(model.predict_proba(X)), expected)
