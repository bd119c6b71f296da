"""Machine code that many kernels call and that is compiled once.

Numba compiles a function anew into every kernel that calls it, which for the matrix product would
be most of the time before a first fit. A shared function is instead called through a pointer in a
slot whose address the kernels know as a symbol, so that it also holds for kernels loaded from the
cache. The slot begins with a stand-in that compiles the function, or loads it from the cache, at
its first call.

Kernels in a user's cache may be older than this file: the name and the arguments of a shared
function must never change. Give a new one a new name. Kernels that are newer than this file, from
a checkout that was gone back from, may look for a symbol that is not there yet: clear the cache.
"""

from __future__ import annotations

import _thread
import ctypes
import threading
from importlib import import_module

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import types

from skrnn._jit import compile_for_pointer

_WORD = ctypes.c_ssize_t


_SHARED = {}


def _find(module, name):
    """Return a shared function again in another process."""
    import_module(module)
    return _SHARED[name]


class SharedFunction:
    """A function of integers, without a result, that kernels call through a pointer.

    Parameters
    ----------
    name : str
        Its symbol, unique in the process.
    function : callable
        A module-level function that Numba compiles.
    fallback : callable
        The same in plain Python, for a first call whose compilation is interrupted.
    n_arguments : int
        How many integers it takes.
    """

    def __init__(self, name, function, fallback, n_arguments):
        self.name = name
        self.function = function
        self.fallback = fallback
        self.n_arguments = n_arguments
        self._stand_in = ctypes.CFUNCTYPE(None, *[_WORD] * n_arguments)(self._first_call)
        self._slot = ctypes.cast(self._stand_in, ctypes.c_void_p)
        self._compiled = None
        llvm.add_symbol(name, ctypes.addressof(self._slot))
        _SHARED[name] = self

    def __reduce__(self):
        # Numba pickles a kernel that has no name in a module with all that it refers to.
        return _find, (self.function.__module__, self.name)

    def _first_call(self, *args):
        try:
            signature = types.void(*[types.intp] * self.n_arguments)
            self._compiled = compile_for_pointer(signature, self.function)
            self._slot.value = self._compiled.address
        except BaseException as error:
            # Nothing can be raised through machine code: the result must be right all the same, and
            # an interrupt comes again when the kernel has ended.
            self.fallback(*args)
            if isinstance(error, KeyboardInterrupt):
                threading.Timer(0.05, _thread.interrupt_main).start()
                return
            raise
        self._compiled.ctypes(*args)

    def emit_call(self, builder, args):
        """Emit the call in a kernel.

        Parameters
        ----------
        builder : llvmlite.ir.IRBuilder
            Where to.
        args : sequence of llvmlite.ir.Value
            The integers, as wide as an address.
        """
        word = ir.IntType(8 * ctypes.sizeof(_WORD))
        pointer = ir.PointerType(ir.FunctionType(ir.VoidType(), [word] * self.n_arguments))
        slot = builder.module.globals.get(self.name)
        if slot is None:
            slot = ir.GlobalVariable(builder.module, pointer, self.name)
        builder.call(builder.load(slot), args)


__all__ = ["SharedFunction"]
