"""Targets with one row a step, in any layout that X has, and rows back in such a layout.

Inside, the rows of all steps lie end to end, as the steps of
:class:`~skrnn.sequences.Sequences` do. A step may be without a target: where it is NaN or None, or
a label that was named for it.
"""

from __future__ import annotations

import numpy as np

from skrnn.layouts import frame_order, is_scalar, layout_of, plain_input
from skrnn.sequences import first_of_other_kind, is_pandas, joined_labels, label, labels_of


def read_steps(values, sequences, X, *, name="y", ignore_label=None):
    """Read one row for each step.

    Parameters
    ----------
    values : array-like of shape (n_sequences, n_steps) or (n_sequences, n_steps, n_columns), \
list of array-like of shape (n_steps_i,) or (n_steps_i, n_columns), or Series or DataFrame with \
the index of X
        A row for each step. Where every sequence has a single step, also of shape (n_sequences,)
        or (n_sequences, n_columns). Rows beyond a sequence's end must be without a value, unless X
        is padded likewise.
    sequences : Sequences
        The sequences.
    X : object
        What they were read from.
    name : str, default="y"
        What it is, for messages.
    ignore_label : object, default=None
        A value that stands for none, beside NaN and None.

    Returns
    -------
    rows : ndarray of shape (n_steps_total,) or (n_steps_total, n_columns)
        The rows in the order of the steps.

    Raises
    ------
    ValueError
        If the lengths differ, naming the sequence and both lengths.
    """
    if is_pandas(values):
        if values.index.nlevels > 1:
            return _read_frame(values, sequences, X, name)
        values = list(values) if values.ndim == 1 else values.to_numpy()
    if not hasattr(values, "__len__"):
        raise ValueError(f"{name} must hold a row for each step, got {values!r}.")
    if len(values) != len(sequences):
        hint = ""
        if len(values) == sequences.offsets[-1]:
            hint = f" They are as many as all steps: give each sequence its own part of {name}."
            if is_pandas(X):
                hint = f" They are as many as rows of X: pass {name} as a Series with its index."
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"[{len(sequences)}, {len(values)}]. X holds {len(sequences)} sequences, but {name} "
            f"holds {len(values)}.{hint}"
        )
    if all(is_scalar(value) for value in values):
        return _read_single_steps(values, sequences, name)
    array = _rectangle(values)
    if array is None:
        return _read_list(values, sequences, name, ignore_label)
    return _read_array(array, sequences, X, name, ignore_label)


def _rectangle(values):
    """Return the values as one array of at least two dimensions; None if they are ragged."""
    if isinstance(values, np.ndarray) and values.ndim > 1:
        return values
    arrays = [labels_of(value) for value in values]
    if any(array.shape != arrays[0].shape for array in arrays):
        return None
    return joined_labels([array[np.newaxis] for array in arrays])


def _read_single_steps(values, sequences, name):
    if sequences.lengths.max() > 1:
        i = int(sequences.lengths.argmax())
        raise ValueError(
            f"mode='many_to_many' takes one row of {name} for each step, but {name} holds a single "
            f"value for each sequence; sequence {i} of X has {sequences.lengths[i]} steps. Pass "
            f"{name} of shape (n_sequences, n_steps), a list of arrays, or a Series with the index "
            f"of X; or use mode='many_to_one'.{_hint_on_text(values)}"
        )
    return labels_of(values)


def _hint_on_text(values):
    if not all(isinstance(value, str) for value in values):
        return ""
    return " A string counts as one label: for one label a character pass list(text)."


def _read_array(array, sequences, X, name, ignore_label):
    lengths, n_columns = sequences.lengths, array.shape[1]
    longest = int(lengths.max())
    if array.ndim > 3:
        raise ValueError(
            f"{name} has {array.ndim} dimensions (shape {array.shape}), at most 3 are read: "
            "(sequences, steps, columns)."
        )
    if array.ndim == 2 and longest == 1 and n_columns > 1:
        return array
    if (lengths == n_columns).all():
        return array.reshape(-1, *array.shape[2:])
    X = plain_input(X)
    if longest <= n_columns and layout_of(X) == "array" and X.shape[1] == n_columns:
        return array[np.arange(n_columns) < lengths[:, np.newaxis]]
    return _read_list(list(array), sequences, name, ignore_label)


def _read_list(values, sequences, name, ignore_label):
    arrays = []
    for i, (value, length) in enumerate(zip(values, sequences.lengths, strict=True)):
        array = labels_of(value)
        n_rows = array.shape[0] if array.ndim else 1
        if n_rows < length or not lacks_value(array[length:], ignore_label).all():
            raise ValueError(
                f"Sequence {i} of X has {length} steps, but {name} has {n_rows} rows for it: with "
                "an output at every step both must be of the same length."
            )
        arrays.append(array[:length])
        if arrays[i].shape[1:] != arrays[0].shape[1:] or array.ndim > 2:
            raise ValueError(
                f"{name} of sequence {i} has shape {array.shape}, but that of sequence 0 has shape "
                f"{arrays[0].shape}: one value a step, or the same columns everywhere, are read."
            )
    return joined_labels(arrays)


def _read_frame(values, sequences, X, name):
    if is_pandas(X) and X.index.nlevels > 1:
        if not values.index.equals(X.index):
            raise ValueError(
                f"The index of {name} is not that of X. Put it in the same order, for example with "
                f"{name}.loc[X.index]."
            )
        order, offsets = frame_order(X.index)
    else:
        order, offsets = frame_order(values.index)
        n_sequences = offsets.size - 1
        differs = np.diff(offsets)[: len(sequences)] != sequences.lengths[:n_sequences]
        if n_sequences != len(sequences) or differs.any():
            i = int(differs.argmax()) if differs.any() else min(n_sequences, len(sequences))
            raise ValueError(
                f"The index of {name} has {n_sequences} sequences, X has {len(sequences)}; the "
                f"first whose length differs is sequence {i}."
            )
    array = np.asarray(values)
    return array if order is None else array[order]


def lacks_value(rows, ignore_label=None):
    """Tell which values are NaN, None or the label that stands for none.

    Parameters
    ----------
    rows : ndarray
        Values of any type.
    ignore_label : object, default=None
        A value that stands for none.

    Returns
    -------
    lacks : ndarray of bool
        Of the same shape.
    """
    lacks = np.zeros(rows.shape, dtype=bool)
    if rows.dtype.kind == "f":
        lacks = np.isnan(rows)
    elif rows.dtype.kind == "O":
        # NaN alone is not equal to itself.
        lacks = np.array([v is None or v != v for v in rows.ravel()], dtype=bool)
        lacks = lacks.reshape(rows.shape)
    return lacks if ignore_label is None else lacks | (rows == ignore_label)


def ignored_steps(rows, sequences, ignore_label=None):
    """Tell which steps have no target.

    Parameters
    ----------
    rows : ndarray of shape (n_steps_total,) or (n_steps_total, n_columns)
        What :func:`read_steps` returned.
    sequences : Sequences
        The sequences.
    ignore_label : object, default=None
        A value that stands for none.

    Returns
    -------
    ignored : ndarray of bool of shape (n_steps_total,)
        The steps.

    Raises
    ------
    ValueError
        If a step has a target in some columns only, or if no step has one.
    """
    lacks = lacks_value(rows, ignore_label)
    ignored = lacks if lacks.ndim == 1 else lacks.all(axis=1)
    if lacks.ndim == 2 and (lacks.any(axis=1) & ~ignored).any():
        row = int((lacks.any(axis=1) & ~ignored).argmax())
        i, step = place_of(row, sequences.offsets)
        column = int(lacks[row].argmax())
        raise ValueError(
            f"y lacks a value in sequence {i}, step {step}, column {column}, but has one in "
            "another column: a step is ignored as a whole. Set all columns of the step to NaN, or "
            "fill in the value."
        )
    if ignored.all():
        raise ValueError("y has no target at all: every step is to be ignored.")
    return ignored


def refuse_mixed(labels, rows, offsets):
    """Refuse strings beside labels that are none.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        The labels.
    rows : ndarray of int64 of shape (n,)
        The row of each.
    offsets : ndarray of int64
        Sequence i is rows ``offsets[i]`` to ``offsets[i + 1]``.

    Raises
    ------
    ValueError
        If there are both, naming sequence and step.
    """
    other = first_of_other_kind(labels)
    if other is not None:
        (i, step), (first, first_step) = (place_of(rows[k], offsets) for k in (other, 0))
        raise ValueError(
            f"y holds {label(labels[other])} in sequence {i}, step {step}, but "
            f"{label(labels[0])} in sequence {first}, step {first_step}: labels are all strings or "
            "all numbers."
        )


def place_of(row, offsets):
    """Return the sequence and the step of a row."""
    i = int(np.searchsorted(offsets, row, side="right")) - 1
    return i, int(row - offsets[i])


def restore_steps(X, sequences, rows, *, names=None, padding=None):
    """Put one row for each step in the layout that X has.

    Parameters
    ----------
    X : object
        What the sequences were read from.
    sequences : Sequences
        The sequences.
    rows : ndarray of shape (n_steps_total, ...)
        A row for each step.
    names : str, Index or None, default=None
        Name of the Series, or of the columns of the frame, where X is a frame.
    padding : object, default=None
        What to put beyond the ends of the rows of a padded 3-D X.

    Returns
    -------
    values : ndarray of shape (n_sequences, n_steps, ...), list or object array of ndarray of \
shape (n_steps_i, ...), Series or DataFrame
        An array for a 2-D or 3-D X; a padded one without `padding` gives a list.
    """
    X = plain_input(X)
    layout, lengths = layout_of(X), sequences.lengths
    if layout == "frame":
        return _restore_frame(X, rows, names)
    n_steps = int(lengths.max())
    if layout != "list":
        n_steps = max(n_steps, X.shape[1] if layout == "array" else 0)
        if lengths.min() == n_steps:
            return rows.reshape(len(sequences), n_steps, *rows.shape[1:])
        if padding is not None:
            dtype = np.result_type(rows.dtype, np.asarray(padding).dtype)
            array = np.full((len(sequences), n_steps, *rows.shape[1:]), padding, dtype)
            array[np.arange(n_steps) < lengths[:, np.newaxis]] = rows
            return array
    pieces = np.split(rows, sequences.offsets[1:-1])
    if layout != "list" or isinstance(X, (list, tuple)):
        return pieces
    objects = np.empty(len(pieces), dtype=object)
    for i, piece in enumerate(pieces):
        objects[i] = piece
    return type(X)(objects, index=X.index) if is_pandas(X) else objects


def _restore_frame(X, rows, names):
    from pandas import DataFrame, Series

    order, _ = frame_order(X.index)
    if order is not None:
        turned = np.empty_like(rows)
        turned[order] = rows
        rows = turned
    if rows.ndim == 1:
        return Series(rows, index=X.index, name=names)
    return DataFrame(rows, index=X.index, columns=names)


def names_of(values):
    """Return the name of a Series or the columns of a frame, None of anything else."""
    if not is_pandas(values):
        return None
    return values.name if values.ndim == 1 else values.columns
