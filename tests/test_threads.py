"""Calls on plain threads: all made once, in order of results, and none left running."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from skrnn.threads import Threads


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
@pytest.mark.parametrize("n_calls", [0, 1, 2, 7])
def test_results_are_in_order(n_jobs, n_calls):
    made = []

    def call(i, word):
        made.append(i)
        time.sleep(0.002 * (i % 3))
        return f"{word}{i}"

    with Threads(n_jobs) as threads:
        assert threads.map(call, range(n_calls), "abcdefg") == [
            f"{word}{i}" for i, word in zip(range(n_calls), "abcdefg", strict=False)
        ]
    assert sorted(made) == list(range(n_calls))


def test_calls_run_beside_each_other():
    together = threading.Barrier(2, timeout=30)
    with Threads(2) as threads:
        assert sorted(threads.map(lambda _: together.wait(), range(2))) == [0, 1]


@pytest.mark.parametrize("failing", [0, 1])
def test_an_exception_is_raised_when_nothing_runs_any_more(failing):
    together, running = threading.Barrier(2, timeout=30), [0]

    def call(i):
        if i > 1:
            raise AssertionError("no call begins after one has failed")
        together.wait()
        if i == failing:
            raise ValueError("no luck")
        running[0] += 1
        time.sleep(0.05)
        running[0] -= 1

    with Threads(2) as threads, pytest.raises(ValueError, match="no luck"):
        try:
            threads.map(call, range(2))
        finally:
            assert running == [0]
    with Threads(1) as threads, pytest.raises(AssertionError):
        threads.map(call, [2, 3])


def test_short_calls_do_not_wait_for_another_thread():
    """While the only other thread is busy, the caller does everything."""
    leave = threading.Event()
    with Threads(2) as threads:
        threads._started().submit(leave.wait, 30)
        caller = threading.current_thread()
        try:
            assert threads.map(lambda _: threading.current_thread(), range(3)) == [caller] * 3
        finally:
            leave.set()


def helpers_of(n_jobs):
    """Return the threads that take part besides the caller."""
    together = threading.Barrier(n_jobs, timeout=30)

    def call(_):
        together.wait()
        return threading.current_thread()

    with Threads(n_jobs) as threads:
        return set(threads.map(call, range(n_jobs))) - {threading.current_thread()}


def test_threads_are_used_again():
    first = helpers_of(2)
    assert helpers_of(2) == first
    three = helpers_of(3)
    assert not first & three
    assert len(three) == 2
    with pytest.raises(ZeroDivisionError), Threads(3) as threads:
        threads.map(lambda i: 1 / i, range(3))
    assert helpers_of(3) == three


def test_an_interrupted_wait_ends_when_nothing_runs_any_more(monkeypatch):
    """Even if somebody swallows the interrupt within the block, as training does."""
    together, done = threading.Barrier(2, timeout=30), []
    caller = threading.current_thread()

    def call(_):
        together.wait()
        if threading.current_thread() is not caller:
            time.sleep(0.1)
            done.append(True)

    def interrupted(helpers):
        raise KeyboardInterrupt

    before = helpers_of(2)
    with Threads(2) as threads:
        monkeypatch.setattr("skrnn.threads.wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            threads.map(call, range(2))
        assert not done
        monkeypatch.undo()
    assert done
    assert not helpers_of(2) & before


def test_threads_that_cannot_be_made_are_named(monkeypatch):
    def refuse(*args, **keywords):
        raise OSError("no more threads")

    monkeypatch.setattr("skrnn.threads.ThreadPoolExecutor", refuse)
    monkeypatch.setattr("skrnn.threads._take_idle", lambda count: None)
    with pytest.raises(OSError, match="no more threads"), Threads(2) as threads:
        threads.map(str, range(2))


def test_threads_are_not_used_again_after_an_interrupted_start(monkeypatch):
    def interrupted(executor, *call):
        submit(executor, *call)
        raise KeyboardInterrupt

    before, submit = helpers_of(2), ThreadPoolExecutor.submit
    with Threads(2) as threads:
        monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            threads.start(time.sleep, 0.01)
        monkeypatch.undo()
    assert not any(thread.is_alive() for thread in before)
    assert not helpers_of(2) & before


def test_two_at_once_share_no_threads():
    with Threads(2) as outer, Threads(2) as inner:
        outer.map(lambda _: time.sleep(0.01), range(2))
        inner.map(lambda _: time.sleep(0.01), range(2))
        assert outer._executor is not inner._executor
