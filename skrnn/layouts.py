"""The layouts of X that hold sequences: telling them apart, reading them, restoring them.

Four layouts are told apart by :func:`layout_of`:

- ``"table"``: a 2-D array, frame or list of equally long lists of numbers;
- ``"array"``: a 3-D array (sequences, steps, channels), trailing all-NaN steps are padding;
- ``"list"``: a list, tuple, 1-D object array or Series of arrays (steps, channels) or (steps,);
- ``"frame"``: a pandas frame or series with a (sequence, time) MultiIndex.

Readers of the last three live here, and :func:`restore_layout`, which puts values back into the
layout they came from. Tables are read in :mod:`skrnn.validation`, by scikit-learn's own rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse

from skrnn.sequences import (
    FLOAT32,
    FLOAT64,
    Sequences,
    all_finite,
    as_float,
    check_array_shape,
    contiguous,
    first_not_finite,
    frame_to_float,
    is_pandas,
    label,
    lengths_to_offsets,
    not_finite_message,
    unmasked,
)

UNEQUAL_LENGTHS_HINT = (
    "Sequences of unequal length go in a list of arrays, in a 3-D array whose rows end in all-NaN "
    "steps, or in a DataFrame with a (sequence, time) MultiIndex."
)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a reader found: the sequences, and what else it learnt of X on the way.

    Attributes
    ----------
    sequences : Sequences
    header : DataFrame or None
        A frame whose columns name the channels, where X names them.
    flat : bool
        Every sequence of a list was 1-D: it can also be a row of the 2-D layout.
    """

    sequences: Sequences
    header: object = None
    flat: bool = False


def is_scalar(element):
    """Tell whether an element of a list is a number, a string or the like, not a sequence."""
    if isinstance(element, (str, bytes, dict, set)):
        return True
    if hasattr(element, "ndim"):
        return element.ndim == 0
    return not (hasattr(element, "__len__") or hasattr(element, "__array__"))


def layout_of(X):
    """Name the layout of X.

    Parameters
    ----------
    X : object
        Anything; what is no layout at all is called a table, where scikit-learn's errors await.

    Returns
    -------
    {"table", "array", "list", "frame"}
    """
    if is_pandas(X):
        if X.index.nlevels > 1:
            return "frame"
        holds_sequences = X.ndim == 1 and X.dtype == object and _holds_sequences(X)
        return "list" if holds_sequences else "table"
    if isinstance(X, (list, tuple)):
        return "list" if len(X) == 0 or _is_list_of_sequences(X) else "table"
    if isinstance(X, np.ndarray):
        if X.ndim >= 3:
            return "array"
        if X.ndim == 1 and X.dtype == object and _holds_sequences(X):
            return "list"
    return "table"


def _holds_sequences(elements):
    return not all(is_scalar(element) for element in elements)


def _is_list_of_sequences(X):
    if not all(isinstance(element, (list, tuple)) for element in X):
        return _holds_sequences(X)
    n_columns = len(X[0])
    return any(
        len(element) != n_columns or (n_columns and not is_scalar(element[0])) for element in X
    )


def plain_input(X):
    """Unwrap masked arrays and convert array-likes, so that only known types go on.

    Parameters
    ----------
    X : object
        What a caller passed as X.

    Returns
    -------
    object
        X, or the ndarray that it stands for.
    """
    if isinstance(X, np.ndarray):
        return unmasked(X, "X")
    if isinstance(X, (list, tuple)) or issparse(X) or is_pandas(X) or hasattr(X, "columns"):
        return X
    if isinstance(X, (dict, set, Iterator)):
        raise TypeError(
            f"X is a {type(X).__name__}. Pass an array, a list of sequences or a DataFrame."
        )
    return _to_ndarray(X, "X") if hasattr(X, "__array__") else X


def _to_ndarray(X, where):
    try:
        return np.asarray(X)
    except (ValueError, TypeError, RuntimeError) as error:
        raise TypeError(f"{where} cannot be read as an array of numbers: {error}") from error


def read_array(X, dtype=None, rows=None):
    """Read a 3-D array; trailing steps that are NaN in every channel are padding.

    Parameters
    ----------
    X : ndarray of shape (n_sequences, n_steps, n_channels)
    dtype : dtype, default=None
        float32 or float64; None keeps the precision of X.
    rows : array-like of int, default=None
        What messages are to call the rows, where X is a part of something; None counts from zero.

    Returns
    -------
    Reading
    """
    check_array_shape(X.shape)
    n_sequences, n_steps, n_channels = X.shape
    rows = range(n_sequences) if rows is None else rows
    array = as_float(np.asarray(X))
    array = contiguous(array, dtype or array.dtype)
    if all_finite(array):
        offsets = np.arange(0, (n_sequences + 1) * n_steps, n_steps)
        return Reading(Sequences(array.reshape(-1, n_channels), offsets))
    sequences = _without_padding(array, rows)
    if not all_finite(sequences.values):
        _raise_inside_array(array, sequences, rows)
    return Reading(sequences)


def true_lengths(array):
    """Return the lengths of the rows of a 3-D array without their trailing all-NaN steps."""
    is_step = ~np.isnan(array).all(axis=2)
    n_trailing = is_step[:, ::-1].argmax(axis=1)
    return np.where(is_step.any(axis=1), array.shape[1] - n_trailing, 0)


def _without_padding(array, rows):
    lengths = true_lengths(array)
    if lengths.min() == 0:
        raise ValueError(
            f"Row {rows[int(lengths.argmin())]} of X is an empty sequence: all its steps are NaN "
            "(Input X contains NaN). Remove the row from X and y."
        )
    is_true = np.arange(array.shape[1]) < lengths[:, np.newaxis]
    return Sequences(array[is_true], lengths_to_offsets(lengths))


def _raise_inside_array(array, sequences, rows):
    row, step, channel, value = first_not_finite(sequences)
    place = f"row {rows[row]}, step {step}, channel {channel}"
    message = not_finite_message(value, place, array.dtype)
    if np.isnan(value):
        if np.isnan(array[row, step]).all():
            reason = f"step {sequences.lengths[row] - 1} of the row, which comes later, has values"
        else:
            reason = "other channels of that step have values"
        message += (
            " Only steps at the end of a row that are NaN in every channel are padding; this one "
            f"is not, as {reason}. Impute it, or remove the step."
        )
    raise ValueError(message)


def read_list(X, dtype=None):
    """Read a list, tuple, object array or Series of sequences.

    Parameters
    ----------
    X : iterable of array-like of shape (n_steps, n_channels) or (n_steps,)
        The elements may be arrays, nested lists, Series or DataFrames.
    dtype : dtype, default=None
        float32 or float64; None keeps float32 if every sequence is float32.

    Returns
    -------
    Reading
    """
    arrays = [_read_element(element, i) for i, element in enumerate(X)]
    if not arrays:
        raise ValueError("X holds no sequence: found 0 sample(s) while a minimum of 1 is required.")
    flat = all(array.ndim == 1 for array in arrays)
    arrays = [array.reshape(-1, 1) if array.ndim == 1 else array for array in arrays]
    _check_shapes(arrays)
    header = _common_header(X)
    if dtype is None:
        dtype = FLOAT32 if all(array.dtype == FLOAT32 for array in arrays) else FLOAT64
    if len(arrays) == 1:
        values = contiguous(arrays[0], dtype)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.ascontiguousarray(np.concatenate(arrays, dtype=dtype))
    sequences = Sequences(values, lengths_to_offsets([len(array) for array in arrays]))
    if not all_finite(values):
        row, step, channel, value = first_not_finite(sequences)
        name = "" if header is None else f" ({label(header.columns[channel])})"
        message = not_finite_message(
            value, f"sequence {row}, step {step}, channel {channel}{name}", values.dtype
        )
        raise ValueError(
            message + " Impute it, or cut the sequence to its true length: a list needs no padding."
        )
    return Reading(sequences, header, flat)


def _read_element(element, i):
    if type(element) is np.ndarray and element.dtype in (FLOAT32, FLOAT64):
        array = element
    elif is_pandas(element):
        frame = element.to_frame() if element.ndim == 1 else element
        array = frame_to_float(frame, f"sequence {i}")
        array = array[:, 0] if element.ndim == 1 else array
    elif issparse(element):
        raise TypeError(
            f"Sparse data was passed as sequence {i} of X, but dense data is required. "
            "Use '.toarray()' to convert to a dense numpy array."
        )
    elif is_scalar(element):
        kind = "the string" if isinstance(element, (str, bytes)) else "the single value"
        raise ValueError(
            f"Sequence {i} of X is {kind} {element!r}, expected an array of shape "
            "(steps, channels) or (steps,)."
        )
    else:
        array = _element_to_float(element, f"sequence {i} of X")
    if array.ndim not in (1, 2):
        raise ValueError(
            f"Sequence {i} of X has {array.ndim} dimensions (shape {array.shape}), expected "
            "(steps, channels) or (steps,)."
        )
    return array


def _element_to_float(element, where):
    array = element
    if not isinstance(array, np.ndarray):
        try:
            array = np.asarray(element)
        except ValueError as error:
            raise ValueError(
                f"{where} is ragged in itself: its steps do not all have the same number of "
                "channels."
            ) from error
        except (TypeError, RuntimeError) as error:
            raise TypeError(f"{where} cannot be read as an array of numbers: {error}") from error
    return as_float(np.asarray(unmasked(array, where)), where)


def _check_shapes(arrays):
    n_channels = arrays[0].shape[1]
    for i, array in enumerate(arrays):
        if array.shape[0] == 0:
            raise ValueError(
                f"Sequence {i} of X is empty (shape {array.shape}). Remove it from X and y."
            )
        if array.shape[1] != n_channels:
            raise ValueError(
                f"Sequence {i} of X has {array.shape[1]} channels, but sequence 0 has "
                f"{n_channels}. All sequences need the same channels."
            )
    if n_channels == 0:
        raise ValueError(
            "Found sequences with 0 feature(s) while a minimum of 1 is required: sequence 0 of X "
            f"has shape {arrays[0].shape}."
        )


def _common_header(X):
    """Return the empty frame that names the channels, if all sequences are frames."""
    frames = [(i, element) for i, element in enumerate(X) if is_pandas(element)]
    frames = [(i, frame) for i, frame in frames if frame.ndim == 2]
    if not frames:
        return None
    first, header = frames[0]
    for i, frame in frames[1:]:
        if frame.columns is header.columns or frame.columns.equals(header.columns):
            continue
        channel = int((frame.columns != header.columns).argmax())
        raise ValueError(
            f"Sequence {i} of X has the column {label(frame.columns[channel])} where sequence "
            f"{first} has {label(header.columns[channel])}. All frames need the same columns "
            "in the same order."
        )
    return header.iloc[:0] if len(frames) == len(X) else None


def read_frame(X, dtype=None):
    """Read a frame with a (sequence, time) MultiIndex.

    Sequences come in the order in which they first appear. Rows of one sequence need not be
    neighbours, but their times must not fall; equal times keep the order of their rows.

    Parameters
    ----------
    X : DataFrame or Series
    dtype : dtype, default=None
        float32 or float64; None keeps float32 if every column is float32.

    Returns
    -------
    Reading
    """
    X = X.to_frame() if X.ndim == 1 else X
    if X.shape[1] == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={X.shape}) while a minimum of 1 is required: "
            "the frame has no columns."
        )
    order, offsets = frame_order(X.index)
    array = frame_to_float(X)
    if order is not None:
        array = array[order]
    values = contiguous(array, dtype or array.dtype)
    sequences = Sequences(values, offsets)
    if not all_finite(values):
        row, step, channel, value = first_not_finite(sequences)
        position = offsets[row] + step
        sequence, time = X.index[position if order is None else order[position]]
        place = (
            f"sequence {label(sequence)}, step {step} (time {label(time)}), "
            f"column {label(X.columns[channel])}"
        )
        message = not_finite_message(value, place, values.dtype)
        raise ValueError(message + " Impute it, or drop the row: a frame needs no padding.")
    return Reading(sequences, X)


def frame_order(index):
    """Group the rows of a (sequence, time) index by sequence.

    Parameters
    ----------
    index : MultiIndex with two levels

    Returns
    -------
    order : ndarray of int, or None
        The rows, grouped by sequence in order of first appearance; None if they are already.
    offsets : ndarray of shape (n_sequences + 1,), int64
        Where each sequence starts among the grouped rows.
    """
    if index.nlevels != 2:
        raise ValueError(
            f"The index of X has {index.nlevels} levels ({list(index.names)}), expected two: "
            "(sequence, time)."
        )
    if len(index) == 0:
        raise ValueError("X has no rows: found 0 sample(s) while a minimum of 1 is required.")
    for level, what in enumerate(("sequence", "time")):
        missing = index.codes[level] < 0
        if missing.any():
            raise ValueError(f"Row {int(missing.argmax())} of X has no {what} in its index.")
    codes = np.asarray(index.codes[0])
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    order = None
    if np.unique(codes[starts]).size != starts.size:
        _, first_rows, groups = np.unique(codes, return_index=True, return_inverse=True)
        order = np.argsort(first_rows[groups], kind="stable")
        codes = codes[order]
        starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    _check_times(index, codes, order)
    return order, np.r_[starts, len(index)].astype(np.int64)


def _check_times(index, codes, order):
    ranks = np.asarray(index.codes[1])
    times = index.levels[1]
    if not times.is_monotonic_increasing:
        try:
            ranks = np.argsort(np.argsort(times))[ranks]
        except TypeError as error:
            raise TypeError(
                f"The times in the second level of X's index cannot be put in order: {error}"
            ) from error
    if order is not None:
        ranks = ranks[order]
    falls = (ranks[1:] < ranks[:-1]) & (codes[1:] == codes[:-1])
    if falls.any():
        before = int(falls.argmax())
        rows = (before, before + 1) if order is None else order[before : before + 2]
        earlier, later = index[int(rows[0])], index[int(rows[1])]
        raise ValueError(
            f"Times of sequence {label(earlier[0])} in X's index are not increasing: "
            f"{label(later[1])} comes after {label(earlier[1])}. Sort its rows by time, for "
            "example with X.sort_index()."
        )


def frame_ids(index):
    """Return the sequence labels of a (sequence, time) index, in order of first appearance."""
    return index.get_level_values(0).unique()


def restore_layout(X, sequences):
    """Put values back into the layout that they were read from.

    Parameters
    ----------
    X : object
        What the sequences were read from, after :func:`plain_input`.
    sequences : Sequences
        New values for the steps of X.

    Returns
    -------
    object
        A 2-D or 3-D array (padding kept), list, object array, Series, or frame like X.
    """
    layout = layout_of(X)
    if layout == "table":
        return sequences.values.reshape(len(sequences), -1)
    return {"array": _restore_array, "list": _restore_list, "frame": _restore_frame}[layout](
        X, sequences
    )


def _restore_array(X, sequences):
    if sequences.values.size == X.size:
        return sequences.values.reshape(X.shape)
    array = np.full(X.shape, np.nan, sequences.values.dtype)
    array[np.arange(X.shape[1]) < sequences.lengths[:, np.newaxis]] = sequences.values
    return array


def _restore_list(X, sequences):
    pieces = np.split(sequences.values, sequences.offsets[1:-1])
    pieces = [_restore_element(element, piece) for element, piece in zip(X, pieces, strict=True)]
    if isinstance(X, (list, tuple)):
        return pieces
    objects = np.empty(len(pieces), dtype=object)
    for i, piece in enumerate(pieces):
        objects[i] = piece
    return type(X)(objects, index=X.index, name=X.name) if is_pandas(X) else objects


def _restore_element(element, piece):
    if is_pandas(element):
        if element.ndim == 1:
            return type(element)(piece.ravel(), index=element.index, name=element.name)
        return type(element)(piece, index=element.index, columns=element.columns)
    return piece.ravel() if np.ndim(element) == 1 else piece


def _restore_frame(X, sequences):
    order, _ = frame_order(X.index)
    values = sequences.values
    if order is not None:
        values = np.empty_like(values)
        values[order] = sequences.values
    if X.ndim == 1:
        return type(X)(values[:, 0], index=X.index, name=X.name)
    return type(X)(values, index=X.index, columns=X.columns)
