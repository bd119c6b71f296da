"""Batches that threads share in machine code: the same bits, whoever runs what, and no harm."""

import threading
import time

import numpy as np
import pytest

from skrnn import RNNClassifier, _calls, objective, prepared_training, teams, threads
from skrnn._atomics import are_left, offer, take
from skrnn._jit import JIT_DISABLED, jit
from skrnn.teams import Team

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="teams need compiled kernels")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(128, 6, 3))
Y = np.arange(128) % 3


@pytest.fixture
def runs(monkeypatch):
    """For each wave of pieces that a team ran, how many there were and how many its leader ran."""
    found, lead = [], teams._lead

    def noted(first, last, *arguments):
        n_own = lead(first, last, *arguments)
        if last > first:
            found.append((last - first, n_own))
        return n_own

    monkeypatch.setattr(teams, "_lead", noted)
    return found


@pytest.fixture
def idle_leader(monkeypatch):
    """Leave all pieces to helpers, where there are any."""
    called, call_together, lead = [], Team._call_together, teams._lead

    def call(team, threads):
        called[:] = team, threads
        return call_together(team, threads)

    def offer_only(first, last, board, *arguments):
        if not called:
            return lead(first, last, board, *arguments)
        board[teams._DONE], board[teams._OFFERED] = 0, last - first
        offer(board, teams._PIECES, first, last)
        ends = time.monotonic() + 30
        while are_left(board, teams._PIECES):
            assert time.monotonic() < ends, "nobody came"
            call_together(*called)  # some may have been about to leave
            time.sleep(0)
        called.clear()
        return 0

    monkeypatch.setattr(Team, "_call_together", call)
    monkeypatch.setattr(teams, "_lead", offer_only)


@pytest.fixture(autouse=True)
def always_shared(monkeypatch):
    """Have teams share, whether or not that saves time just now."""
    monkeypatch.setattr(teams._Account, "begin_batch", lambda self: True)


def train(n_jobs, *, batch_size=128, n_calls=4, **settings):
    model = RNNClassifier(4, batch_size=batch_size, random_state=0, n_jobs=n_jobs, **settings)
    for _ in range(n_calls):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    return model


@jit
def _take_all(board, taken):
    """Note which pieces this thread has got."""
    count = 0
    while are_left(board, 0):
        i = take(board, 0)
        if i >= 0:
            taken[count] = i
            count += 1
    return count


def test_each_piece_is_taken_once():
    n, board = 200_000, np.zeros(1, dtype=np.int64)
    taken, counts = np.zeros((3, n), dtype=np.int64), [0, 0, 0]
    _take_all(board, taken[0])  # compiled
    together = threading.Barrier(3)

    def work(i):
        together.wait()
        counts[i] = _take_all(board, taken[i])

    offer(board, 0, 5, n)
    helpers = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for helper in helpers:
        helper.start()
    for helper in helpers:
        helper.join()
    found = np.concatenate([line[:count] for line, count in zip(taken, counts, strict=True)])
    np.testing.assert_array_equal(np.sort(found), np.arange(5, n))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch_size", [128, 100])  # pieces of one size, and of two
def test_same_bits_whoever_runs_them(cell, dtype, batch_size, runs, monkeypatch):
    def weights_of(n_jobs):
        model = RNNClassifier(
            4, cell, batch_size=batch_size, max_iter=70, random_state=0, n_jobs=n_jobs, alpha=0.1,
            n_iter_no_change=100,
        )  # fmt: skip
        model.fit(X.astype(dtype), Y)
        return model._params.tobytes(), model.loss_curve_

    with monkeypatch.context() as patch:
        patch.setattr(Team, "is_ready", lambda self: False)
        expected = weights_of(1)
    assert not runs
    assert weights_of(1) == expected
    assert set(runs) == {(1, 1)}
    for n_jobs in (2, 3):
        runs.clear()
        assert weights_of(n_jobs) == expected
        assert runs
        assert {n_pieces for n_pieces, _ in runs} <= {2, 4}


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_same_bits_if_helpers_do_everything(n_jobs, idle_leader):
    assert train(n_jobs)._params.tobytes() == train(1)._params.tobytes()


@pytest.mark.parametrize("most", [0, 1, 2 * 4000])
def test_same_bits_with_few_gradients_at_once(most, runs, monkeypatch):
    expected = train(1, batch_size=128)._params.tobytes()
    runs.clear()
    monkeypatch.setattr(objective, "GRADIENT_NUMBERS", most)
    model = train(2, batch_size=128)
    assert model._params.tobytes() == expected
    assert runs[0][0] == (2 if most < 2 else 4)
    (team,) = model._kept_objective()._teams.values()
    assert len(team._gradients) == runs[0][0]


def test_other_data_serve_the_same_team(monkeypatch):
    made, make = [], Team.__init__
    monkeypatch.setattr(Team, "__init__", lambda self, *args: made.append(1) or make(self, *args))

    def weights_of(n_jobs):
        model = RNNClassifier(4, batch_size=128, random_state=0, n_jobs=n_jobs)
        for i in range(6):
            # What is in another order in memory needs Python at first.
            data = np.asfortranarray(X) if i == 3 else X + i
            model.partial_fit(data, Y[::-1], classes=[0, 1, 2], sample_weight=1.0 + np.arange(128))
        return model._params.tobytes()

    alone = weights_of(1)
    made.clear()
    assert weights_of(2) == alone
    assert len(made) == 1


def test_a_call_that_does_not_end_well_is_made_from_python(monkeypatch):
    """Which raises what it raises."""
    expected = train(2)._params.tobytes()
    run, failed = Team.run, []

    def failing(self, *arguments):
        run(self, *arguments)
        failed.append(1)

    monkeypatch.setattr(Team, "run", failing)
    assert train(2)._params.tobytes() == expected
    assert failed


def test_kernels_that_fail_are_noticed(monkeypatch):
    """A row whose kernel refuses its arguments ends the table there."""

    class Prepared:
        def __init__(self, number):
            self.positions, self.value = np.zeros(1, dtype=np.int64), np.ones(1)
            self.gradient = type("", (), {"vector": np.full(3, 5.0)})
            calls = [(refuse_negative, (np.array([number]),))]
            self._lists = [_calls.CallList([(np.copyto, (np.ones(1), np.ones(1)))], True)]
            self._lists.append(_calls.CallList(calls, True))

        @property
        def tables(self):
            return tuple(calls.rows for calls in self._lists)

    refuse_negative(np.ones(1))
    total = np.zeros(3)
    for number, loss in [(1.0, 2.0), (-1.0, None)]:
        member = {1: Prepared(number)}
        team = Team([np.array([0]), np.array([1])], [member], None)
        assert team.is_ready()
        assert team.run(np.arange(2), 1, threads.ALONE, total) == loss
    np.testing.assert_array_equal(total, 10)


@jit
def refuse_negative(line):
    if line[0] < 0:
        raise ValueError("negative")


def test_threads_leave_and_come_back(monkeypatch):
    started, start = [], threads.Threads.start

    def noted(self, *call):
        started.append(start(self, *call))
        return started[-1]

    monkeypatch.setattr(threads.Threads, "start", noted)
    model = train(2)
    for _ in range(3):
        helper = started[-1]
        helper.result(timeout=30)  # nobody offers anything any more
        model.partial_fit(X, Y)
        assert started[-1] is not helper


def test_helpers_that_are_late_are_waited_for(idle_leader, monkeypatch):
    """The leader goes to sleep in the end."""
    expected = train(1)._params.tobytes()
    looked, waited, wait = [], [], teams.wait
    monkeypatch.setattr(teams, "_is_done", lambda board: looked.append(1))
    monkeypatch.setattr(teams, "wait", lambda helpers: waited.append(wait(helpers)))
    monkeypatch.setattr(teams, "sleep", lambda seconds: None)
    assert train(2)._params.tobytes() == expected
    assert waited
    assert len(looked) >= len(waited) * teams._PATIENCE


@pytest.mark.filterwarnings("ignore:Training interrupted")
def test_an_interrupted_wait_ends_when_nobody_is_at_work(idle_leader, monkeypatch):
    """Even if helpers have stayed from an earlier call, and somebody interrupts again."""
    X_long = RNG.normal(size=(128, 120, 3))  # so that pieces take milliseconds
    wait, waits = teams.wait, []

    def interrupted(*_):
        raise KeyboardInterrupt

    def interrupted_once(helpers):
        waits.append([helper.done() for helper in helpers])
        if len(waits) == 1:
            raise KeyboardInterrupt
        return wait(helpers)

    def start():
        model = RNNClassifier(64, "gru", batch_size=128, random_state=0, n_jobs=2)
        for _ in range(4):
            model.partial_fit(X_long, Y, classes=[0, 1, 2])
        return model

    expected, model = start(), start()
    (team,) = model._kept_objective()._teams.values()
    with monkeypatch.context() as patch:
        patch.setattr(Team, "_wait", interrupted)
        patch.setattr(teams, "wait", interrupted_once)
        model.partial_fit(X_long, Y)
    assert len(waits) > 1
    assert all(helper.done() for helper in team._helpers)
    assert model._params.tobytes() == expected._params.tobytes()  # as before that epoch
    assert model.partial_fit(X_long, Y)._params.tobytes() == (
        expected.partial_fit(X_long, Y)._params.tobytes()
    )


@pytest.mark.filterwarnings("ignore:Training interrupted")
def test_an_interrupted_start_leaves_nobody_behind(monkeypatch):
    """The helper runs, but nobody has its Future."""
    lost, start = [], threads.Threads.start

    def interrupted(self, *call):
        self._is_working = True
        lost.append(self._started().submit(*call))
        raise KeyboardInterrupt

    expected, model = train(1), train(2)
    (team,) = model._kept_objective()._teams.values()
    for helper in team._helpers:
        helper.result(timeout=30)
    before = team._board
    with monkeypatch.context() as patch:
        patch.setattr(threads.Threads, "start", interrupted)
        model.partial_fit(X, Y)
    assert lost
    assert all(helper.done() for helper in lost)
    assert before[teams._LEAVE] == 1
    assert model._params.tobytes() == expected._params.tobytes()  # as before that epoch
    assert threads.Threads.start is start
    for one in (expected, model):
        for _ in range(3):
            one.partial_fit(X, Y)
    assert model._params.tobytes() == expected._params.tobytes()
    assert team._board is not before


def test_a_forked_process_has_no_helpers(monkeypatch):
    model = train(2)
    (team,) = model._kept_objective()._teams.values()
    before = list(team._helpers)
    monkeypatch.setattr(teams.os, "getpid", lambda: -1)
    expected = train(1, n_calls=5)._params.tobytes()
    assert model.partial_fit(X, Y)._params.tobytes() == expected
    assert not set(before) & set(team._helpers)


def test_errors_of_helpers_are_raised(monkeypatch):
    def broken(*arguments):
        raise MemoryError("no memory for another thread")

    monkeypatch.setattr(teams, "_help", broken)
    with pytest.raises(MemoryError, match="another thread"):
        for _ in range(100):
            train(2)
            time.sleep(0.01)


def test_sharing_pauses_where_it_does_not_pay(monkeypatch):
    monkeypatch.undo()
    account = teams._Account()
    account.note_own(1.0, 4)
    opened = []
    for _ in range(1000):
        opened.append(account.begin_batch())
        if opened[-1]:
            account.note(3.0, 4)  # a quarter of a second a piece, by one thread
    assert opened[0]
    assert sum(opened) == 9  # pauses twice as long each time, but not without end
    for _ in range(300):
        if account.begin_batch():
            account.note(0.5, 4)
    assert account.begin_batch()
    account.note(1.5, 4)
    assert account.begin_batch()  # once is forgiven
    for _ in range(10):
        account.note(1.5, 4)
    assert not account.begin_batch()


def test_processors_that_become_slower_are_no_reason_to_pause(monkeypatch):
    monkeypatch.undo()
    account = teams._Account()
    for seconds in (1.0, *[2.0] * 500):
        account.note_own(seconds, 1)
    for _ in range(10):
        assert account.begin_batch()
        account.note(2.5, 2)


def test_what_is_prepared_has_tables():
    """Of everything that a usual network calls: nothing needs Python."""
    found, make = [], prepared_training.PreparedGradient.__init__

    def noted(self, *args):
        make(self, *args)
        found.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared_training.PreparedGradient, "__init__", noted)
        for settings in (
            {"bidirectional": True, "pooling": "mean"},
            {"hidden_layer_sizes": (4, 3)},
        ):
            model = RNNClassifier(batch_size=64, max_iter=3, n_jobs=2, **settings)
            model.fit(X, Y)
    assert found
    for prepared in found:
        assert all(rows is not None for rows in prepared.tables)
