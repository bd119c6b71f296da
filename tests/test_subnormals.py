"""Subnormal numbers count as zero inside the kernels' threads and nowhere else."""

import threading

import numpy as np
import pytest

from skrnn import RNNRegressor, _jit
from skrnn._subnormals import begin, end
from skrnn.threads import Threads

compiled = pytest.mark.skipif(_jit.JIT_DISABLED, reason="a flag of compiled code")
TINY = np.full(4, 1e-39, dtype=np.float32)


def halved():
    return float((TINY * np.float32(0.5))[0])


@compiled
def test_between_begin_and_end_they_are_zero():
    assert halved() > 0
    before = begin()
    assert halved() == 0
    end(before)
    assert halved() > 0


@compiled
def test_an_error_puts_the_flag_back():
    def fail(_):
        raise KeyError

    with pytest.raises(KeyError), Threads(1) as threads:
        threads.map(fail, range(1))
    assert halved() > 0


@compiled
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_threads_of_the_kernels_flush_and_no_others_do(n_jobs):
    with Threads(n_jobs) as threads:
        assert threads.map(lambda _: halved(), range(4)) == [0] * 4
        seen = []
        other = threading.Thread(target=lambda: seen.append(halved()))
        other.start()
        other.join()
    assert seen[0] > 0 and halved() > 0


def test_training_on_subnormal_inputs_leaves_arithmetic_alone_and_weights_finite():
    X = np.full((8, 5, 2), 1e-39, dtype=np.float32)
    model = RNNRegressor(hidden_layer_sizes=4, max_iter=3, random_state=0).fit(X, np.arange(8.0))
    assert np.isfinite(model.predict(X)).all()
    assert halved() > 0
