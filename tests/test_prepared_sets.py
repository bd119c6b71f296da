"""Pieces of many sequences of one length: the bits of each alone, whoever runs which of them."""

import time
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skrnn import RNNClassifier, RNNRegressor, _calls, inference, prepared, prepared_sets
from skrnn.cells import jit
from skrnn.cells.rnn import RNN_TANH
from skrnn.threads import Threads


def make_data(n=20, n_steps=11, n_channels=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, n_steps, n_channels)).astype(np.float32)
    return X, np.arange(n) % 3


def fitted(X, y, **keywords):
    defaults = {"hidden_layer_sizes": 4, "cell": "rnn", "max_iter": 1, "random_state": 0}
    return RNNClassifier(**{**defaults, **keywords}).fit(X, y)


def among_others(respond, X):
    """Return what is found for sequences among others of another length, which are no set."""
    longer = np.concatenate([X, X[:, :1]], axis=1)
    rows = respond([x for pair in zip(X, longer, strict=True) for x in pair])
    return np.ascontiguousarray(rows[::2])


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()
    assert found.flags.writeable


@pytest.fixture
def small_pieces(monkeypatch):
    """Several pieces and stretches of little data, which go to tables early and to two threads."""
    monkeypatch.setattr(inference, "_alike_size", lambda *args: 8)
    monkeypatch.setattr(inference, "STRETCH_BYTES", 1200)
    monkeypatch.setattr(inference, "WORTH_SHARING", 0)
    monkeypatch.setattr(prepared, "MOST_NUMBERS", 0)
    monkeypatch.setattr(prepared_sets, "WORTH_TABLES", 0)


@pytest.mark.parametrize("stretch_bytes", [1, 1200, 2**20])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("sizes", [4, (5, 3)], ids=str)
def test_same_bits_in_stretches(sizes, pooling, stretch_bytes, small_pieces, monkeypatch):
    X, y = make_data()
    model = fitted(X, y, cell="lstm", hidden_layer_sizes=sizes, pooling=pooling)
    expected = [among_others(respond, X) for respond in (model.predict_proba, model.transform)]
    monkeypatch.setattr(inference, "STRETCH_BYTES", stretch_bytes)
    for worth_tables in (1000, 0):
        monkeypatch.setattr(prepared_sets, "WORTH_TABLES", worth_tables)
        for n_jobs in (1, 2, 3):
            model.set_params(n_jobs=n_jobs)
            assert_same(model.predict_proba(X), expected[0])
            assert_same(model.transform(X), expected[1])


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_same_bits_both_ways(pooling, small_pieces):
    X, y = make_data()
    model = fitted(X, y, cell="gru", bidirectional=True, pooling=pooling)
    expected = among_others(model.predict_proba, X)
    for n_jobs in (1, 2):
        assert_same(model.set_params(n_jobs=n_jobs).predict_proba(X), expected)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(65, 300),
    n_steps=st.integers(1, 40),
    n_units=st.integers(1, 20),
    cell=st.sampled_from(["gru", "lstm", "rnn"]),
    pooling=st.sampled_from(["last", "mean", "max"]),
    n_jobs=st.integers(1, 3),
)
def test_same_bits_for_any_shape(n, n_steps, n_units, cell, pooling, n_jobs):
    X, y = make_data(n, n_steps)
    model = fitted(X[:9], y[:9], cell=cell, hidden_layer_sizes=n_units, pooling=pooling)
    expected = among_others(model.predict_proba, X)
    model.set_params(n_jobs=n_jobs)
    with (
        patch.object(inference, "WORTH_SHARING", 0),
        patch.object(prepared_sets, "WORTH_TABLES", 0),
        patch.object(prepared_sets, "_run_pieces", wraps=prepared_sets._run_pieces) as run,
    ):
        for _ in range(2):  # what was kept serves again
            assert_same(model.predict_proba(X), expected)
    assert run.called


def test_changed_weights_are_seen():
    """Networks of such a size read copies of the weights."""
    X, y = make_data(n=200)
    model = fitted(X, y, hidden_layer_sizes=(33, 33))
    before = model.predict_proba(X)
    kept = model._network.bind(model._params).idle
    assert any(kind is prepared_sets.PreparedSet for kind, _ in kept)
    model._params *= 0.5  # where they are, as a solver moves them
    after = model.predict_proba(X)
    assert abs(after - before).max() > 1e-3
    assert_same(after, among_others(model.predict_proba, X))


@pytest.mark.parametrize("worth_tables", [0, 1000])
def test_other_data_is_read(worth_tables, monkeypatch):
    monkeypatch.setattr(prepared_sets, "WORTH_TABLES", worth_tables)
    X, y = make_data(n=400, n_steps=9)
    model = fitted(X, y)
    fixed = X[150:350].copy()
    fixed.flags.writeable = False
    for _ in range(3):
        for part in (X[:200], X[200:], X[:200].copy(), fixed):
            assert_same(model.predict_proba(part), among_others(model.predict_proba, part))
    (kept,) = model._network.bind(model._params).idle.values()
    assert kept[0].is_in_tables == (worth_tables == 0)


def test_ids(small_pieces):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 6, size=(20, 9)), np.arange(20) % 3
    model = fitted(X, y, embedding_dim=3)
    expected = model.predict_proba([*X, X[0, :2]])[:-1]
    for n_jobs in (1, 2):
        found = model.set_params(n_jobs=n_jobs).predict_proba(X)
        assert_same(found, np.ascontiguousarray(expected))


def test_many_outputs_are_finished_some_at_a_time(monkeypatch):
    X = make_data(n=300)[0]
    model = fitted(X, np.arange(300) % 50)
    expected = model.predict(X)
    monkeypatch.setattr(inference, "HELD_NUMBERS", 50 * 70)
    decoded, decode = [], model._decode
    monkeypatch.setattr(model, "_decode", lambda raw: decoded.append(len(raw)) or decode(raw))
    np.testing.assert_array_equal(model.predict(X), expected)
    assert decoded == [80, 80, 80, 60]


def test_pieces_are_of_much_the_same_size(monkeypatch):
    X = np.random.default_rng(0).normal(size=(150, 7, 2))
    model = RNNRegressor(8, max_iter=2, random_state=0).fit(X, X[:, -1, 0])
    expected, sizes = model.predict(X), []
    run = inference.run_alike

    def note(network, params, sequences, places, size, *args):
        sizes.append(size)
        return run(network, params, sequences, places, size, *args)

    monkeypatch.setattr(inference, "run_alike", note)
    np.testing.assert_array_equal(model.predict(X), expected)
    # Weights that are far away are read for more sequences.
    monkeypatch.setattr(inference, "FAR_BYTES", 0)
    np.testing.assert_array_equal(model.predict(X), expected)
    np.testing.assert_array_equal(model.predict(X[:70]), expected[:70])
    assert sizes == [52, 76, 70]


def test_the_first_row_that_overflows_is_named(small_pieces):
    X, y = make_data()
    model = fitted(X, y, activation="relu")
    X[[13, 17]] = 3e38
    for n_jobs in (1, 2):
        with pytest.raises(ValueError, match=r"overflows float32 in sequence 13 of X"):
            model.set_params(n_jobs=n_jobs).predict(X)


@jit
def _refuse_large(first, last, starts, mask, W_h, b_h, gates, inner, operands, states):
    for t in range(first, last):
        for row in range(starts[t], starts[t + 1]):
            for k in range(gates.shape[2]):
                if gates[0, row, k] > 1000:
                    raise ValueError("a gate is too large")
                states[0, starts[1] + row, k] = gates[0, row, k]


REFUSING = replace(RNN_TANH, name="refusing", forward=_refuse_large, takes_panels=False)


def test_errors_of_kernels_are_raised(small_pieces):
    X, y = make_data(n=40)
    model = fitted(X, y, cell=REFUSING)
    expected = among_others(model.predict_proba, X)
    assert_same(model.predict_proba(X), expected)
    large = X.copy()
    large[33, 5] = 1e6
    for n_jobs in (1, 2):
        model.set_params(n_jobs=n_jobs)
        with pytest.raises(ValueError, match="a gate is too large"):
            model.predict_proba(large)
        assert_same(model.predict_proba(X), expected)


def test_a_kernel_that_ends_badly_once_is_run_again(small_pieces, monkeypatch):
    X, y = make_data()
    model = fitted(X, y)
    expected, run, taken = among_others(model.predict_proba, X), prepared_sets._run_pieces, []

    def run_badly(board, *args):
        if taken:
            return run(board, *args)
        taken.append(prepared_sets.take(board, 0))
        return taken[0]

    monkeypatch.setattr(prepared_sets, "_run_pieces", run_badly)
    assert_same(model.predict_proba(X), expected)
    assert taken == [1]  # the first was run to compile


def test_an_interrupt_ends_the_work_of_all(small_pieces, monkeypatch):
    X, y = make_data()
    model = fitted(X, y, n_jobs=2)
    expected, boards = model.predict_proba(X), []

    def interrupt(board, *args):
        boards.append(board)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(prepared_sets, "_run_pieces", interrupt)
        with pytest.raises(KeyboardInterrupt):
            model.predict_proba(X)
    assert prepared_sets.take(boards[0], 0) == -1
    assert_same(model.predict_proba(X), expected)


def test_nothing_is_held_on_to(small_pieces, monkeypatch):
    """Neither before the calls are in tables nor afterwards."""
    monkeypatch.setattr(prepared, "MOST_NUMBERS", 2**18)
    X, y = make_data(n=100)
    model = fitted(X, y)
    for worth_tables in (1000, 0):
        monkeypatch.setattr(prepared_sets, "WORTH_TABLES", worth_tables)
        model.predict_proba(X)
        (kept,) = model._network.bind(model._params).idle.values()
        assert kept[0].is_in_tables == (worth_tables == 0)
        for _, calls, _ in kept[0]._parts:
            assert calls.calls[0] is None


def test_kernels_run_without_tables(small_pieces, monkeypatch):
    """Whatever Numba makes of arguments, there is a way that asks it."""
    monkeypatch.setattr(_calls, "_found", {})
    monkeypatch.setattr(_calls, "MOST_WORDS", 3)
    monkeypatch.setattr(prepared_sets, "_run_pieces", None)
    X, y = make_data()
    model = fitted(X, y)
    expected = among_others(model.predict_proba, X)
    for n_jobs in (1, 2):
        assert_same(model.set_params(n_jobs=n_jobs).predict_proba(X), expected)


def test_threads_take_part(small_pieces, monkeypatch):
    shared = []
    map_calls = Threads.map
    monkeypatch.setattr(
        Threads,
        "map",
        lambda self, f, *args: shared.append(len(args[0])) or map_calls(self, f, *args),
    )
    X, y = make_data()
    model = fitted(X, y)
    shared.clear()
    for n_jobs in (1, 2, 9):
        model.set_params(n_jobs=n_jobs).predict_proba(X)
    assert shared == [1, 2, 3]


def test_faint_numbers_are_zero_wherever_they_arise(small_pieces):
    """In the piece that is run to compile as in the others, and in what is made of raw outputs."""
    X, y = make_data()
    model = fitted(X, y, activation="relu")
    W_hy, b_y = model._network.head.bind(model._params)
    W_hy[...], b_y[...] = 0, [0, 95, 0]
    expected = among_others(model.predict_proba, X)
    assert (expected[:, 0] == 0).all()
    assert_same(model.predict_proba(X), expected)
    X *= 1e-39
    expected = among_others(model.transform, X)
    assert (expected == 0).all()
    for _ in range(2):
        assert_same(model.transform(X), expected)


@pytest.mark.parametrize("parallel", [1, 2])
def test_an_error_in_python_ends_the_work_of_all(parallel, small_pieces, monkeypatch):
    """Without tables as with them."""
    monkeypatch.setattr(prepared_sets, "WORTH_TABLES", 1000)
    X, y = make_data(n=200)
    model = fitted(X, y, n_jobs=parallel)
    expected, run, begun = model.predict_proba(X), prepared_sets.PreparedSet.run_piece, []

    def interrupt(self, number, *args):
        begun.append(number)
        time.sleep(0.02)  # the other thread wakes up
        if number == 3:
            raise KeyboardInterrupt
        return run(self, number, *args)

    with monkeypatch.context() as patched:
        patched.setattr(prepared_sets.PreparedSet, "run_piece", interrupt)
        with pytest.raises(KeyboardInterrupt):
            model.predict_proba(X)
    assert len(begun) < 10
    assert_same(model.predict_proba(X), expected)
