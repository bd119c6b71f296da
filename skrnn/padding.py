"""Taking off the ids that fill sequences up to a rectangle."""

from __future__ import annotations

import numpy as np

from skrnn.layouts import plain_input
from skrnn.sequences import is_pandas


def strip_padding(X, *others, padding_id=0):
    """Return sequences of ids without the padding before and behind them.

    The estimators read sequences of unequal length as they are. Rectangles that another library
    has filled up are cut back to their true lengths by this function, so that no network spends
    time, or learns anything, on padding.

    Parameters
    ----------
    X : array-like of shape (n_sequences, n_steps) or (n_sequences, n_steps, n_channels), or list \
of array-like of shape (n_steps_i,) or (n_steps_i, n_channels)
        The ids. With several channels, a step is padding if all of them are.
    *others : array-like of shape (n_sequences, n_steps, ...) or list of array-like
        What else has an entry for each step, such as targets or weights; cut at the same places.
    padding_id : int, default=0
        The id that fills up. Within a sequence it stays: only what comes before the first other
        id, or behind the last, is taken off.

    Returns
    -------
    stripped : list of ndarray, or tuple of such lists
        X as arrays of shape (n_true_steps_i, ...); with `others`, a tuple of X and each of them.

    Raises
    ------
    ValueError
        If a sequence is nothing but padding, or another input has other steps, with its number.

    See Also
    --------
    skrnn.SequenceTokenizer : Its output needs no padding; it keeps id 0 free for it.

    Examples
    --------
    >>> from skrnn import strip_padding
    >>> X, y = strip_padding([[5, 3, 0, 0], [2, 0, 7, 4]], [[1, 0, 0, 0], [0, 1, 1, 0]])
    >>> [own.tolist() for own in X]
    [[5, 3], [2, 0, 7, 4]]
    >>> [own.tolist() for own in y]
    [[1, 0], [0, 1, 1, 0]]
    """
    sequences = _arrays(X, "X")
    spans = [_span(own, padding_id, i) for i, own in enumerate(sequences)]
    stripped = [_cut(sequences, spans)]
    for number, other in enumerate(others, start=1):
        name = f"Input {number} after X"
        arrays = _arrays(other, name)
        _check_steps(arrays, sequences, name)
        stripped.append(_cut(arrays, spans))
    return tuple(stripped) if others else stripped[0]


def _arrays(values, name):
    if is_pandas(values) and values.index.nlevels > 1:
        raise ValueError(
            f"{name} is a frame with a (sequence, time) index, whose sequences have their true "
            "lengths. Leave out rows of padding: X[X['id'] != padding_id]."
        )
    if is_pandas(values) and values.ndim == 2:
        values = values.to_numpy()
    values = plain_input(values)
    if not hasattr(values, "__len__") or isinstance(values, (str, bytes, dict)):
        raise ValueError(f"{name} must hold sequences, got {values!r}.")
    arrays = [np.asarray(own) for own in values]
    for i, own in enumerate(arrays):
        if own.ndim == 0:
            raise ValueError(f"{name} holds {values[i]!r} for sequence {i}, which is no sequence.")
    return arrays


def _span(own, padding_id, i):
    """Return where a sequence begins and ends without its padding."""
    is_padding = (own == padding_id).all(axis=tuple(range(1, own.ndim)))
    kept = np.flatnonzero(~is_padding)
    if kept.size == 0:
        raise ValueError(
            f"Sequence {i} of X is nothing but padding ({len(own)} times {padding_id!r}). Remove "
            "it from X, and from what belongs to it."
        )
    return int(kept[0]), int(kept[-1]) + 1


def _cut(arrays, spans):
    return [own[first:last] for own, (first, last) in zip(arrays, spans, strict=True)]


def _check_steps(arrays, sequences, name):
    if len(arrays) != len(sequences):
        raise ValueError(f"X holds {len(sequences)} sequences, but {name} holds {len(arrays)}.")
    for i, (own, expected) in enumerate(zip(arrays, sequences, strict=True)):
        if len(own) != len(expected):
            raise ValueError(
                f"Sequence {i} of X has {len(expected)} steps, but {name} has {len(own)} for it: "
                "both must be padded alike."
            )
