"""Matrix products of the sizes that recurrent networks need: small, thousands of times a second.

``C += A @ B`` is cut by :mod:`skrnn._panels` into tiles of a few rows by one or two vector
registers of columns, which :mod:`skrnn._tiles` runs down the shared dimension.

Each element of C is one chain of fused multiply-adds in the order of the shared dimension, against
it in the transposed product, whatever the tile, the number of rows or the vector width. Hence a row
of a product has the same bits alone and among others, and on one machine and another.
"""

from __future__ import annotations

import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from skrnn import (
    _former_products,  # noqa: F401, kernels of older caches look for its symbols
    _plain_products,
)
from skrnn._jit import JIT_DISABLED, inlined, jit
from skrnn._math import use_widest_vectors
from skrnn._panels import products
from skrnn._plain_products import crowded_at, first_columns, products_at
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


def _products_single(
    deepest, count, a, a_next, a_row, a_step, b, b_next, b_step, b_panel, s, s_next, s_row,
    c, c_next, c_row, rows, depth, columns,
):  # fmt: skip
    products(
        np.float32(0), 4, deepest, count, a, a_next, a_row, a_step, b, b_next, b_step, b_panel,
        s, s_next, s_row, c, c_next, c_row, rows, depth, columns,
    )  # fmt: skip


def _products_double(
    deepest, count, a, a_next, a_row, a_step, b, b_next, b_step, b_panel, s, s_next, s_row,
    c, c_next, c_row, rows, depth, columns,
):  # fmt: skip
    products(
        np.float64(0), 8, deepest, count, a, a_next, a_row, a_step, b, b_next, b_step, b_panel,
        s, s_next, s_row, c, c_next, c_row, rows, depth, columns,
    )  # fmt: skip


def _share(name, single, double, fallback, n_arguments):
    """Share a function of each type of numbers; its name must never change (skrnn._shared)."""
    name = f"{__name__.replace('.', '_')}_{name}"
    return {
        bits: SharedFunction(
            f"{name}_{bits}", function, fallback(np.dtype(f"f{bits // 8}")), n_arguments
        )
        for bits, function in ((32, single), (64, double))
    }


_SHARED = _share("products", _products_single, _products_double, products_at, 19)


@intrinsic
def _call_products(
    typingctx, zero, deepest, count, a, a_next, a_row, a_step, b, b_next, b_step, b_panel,
    s, s_next, s_row, c, c_next, c_row, rows, depth, columns,
):  # numpydoc ignore # fmt: skip
    """Call the products of the type of `zero` that all kernels share."""

    def codegen(context, builder, signature, args):
        _SHARED[signature.args[0].bitwidth].emit_call(builder, args[1:])
        return context.get_dummy_value()

    return types.void(zero, *[types.intp] * 19), codegen


def _as_stack(context, builder, kind, value):
    """Return address, lengths and strides of an array as those of a stack of matrices.

    A matrix alone is a stack of one that is there for all: what comes next is where it is itself.
    """
    struct = context.make_array(kind)(context, builder, value)
    word = context.get_value_type(types.intp)
    axes = [cgutils.unpack_tuple(builder, part) for part in (struct.shape, struct.strides)]
    for axis, missing in zip(axes, (word(1), word(0)), strict=True):
        axis[:0] = [missing] * (3 - len(axis))
    return builder.ptrtoint(struct.data, word), *axes


def _rows_to_begin_with(context, builder, kind, value):
    """Return the address of the first of some rows, and the bytes to the next; 0 for one alone."""
    struct = context.make_array(kind)(context, builder, value)
    word = context.get_value_type(types.intp)
    step = builder.extract_value(struct.strides, 0) if kind.ndim > 1 else word(0)
    return builder.ptrtoint(struct.data, word), step


def _make_products(from_rows):
    """Make what calls the shared products for matrices or stacks of them.

    The sums begin with `start`: with a row of it for each product, or with what is there, C itself.
    Written in instructions, because compiling these lines from Python for each combination of
    matrices and stacks takes ten times as long.
    """

    @intrinsic
    def run(typingctx, A, B, start, C):  # numpydoc ignore
        def codegen(context, builder, signature, args):
            word, bits = context.get_value_type(types.intp), signature.args[3].dtype.bitwidth
            values = list(zip(signature.args, args, strict=True))
            a, (_, rows, depth), (a_next, a_row, _) = _as_stack(context, builder, *values[0])
            b, (count, _, width), (b_next, b_row, _) = _as_stack(context, builder, *values[1])
            c, (_, _, columns), (c_next, c_row, _) = _as_stack(context, builder, *values[3])
            s, s_next, s_row = c, c_next, c_row
            if from_rows:
                s, s_next = _rows_to_begin_with(context, builder, *values[2])
                s_row = word(0)
            is_cut = builder.icmp_signed("!=", width, columns)
            b_panel = builder.select(is_cut, builder.mul(depth, b_row), word(0))
            _SHARED[bits].emit_call(
                builder,
                [
                    word(DEPTH_BLOCK), count, a, a_next, a_row, word(bits // 8), b, b_next, b_row,
                    b_panel, s, s_next, s_row, c, c_next, c_row, rows, depth, columns,
                ],
            )  # fmt: skip
            return context.get_dummy_value()

        return types.void(A, B, start, C), codegen

    return run


_add, _affine = _make_products(from_rows=False), _make_products(from_rows=True)


@inlined
def _add_products(A, B, C):
    _add(A, B, C, C)


@inlined
def _affine_products(A, B, rows, C):
    _affine(A, B, rows, C)


@jit
def accumulate_product(A, B, C):
    """Do what :data:`add_product` does, which is for kernels, where Python calls it."""
    add_product(A, B, C)


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


@inlined
def _add_crowded(number, size, a, a_row, b, b_row, c, c_row, rows, depth, columns):
    """Add ``A.T @ B`` from copies of some rows of B at a time that lie a cache line further apart.

    Of A, a tile reads a part of a line of each row, of B two lines.
    """
    use_widest_vectors()
    zero = number(0)
    near = np.empty((CROWDED_DEPTH_BLOCK, columns + CACHE_LINE // size), dtype=number)
    while depth > 0:
        count = min(CROWDED_DEPTH_BLOCK, depth)
        depth -= count
        block = _matrix_at(zero, b + depth * b_row, b_row, count, columns)
        for i in range(count):
            for j in range(columns):
                near[i, j] = block[i, j]
        _call_products(
            zero, CROWDED_DEPTH_BLOCK, 1,
            a + (depth + count - 1) * a_row, 0, size, -a_row,
            address_of(near) + (count - 1) * near.strides[0], 0, -near.strides[0], 0,
            c, 0, c_row, c, 0, c_row, rows, count, columns,
        )  # fmt: skip


def _add_crowded_single(a, a_row, b, b_row, c, c_row, rows, depth, columns):
    _add_crowded(np.float32, 4, a, a_row, b, b_row, c, c_row, rows, depth, columns)


def _add_crowded_double(a, a_row, b, b_row, c, c_row, rows, depth, columns):
    _add_crowded(np.float64, 8, a, a_row, b, b_row, c, c_row, rows, depth, columns)


# Few networks are so large: the others need not wait for it to be compiled.
_SHARED_CROWDED = _share(
    "crowded_transposed_product", _add_crowded_single, _add_crowded_double, crowded_at, 9
)


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
    # Comparisons, because `min` and `max` are functions of their own for the compiler.
    if B.strides[0] % CROWDED == 0 and C.shape[0] >= LARGE and C.shape[1] >= LARGE:
        _call_crowded(
            C.dtype.type(0), address_of(A), A.strides[0], address_of(B), B.strides[0],
            address_of(C), C.strides[0], A.shape[1], A.shape[0], B.shape[1],
        )  # fmt: skip
    elif C.size > 0:
        last = A.shape[0] - 1
        deepest = NEAR_BYTES // (A.strides[0] + B.strides[0])
        if deepest < TRANSPOSED_DEPTH_BLOCK:
            deepest = TRANSPOSED_DEPTH_BLOCK
        _call_products(
            C.dtype.type(0),
            deepest,
            1,
            address_of(A) + last * A.strides[0],
            0,
            A.itemsize,
            -A.strides[0],
            address_of(B) + last * B.strides[0],
            0,
            -B.strides[0],
            0,
            address_of(C),
            0,
            C.strides[0],
            address_of(C),
            0,
            C.strides[0],
            A.shape[1],
            A.shape[0],
            B.shape[1],
        )


def panel_copies(matrices, take):
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
        Each is a right-hand factor of :data:`add_product` and :data:`affine_product`, all together
        are one of :data:`add_products` and :data:`affine_products`.
    copies : list of (ndarray, ndarray)
        What must be copied for them, each time the matrices have changed: target and source.
    """
    n_matrices, n_rows, n_columns = matrices.shape
    row_size, width = n_columns * matrices.itemsize, 2 * VECTOR_BYTES // matrices.itemsize
    pays = row_size % CACHE_LINE > 0 or row_size % CROWDED == 0
    if JIT_DISABLED or n_columns <= width or not pays:
        if matrices.flags.c_contiguous:
            return matrices, []
        factors = take(matrices.shape)
        return factors, [(factors, matrices)]
    firsts = first_columns(n_columns, width)
    factors = take((n_matrices, len(firsts) * n_rows, width))
    copies = [
        (factors[:, i * n_rows : (i + 1) * n_rows], matrices[:, :, first : first + width])
        for i, first in enumerate(firsts)
    ]
    return factors, copies


# Intrinsics exist only in compiled code; without the compiler NumPy multiplies.
add_product = _plain_products.add_product if JIT_DISABLED else _add_products
"""``C += A @ B`` for two-dimensional arrays of one float type whose rows are contiguous.

B may also be what :func:`panel_copies` returned for it."""

affine_product = _plain_products.affine_product if JIT_DISABLED else _affine_products
"""``C = row + A @ B``, with `row` added to every row; otherwise as :data:`add_product`."""

add_products = _plain_products.add_products if JIT_DISABLED else _add_products
"""``C[g] += A[g] @ B[g]`` for each matrix of a stack B, one after another.

A may be one matrix for all of them, and so may C, which is then ``C += A[0] @ B[0] + ...``; stacks
are as long as B or longer, which nobody checks. For small matrices that is quicker than calls of
:data:`add_product`, with the same bits."""

affine_products = _plain_products.affine_products if JIT_DISABLED else _affine_products
"""``C[g] = rows[g] + A @ B[g]`` for each matrix of a stack B, as :data:`affine_product` does."""

add_transposed_product = (
    _plain_products.add_transposed_product if JIT_DISABLED else _add_transposed_product
)
"""``C += A.T @ B``, read in place: a transposed A costs nothing.

Rows are added from the last to the first, as backpropagation meets them: a gradient that is summed
a stretch of steps at a time has the bits of one that is summed at once."""

__all__ = [
    "accumulate_product",
    "add_product",
    "add_products",
    "add_transposed_product",
    "affine_product",
    "affine_products",
    "panel_copies",
]
