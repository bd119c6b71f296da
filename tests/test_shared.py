"""Shared machine code: compiled at the first call, right even if that is interrupted."""

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from skrnn import _gemm, _jit, _shared
from skrnn._copies import copy_all
from skrnn._plain_products import crowded_at, products_at

pytestmark = pytest.mark.skipif(_jit.JIT_DISABLED, reason="there is no compiled code to share")


def test_numpys_products_are_the_products():
    rng = np.random.default_rng(0)
    A, B, C = (rng.normal(size=shape) for shape in [(2, 3, 4), (2, 4, 41), (2, 3, 41)])
    run, before, bias = products_at(np.dtype(float)), C.copy(), rng.normal(size=(2, 41))

    def places(stack):
        return (stack.ctypes.data, *stack.strides)

    a, b, c = places(A), places(B)[:3], (*places(C)[:2], 41 * 8)
    run(9, 2, *a, *b, 0, *c, *c, 3, 4, 41)
    np.testing.assert_allclose(C, before + A @ B, rtol=1e-14)
    turned = np.ascontiguousarray(A.transpose(0, 2, 1)).transpose(0, 2, 1)
    row = (bias.ctypes.data, bias.strides[0], 0)
    run(9, 2, *places(turned), *b, 0, *row, *c, 3, 4, 41)
    np.testing.assert_allclose(C, bias[:, np.newaxis] + A @ B, rtol=1e-14)
    panels, copies = _gemm.panel_copies(B, np.empty)
    copy_all(copies)
    C[...] = 0
    run(9, 2, *a, *places(panels)[:3], 4 * panels.strides[1], *row, *c, 3, 4, 41)
    np.testing.assert_allclose(C, bias[:, np.newaxis] + A @ B, rtol=1e-14)


def test_numpys_transposed_product_is_that_of_crowded_rows():
    rng = np.random.default_rng(0)
    A, B, C = (rng.normal(size=shape) for shape in [(300, 256), (300, 320), (256, 320)])
    expected = C + A.T @ B
    by_numpy, compiled = C.copy(), C.copy()
    crowded_at(np.dtype(float))(
        A.ctypes.data, A.strides[0], B.ctypes.data, B.strides[0], by_numpy.ctypes.data,
        C.strides[0], 256, 300, 320,
    )  # fmt: skip
    np.testing.assert_allclose(by_numpy, expected, rtol=1e-10, atol=1e-12)
    shared = _gemm._SHARED_CROWDED[64]
    shared._compiled, shared._slot.value = (
        None,
        ctypes.cast(shared._stand_in, ctypes.c_void_p).value,
    )
    _gemm.add_transposed_product(A, B, compiled)
    assert shared._compiled is not None
    np.testing.assert_allclose(compiled, expected, rtol=1e-10, atol=1e-12)
    # Apart, the rows of B need no copies.
    apart = np.zeros((300, 321))
    apart[:, :320] = B
    _gemm.add_transposed_product(A, apart[:, :320], C)
    np.testing.assert_array_equal(C, compiled)


def test_an_interrupt_while_it_compiles_arrives_and_the_result_is_right(monkeypatch):
    calls = []

    def interrupted(signature, function):
        raise KeyboardInterrupt

    monkeypatch.setattr(_shared, "compile_for_pointer", interrupted)
    # A process that runs in the background may have been told to ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    shared = _shared.SharedFunction(
        "skrnn_test_interrupted", None, lambda *args: calls.append(args), 2
    )
    try:
        with pytest.raises(KeyboardInterrupt):
            shared._stand_in(3, 4)
            time.sleep(5)
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == [(3, 4)]


def test_a_kernel_from_the_cache_finds_the_product_in_a_new_process(tmp_path):
    """Loaded, not compiled: nothing but the symbol tells it where the product is."""
    script = textwrap.dedent("""
        import numpy as np
        from skrnn._gemm import accumulate_product
        C = np.zeros((2, 3), dtype=np.float32)
        accumulate_product(np.ones((2, 4), np.float32), np.ones((4, 3), np.float32), C)
        print(C.sum(), sum(accumulate_product.stats.cache_hits.values()))
    """)
    outputs = []
    for _ in range(2):
        result = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.append(result.stdout.split())
    assert outputs == [["24.0", "0"], ["24.0", "1"]]
