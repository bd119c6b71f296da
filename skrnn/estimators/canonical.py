"""One form for data that say the same: repeated rows merged, in an order of their own.

The loss of a whole data set does not depend on the order of its sequences, and a sequence given
twice is a sequence of twice the weight. Rounding does not know this, and the training of a
recurrent network amplifies rounding without bound. So before full-batch training the data are
brought into a form that is the same, bit for bit, for all orders and for weights or repetitions.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise

import numpy as np

from skrnn.sequences import rows_of


def merge_repeated(sequences, y, weight, row_offsets):
    """Merge equal examples, leave out those without weight, and order the rest by content.

    Parameters
    ----------
    sequences : Sequences
        The sequences.
    y : ndarray of shape (rows, ...)
        Their targets.
    weight : ndarray of shape (rows,)
        The weights of the targets; those of equal examples are added.
    row_offsets : ndarray of shape (n + 1,)
        Rows ``row_offsets[i]`` to ``row_offsets[i + 1]`` are those of sequence i.

    Returns
    -------
    sequences, y, weight, row_offsets
        The merged examples, longest first.
    """
    offsets = sequences.offsets
    places = {}
    spans = [slice(*span) for span in pairwise(row_offsets)]
    for i in np.flatnonzero(np.logical_or.reduceat(weight > 0, row_offsets[:-1])):
        values = sequences.values[offsets[i] : offsets[i + 1]] + 0.0  # -0.0 is 0.0
        content = blake2b(values.tobytes(), digest_size=16)
        # A column of targets is to give the order that the same targets in one dimension give.
        content.update(repr(np.ravel(y[spans[i]]).tolist()).encode())
        key = (offsets[i] - offsets[i + 1], content.digest())
        places.setdefault(key, []).append(i)
    ordered = [places[key] for key in sorted(places)]
    first = np.array([same[0] for same in ordered], dtype=np.int64)
    # Weights are added from the smallest, so that the sum does not depend on the order.
    merged = [np.sort([weight[spans[i]] for i in same], axis=0).sum(axis=0) for same in ordered]
    rows, offsets = rows_of(row_offsets, first)
    return sequences.take(first), y[rows], np.concatenate(merged), offsets
