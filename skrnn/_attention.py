"""Kernels of attention; :mod:`skrnn.attention` has the equations.

Rows `low` to `high` are output steps. ``sources[r]`` is the source that row r looks at, its states
are ``values[offsets[source]:offsets[source + 1]]`` and their keys likewise, and its weights are
``alpha[places[r]:places[r + 1]]``. Columns of numbers, such as ``v`` or ``d_column``, which is
`d_context` once more, are matrices with one column, because the products ask for matrices.
"""

from __future__ import annotations

import numpy as np

from skrnn._gemm import add_product, add_products, add_transposed_product
from skrnn._jit import jit
from skrnn._math import exp, tanh
from skrnn._views import flat, rows
from skrnn.cells import clear


@jit
def _normalise(scores):
    """Turn scores into weights that sum to one."""
    highest = scores[0]
    for j in range(1, scores.size):
        highest = max(highest, scores[j])
    total = 0.0
    for j in range(scores.size):
        scores[j] = exp(scores[j] - highest)
    for j in range(scores.size):
        total += scores[j]
    for j in range(scores.size):
        scores[j] /= total


@jit
def _back_to_scores(alpha, d_alpha):
    """Turn the loss gradient of the weights into that of the scores."""
    mean = 0.0
    for j in range(alpha.size):
        mean += alpha[j] * d_alpha[j]
    for j in range(alpha.size):
        d_alpha[j] = alpha[j] * (d_alpha[j] - mean)


@jit
def _match(query, keys, out):
    """Write ``tanh(query + key)`` of every key."""
    for j in range(keys.shape[0]):
        for k in range(keys.shape[1]):
            out[j, k] = tanh(query[k] + keys[j, k])


@jit
def _back_through_match(matched, d_scores, v, d_query, d_keys):
    """Add the gradients of query and keys, given that of the scores."""
    one = matched.dtype.type(1)
    for j in range(matched.shape[0]):
        for k in range(matched.shape[1]):
            d = d_scores[j] * v[k, 0] * (one - matched[j, k] * matched[j, k])
            d_query[k] += d
            d_keys[j, k] += d


@jit
def attend_additive(low, high, sources, offsets, places, queries, v, keys, values, alpha, context):
    """Form weights and contexts of rows `low` to `high`: ``e = tanh(q + keys) v``."""
    longest = 0
    for r in range(low, high):
        longest = max(longest, offsets[sources[r] + 1] - offsets[sources[r]])
    matched = np.empty((longest, keys.shape[1]), dtype=keys.dtype)
    clear(flat(alpha, places[low], places[high]))
    clear(flat(context, low, high))
    for r in range(low, high):
        first, last = offsets[sources[r]], offsets[sources[r] + 1]
        weights = rows(alpha, places[r], places[r + 1])
        scratch = rows(matched, 0, last - first)
        _match(flat(queries, r, r + 1), rows(keys, first, last), scratch)
        add_product(scratch, v, weights)
        _normalise(flat(alpha, places[r], places[r + 1]))
        add_transposed_product(weights, rows(values, first, last), rows(context, r, r + 1))


@jit
def attend_multiplicative(
    low, high, sources, offsets, places, column, keys, values, alpha, context
):
    """Form weights and contexts of rows `low` to `high`: ``e = keys q``."""
    width = keys.shape[1]
    clear(flat(alpha, places[low], places[high]))
    clear(flat(context, low, high))
    for r in range(low, high):
        first, last = offsets[sources[r]], offsets[sources[r] + 1]
        weights = rows(alpha, places[r], places[r + 1])
        add_product(rows(keys, first, last), rows(column, r * width, (r + 1) * width), weights)
        _normalise(flat(alpha, places[r], places[r + 1]))
        add_transposed_product(weights, rows(values, first, last), rows(context, r, r + 1))


@jit
def _back_to_memory(r, first, last, places, values, alpha, d_context, d_column, d_values, d_alpha):
    """From the gradient of a context to that of the scores, adding that of the values."""
    width = values.shape[1]
    weights = rows(alpha, places[r], places[r + 1])
    d_weights = rows(d_alpha, 0, last - first)
    clear(flat(d_alpha, 0, last - first))
    add_product(rows(values, first, last), rows(d_column, r * width, (r + 1) * width), d_weights)
    add_product(weights, rows(d_context, r, r + 1), rows(d_values, first, last))
    _back_to_scores(flat(alpha, places[r], places[r + 1]), flat(d_alpha, 0, last - first))


@jit
def back_additive(
    low, high, sources, offsets, places, queries, v, keys, values, alpha, d_context, d_column,
    d_queries, d_v, d_keys, d_values,
):  # fmt: skip
    """Bring the gradient of the contexts of some rows to all that they were made of."""
    longest = 0
    for r in range(low, high):
        longest = max(longest, offsets[sources[r] + 1] - offsets[sources[r]])
    matched = np.empty((longest, keys.shape[1]), dtype=keys.dtype)
    d_alpha = np.empty((longest, 1), dtype=keys.dtype)
    clear(flat(d_queries, low, high))
    for r in range(low, high):
        first, last = offsets[sources[r]], offsets[sources[r] + 1]
        _back_to_memory(
            r, first, last, places, values, alpha, d_context, d_column, d_values, d_alpha
        )
        scratch, d_scores = rows(matched, 0, last - first), rows(d_alpha, 0, last - first)
        # Computed once more rather than kept: that would be a matrix for each output step.
        _match(flat(queries, r, r + 1), rows(keys, first, last), scratch)
        add_transposed_product(scratch, d_scores, d_v)
        _back_through_match(
            scratch, flat(d_alpha, 0, last - first), v,
            flat(d_queries, r, r + 1), rows(d_keys, first, last),
        )  # fmt: skip


@jit
def back_multiplicative(
    low, high, sources, offsets, places, queries, keys, values, alpha, d_context, d_column,
    d_queries, d_keys, d_values,
):  # fmt: skip
    """Bring the gradient of the contexts of some rows to all that they were made of."""
    longest = 0
    for r in range(low, high):
        longest = max(longest, offsets[sources[r] + 1] - offsets[sources[r]])
    d_alpha = np.empty((longest, 1), dtype=keys.dtype)
    for r in range(low, high):
        first, last = offsets[sources[r]], offsets[sources[r] + 1]
        _back_to_memory(
            r, first, last, places, values, alpha, d_context, d_column, d_values, d_alpha
        )
        d_scores = rows(d_alpha, 0, last - first)
        add_transposed_product(d_scores, rows(keys, first, last), rows(d_queries, r, r + 1))
        add_product(d_scores, rows(queries, r, r + 1), rows(d_keys, first, last))


@jit
def add_context(low, high, context, W, gates):
    """Add the context's share to the rows of every gate."""
    add_products(rows(context, low, high), W, rows(gates, low, high))


@jit
def back_to_context(low, high, gates, W_turned, d_context):
    """Add the loss gradient of the context that entered the gates."""
    add_products(rows(gates, low, high), W_turned, rows(d_context, low, high))
