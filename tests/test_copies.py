"""Copies in machine code against NumPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn import _copies
from skrnn._copies import as_kernel, fill_with_zeros, gather_rows
from skrnn._jit import JIT_DISABLED

compiled = pytest.mark.skipif(JIT_DISABLED, reason="plain functions need no kernels")

COPIED = [np.float32, np.float64, np.int64, np.int32, np.complex64]


@st.composite
def places(draw, shape, dtype):
    """A view of that shape: parts of something larger, its axes in any order, some turned round."""
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 1, 2, -1])) for _ in shape]
    larger = [abs(step) * n + draw(st.integers(0, 1)) for n, step in zip(shape, steps, strict=True)]
    memory = np.zeros([larger[axis] for axis in order], dtype=dtype)
    view = memory.transpose(np.argsort(order))
    cut = tuple(slice(None, None, step) for step in steps)
    return memory, view[(*cut, ...)][(*(slice(n) for n in shape), ...)]


def numbers(shape, dtype):
    return np.arange(1, 1 + np.prod(shape, dtype=int)).reshape(shape).astype(dtype)


kinds = st.sampled_from(COPIED)
shapes = st.lists(st.integers(0, 5), max_size=3).map(tuple)


@compiled
@given(data=st.data(), dtype=kinds, shape=shapes)
def test_arrays_of_any_layout_are_copied(data, dtype, shape):
    memory, target = data.draw(places(shape, dtype))
    _, source = data.draw(places(shape, dtype))
    source[...] = numbers(shape, dtype)
    kernel, arguments = as_kernel(np.copyto, (target, source))
    assert kernel is _copies._copy
    expected = memory.copy()
    kernel(*arguments)
    copied = memory.copy()
    memory[...] = expected
    np.copyto(target, source)
    np.testing.assert_array_equal(copied, memory)


@compiled
@given(data=st.data(), dtype=kinds, shape=shapes)
def test_zeros_are_written_to_arrays_of_any_layout_and_nowhere_else(data, dtype, shape):
    memory, target = data.draw(places(shape, dtype))
    memory[...] = 1
    kernel, arguments = as_kernel(fill_with_zeros, (target,))
    assert kernel is _copies._copy
    kernel(*arguments)
    assert (target == 0).all()
    assert (memory == 0).sum() == target.size


@compiled
@given(data=st.data())
def test_chosen_rows_are_copied(data):
    dtype = data.draw(st.sampled_from([np.float32, np.float64, np.int64]))
    row = tuple(data.draw(st.lists(st.integers(1, 3), max_size=2)))
    source = numbers((7, *row), dtype)
    positions = np.array(data.draw(st.lists(st.integers(0, 6), max_size=9)), dtype=np.int64)
    sources = source, -np.arange(7.0)
    by_kernel, by_numpy = (
        [np.empty((positions.size, *array.shape[1:]), dtype=array.dtype) for array in sources]
        for _ in range(2)
    )
    kernel, arguments = as_kernel(gather_rows, (sources, positions, by_kernel))
    assert kernel is _copies._copy_rows
    kernel(*arguments)
    gather_rows(sources, positions, by_numpy)
    for array, *found in zip(sources, by_kernel, by_numpy, strict=True):
        np.testing.assert_array_equal(found[0], array[positions])
        np.testing.assert_array_equal(found[1], array[positions])


@pytest.mark.parametrize(
    "function, arguments",
    [
        (np.copyto, (np.zeros(3), 0)),
        (np.copyto, (np.zeros(3), np.zeros(3, dtype=np.float32))),
        (np.copyto, (np.zeros(3, dtype=bool), np.ones(3, dtype=bool))),
        (np.copyto, (np.zeros((2, 1, 2, 2, 2)).T, np.zeros((2, 2, 2, 1, 2)))),
        (np.copyto, (np.zeros(25, dtype=np.int8)[1:].view(np.float64), np.zeros(3))),
        (fill_with_zeros, (np.zeros(3, dtype=np.int16),)),
        (gather_rows, ([np.zeros((4, 2))[:, :1]], np.arange(2), [np.zeros((2, 1))])),
        (gather_rows, ([np.zeros(4, dtype=bool)], np.arange(2), [np.zeros(2, dtype=bool)])),
        (gather_rows, ([np.zeros(4)], np.arange(2, dtype=np.int32), [np.zeros(2)])),
        (gather_rows, ([np.zeros((4, 2))], np.arange(2), [np.zeros((2, 3))])),
        (np.copyto, (np.array([None, None]), np.array([1, None]))),
        (np.copyto, (np.broadcast_to(np.zeros(1), 3), np.ones(3))),
        (fill_with_zeros, (np.array([None]),)),
        (max, (1, 2)),
    ],
)
def test_what_no_kernel_copies_stays_as_it_is(function, arguments):
    found, kept = as_kernel(function, arguments)
    assert found is function
    assert kept is arguments
