"""Matrix products by NumPy: without the compiler, or while it is not there yet.

They do not promise the bits of :mod:`skrnn._gemm`.
"""

from __future__ import annotations

import ctypes

import numpy as np


def first_columns(n_columns, width):
    """Return the first column of each panel; the last one overlaps that before it."""
    return [min(first, n_columns - width) for first in range(0, n_columns, width)]


def add_product(A, B, C):
    C += A @ B


def affine_product(A, B, row, C):
    C[...] = row + A @ B


def add_products(A, B, C):
    for g in range(B.shape[0]):
        add_product(A[g] if A.ndim == 3 else A, B[g], C[g] if C.ndim == 3 else C)


def affine_products(A, B, rows, C):
    for g in range(B.shape[0]):
        affine_product(A, B[g], rows[g], C[g])


def add_transposed_product(A, B, C):
    C += A[::-1].T @ B[::-1]


def _matrix(dtype, address, shape, strides):
    """Return the matrix at an address."""
    reach = [(n - 1) * stride for n, stride in zip(shape, strides, strict=True)]
    before = -sum(step for step in reach if step < 0)
    size = before + sum(step for step in reach if step > 0) + dtype.itemsize
    buffer = (ctypes.c_char * size).from_address(address - before)
    return np.ndarray(shape, dtype, buffer, offset=before, strides=strides)


def _right_factor(dtype, b, b_step, b_panel, depth, columns):
    if b_panel == 0:
        return _matrix(dtype, b, (depth, columns), (b_step, dtype.itemsize))
    width = b_step // dtype.itemsize
    B = np.empty((depth, columns), dtype=dtype)
    for i, first in enumerate(first_columns(columns, width)):
        panel = _matrix(dtype, b + i * b_panel, (depth, width), (b_step, dtype.itemsize))
        B[:, first : first + width] = panel
    return B


def products_at(dtype):
    """Return what does as :func:`skrnn._panels.products` for numbers of a type."""
    size = dtype.itemsize

    def run(
        deepest, count, a, a_next, a_row, a_step, b, b_next, b_step, b_panel,
        s, s_next, s_row, c, c_next, c_row, rows, depth, columns,
    ):  # fmt: skip
        for g in range(count):
            total = _matrix(dtype, s + g * s_next, (rows, columns), (s_row, size))
            if depth > 0:
                A = _matrix(dtype, a + g * a_next, (rows, depth), (a_row, a_step))
                B = _right_factor(dtype, b + g * b_next, b_step, b_panel, depth, columns)
                total = total + A @ B
            _matrix(dtype, c + g * c_next, (rows, columns), (c_row, size))[...] = total

    return run


def crowded_at(dtype):
    """Return the transposed product of crowded rows for numbers of a type."""
    run, size = products_at(dtype), dtype.itemsize

    def add(a, a_row, b, b_row, c, c_row, rows, depth, columns):
        last = depth - 1
        a, b = a + last * a_row, b + last * b_row
        run(
            0, 1, a, 0, size, -a_row, b, 0, -b_row, 0, c, 0, c_row, c, 0, c_row,
            rows, depth, columns,
        )  # fmt: skip

    return add
