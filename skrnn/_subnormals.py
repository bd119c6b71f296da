"""Numbers below the normal range count as zero while the kernels run.

Some processors need a hundred cycles more for each operation that meets such a number, and a state
or a gradient that fades out passes through thousands of them. Flushing them to zero is a flag of
the thread: it is set around the kernels and put back, so that nobody else's arithmetic changes.
"""

from __future__ import annotations

import platform

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from skrnn._jit import JIT_DISABLED, jit

# "Flush to zero" and "denormals are zero" of MXCSR; "flush to zero" of FPCR covers both.
_X86_FLAGS, _ARM_FLAG = 0x8040, 1 << 24
_MACHINE = platform.machine().lower()
_IS_X86 = _MACHINE in ("x86_64", "amd64", "i386", "i686")
_IS_ARM = _MACHINE in ("aarch64", "arm64")


def _exchange_x86(builder, value):
    """Load MXCSR and return what it was; without a value, only read it."""
    word = ir.IntType(32)
    slot = cgutils.alloca_once(builder, word)
    pointer = builder.bitcast(slot, ir.PointerType(ir.IntType(8)))
    kind = ir.FunctionType(ir.VoidType(), [pointer.type])
    module = builder.module
    store = cgutils.get_or_insert_function(module, kind, "llvm.x86.sse.stmxcsr")
    load = cgutils.get_or_insert_function(module, kind, "llvm.x86.sse.ldmxcsr")
    builder.call(store, [pointer])
    before = builder.load(slot)
    builder.store(value(before), slot)
    builder.call(load, [pointer])
    return before


def _exchange_arm(builder, value):
    """Set FPCR and return what it was."""
    word, module = ir.IntType(64), builder.module
    get = cgutils.get_or_insert_function(module, ir.FunctionType(word, []), "llvm.aarch64.get.fpcr")
    put = cgutils.get_or_insert_function(
        module, ir.FunctionType(ir.VoidType(), [word]), "llvm.aarch64.set.fpcr"
    )
    before = builder.call(get, [])
    builder.call(put, [builder.zext(value(builder.trunc(before, ir.IntType(32))), word)])
    return builder.trunc(before, ir.IntType(32))


def _exchange(builder, value):
    if _IS_X86:
        return _exchange_x86(builder, value)
    if _IS_ARM:
        return _exchange_arm(builder, value)
    return ir.Constant(ir.IntType(32), 0)


@intrinsic
def _set_flag(typingctx):
    def codegen(context, builder, signature, args):
        flags = ir.Constant(ir.IntType(32), _X86_FLAGS if _IS_X86 else _ARM_FLAG)
        return _exchange(builder, lambda before: builder.or_(before, flags))

    return types.uint32(), codegen


@intrinsic
def _put_back(typingctx, before):
    def codegen(context, builder, signature, args):
        _exchange(builder, lambda _: args[0])
        return context.get_dummy_value()

    return types.void(types.uint32), codegen


@jit
def _begin():
    return _set_flag()


@jit
def _end(before):
    _put_back(before)


def _begin_plain():
    return 0


def _end_plain(before):
    pass


# The flag is that of compiled code; without the compiler there is nothing to set.
begin = _begin_plain if JIT_DISABLED else _begin
"""Flush subnormal numbers to zero in this thread from here on; return the flags before."""

end = _end_plain if JIT_DISABLED else _end
"""Put the flags of this thread back."""


__all__ = ["begin", "end"]
