"""The one decorator of every kernel: each compiler flag is decided here and nowhere else."""

from __future__ import annotations

from functools import cache

import numba
from numba.core.registry import CPUDispatcher

from skrnn._garbage import without_garbage_collection

_FLAGS = {
    "nogil": True,  # kernels run beside each other in plain Python threads
    "error_model": "numpy",  # a division by zero is an infinity, which keeps loops vectorisable
    "no_cfunc_wrapper": True,  # nobody calls a kernel from C; it would cost compile time
    "fastmath": False,  # sums keep their order, so the bits are the same on every machine
}

JIT_DISABLED = bool(numba.config.DISABLE_JIT)


class _Kernel(CPUDispatcher):
    """A compiled function."""

    def compile(self, sig):
        with without_garbage_collection():
            return super().compile(sig)


def _compile(function, flags, kind=_Kernel):
    try:
        kernel = numba.njit(cache=True, **flags)(function)
    except RuntimeError:
        # No folder to keep machine code in: a read-only install without a home, or a function
        # typed at a prompt. It then compiles anew in each process.
        kernel = numba.njit(**flags)(function)
    if not JIT_DISABLED:
        kernel.__class__ = kind
    return kernel


def jit(function):
    """Compile a kernel on its first call, in nopython mode, and keep the machine code on disk.

    Parameters
    ----------
    function : callable
        A module-level function of the subset of Python that Numba compiles.

    Returns
    -------
    dispatcher : numba.core.dispatcher.Dispatcher
        The compiled counterpart; the plain function where ``NUMBA_DISABLE_JIT=1`` is set.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.cells import jit
    >>> @jit
    ... def double(values):
    ...     for i in range(values.size):
    ...         values[i] *= 2
    >>> values = np.ones(2)
    >>> double(values)
    >>> values
    array([2., 2.])
    """
    return _compile(function, _FLAGS)


class _KernelPart(_Kernel):
    """A compiled function without an entry for Python, which gets one when it is called there."""

    def __call__(self, *args):
        return _with_entry(self.py_func)(*args)


@cache
def _with_entry(function):
    # Not kept on disk: Numba would take it for the function without an entry.
    return numba.njit(**_FLAGS)(function)


def kernel_part(function):
    """Compile a function that only kernels call.

    What Python can call has a second function, which unpacks Python's arguments and takes as long
    to compile as a short kernel does.

    Parameters
    ----------
    function : callable
        A module-level function of the subset of Python that Numba compiles.

    Returns
    -------
    dispatcher : numba.core.dispatcher.Dispatcher
        The compiled counterpart; called from Python it is compiled once more. The plain function
        where ``NUMBA_DISABLE_JIT=1`` is set.
    """
    return _compile(function, {**_FLAGS, "no_cpython_wrapper": True}, _KernelPart)


def inlined(function):
    """Have a function copied into the kernels that call it, before these are compiled.

    Each link of a chain of kernel parts is compiled by itself and again in all that follow; a
    function that is copied is compiled in its callers alone. A long one costs them more than that.

    Parameters
    ----------
    function : callable
        A module-level function of the subset of Python that Numba compiles.

    Returns
    -------
    dispatcher : numba.core.dispatcher.Dispatcher
        For kernels to call; the plain function where ``NUMBA_DISABLE_JIT=1`` is set.
    """
    return numba.njit(inline="always", **_FLAGS)(function)


def compile_for_pointer(signature, function):
    """Compile a function that is called through its address, or load it from the cache.

    Parameters
    ----------
    signature : numba.core.typing.templates.Signature
        Types of its result and arguments.
    function : callable
        A module-level function of the subset of Python that Numba compiles.

    Returns
    -------
    compiled : numba.core.ccallback.CFunc
        The compiled function; its address holds as long as it lives.
    """
    flags = {"error_model": _FLAGS["error_model"], "fastmath": _FLAGS["fastmath"]}
    with without_garbage_collection():
        try:
            return numba.cfunc(signature, cache=True, **flags)(function)
        except RuntimeError:
            return numba.cfunc(signature, **flags)(function)
