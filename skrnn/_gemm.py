"""Matrix products of the sizes that recurrent networks need: small, thousands of times a second.

``C += A @ B`` is cut by :mod:`skrnn._panels` into tiles of a few rows by one or two vector
registers of columns, which :mod:`skrnn._tiles` runs down the shared dimension.

Each element of C is one chain of fused multiply-adds in the order of the shared dimension, against
it in the transposed product, whatever the tile, the number of rows or the vector width. Hence a row
of a product has the same bits alone and among others, and on one machine and another.
"""

from __future__ import annotations

import ctypes

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from skrnn._jit import JIT_DISABLED, inlined, jit, kernel_part
from skrnn._panels import product
from skrnn._shared import SharedFunction
from skrnn._tiles import CACHE_LINE, VECTOR_BYTES

# Rows of the shared dimension taken at a time, so that the panels in use stay in the cache.
DEPTH_BLOCK = 256
# The same where A is transposed, of which a tile then reads a part of a cache line in each row: so
# many, or as many short rows of A and B as take so many bytes.
TRANSPOSED_DEPTH_BLOCK = 64
NEAR_BYTES = 16384
# Rows of B whose distance in bytes is a multiple of this fall into few sets of the cache and push
# each other out; from this many rows and columns of C on, copying so many at a time apart pays.
CROWDED = 512
LARGE = 256
CROWDED_DEPTH_BLOCK = 96


@intrinsic
def address_of(typingctx, array):
    """Return the address of an array's first element."""

    def codegen(context, builder, signature, args):
        struct = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.ptrtoint(struct.data, context.get_value_type(types.intp))

    return types.intp(array), codegen


def _product_single(
    deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows, depth, columns
):
    product(
        np.float32(0), 4, deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows,
        depth, columns,
    )  # fmt: skip


def _product_double(
    deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows, depth, columns
):
    product(
        np.float64(0), 8, deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows,
        depth, columns,
    )  # fmt: skip


# What kernels call that are older than `s` and panels.
def _plain_product_single(deepest, a, a_row, a_step, b, b_step, c, c_row, rows, depth, columns):
    product(
        np.float32(0), 4, deepest, a, a_row, a_step, b, b_step, 0, c, c_row, c, c_row, rows, depth,
        columns,
    )  # fmt: skip


def _plain_product_double(deepest, a, a_row, a_step, b, b_step, c, c_row, rows, depth, columns):
    product(
        np.float64(0), 8, deepest, a, a_row, a_step, b, b_step, 0, c, c_row, c, c_row, rows, depth,
        columns,
    )  # fmt: skip


def _numpys_product(dtype):
    """Return the product of matrices at addresses by NumPy, without the promise of its bits."""

    def matrix(address, shape, strides):
        reach = [(n - 1) * stride for n, stride in zip(shape, strides, strict=True)]
        before = -sum(step for step in reach if step < 0)
        size = before + sum(step for step in reach if step > 0) + dtype.itemsize
        buffer = (ctypes.c_char * size).from_address(address - before)
        return np.ndarray(shape, dtype, buffer, offset=before, strides=strides)

    def right_factor(b, b_step, b_panel, depth, columns):
        if b_panel == 0:
            return matrix(b, (depth, columns), (b_step, dtype.itemsize))
        width = b_step // dtype.itemsize
        B = np.empty((depth, columns), dtype=dtype)
        for i, first in enumerate(_first_columns(columns, width)):
            panel = matrix(b + i * b_panel, (depth, width), (b_step, dtype.itemsize))
            B[:, first : first + width] = panel
        return B

    def run(
        deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows, depth, columns
    ):
        total = matrix(s, (rows, columns), (s_row, dtype.itemsize))
        if depth > 0:
            A = matrix(a, (rows, depth), (a_row, a_step))
            total = total + A @ right_factor(b, b_step, b_panel, depth, columns)
        matrix(c, (rows, columns), (c_row, dtype.itemsize))[...] = total

    return run


def _numpys_plain_product(dtype):
    run = _numpys_product(dtype)

    def add(deepest, a, a_row, a_step, b, b_step, c, c_row, rows, depth, columns):
        run(deepest, a, a_row, a_step, b, b_step, 0, c, c_row, c, c_row, rows, depth, columns)

    return add


def _share(name, function, fallback, n_arguments):
    return SharedFunction(f"{__name__.replace('.', '_')}_{name}", function, fallback, n_arguments)


# Never to change: kernels in a user's cache may be older than this file (see skrnn._shared).
_SHARED, _SHARED_BEFORE = {}, {}
for _bits, _affine, _plain in (
    (32, _product_single, _plain_product_single),
    (64, _product_double, _plain_product_double),
):
    _dtype = np.dtype(f"f{_bits // 8}")
    _SHARED[_bits] = _share(f"affine_product_{_bits}", _affine, _numpys_product(_dtype), 14)
    _SHARED_BEFORE[_bits] = _share(f"product_{_bits}", _plain, _numpys_plain_product(_dtype), 11)


@intrinsic
def _call_product(
    typingctx, zero, deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows, depth,
    columns,
):  # numpydoc ignore # fmt: skip
    """Call the product of the type of `zero` that all kernels share."""

    def codegen(context, builder, signature, args):
        _SHARED[signature.args[0].bitwidth].emit_call(builder, args[1:])
        return context.get_dummy_value()

    return types.void(zero, *[types.intp] * 14), codegen


@kernel_part
def _run_product(A, B, s, s_row, C):
    if C.size > 0:
        is_cut = B.shape[1] != C.shape[1]
        _call_product(
            C.dtype.type(0),
            DEPTH_BLOCK,
            address_of(A),
            A.strides[0],
            A.itemsize,
            address_of(B),
            B.strides[0],
            A.shape[1] * B.strides[0] if is_cut else 0,
            s,
            s_row,
            address_of(C),
            C.strides[0],
            A.shape[0],
            A.shape[1],
            C.shape[1],
        )


@jit
def _add_product(A, B, C):
    _run_product(A, B, address_of(C), C.strides[0], C)


@jit
def _affine_product(A, B, row, C):
    # A plain zero would be a type of its own, for which all is compiled anew.
    _run_product(A, B, address_of(row), np.intp(0), C)


@intrinsic
def _matrix_at(typingctx, zero, address, row_size, n_rows, n_columns):  # numpydoc ignore
    """Return a view of numbers of the type of `zero`, whose rows are `row_size` bytes apart."""

    def codegen(context, builder, signature, args):
        from numba.np.arrayobj import make_array, populate_array

        view = make_array(signature.return_type)(context, builder)
        size = context.get_constant(types.intp, signature.args[0].bitwidth // 8)
        populate_array(
            view,
            data=builder.inttoptr(args[1], view.data.type),
            shape=args[3:],
            strides=[args[2], size],
            itemsize=size,
            meminfo=context.get_constant_null(types.MemInfoPointer(types.voidptr)),
        )
        return view._getvalue()

    return types.Array(zero, 2, "A")(zero, *[types.intp] * 4), codegen


@kernel_part
def _copy_rows(source, target):
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@inlined
def _add_crowded(number, size, a, a_row, b, b_row, c, c_row, rows, depth, columns):
    """Add ``A.T @ B`` from copies of some rows of B at a time that lie a cache line further apart.

    Of A, a tile reads a part of a line of each row, of B two lines.
    """
    zero = number(0)
    near = np.empty((CROWDED_DEPTH_BLOCK, columns + CACHE_LINE // size), dtype=number)
    while depth > 0:
        count = min(CROWDED_DEPTH_BLOCK, depth)
        depth -= count
        _copy_rows(_matrix_at(zero, b + depth * b_row, b_row, count, columns), near)
        _call_product(
            zero, CROWDED_DEPTH_BLOCK,
            a + (depth + count - 1) * a_row, size, -a_row,
            address_of(near) + (count - 1) * near.strides[0], -near.strides[0], 0,
            c, c_row, c, c_row, rows, count, columns,
        )  # fmt: skip


def _add_crowded_single(a, a_row, b, b_row, c, c_row, rows, depth, columns):
    _add_crowded(np.float32, 4, a, a_row, b, b_row, c, c_row, rows, depth, columns)


def _add_crowded_double(a, a_row, b, b_row, c, c_row, rows, depth, columns):
    _add_crowded(np.float64, 8, a, a_row, b, b_row, c, c_row, rows, depth, columns)


def _numpys_crowded(dtype):
    run = _numpys_plain_product(dtype)

    def add(a, a_row, b, b_row, c, c_row, rows, depth, columns):
        last, size = depth - 1, dtype.itemsize
        a, b = a + last * a_row, b + last * b_row
        run(0, a, size, -a_row, b, -b_row, c, c_row, rows, depth, columns)

    return add


# Few networks are so large: the others need not wait for it to be compiled.
_SHARED_CROWDED = {
    bits: _share(f"crowded_transposed_product_{bits}", function, _numpys_crowded(dtype), 9)
    for bits, function, dtype in (
        (32, _add_crowded_single, np.dtype(np.float32)),
        (64, _add_crowded_double, np.dtype(np.float64)),
    )
}


@intrinsic
def _call_crowded(
    typingctx, zero, a, a_row, b, b_row, c, c_row, rows, depth, columns
):  # numpydoc ignore # fmt: skip
    """Call the transposed product of crowded rows that all kernels share."""

    def codegen(context, builder, signature, args):
        _SHARED_CROWDED[signature.args[0].bitwidth].emit_call(builder, args[1:])
        return context.get_dummy_value()

    return types.void(zero, *[types.intp] * 9), codegen


@jit
def _add_transposed_product(A, B, C):
    if B.strides[0] % CROWDED == 0 and min(C.shape) >= LARGE:
        _call_crowded(
            C.dtype.type(0), address_of(A), A.strides[0], address_of(B), B.strides[0],
            address_of(C), C.strides[0], A.shape[1], A.shape[0], B.shape[1],
        )  # fmt: skip
    elif C.size > 0:
        last = A.shape[0] - 1
        _call_product(
            C.dtype.type(0),
            max(TRANSPOSED_DEPTH_BLOCK, NEAR_BYTES // (A.strides[0] + B.strides[0])),
            address_of(A) + last * A.strides[0],
            A.itemsize,
            -A.strides[0],
            address_of(B) + last * B.strides[0],
            -B.strides[0],
            0,
            address_of(C),
            C.strides[0],
            address_of(C),
            C.strides[0],
            A.shape[1],
            A.shape[0],
            B.shape[1],
        )


def _first_columns(n_columns, width):
    """Return the first column of each panel; the last one overlaps that before it."""
    return [min(first, n_columns - width) for first in range(0, n_columns, width)]


def in_panels(matrices, take):
    """Return matrices as the product reads them soonest: as they are or cut into panels.

    A panel holds two vectors of columns, row after row, so that a tile reads memory in one line.
    That pays where rows begin within a cache line, or where they fall into few sets of the cache.

    Parameters
    ----------
    matrices : ndarray of shape (n_matrices, n_rows, n_columns)
        Right-hand factors, in any memory layout.
    take : callable
        ``take(shape)`` returns memory for the result.

    Returns
    -------
    factors : ndarray of shape (n_matrices, n_rows, n_columns) or (n_matrices, n, width)
        Each is a right-hand factor of :data:`add_product` and :data:`affine_product`.
    """
    n_matrices, n_rows, n_columns = matrices.shape
    row_size, width = n_columns * matrices.itemsize, 2 * VECTOR_BYTES // matrices.itemsize
    pays = row_size % CACHE_LINE > 0 or row_size % CROWDED == 0
    if JIT_DISABLED or n_columns <= width or not pays:
        if matrices.flags.c_contiguous:
            return matrices
        factors = take(matrices.shape)
        factors[...] = matrices
        return factors
    firsts = _first_columns(n_columns, width)
    factors = take((n_matrices, len(firsts) * n_rows, width))
    for i, first in enumerate(firsts):
        factors[:, i * n_rows : (i + 1) * n_rows] = matrices[:, :, first : first + width]
    return factors


def _add_product_plain(A, B, C):
    C += A @ B


def _affine_product_plain(A, B, row, C):
    C[...] = row + A @ B


def _add_transposed_product_plain(A, B, C):
    C += A[::-1].T @ B[::-1]


# Intrinsics exist only in compiled code; without the compiler NumPy multiplies.
add_product = _add_product_plain if JIT_DISABLED else _add_product
"""``C += A @ B`` for two-dimensional arrays of one float type whose rows are contiguous.

B may also be what :func:`in_panels` returned for it."""

affine_product = _affine_product_plain if JIT_DISABLED else _affine_product
"""``C = row + A @ B``, with `row` added to every row; otherwise as :data:`add_product`."""

add_transposed_product = _add_transposed_product_plain if JIT_DISABLED else _add_transposed_product
"""``C += A.T @ B``, read in place: a transposed A costs nothing.

Rows are added from the last to the first, as backpropagation meets them: a gradient that is summed
a stretch of steps at a time has the bits of one that is summed at once."""

__all__ = ["add_product", "add_transposed_product", "affine_product", "in_panels"]
