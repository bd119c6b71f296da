"""Views of some rows of a matrix, or of each of a stack of matrices, for kernels.

They say what slices say, ``matrix[low:high]``, with a tenth of the code for the compiler to chew
on and nothing to count references on; the matrix must outlive them, as arguments of a kernel do.
"""

from __future__ import annotations

import numpy as np
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from skrnn._jit import JIT_DISABLED


def _view(context, builder, signature, args, shape_of):
    # A tenth of a second to import, and needed only when something is compiled.
    from numba.np.arrayobj import make_array, populate_array

    matrix_type, result_type = signature.args[0], signature.return_type
    matrix = make_array(matrix_type)(context, builder, args[0])
    *stack, n_rows, n_columns = (
        builder.extract_value(matrix.shape, i) for i in range(matrix_type.ndim)
    )
    word = n_columns.type
    low, high = (
        context.cast(builder, value, kind, types.intp)
        for value, kind in zip(args[1:], signature.args[1:], strict=True)
    )
    size = context.get_constant(types.intp, matrix_type.dtype.bitwidth // 8)
    row_size = builder.mul(n_columns, size)
    address = builder.add(builder.ptrtoint(matrix.data, word), builder.mul(low, row_size))
    shape = shape_of(builder, stack, builder.sub(high, low), n_columns)
    strides = [*(builder.mul(n_rows, row_size) for _ in stack), row_size, size]
    view = make_array(result_type)(context, builder)
    populate_array(
        view,
        data=builder.inttoptr(address, matrix.data.type),
        shape=shape,
        strides=[size] if len(shape) == 1 else strides,
        itemsize=size,
        meminfo=context.get_constant_null(types.MemInfoPointer(types.voidptr)),
    )
    return view._getvalue()


@intrinsic
def _rows(typingctx, matrix, low, high):
    def codegen(context, builder, signature, args):
        return _view(
            context, builder, signature, args, lambda b, stack, *lengths: [*stack, *lengths]
        )

    layout = "C" if matrix.ndim == 2 else "A"
    return types.Array(matrix.dtype, matrix.ndim, layout)(matrix, low, high), codegen


@intrinsic
def _flat(typingctx, matrix, low, high):
    if matrix.ndim != 2:
        raise TypingError(f"flat takes rows of a matrix, got an array of {matrix.ndim} dimensions")

    def codegen(context, builder, signature, args):
        return _view(
            context, builder, signature, args, lambda b, stack, *lengths: [b.mul(*lengths)]
        )

    return types.Array(matrix.dtype, 1, "C")(matrix, low, high), codegen


@intrinsic
def _is_same_place(typingctx, a, b):
    def codegen(context, builder, signature, args):
        from numba.np.arrayobj import make_array

        first, second = (
            builder.ptrtoint(
                make_array(kind)(context, builder, value).data, context.get_value_type(types.intp)
            )
            for kind, value in zip(signature.args, args, strict=True)
        )
        return builder.icmp_unsigned("==", first, second)

    return types.boolean(a, b), codegen


@intrinsic
def _empty(typingctx, zero, shape):
    def codegen(context, builder, signature, args):
        from numba.np.arrayobj import _empty_nd_impl

        lengths = cgutils.unpack_tuple(builder, args[1])
        return _empty_nd_impl(context, builder, signature.return_type, lengths)._getvalue()

    return types.Array(zero, len(shape), "C")(zero, shape), codegen


def _empty_plain(zero, shape):
    return np.empty(shape, dtype=type(zero))


def _rows_plain(matrix, low, high):
    return matrix[..., low:high, :]


def _is_same_place_plain(a, b):
    return a.ctypes.data == b.ctypes.data


def _flat_plain(matrix, low, high):
    return matrix[low:high].reshape(-1)


# Intrinsics exist only in compiled code; without the compiler slices do.
rows = _rows_plain if JIT_DISABLED else _rows
"""Rows `low` to `high` of a C-contiguous matrix, or of each matrix of a C-contiguous stack."""

flat = _flat_plain if JIT_DISABLED else _flat
"""The elements of rows `low` to `high` of a C-contiguous matrix, in one line."""

is_same_place = _is_same_place_plain if JIT_DISABLED else _is_same_place
"""Whether two arrays begin at the same address."""

empty = _empty_plain if JIT_DISABLED else _empty
"""An array of numbers of the type of `zero` and of a shape, a tuple, with undefined content.

What NumPy's function does, which Numba takes a tenth of a second to compile."""

__all__ = ["empty", "flat", "is_same_place", "rows"]
