"""Sums that are always added in the same order, in as many chains as keep the adder busy."""

from __future__ import annotations

import numpy as np

from skrnn._jit import inlined, kernel_part
from skrnn._math import use_widest_vectors
from skrnn._views import empty, flat

# Fewer are not compiled to vectors throughout.
CHAINS = 64


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


@inlined
def _square(value):
    return np.float64(value) * np.float64(value)


@kernel_part
def squared_norm(values):
    """Return the sum of squares in float64, always added in the same order.

    Every number has its place in one of many chains of additions: that many are worked on at once.
    """
    use_widest_vectors()
    sums = empty(0.0, (CHAINS,))
    for j in range(CHAINS):
        sums[j] = 0
    whole = values.size - values.size % CHAINS
    for first in range(0, whole, CHAINS):
        for j in range(CHAINS):
            sums[j] += _square(values[first + j])
    for k in range(whole, values.size):
        sums[k - whole] += _square(values[k])
    total = 0.0
    for j in range(CHAINS):
        total += sums[j]
    return total


__all__ = ["add_column_sums", "squared_norm"]
