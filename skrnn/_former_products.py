"""What kernels call that were compiled before products came several at a time.

They may still be in a user's cache (see :mod:`skrnn._shared`).
"""

from __future__ import annotations

import numpy as np

from skrnn._jit import inlined
from skrnn._panels import products
from skrnn._plain_products import products_at
from skrnn._shared import SharedFunction


@inlined
def _one_product(
    zero, size, deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows, depth,
    columns,
):  # fmt: skip
    products(
        zero, size, deepest, 1, a, 0, a_row, a_step, b, 0, b_step, b_panel, s, 0, s_row,
        c, 0, c_row, rows, depth, columns,
    )  # fmt: skip


def _affine_single(
    deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows, depth, columns
):
    _one_product(
        np.float32(0), 4, deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows,
        depth, columns,
    )  # fmt: skip


def _affine_double(
    deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows, depth, columns
):
    _one_product(
        np.float64(0), 8, deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows,
        depth, columns,
    )  # fmt: skip


def _plain_single(deepest, a, a_row, a_step, b, b_step, c, c_row, rows, depth, columns):
    _one_product(
        np.float32(0), 4, deepest, a, a_row, a_step, b, b_step, 0, c, c_row, c, c_row, rows, depth,
        columns,
    )  # fmt: skip


def _plain_double(deepest, a, a_row, a_step, b, b_step, c, c_row, rows, depth, columns):
    _one_product(
        np.float64(0), 8, deepest, a, a_row, a_step, b, b_step, 0, c, c_row, c, c_row, rows, depth,
        columns,
    )  # fmt: skip


def _numpys(dtype):
    run = products_at(dtype)

    def affine(
        deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows, depth, columns
    ):
        run(
            deepest, 1, a, 0, a_row, a_step, b, 0, b_step, b_panel, s, 0, s_row, c, 0, c_row,
            rows, depth, columns,
        )  # fmt: skip

    def plain(deepest, a, a_row, a_step, b, b_step, c, c_row, rows, depth, columns):
        affine(deepest, a, a_row, a_step, b, b_step, 0, c, c_row, c, c_row, rows, depth, columns)

    return affine, plain


FORMER = {}
"""What they call, by its symbol."""

for _bits, _affine, _plain in (
    (32, _affine_single, _plain_single),
    (64, _affine_double, _plain_double),
):
    _numpys_affine, _numpys_plain = _numpys(np.dtype(f"f{_bits // 8}"))
    for _name, *_parts in (
        ("affine_product", _affine, _numpys_affine, 14),
        ("product", _plain, _numpys_plain, 11),
    ):
        _symbol = f"skrnn__gemm_{_name}_{_bits}"
        FORMER[_symbol] = SharedFunction(_symbol, *_parts)

__all__ = ["FORMER"]
