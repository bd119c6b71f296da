"""Batches whose calls are made ready give what all others give."""

import gc
import threading
import weakref

import numpy as np
import pytest

from skrnn import RNNClassifier, RNNRegressor, _calls, objective, threads
from skrnn.cells import resolve_cell
from skrnn.losses import regression_loss
from skrnn.network import Network
from skrnn.prepared_training import PreparedGradient
from skrnn.sequences import Sequences
from skrnn.workspace import Workspace

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 6, 3))
Y = np.arange(70) % 3


@pytest.fixture
def without(monkeypatch):
    """A function that calls another one as if nothing could be made ready."""

    def call(function):
        with monkeypatch.context() as patch:
            patch.setattr(objective.Objective, "_count_prepared", lambda self: 0)
            return function()

    return call


@pytest.fixture
def count(monkeypatch):
    """How many batches were evaluated by calls that were ready."""
    calls, evaluate = [], PreparedGradient.evaluate

    def counted(self, *args):
        calls.append(args)
        return evaluate(self, *args)

    monkeypatch.setattr(PreparedGradient, "evaluate", counted)
    return calls


def weights_of(make, X=X, y=Y, **settings):
    model = make(4, max_iter=2, random_state=0, max_grad_norm=0.5, **settings)
    return model.fit(X, y).partial_fit(X, y)._params.tobytes()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_same_bits(cell, pooling, without, count):
    settings = {"cell": cell, "pooling": pooling, "batch_size": 24, "alpha": 0.1}
    expected = without(lambda: weights_of(RNNClassifier, **settings))
    assert not count
    assert weights_of(RNNClassifier, **settings) == expected
    assert len(count) == 9


@pytest.mark.parametrize("sizes", [(4, 3), (3, 3, 3)], ids=str)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_same_bits_in_layers_and_directions(sizes, bidirectional, without, count):
    def train():
        model = RNNClassifier(
            sizes, bidirectional=bidirectional, max_iter=2, batch_size=24, random_state=0
        )
        return model.fit(X, Y)._params.tobytes()

    expected = without(train)
    assert train() == expected
    assert len(count) == 6


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_same_bits_in_several_pieces(n_jobs, without, count):
    settings = {"batch_size": 70, "n_jobs": n_jobs}
    expected = without(lambda: weights_of(RNNRegressor, y=X[:, 0], **settings))
    assert weights_of(RNNRegressor, y=X[:, 0], **settings) == expected
    assert len(count) == 9


def test_same_bits_from_tables_beside_other_threads(without, monkeypatch):
    tables, in_tables = [], _calls._in_tables
    monkeypatch.setattr(_calls, "RUNS_BEFORE", 10**9)
    monkeypatch.setattr(_calls, "_in_tables", lambda calls: tables.append(1) or in_tables(calls))
    alone = weights_of(RNNClassifier, batch_size=70)
    assert not tables
    assert weights_of(RNNClassifier, batch_size=70, n_jobs=2) == alone
    assert tables


def test_threads_share_a_batch_where_it_is_worth_it(monkeypatch):
    started, executor = [], threads.ThreadPoolExecutor
    monkeypatch.setattr(
        threads, "ThreadPoolExecutor", lambda *a, **k: started.append(a) or executor(*a, **k)
    )
    expected = weights_of(RNNClassifier, batch_size=70, n_jobs=2)
    assert len(started) == 2  # `fit` and `partial_fit`
    monkeypatch.setattr(objective, "WORTH_SHARING", 10**9)
    assert weights_of(RNNClassifier, batch_size=70, n_jobs=2) == expected
    assert len(started) == 2


def test_the_calling_thread_makes_the_calls_of_all(monkeypatch):
    makers, make = [], PreparedGradient.__init__

    def note(self, *args):
        makers.append(threading.current_thread())
        make(self, *args)

    monkeypatch.setattr(PreparedGradient, "__init__", note)
    weights_of(RNNClassifier, batch_size=70, n_jobs=2)
    assert set(makers) == {threading.main_thread()}
    # Pieces of 32, two at first and then more than there are threads.
    network = Network(resolve_cell("gru", "tanh"), 3, (4,), 1)
    sequences = Sequences(np.zeros((6 * 192, 3)), np.arange(0, 6 * 193, 6))
    data = sequences, np.zeros((192, 1)), np.ones(192)
    whole = objective.Objective(
        network, regression_loss("squared_error", huber_delta=1.0, quantile=0.5), *data
    )
    params = np.zeros(network.layout.size)
    with threads.Threads(4) as four:
        makers.clear()
        for n_sequences, n_made in [(64, 2), (192, 4), (192, 4)]:
            whole.gradient(params, np.arange(n_sequences), four)
            assert len(makers) == n_made
    assert set(makers) == {threading.main_thread()}


@pytest.mark.parametrize(
    "settings", [{}, {"n_jobs": 2, "batch_size": 70}, {"dropout": 0.2}], ids=str
)
def test_data_and_buffers_are_free_after_a_fit(settings):
    """Not when the garbage collector comes, which does not see how large arrays are."""

    def count_workspaces():
        return sum(type(thing) is Workspace for thing in gc.get_objects())

    _calls.compile_tables()  # the compiler leaves cycles, which hold on to its callers
    model = RNNClassifier(4, max_iter=2, random_state=0, **settings).fit(X, Y).partial_fit(X, Y)
    data = X.copy()
    alive, was_enabled = weakref.ref(data), gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        before = count_workspaces()
        model.fit(data, Y).partial_fit(data, Y)
        del data
        assert alive() is None
        assert count_workspaces() == before
    finally:
        if was_enabled:
            gc.enable()


def test_same_bits_with_weights_and_from_tables(without, monkeypatch):
    monkeypatch.setattr(_calls, "RUNS_BEFORE", 3)
    weight = RNG.uniform(size=70)

    def train():
        model = RNNClassifier(4, "lstm", max_iter=3, batch_size=20, random_state=0)
        return model.fit(X, Y, sample_weight=weight)._params.tobytes()

    assert train() == without(train)


@pytest.mark.parametrize(
    "settings",
    [{"dropout": 0.2}, {"recurrent_dropout": 0.2}, {"bptt_steps": 2}, {"checkpoint_steps": 2}],
    ids=str,
)
def test_what_cannot_be_made_ready_is_not(settings, count):
    weights_of(RNNClassifier, **settings)
    weights_of(RNNClassifier, X=[x[: 1 + i % 6] for i, x in enumerate(X)])
    assert not count


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_line_search_makes_ready_once(count):
    RNNClassifier(3, solver="lbfgs", max_iter=5, random_state=0).fit(X[:20], Y[:20])
    assert len(count) == 1


def test_subnormal_numbers_are_flushed_and_the_flag_is_put_back():
    tiny = np.full(3, 1e-310)
    RNNClassifier(3, max_iter=1, random_state=0).fit(X[:20], Y[:20])
    assert (tiny * 0.5 > 0).all()
