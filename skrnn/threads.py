"""Plain threads for kernels that release the interpreter lock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

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
        """Return the results in order; an exception of any is raised.

        A single call is made here: handing it over would cost more than a short one takes.
        """
        calls = list(zip(*iterables, strict=False))
        if self.count > 1 and len(calls) > 1:
            return list(self._started().map(function, *zip(*calls, strict=True)))
        before = begin()
        try:
            return [function(*call) for call in calls]
        finally:
            end(before)

    def _started(self):
        if self._executor is None:
            self._executor = ThreadPoolExecutor(
                self.count, thread_name_prefix="skrnn", initializer=begin
            )
        return self._executor
