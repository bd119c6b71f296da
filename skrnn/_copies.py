"""Copies of arrays as kernels, for lists of calls that are gone through in machine code.

What is copied where is described by a job, a line of whole numbers with addresses, lengths and
strides: one kernel copies arrays of numbers of four or eight bytes, whatever their shape, and is
compiled once. The addresses must stay valid while the job is in use; arrays do not overlap.
"""

from __future__ import annotations

import ctypes
from functools import cache
from itertools import chain

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from skrnn._jit import JIT_DISABLED, jit, kernel_part

# Axes of a job. Neighbours that lie in memory like one count as one.
_MOST_AXES = 3
_SIZE, _TARGET, _SOURCE, _AXES = range(4)
# Numbers of four and of eight bytes are copied, whatever they mean.
_SIZES = 4, 8
_ZERO = np.zeros(1, dtype=np.uint64)


@intrinsic
def pointer(typingctx, address, kind):
    """Return a pointer to numbers of a kind, such as ``numpy.uint32``."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(kind.instance_type)(types.intp, kind), codegen


@kernel_part
def _copy_line(target, target_step, source, source_step, n):
    if target_step == 1 and source_step == 1:
        for i in range(n):
            target[i] = source[i]
    elif target_step == 1 and source_step == 0:
        value = source[0]
        for i in range(n):
            target[i] = value
    else:
        for i in range(n):
            target[i * target_step] = source[i * source_step]


@kernel_part
def _copy_one(job, target, source):
    """Copy a line of a job between two addresses."""
    n, target_stride, source_stride = job[-3], job[-2], job[-1]
    if job[_SIZE] == 8:
        to, whence = pointer(target, np.uint64), pointer(source, np.uint64)
        _copy_line(to, target_stride // 8, whence, source_stride // 8, n)
    else:
        to, whence = pointer(target, np.uint32), pointer(source, np.uint32)
        _copy_line(to, target_stride // 4, whence, source_stride // 4, n)


@jit
def _copy(job):
    """Copy an array."""
    n_outer, outer_target, outer_source = job[_AXES], job[_AXES + 1], job[_AXES + 2]
    n_inner, inner_target, inner_source = job[_AXES + 3], job[_AXES + 4], job[_AXES + 5]
    for i in range(n_outer):
        for j in range(n_inner):
            target = job[_TARGET] + i * outer_target + j * inner_target
            _copy_one(job, target, job[_SOURCE] + i * outer_source + j * inner_source)


@jit
def _copy_rows(jobs, positions):
    """Copy chosen rows of some arrays, one after another."""
    for job in jobs:
        for i in range(positions.size):
            # The first axis of such a job is that of rows, which are counted here.
            target = job[_TARGET] + i * job[_AXES + 1]
            _copy_one(job, target, job[_SOURCE] + positions[i] * job[_AXES + 2])


def address_of(array):
    """Return where the first element of an array is."""
    try:
        # A quarter of the time of the other way.
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError):  # empty, read-only, or rows of a larger array
        return array.__array_interface__["data"][0]


def _merged_axes(target, source):
    """Return lengths and strides of two arrays of one shape with as few axes as there can be."""
    axes = []
    for axis in zip(target.shape, target.strides, source.strides, strict=True):
        if axis[0] == 1:
            continue
        if axes and all(axes[-1][k] == axis[0] * axis[k] for k in (1, 2)):
            axes[-1] = (axes[-1][0] * axis[0], *axis[1:])
        else:
            axes.append(axis)
    return axes


def _job(target, source):
    """Return the job of copying one array to another of the same shape; None if it is too odd."""
    axes = _merged_axes(target, source)
    size = target.itemsize
    strides = [stride for _, *both in axes for stride in both]
    fit = _may_be_copied(source, target) and len(axes) <= _MOST_AXES
    if not fit or any(stride % size for stride in strides) or not _is_aligned(target, source):
        return None
    axes = [(1, 0, 0)] * (_MOST_AXES - len(axes)) + axes
    places = address_of(target), address_of(source)
    return np.array([size, *places, *(number for axis in axes for number in axis)], dtype=np.intp)


def _is_aligned(*arrays):
    return all(array.flags.aligned for array in arrays)


def _copy_job(target, source):
    job = None if target.shape != np.shape(source) else _job(target, source)
    return None if job is None else (_copy, (job,))


def copy_all(copies):
    """Make copies, each given as its target and its source."""
    for target, source in copies:
        target[...] = source


def fill_with_zeros(array):
    """Write zeros to an array."""
    array.fill(0)


def _fill_job(array):
    if not _may_be_copied(array, array):
        return None
    zero = _ZERO.view(array.dtype)[0, ...]
    job = _job(array, np.broadcast_to(zero, array.shape))
    return None if job is None else (_copy, (job,))


def _may_be_copied(source, target):
    """Tell whether a target may be written to as plain words, in the type of the source."""
    is_plain = target.itemsize in _SIZES and not target.dtype.hasobject
    return source.dtype == target.dtype and is_plain and target.flags.writeable


def gather_rows(sources, positions, targets):
    """Copy the rows of arrays at some positions, which are valid, to the rows of others."""
    for source, target in zip(sources, targets, strict=True):
        # Any mode but "raise" writes to its place at once.
        source.take(positions, axis=0, out=target, mode="clip")


def _gather_job(sources, positions, targets):
    jobs = [_row_job(*pair) for pair in zip(sources, targets, strict=True)]
    if positions.dtype != np.int64 or any(job is None for job in jobs):
        return None
    return _copy_rows, (np.array(jobs, dtype=np.intp), positions)


def _row_job(source, target):
    whole = source.flags.c_contiguous and target.flags.c_contiguous
    same = _may_be_copied(source, target) and source.shape[1:] == target.shape[1:]
    if not (whole and same and _is_aligned(source, target)):
        return None
    n, size = target[:1].size, source.itemsize
    axes = (0, n * size, n * size), (0, 0, 0), (n, size, size)
    return size, address_of(target), address_of(source), *chain.from_iterable(axes)


_JOBS = (
    {}
    if JIT_DISABLED
    else {np.copyto: _copy_job, fill_with_zeros: _fill_job, gather_rows: _gather_job}
)


def as_kernel(function, arguments):
    """Return a kernel and arguments that do what a call does; the call itself if there are none.

    Parameters
    ----------
    function : callable
        `numpy.copyto`, :func:`fill_with_zeros`, :func:`gather_rows`, or anything else.
    arguments : tuple
        Its arguments, arrays that stay where they are.
    """
    make_job = _JOBS.get(function)
    call = make_job and make_job(*arguments)
    if not call:
        return function, arguments
    compile_copies()  # nobody has called them from Python
    return call


@cache
def compile_copies():
    """Compile the kernels of this file, which are called through their addresses alone."""
    nothing = np.zeros(_AXES + 3 * _MOST_AXES, dtype=np.intp)
    _copy(nothing)
    _copy_rows(nothing[np.newaxis], np.zeros(0, dtype=np.int64))


__all__ = [
    "address_of",
    "as_kernel",
    "compile_copies",
    "copy_all",
    "fill_with_zeros",
    "gather_rows",
    "pointer",
]
