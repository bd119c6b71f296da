"""Batches whose calls are made ready give what all others give."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

from skrnn import RNNClassifier, RNNRegressor, _calls, objective, threads, training
from skrnn.cells import RNN_TANH, Cell, add_product, flat, jit, resolve_cell, rows
from skrnn.estimators import keeping
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


@pytest.fixture
def makers(monkeypatch):
    """The thread that made it, for everything that was made ready."""
    found, make = [], PreparedGradient.__init__

    def note(self, *args):
        found.append(threading.current_thread())
        make(self, *args)

    monkeypatch.setattr(PreparedGradient, "__init__", note)
    return found


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
    assert n_jobs > 1 or len(count) == 9  # what is in tables already needs no Python


def test_same_bits_from_tables_beside_other_threads(without, monkeypatch):
    tables, in_tables = [], _calls._in_tables
    monkeypatch.setattr(_calls, "RUNS_BEFORE", 10**9)
    monkeypatch.setattr(_calls, "_in_tables", lambda calls: tables.append(1) or in_tables(calls))
    alone = weights_of(RNNClassifier, batch_size=70)
    assert not tables
    assert weights_of(RNNClassifier, batch_size=70, n_jobs=2) == alone
    assert tables


@pytest.mark.parametrize("is_ready", [True, False])
def test_threads_share_a_batch_where_it_is_worth_it(is_ready, monkeypatch, without):
    started, start = [], threads.Threads.start

    def noted(self, *call):
        started.append(call)
        return start(self, *call)

    def train():
        return weights_of(RNNClassifier, batch_size=70, n_jobs=2)

    run = (lambda function: function()) if is_ready else without
    monkeypatch.setattr(threads.Threads, "start", noted)
    expected = run(train)
    assert started
    started.clear()
    monkeypatch.setattr(objective, "WORTH_A_TEAM" if is_ready else "WORTH_SHARING", 10**9)
    assert run(train) == expected
    assert not started


def test_the_calling_thread_makes_the_calls_of_all(makers):
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


@pytest.fixture
def without_keeping(monkeypatch):
    """A function that calls another one as if every `partial_fit` were the first to train."""

    def call(function):
        with monkeypatch.context() as patch:
            patch.setattr(objective.Objective, "is_worth_keeping", False)
            return function()

    return call


def train_on(parts, **settings):
    """Return a model that has seen one part after another."""
    model = RNNClassifier(4, random_state=0, **{"batch_size": 24, **settings})
    for X_part, y_part in parts:
        model.partial_fit(X_part, y_part, classes=[0, 1, 2])
    return model


@pytest.mark.parametrize("settings", [{}, {"batch_size": 70, "n_jobs": 2}], ids=str)
def test_what_is_ready_serves_later_calls(settings, makers, without_keeping):
    parts = [(X + i, Y) for i in range(3)]
    train_on(parts[:1], **settings)
    n_made = len(makers)
    model = train_on(parts, **settings)
    assert len(makers) == 2 * n_made > 2
    expected = without_keeping(lambda: train_on(parts, **settings))
    assert len(makers) == 5 * n_made
    assert model._params.tobytes() == expected._params.tobytes()
    assert model.loss_curve_ == expected.loss_curve_


def test_what_is_ready_serves_data_of_any_shape(without_keeping):
    sizes = [(70, 6), (24, 6), (24, 3), (48, 6), (1, 6), (5, 2), (70, 6), (13, 5), (9, 4), (24, 6)]
    parts = [(X[:n, :n_steps], Y[:n]) for n, n_steps in sizes]
    parts.insert(3, ([x[: 1 + i % 6] for i, x in enumerate(X)], Y))
    model = train_on(parts)
    expected = without_keeping(lambda: train_on(parts))
    assert model._params.tobytes() == expected._params.tobytes()


@pytest.mark.parametrize(
    "change",
    [{"pooling": "mean"}, {"alpha": 0.5}, {"dropout": 0.3}, {"loss": "hinge"}, {"batch_size": 7},
     {"bptt_steps": 2}, {"max_grad_norm": 0.01}],
    ids=str,
)  # fmt: skip
def test_changed_parameters_count(change, without_keeping):
    def train():
        model = train_on([(X, Y), (X, Y)], max_iter=2)
        try:
            model.set_params(**change).partial_fit(X, Y)
        except ValueError as error:
            return str(error)
        return model.partial_fit(X[::-1], Y)._params.tobytes()

    assert train() == without_keeping(train)
    assert train() != train_on([(X, Y), (X, Y), (X, Y), (X[::-1], Y)])._params.tobytes()


def test_changed_shapes_of_a_loss_count(without_keeping):
    def train(change):
        model = RNNRegressor(4, loss="huber", huber_delta=1.0, random_state=0)
        for _ in range(2):
            model.partial_fit(X, X[:, 0]).set_params(**change)
        return model.partial_fit(X, X[:, 0])._params.tobytes()

    changed = train({"huber_delta": 0.1})
    assert changed == without_keeping(lambda: train({"huber_delta": 0.1}))
    assert changed != train({})


@jit
def _backward_in_place(
    first, last, starts, mask, W_h, gates, inner, operands, states, d_output, d_state
):
    """That of the vanilla cell, but collecting gradients where those of the outputs were."""
    one = gates.dtype.type(1)
    for t in range(last - 1, first - 1, -1):
        low, high = starts[t], starts[t + 1]
        d_h, above = flat(d_state[0], 0, high - low), flat(d_output, low, high)
        h = flat(gates[0], low, high)
        for k in range(h.size):
            above[k] += d_h[k]
            h[k] = above[k] * (one - h[k] * h[k])
            d_h[k] = 0
        add_product(rows(gates[0], low, high), W_h[0], rows(d_state[0], 0, high - low))


def test_a_cell_may_write_to_the_gradients_of_outputs(without):
    cell = Cell("in_place", gates=("h",), forward=RNN_TANH.forward, backward=_backward_in_place)

    def train(cell):
        return RNNClassifier(4, cell, batch_size=24, max_iter=3, random_state=0).fit(X, Y)._params

    expected = without(lambda: train(cell))
    np.testing.assert_array_equal(train(cell), expected)
    np.testing.assert_allclose(train("rnn"), expected, rtol=1e-6, atol=1e-9)


def test_a_failure_leaves_nothing_behind(monkeypatch):
    def train(fails):
        model = train_on([(X, Y)])
        if fails:
            with monkeypatch.context() as patch:
                patch.setattr(training, "clip_norm", lambda *_: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    model.partial_fit(-X, Y)
        return model.partial_fit(X, Y)._params.tobytes()

    assert train(fails=True) == train(fails=False)


def test_what_is_ready_is_neither_copied_nor_stored_nor_kept_by_fit():
    model = train_on([(X, Y)])
    assert model._kept_objective() is not None
    for twin in (pickle.loads(pickle.dumps(model)), copy.copy(model), copy.deepcopy(model)):
        assert "_kept_objective" not in vars(twin)
        twin.partial_fit(X, Y)
        assert twin._kept_objective() is not model._kept_objective()
    assert "_kept_objective" not in vars(model.fit(X, Y))


def test_buffers_that_were_outgrown_count(monkeypatch):
    lengths = (1, 2, 3, 4, 5, 6)
    model = train_on([(X[:, :n], Y) for n in lengths[-1:]])
    largest = model._kept_objective()._workspaces.n_bytes
    monkeypatch.setattr(objective, "MOST_KEPT", 100)
    model = train_on([(X[:, :n], Y) for n in lengths])
    assert model._kept_objective()._workspaces.n_bytes > 2 * largest


@pytest.mark.parametrize(
    ("where", "limit", "value"), [(objective, "MOST_KEPT", 1), (keeping, "MOST_BYTES", 10_000)]
)
def test_only_what_is_small_is_kept(monkeypatch, where, limit, value):
    monkeypatch.setattr(where, limit, value)
    assert "_kept_objective" not in vars(train_on([(X, Y)]))


def test_only_the_last_few_are_kept(makers):
    models = [train_on([(X, Y)]) for _ in range(keeping.MOST_WAITING + 1)]
    n_made = len(makers)
    models[0].partial_fit(X, Y)
    assert len(makers) > n_made
    assert [model._kept_objective() is None for model in models] == [False, True, *[False] * 3]


def test_together_they_hold_little(monkeypatch):
    each = train_on([(X, Y)])._kept_objective().n_bytes
    monkeypatch.setattr(keeping, "MOST_BYTES", int(2.5 * each))
    models = [train_on([(X, Y)]) for _ in range(3)]
    assert [model._kept_objective() is None for model in models] == [True, False, False]


def test_large_buffers_of_other_batches_are_not_kept(monkeypatch):
    monkeypatch.setattr(keeping, "MOST_BYTES", 500_000)
    model = train_on([(X, Y)])
    assert "_kept_objective" in vars(model)
    long = [np.zeros((900 + i, 3)) for i in range(70)]
    assert "_kept_objective" not in vars(model.partial_fit(long, Y))


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
