"""What the head of a many-to-one network reads: the last state, or the mean or maximum of all.

Each pooling is a forward and a backward kernel over the rows of one direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn._jit import jit
from skrnn._views import flat
from skrnn.cells import clear


@jit
def _pool_last(h, starts, lengths, pooled):
    for i in range(lengths.size):
        for k in range(h.shape[1]):
            pooled[i, k] = h[starts[lengths[i] - 1] + i, k]


@jit
def _spread_last(h, starts, lengths, pooled, d_pooled, d_h):
    clear(flat(d_h, 0, d_h.shape[0]))
    for i in range(lengths.size):
        for k in range(d_h.shape[1]):
            d_h[starts[lengths[i] - 1] + i, k] = d_pooled[i, k]


@jit
def _pool_mean(h, starts, lengths, pooled):
    clear(flat(pooled, 0, pooled.shape[0]))
    for t in range(starts.size - 1):
        for i in range(starts[t + 1] - starts[t]):
            for k in range(h.shape[1]):
                pooled[i, k] += h[starts[t] + i, k]
    for i in range(lengths.size):
        length = h.dtype.type(lengths[i])
        for k in range(h.shape[1]):
            pooled[i, k] /= length


@jit
def _spread_mean(h, starts, lengths, pooled, d_pooled, d_h):
    for t in range(starts.size - 1):
        for i in range(starts[t + 1] - starts[t]):
            length = h.dtype.type(lengths[i])
            for k in range(h.shape[1]):
                d_h[starts[t] + i, k] = d_pooled[i, k] / length


@jit
def _pool_max(h, starts, lengths, pooled):
    for i in range(lengths.size):
        for k in range(h.shape[1]):
            pooled[i, k] = h[i, k]
    for t in range(1, starts.size - 1):
        for i in range(starts[t + 1] - starts[t]):
            for k in range(h.shape[1]):
                value = h[starts[t] + i, k]
                # A NaN, once met, stays.
                if value > pooled[i, k] or value != value:
                    pooled[i, k] = value


@jit
def _spread_max(h, starts, lengths, pooled, d_pooled, d_h):
    """Give the gradient of each maximum to the first step that reached it."""
    left = d_pooled.copy()
    for t in range(starts.size - 1):
        for i in range(starts[t + 1] - starts[t]):
            for k in range(h.shape[1]):
                row = starts[t] + i
                if h[row, k] == pooled[i, k]:
                    d_h[row, k] = left[i, k]
                    left[i, k] = 0
                else:
                    d_h[row, k] = 0


@dataclass(frozen=True)
class Pooling:
    """How the steps of a sequence become one vector.

    Attributes
    ----------
    pool : callable
        ``pool(h, starts, lengths, pooled)`` writes one row a sequence to `pooled`.
    spread : callable
        ``spread(h, starts, lengths, pooled, d_pooled, d_h)`` writes the gradient of each step.
    stream : callable
        ``stream(h, kept, n_steps)`` returns what to keep of the steps so far, given what was
        kept before the newest, and the pooled rows.
    """

    pool: object
    spread: object
    stream: object


def _stream_last(h, kept, n_steps):
    return h, h


def _stream_mean(h, kept, n_steps):
    total = kept + h
    return total, total / h.dtype.type(n_steps)


def _stream_max(h, kept, n_steps):
    highest = h if n_steps == 1 else np.maximum(kept, h)
    return highest, highest


POOLINGS = {
    "last": Pooling(_pool_last, _spread_last, _stream_last),
    "mean": Pooling(_pool_mean, _spread_mean, _stream_mean),
    "max": Pooling(_pool_max, _spread_max, _stream_max),
}
