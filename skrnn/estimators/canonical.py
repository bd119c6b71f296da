"""One form for data that say the same: repeated rows merged, in an order of their own.

The loss of a whole data set does not depend on the order of its sequences, and a sequence given
twice is a sequence of twice the weight. Rounding does not know this, and the training of a
recurrent network amplifies rounding without bound. So before full-batch training the data are
brought into a form that is the same, bit for bit, for all orders and for weights or repetitions.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def merge_repeated(sequences, y, weight):
    """Merge equal examples, leave out those without weight, and order the rest by content.

    Parameters
    ----------
    sequences : Sequences
        The sequences.
    y : ndarray of shape (n, ...)
        Their targets.
    weight : ndarray of shape (n,)
        Their weights; those of equal examples are added.

    Returns
    -------
    sequences, y, weight
        The merged examples, longest first.
    """
    offsets = sequences.offsets
    places = {}
    for i in np.flatnonzero(weight):
        values = sequences.values[offsets[i] : offsets[i + 1]] + 0.0  # -0.0 is 0.0
        content = blake2b(values.tobytes(), digest_size=16)
        # A column of targets is to give the order that the same targets in one dimension give.
        content.update(repr(np.ravel(y[i]).tolist()).encode())
        key = (offsets[i] - offsets[i + 1], content.digest())
        places.setdefault(key, []).append(i)
    ordered = [places[key] for key in sorted(places)]
    first = np.array([same[0] for same in ordered], dtype=np.int64)
    # Weights are added from the smallest, so that the sum does not depend on the order.
    merged = np.array([np.sort(weight[same]).sum() for same in ordered])
    return sequences.take(first), y[first], merged
