"""What the head of a many-to-one network reads: the last state, or the mean or maximum of all.

Each pooling is a forward and a backward kernel over the rows of one direction, of all steps or of
a stretch of them; the stretches of a batch are pooled one after another, in the order of time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn._jit import jit
from skrnn._views import flat
from skrnn.cells import clear


@jit
def _pool_last(h, first, starts, lengths, pooled, reached):
    for i in range(starts[1]):
        t = lengths[i] - 1 - first
        if t < starts.size - 1:
            for k in range(h.shape[1]):
                pooled[i, k] = h[starts[t] + i, k]


@jit
def _spread_last(first, starts, lengths, reached, d_pooled, d_h):
    clear(flat(d_h, 0, d_h.shape[0]))
    for i in range(starts[1]):
        t = lengths[i] - 1 - first
        if t < starts.size - 1:
            for k in range(d_h.shape[1]):
                d_h[starts[t] + i, k] = d_pooled[i, k]


@jit
def _pool_mean(h, first, starts, lengths, pooled, reached):
    if first == 0:
        clear(flat(pooled, 0, pooled.shape[0]))
    for t in range(starts.size - 1):
        for i in range(starts[t + 1] - starts[t]):
            for k in range(h.shape[1]):
                pooled[i, k] += h[starts[t] + i, k]
    for i in range(starts[1]):
        if lengths[i] - first < starts.size:
            length = h.dtype.type(lengths[i])
            for k in range(h.shape[1]):
                pooled[i, k] /= length


@jit
def _spread_mean(first, starts, lengths, reached, d_pooled, d_h):
    for t in range(starts.size - 1):
        for i in range(starts[t + 1] - starts[t]):
            length = d_h.dtype.type(lengths[i])
            for k in range(d_h.shape[1]):
                d_h[starts[t] + i, k] = d_pooled[i, k] / length


@jit
def _pool_max(h, first, starts, lengths, pooled, reached):
    if first == 0:
        for i in range(starts[1]):
            for k in range(h.shape[1]):
                pooled[i, k], reached[i, k] = h[i, k], 0
    for t in range(starts.size - 1):
        for i in range(starts[t + 1] - starts[t]):
            for k in range(h.shape[1]):
                value = h[starts[t] + i, k]
                # A NaN, once met, stays.
                if value > pooled[i, k] or value != value:
                    pooled[i, k], reached[i, k] = value, first + t


@jit
def _spread_max(first, starts, lengths, reached, d_pooled, d_h):
    """Give the gradient of each maximum to the first step that reached it."""
    for t in range(starts.size - 1):
        for i in range(starts[t + 1] - starts[t]):
            for k in range(d_h.shape[1]):
                is_highest = reached[i, k] == first + t
                d_h[starts[t] + i, k] = d_pooled[i, k] if is_highest else 0


@dataclass(frozen=True)
class Pooling:
    """How the steps of a sequence become one vector.

    Attributes
    ----------
    pool : callable
        ``pool(h, first, starts, lengths, pooled, reached)`` writes one row a sequence to `pooled`,
        and to `reached` the steps that later gradients depend on. `starts` are the rows in `h` of
        the steps from `first` on, `lengths` those of the whole sequences.
    spread : callable
        ``spread(first, starts, lengths, reached, d_pooled, d_h)`` writes the gradient of each
        of these steps.
    stream : callable
        ``stream(h, kept, n_steps)`` returns what to keep of the steps so far, given what was
        kept before the newest, and the pooled rows.
    is_final : bool, default=False
        Whether nothing but the last step is read: its gradient is then that of the final state.
    """

    pool: object
    spread: object
    stream: object
    is_final: bool = False


def _stream_last(h, kept, n_steps):
    return h, h


def _stream_mean(h, kept, n_steps):
    total = kept + h
    return total, total / h.dtype.type(n_steps)


def _stream_max(h, kept, n_steps):
    highest = h if n_steps == 1 else np.maximum(kept, h)
    return highest, highest


POOLINGS = {
    "last": Pooling(_pool_last, _spread_last, _stream_last, is_final=True),
    "mean": Pooling(_pool_mean, _spread_mean, _stream_mean),
    "max": Pooling(_pool_max, _spread_max, _stream_max),
}
