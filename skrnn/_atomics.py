"""Numbers that threads share while they run machine code, each read and written at once.

Whoever reads what another thread has written here also sees all that it had written before.
"""

from __future__ import annotations

import platform

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from skrnn._jit import kernel_part

_IS_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
# In the upper half of a word the number after the last piece, in the lower that of the next one.
_HALF = 32
_NEXT_OF = (1 << _HALF) - 1


def _place(context, builder, signature, args):
    from numba.np.arrayobj import make_array

    data = make_array(signature.args[0])(context, builder, args[0]).data
    return builder.gep(data, [args[1]])


@intrinsic
def read(typingctx, board, i):
    """Return a number of a line."""

    def codegen(context, builder, signature, args):
        place = _place(context, builder, signature, args)
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(board, types.intp), codegen


@intrinsic
def write(typingctx, board, i, value):
    """Set a number of a line."""

    def codegen(context, builder, signature, args):
        builder.store_atomic(args[2], _place(context, builder, signature, args), "release", 8)
        return context.get_dummy_value()

    return types.void(board, types.intp, types.int64), codegen


@intrinsic
def add(typingctx, board, i, value):
    """Add to a number of a line."""

    def codegen(context, builder, signature, args):
        place = _place(context, builder, signature, args)
        return builder.atomic_rmw("add", place, args[2], "acq_rel")

    return types.int64(board, types.intp, types.int64), codegen


@intrinsic
def _exchange_if(typingctx, board, i, expected, value):
    """Set a number if it is as expected; return whether it was."""

    def codegen(context, builder, signature, args):
        place = _place(context, builder, signature, args)
        found = builder.cmpxchg(place, args[2], args[3], "acq_rel", "acquire")
        return builder.extract_value(found, 1)

    return types.boolean(board, types.intp, types.int64, types.int64), codegen


@intrinsic
def pause(typingctx):
    """Leave the other half of the processor's core some room in a loop that waits."""

    def codegen(context, builder, signature, args):
        if _IS_X86:
            kind = ir.FunctionType(ir.VoidType(), [])
            name = "llvm.x86.sse2.pause"
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return context.get_dummy_value()

    return types.void(), codegen


def board_of(first, last):
    """Return a line whose first number offers the pieces from one number up to another."""
    return np.array([(last << _HALF) | first], dtype=np.int64)


def withdraw(board):
    """Offer no more of the pieces of :func:`board_of`."""
    board[0] = 0


@kernel_part
def offer(board, i, first, last):
    """Offer the pieces from one number up to another to all who call :func:`take`."""
    write(board, i, (last << _HALF) | first)


@kernel_part
def are_left(board, i):
    """Tell whether a piece is left."""
    word = read(board, i)
    return (word & _NEXT_OF) < (word >> _HALF)


@kernel_part
def take(board, i):
    """Return the number of a piece that is nobody else's; -1 if none is left."""
    while True:
        word = read(board, i)
        if (word & _NEXT_OF) >= (word >> _HALF):
            return -1
        if _exchange_if(board, i, word, word + 1):
            return word & _NEXT_OF


__all__ = ["add", "are_left", "board_of", "offer", "pause", "read", "take", "withdraw", "write"]
