"""Output sequences of their own length in the layouts that y may have, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn.layouts import frame_order, is_scalar
from skrnn.sequences import (
    is_pandas,
    joined_labels,
    label,
    labels_of,
    lengths_to_offsets,
    unmasked,
)


@dataclass(frozen=True)
class OutputLayout:
    """How output sequences were given, and are to be given back.

    Attributes
    ----------
    container : {"array", "objects", "list"}
        A 2-D or 3-D array, an array of sequences, or a list of them.
    is_text : bool
        Whether each sequence is a string, a sequence of characters.
    n_steps : int or None
        Steps of every sequence of a 2-D or 3-D array.
    has_columns : bool
        Whether a step is a row of numbers, not a single one.
    """

    container: str
    is_text: bool
    n_steps: int | None
    has_columns: bool

    def restore(self, sequences):
        """Return sequences as they were given.

        Parameters
        ----------
        sequences : list of ndarray of shape (T_i,) or (T_i, K)
            The sequences.

        Returns
        -------
        y : ndarray of shape (n, T) or (n, T, K), list or ndarray of str, list or object array of \
ndarray
            In the layout.
        """
        if not self.has_columns:
            sequences = [own[:, 0] if own.ndim == 2 else own for own in sequences]
        if self.is_text:
            sequences = ["".join(own) for own in sequences]
        if self.container == "array" and len({len(own) for own in sequences}) == 1:
            return np.stack(sequences)
        if self.container == "list":
            return sequences
        if self.is_text:
            return np.array(sequences)
        objects = np.empty(len(sequences), dtype=object)
        objects[:] = sequences
        return objects


def read_outputs(y, n_sequences, *, name="y"):
    """Read one output sequence for each input.

    Parameters
    ----------
    y : ndarray of shape (n, T) or (n, T, K), or list, object array or Series of str or of \
array-like of shape (T_i,) or (T_i, K), or Series or DataFrame with a (sequence, time) index
        The sequences. An array says that all have T steps. A string is a sequence of characters.
    n_sequences : int
        How many there are to be.
    name : str, default="y"
        What it is, for messages.

    Returns
    -------
    rows : ndarray of shape (N,) or (N, K)
        All steps, end to end.
    offsets : ndarray of int64 of shape (n + 1,)
        Sequence i is ``rows[offsets[i]:offsets[i + 1]]``.
    layout : OutputLayout
        How they were given.

    Raises
    ------
    ValueError
        If y has another number of sequences, or one is empty, no sequence or unlike the others;
        with its number.
    """
    container = "list" if isinstance(y, (list, tuple)) else "objects"
    if is_pandas(y):
        y = _split_frame(y) if y.index.nlevels > 1 else (list(y) if y.ndim == 1 else y.to_numpy())
    if not hasattr(y, "__len__") or isinstance(y, (str, bytes, dict)):
        raise ValueError(f"{name} must hold a sequence for each sequence of X, got {y!r}.")
    y = unmasked(y, name) if isinstance(y, np.ndarray) else y
    if len(y) != n_sequences:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: [{n_sequences}, "
            f"{len(y)}]. X holds {n_sequences} sequences, but {name} holds {len(y)}; each "
            "needs one."
        )
    if isinstance(y, np.ndarray) and y.ndim > 1:
        return _read_array(y, name)
    is_text = all(isinstance(own, str) for own in y)
    arrays = [_read_sequence(own, i, name) for i, own in enumerate(y)]
    _check_alike(arrays, name)
    layout = OutputLayout(container, is_text, None, arrays[0].ndim == 2)
    return joined_labels(arrays), lengths_to_offsets([len(own) for own in arrays]), layout


def _read_array(y, name):
    if y.ndim > 3 or 0 in y.shape:
        raise ValueError(
            f"{name} has shape {y.shape}; as an array it must be (sequences, steps) or "
            "(sequences, steps, columns), none of them empty."
        )
    n, n_steps = y.shape[:2]
    rows = y.reshape(n * n_steps, *y.shape[2:])
    offsets = np.arange(0, n * n_steps + 1, n_steps)
    return rows, offsets, OutputLayout("array", False, n_steps, y.ndim == 3)


def _split_frame(y):
    order, offsets = frame_order(y.index)
    values = y.to_numpy() if order is None else y.to_numpy()[order]
    return np.split(values, offsets[1:-1])


def _read_sequence(own, i, name):
    if isinstance(own, str):
        own = list(own)
    elif is_scalar(own):
        raise ValueError(
            f"{name} holds {label(own)} for sequence {i}, which is no sequence. In this mode each "
            "output is a sequence: an array of labels or numbers, or a string of characters. For "
            "one label or number a sequence use mode='many_to_one'."
        )
    try:
        array = labels_of(own)
    except ValueError as error:
        raise ValueError(
            f"{name} of sequence {i} is ragged in itself: its steps are of unequal size."
        ) from error
    if array.size == 0:
        raise ValueError(
            f"{name} of sequence {i} is empty; an output has at least one step. Remove it from X "
            "and y."
        )
    if array.ndim > 2:
        raise ValueError(
            f"{name} of sequence {i} has shape {array.shape}, expected (steps,) or (steps, "
            "columns)."
        )
    return array


def _check_alike(arrays, name):
    for i, array in enumerate(arrays):
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"{name} of sequence {i} has shape {array.shape}, but that of sequence 0 has shape "
                f"{arrays[0].shape}: all need one value a step, or the same columns."
            )
        if array.dtype == object:
            _refuse_none(array, i, name)


def _refuse_none(array, i, name):
    for step, value in enumerate(array):
        if value is None:
            raise ValueError(
                f"{name} holds None in sequence {i}, step {step}, but an output has a label or "
                "number at every step. A step of sample_weight 0 is not taught."
            )
