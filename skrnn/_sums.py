"""Sums that are always added in the same order, in as many chains as keep the adder busy."""

from __future__ import annotations

import numpy as np

from skrnn._jit import jit, kernel_part
from skrnn._views import flat


@kernel_part
def add_column_sums(values, sums):
    """Add the sum of each column, from the last row to the first.

    Four rows at a time: a sum is read and written once for all of them.
    """
    last = values.shape[0]
    while last >= 4:
        a, b = flat(values, last - 1, last), flat(values, last - 2, last - 1)
        c, d = flat(values, last - 3, last - 2), flat(values, last - 4, last - 3)
        for k in range(sums.size):
            sums[k] = (((sums[k] + a[k]) + b[k]) + c[k]) + d[k]
        last -= 4
    while last > 0:
        a = flat(values, last - 1, last)
        for k in range(sums.size):
            sums[k] += a[k]
        last -= 1


@kernel_part
def _square(value):
    return np.float64(value) * np.float64(value)


@jit
def squared_norm(values):
    """Return the sum of squares in float64, always added in the same order.

    Four chains of additions keep the adder busy, where one would wait for itself.
    """
    a = b = c = d = 0.0
    quarter = values.size // 4
    for k in range(quarter):
        a += _square(values[k])
        b += _square(values[k + quarter])
        c += _square(values[k + 2 * quarter])
        d += _square(values[k + 3 * quarter])
    for k in range(4 * quarter, values.size):
        a += _square(values[k])
    return (a + b) + (c + d)


__all__ = ["add_column_sums", "squared_norm"]
