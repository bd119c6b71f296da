"""Sample weights in any layout, as one weight for each row of the targets."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from skrnn.layouts import is_scalar, plain_input
from skrnn.output_layouts import read_outputs
from skrnn.sequences import is_pandas
from skrnn.targets import read_steps


def checked_weights(sample_weight, n_rows):
    """Return finite weights that are not negative, float64; ones for None.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,), float or None
        The weights.
    n_rows : int
        How many there are to be.

    Returns
    -------
    weights : ndarray of float64 of shape (n_rows,)
        The weights.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    return _check_sample_weight(
        sample_weight, np.empty((n_rows, 1)), dtype=np.float64, ensure_non_negative=True
    )


def is_frame(values):
    """Tell whether values are a Series or frame with a (sequence, time) index."""
    return is_pandas(values) and values.index.nlevels > 1


def is_line(values):
    """Tell whether values are one number for each sequence."""
    return not is_frame(values) and all(is_scalar(value) for value in values)


def weights_of_steps(sample_weight, sequences, X):
    """Return the weight of each step of X; one for a sequence is that of all its steps.

    Parameters
    ----------
    sample_weight : array-like, float or None
        A weight for each sequence, or for each step in any layout that targets of steps have.
    sequences : Sequences
        The sequences.
    X : object
        What they were read from.

    Returns
    -------
    weights : ndarray of float64 of shape (n_steps_total,)
        In the order of the steps.
    """
    sample_weight = plain_input(sample_weight)
    if sample_weight is None or np.isscalar(sample_weight) or is_line(sample_weight):
        weight = checked_weights(sample_weight, len(sequences))
        return np.repeat(weight, sequences.lengths)
    rows = read_steps(sample_weight, sequences, X, name="sample_weight")
    rows = rows[:, 0] if rows.ndim == 2 and rows.shape[1] == 1 else rows
    return checked_weights(rows.astype(np.float64), len(sequences.values))


def weights_of_outputs(sample_weight, offsets):
    """Return the weight of each step of y; one for a sequence is that of all its steps.

    Parameters
    ----------
    sample_weight : array-like, float or None
        A weight for each sequence, or for each step of y in any layout that y may have.
    offsets : ndarray of int64 of shape (n_sequences + 1,)
        Output i is rows ``offsets[i]`` to ``offsets[i + 1]``.

    Returns
    -------
    weights : ndarray of float64 of shape (offsets[-1],)
        In the order of the steps.

    Raises
    ------
    ValueError
        If an output and its weights are of different length, naming the sequence.
    """
    sample_weight, n_sequences = plain_input(sample_weight), offsets.size - 1
    if sample_weight is None or np.isscalar(sample_weight) or is_line(sample_weight):
        weight = checked_weights(sample_weight, n_sequences)
        return np.repeat(weight, np.diff(offsets))
    rows, own, _ = read_outputs(sample_weight, n_sequences, name="sample_weight")
    for i, (first, last) in enumerate(pairwise(offsets)):
        if own[i + 1] - own[i] != last - first:
            raise ValueError(
                f"y of sequence {i} has {last - first} steps, but sample_weight has "
                f"{own[i + 1] - own[i]} for it. Pass one weight for each step of y, or one for "
                "each sequence."
            )
    rows = rows[:, 0] if rows.ndim == 2 and rows.shape[1] == 1 else rows
    return checked_weights(rows.astype(np.float64), len(rows))
