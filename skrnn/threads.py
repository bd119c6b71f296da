"""Plain threads for kernels that release the interpreter lock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from threading import Lock

from joblib import effective_n_jobs

from skrnn._subnormals import begin, end


class Threads:
    """Threads that live as long as a ``with`` block; none at all for one job.

    What they run takes subnormal numbers for zero.

    Parameters
    ----------
    n_jobs : int or None
        As everywhere in scikit-learn: None is one, -1 is all cores.
    """

    def __init__(self, n_jobs):
        self.count = max(1, effective_n_jobs(n_jobs))
        self._executor = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None

    def map(self, function, *iterables):
        """Return the results in order; an exception of any is raised once none runs any more.

        The calling thread takes its part, and all of it if no other wakes up in time: short calls
        take no longer than on one thread.
        """
        calls = list(zip(*iterables, strict=False))
        results, left, lock = [None] * len(calls), list(range(len(calls)))[::-1], Lock()

        def take_calls():
            while True:
                with lock:
                    if not left:
                        return
                    i = left.pop()
                try:
                    results[i] = function(*calls[i])
                except BaseException:
                    with lock:
                        left.clear()
                    raise

        n_helpers = min(self.count, len(calls)) - 1
        helpers = [self._started().submit(take_calls) for _ in range(n_helpers)]
        before = begin()
        try:
            take_calls()
        finally:
            end(before)
            # One that has not begun by now would find nothing to do.
            begun = [helper for helper in helpers if not helper.cancel()]
            wait(begun)
        for helper in begun:
            helper.result()
        return results

    def _started(self):
        if self._executor is None:
            self._executor = ThreadPoolExecutor(
                self.count - 1, thread_name_prefix="skrnn", initializer=begin
            )
        return self._executor


ALONE = Threads(1)
"""The calling thread and no other."""
