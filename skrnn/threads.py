"""Plain threads for kernels that release the interpreter lock."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Lock

from joblib import effective_n_jobs

from skrnn._subnormals import begin, end


class Threads:
    """Threads for the length of a ``with`` block; none at all for one job.

    They go to sleep at its end, unless one is still at work, for which an interrupted block waits.
    What they run takes subnormal numbers for zero.

    Parameters
    ----------
    n_jobs : int or None
        As everywhere in scikit-learn: None is one, -1 is all cores.

    Attributes
    ----------
    count : int
        How many, the calling one included.
    """

    def __init__(self, n_jobs):
        self.count = max(1, effective_n_jobs(n_jobs))
        self._executor = None
        self._is_working = False

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        executor, self._executor = self._executor, None
        if executor is None:
            return
        if self._is_working:
            executor.shutdown(cancel_futures=True)
        else:
            _idle.append((self.count, executor))

    def map(self, function, *iterables):
        """Return the results in order; an exception of any is raised once none runs any more.

        The calling thread takes its part, and all of it if no other wakes up in time: short calls
        take no longer than on one thread.
        """
        calls = [(function, arguments) for arguments in zip(*iterables, strict=False)]
        results, left, lock = [None] * len(calls), list(range(len(calls)))[::-1], Lock()

        def take_calls():
            while True:
                with lock:
                    if not left:
                        return
                    i = left.pop()
                try:
                    call, arguments = calls[i]
                    results[i] = call(*arguments)
                except BaseException:
                    with lock:
                        left.clear()
                    raise

        n_helpers = min(self.count, len(calls)) - 1
        self._is_working = n_helpers > 0
        helpers = [self.start(take_calls) for _ in range(n_helpers)]
        before = begin()
        try:
            take_calls()
        finally:
            end(before)
            # One that has not begun by now would find nothing to do.
            begun = [helper for helper in helpers if not helper.cancel()]
            wait(begun)  # an interrupt may end it early
            self._is_working = False
            calls.clear()  # which a thread that goes to sleep or wakes up may still hold
        for helper in begun:
            helper.result()
        return results

    def start(self, function, *arguments):
        """Have another thread make a call as soon as it can; return its Future.

        Nobody waits for it at the end of the block.
        """
        is_working, self._is_working = self._is_working, True  # it stays so if interrupted here:
        future = self._started().submit(function, *arguments)  # nobody knows then what runs
        self._is_working = is_working
        return future

    def _started(self):
        if self._executor is None:
            self._executor = _take_idle(self.count) or ThreadPoolExecutor(
                self.count - 1, thread_name_prefix="skrnn", initializer=begin
            )
        return self._executor


# Threads that the last ones to have any have left asleep: starting and ending them takes longer
# than a short call. Those that are dropped end by themselves.
_idle = deque(maxlen=1)
if hasattr(os, "register_at_fork"):
    # No thread lives on in a forked process: all calls would be left to the caller.
    os.register_at_fork(after_in_child=_idle.clear)


def _take_idle(count):
    """Return what is asleep for so many jobs, for the caller alone; None if there is nothing."""
    try:
        own_count, executor = _idle.pop()
    except IndexError:
        return None
    return executor if own_count == count else None


ALONE = Threads(1)
"""The calling thread and no other."""
