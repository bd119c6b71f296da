"""Input checks of the estimators: every layout of X becomes :class:`~skrnn.sequences.Sequences`.

A table (2-D) is checked by scikit-learn itself, so its errors and attributes are scikit-learn's.
It fixes the number of columns; the other layouts fix the channels and let the length vary.
"""

from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from skrnn.layouts import (
    UNEQUAL_LENGTHS_HINT,
    Reading,
    frame_ids,
    layout_of,
    plain_input,
    read_array,
    read_frame,
    read_list,
)
from skrnn.lazy import LazySequences, is_lazy
from skrnn.sequences import (
    FLOAT32,
    FLOAT64,
    Sequences,
    all_finite,
    as_float,
    first_not_finite,
    float_dtype,
    frame_to_float,
    is_pandas,
    label,
    not_finite_message,
)

__all__ = ["Sequences", "check_sequences", "check_target_length"]


def _read_lazily(X, dtype):
    return Reading(LazySequences(X, dtype))


_READERS = {"array": read_array, "list": read_list, "frame": read_frame, "lazy": _read_lazily}
_FITTED_ATTRIBUTES = ("n_features_in_", "feature_names_in_", "n_channels_", "_fitted_layout")


def check_sequences(estimator, X, *, reset, dtype=None, lazy=False):
    """Read X in any layout, and set or check the estimator's attributes that describe it.

    Parameters
    ----------
    estimator : estimator instance
        Its ``n_timesteps``, where it has one, says how many steps a row of a 2-D X holds.
    X : array-like of shape (n_sequences, n_steps) or (n_sequences, n_steps, n_channels), \
list of array-like, or DataFrame with a (sequence, time) MultiIndex
        The sequences.
    reset : bool
        Whether to set ``n_features_in_``, ``feature_names_in_`` and ``n_channels_`` (as `fit`
        does) or to compare X with them (as `predict` does). If X is bad they stay as they were.
    dtype : dtype, default=None
        float32 or float64. None keeps float32 (and float16, as float32) and makes the rest
        float64.
    lazy : bool, default=False
        Whether an array that is not in memory, such as a memory-mapped file, may stay where it is.

    Returns
    -------
    Sequences or LazySequences
        The true steps; lazy ones if X is and may be. No copy of a C-contiguous 2-D or 3-D array of
        the right type.
    """
    dtype = None if dtype is None else np.dtype(dtype)
    if not reset:
        sequences = _check_quickly(estimator, X, dtype)
        if sequences is not None:
            return sequences
        check_is_fitted(estimator, "n_channels_")
        return _check(estimator, X, False, dtype, lazy)
    attributes = vars(estimator)
    before = {name: attributes[name] for name in _FITTED_ATTRIBUTES if name in attributes}
    try:
        return _check(estimator, X, True, dtype, lazy)
    except BaseException:
        for name in _FITTED_ATTRIBUTES:
            attributes.pop(name, None)
        attributes.update(before)
        raise


def usual_shape(estimator, X, dtype=None):
    """Return how many sequences and steps an array has that needs no conversion.

    Parameters
    ----------
    estimator : estimator instance
        A fitted one.
    X : object
        The sequences, whose values nobody has looked at.
    dtype : dtype, default=None
        What it must be of; None is float32 or float64.

    Returns
    -------
    shape : tuple of (int, int) or None
        Number of sequences and of steps; None if X is anything else, or wrong.
    """
    if type(X) is not np.ndarray or X.size == 0 or not X.flags.c_contiguous:
        return None
    if X.dtype != dtype if dtype is not None else X.dtype not in (FLOAT32, FLOAT64):
        return None
    attributes = vars(estimator)
    n_channels = attributes.get("n_channels_")
    if n_channels is None or "feature_names_in_" in attributes:
        return None
    if X.ndim == 3:
        n_sequences, n_steps, n_columns = X.shape
        return (n_sequences, n_steps) if n_columns == n_channels else None
    if X.ndim == 2 and attributes["_fitted_layout"] == "table":
        n_sequences, n_columns = X.shape
        n_timesteps = getattr(estimator, "n_timesteps", None)
        n_steps = n_columns if n_timesteps is None else n_timesteps
        fits = n_columns == attributes["n_features_in_"] and n_steps * n_channels == n_columns
        return (n_sequences, n_steps) if fits else None
    return None


def _check_quickly(estimator, X, dtype):
    """Return the sequences of an array that needs no conversion; None leaves it to the rest."""
    shape = usual_shape(estimator, X, dtype)
    # Padding and errors both show as something that is not finite, and are rare.
    if shape is None or not all_finite(X):
        return None
    n_sequences, n_steps = shape
    offsets = np.arange(0, (n_sequences + 1) * n_steps, n_steps)
    return Sequences(X.reshape(n_sequences * n_steps, -1), offsets)


def _check(estimator, X, reset, dtype, lazy):
    n_timesteps = _check_n_timesteps(estimator)
    if lazy and is_lazy(X):
        layout = "lazy"
    else:
        X = plain_input(X)
        layout = layout_of(X)
    if layout == "table" and isinstance(X, (list, tuple)):
        X, layout = _table_or_list(X)
    if layout == "table":
        sequences = _read_table(estimator, X, n_timesteps, reset, dtype)
    else:
        reading = _READERS[layout](X, dtype)
        if reading.flat and n_timesteps is not None:
            reading = Reading(_fold_flat_list(reading.sequences, n_timesteps))
        sequences = reading.sequences
        _check_channel_names(estimator, reading, reset)
    if reset:
        estimator.n_channels_ = sequences.n_channels
        estimator._fitted_layout = "table" if layout == "table" else "sequences"
    else:
        _check_n_channels(estimator, sequences.n_channels, layout)
    return sequences


def _check_n_timesteps(estimator):
    n_timesteps = getattr(estimator, "n_timesteps", None)
    if n_timesteps is None:
        return None
    is_integer = isinstance(n_timesteps, Integral) and not isinstance(n_timesteps, (bool, np.bool_))
    if not is_integer or n_timesteps < 1:
        raise ValueError(
            f"n_timesteps must be a positive integer or None, got {n_timesteps!r}. It says how "
            "many steps a row of a 2-D X holds."
        )
    return int(n_timesteps)


def _table_or_list(X):
    """Convert a list of rows; rows that make no rectangle of numbers are read as sequences."""
    try:
        array = np.asarray(X)
    except ValueError:
        return X, "list"
    if array.dtype.kind in "UST" and array.ndim == 2:
        # NumPy has turned the numbers beside a string into strings: look at the originals.
        array = np.array(X, dtype=object)
    return array, "table"


def _read_table(estimator, X, n_timesteps, reset, dtype):
    if is_pandas(X):
        if X.ndim == 2 and X.shape[1] == 0:
            raise ValueError(
                f"Found array with 0 feature(s) (shape={X.shape}) while a minimum of 1 is "
                "required: the frame has no columns."
            )
        # For the errors that name the column; the names themselves must reach scikit-learn.
        frame_to_float(X if X.ndim == 2 else X.to_frame())
    elif not issparse(X) and not hasattr(X, "columns"):
        X = np.asanyarray(X)
        X = X if X.dtype.kind in "fiub" else as_float(X)
    options = {"dtype": dtype or _table_dtype(X), "order": "C", "ensure_all_finite": False}
    with np.errstate(over="ignore", invalid="ignore"):
        if reset or estimator._fitted_layout == "table":
            array = validate_data(estimator, X, reset=reset, **options)
        else:
            array = check_array(X, estimator=estimator, input_name="X", **options)
    n_sequences, n_columns = array.shape
    n_steps = n_columns if n_timesteps is None else n_timesteps
    if n_columns % n_steps:
        raise ValueError(_not_dividing_message(n_timesteps, n_columns, "columns of X"))
    n_channels = n_columns // n_steps
    offsets = np.arange(0, (n_sequences + 1) * n_steps, n_steps)
    sequences = Sequences(array.reshape(-1, n_channels), offsets)
    if not all_finite(array):
        _raise_inside_table(X, sequences, n_channels)
    return sequences


def _table_dtype(X):
    if is_pandas(X):
        dtypes = list(X.dtypes) if X.ndim == 2 else [X.dtype]
        dtypes = [getattr(dtype, "numpy_dtype", dtype) for dtype in dtypes]
        small = all(isinstance(d, np.dtype) and float_dtype(d) == FLOAT32 for d in dtypes)
        return FLOAT32 if dtypes and small else FLOAT64
    dtype = getattr(X, "dtype", None)
    return float_dtype(dtype) if isinstance(dtype, np.dtype) else FLOAT64


def _raise_inside_table(X, sequences, n_channels):
    row, step, channel, value = first_not_finite(sequences)
    column = step * n_channels + channel
    place = f"row {row}, column {column}"
    columns = getattr(X, "columns", None)
    if columns is not None:
        place += f" ({label(columns[column])})"
    if n_channels > 1:
        place += f", which is step {step}, channel {channel}"
    message = not_finite_message(value, place, sequences.values.dtype)
    if np.isnan(value):
        message += f" Impute it first. A 2-D X has no padding. {UNEQUAL_LENGTHS_HINT}"
    raise ValueError(message)


def _not_dividing_message(n_timesteps, n_columns, what):
    divisors = [d for d in range(1, n_columns + 1) if n_columns % d == 0]
    below = [d for d in divisors if d < n_timesteps][-1:]
    above = [d for d in divisors if d > n_timesteps][:1]
    nearby = " or ".join(f"{d} (channels a step: {n_columns // d})" for d in sorted(below + above))
    return f"n_timesteps={n_timesteps} does not divide the {n_columns} {what}. {nearby} would."


def _fold_flat_list(sequences, n_timesteps):
    """Read 1-D sequences as rows of `n_timesteps` steps, as the rows of a table are."""
    lengths = sequences.lengths
    n_columns = int(lengths[0])
    differs = lengths != n_columns
    if differs.any():
        i = int(differs.argmax())
        raise ValueError(
            f"Sequence {i} of X has {lengths[i]} values, but sequence 0 has {n_columns}: with "
            f"n_timesteps={n_timesteps} 1-D sequences are rows of {n_timesteps} steps, all of one "
            "length. Pass arrays of shape (steps, channels), or set n_timesteps=None."
        )
    if n_columns % n_timesteps:
        raise ValueError(_not_dividing_message(n_timesteps, n_columns, "values of each sequence"))
    offsets = np.arange(0, (len(sequences) + 1) * n_timesteps, n_timesteps)
    return Sequences(sequences.values.reshape(-1, n_columns // n_timesteps), offsets)


def _check_channel_names(estimator, reading, reset):
    """Set or compare the names of the channels with scikit-learn's rules for features."""
    if not reset and estimator._fitted_layout == "table":
        return  # the names seen in fit are those of columns, not of channels
    header = reading.header
    if header is None:
        n_channels = reading.sequences.n_channels
        if not reset:
            _check_n_channels(estimator, n_channels, "sequences")
            if "feature_names_in_" not in vars(estimator):
                return
        header = np.empty((0, n_channels))
    validate_data(estimator, header, reset=reset, skip_check_array=True)


def _check_n_channels(estimator, n_channels, layout):
    if n_channels == estimator.n_channels_:
        return
    name = type(estimator).__name__
    hint = ""
    if layout == "table":
        hint = (
            " A 2-D X has one channel unless n_timesteps says how many steps a row holds; "
            "pass a 3-D X of shape (sequences, steps, channels), or set n_timesteps."
        )
    raise ValueError(
        f"X has {n_channels} channels, but {name} is expecting {estimator.n_channels_} channels "
        f"as input, as in fit.{hint}"
    )


def check_target_length(sequences, y, X=None):
    """Check that there is one target for each sequence, in the same order.

    Parameters
    ----------
    sequences : Sequences
        What :func:`check_sequences` returned.
    y : array-like of shape (n_sequences, ...)
        The targets.
    X : object, default=None
        What the sequences were read from. If it has a (sequence, time) MultiIndex and y is a
        Series or DataFrame whose index holds the same labels, their order must agree.
    """
    shape = getattr(y, "shape", None)
    if shape is None and hasattr(y, "__array__"):
        shape = np.asarray(y).shape
    if shape is None and hasattr(y, "__len__"):
        n_targets = len(y)
    elif shape:
        n_targets = int(shape[0])
    else:
        raise ValueError(f"y must hold one target for each of the sequences, got {y!r}.")
    if n_targets != len(sequences):
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"[{len(sequences)}, {n_targets}]. X holds {len(sequences)} sequences, but y holds "
            f"{n_targets} targets; each sequence needs one."
        )
    check_target_order(X, y)


def check_target_order(X, y):
    """Check that targets are in the order of the sequences, where both have an index.

    Parameters
    ----------
    X : object
        What the sequences were read from. Nothing is checked unless it has a (sequence, time)
        MultiIndex and y is a Series or DataFrame.
    y : object
        The targets, indexed by sequence or by (sequence, time).

    Raises
    ------
    ValueError
        If they are in another order, or those of a (sequence, time) index are of other sequences.
    """
    if not (is_pandas(X) and is_pandas(y) and X.index.nlevels == 2):
        return
    ids = frame_ids(X.index)
    if y.index.nlevels == 2:
        _check_same_sequences(ids, frame_ids(y.index))
    else:
        _check_same_order(ids, y.index)


def _check_same_sequences(ids, own):
    if own.equals(ids):
        return
    n = min(len(ids), len(own))
    differs = np.flatnonzero(np.asarray(own[:n] != ids[:n]))
    i = int(differs[0]) if differs.size else n
    shown = [label(index[i]) if i < len(index) else "missing" for index in (own, ids)]
    raise ValueError(
        f"The sequences of y are not those of X in their order: number {i} is {shown[0]} in y, but "
        f"{shown[1]} in X. Reorder y with y.loc[X.index.get_level_values(0).unique()]."
    )


def _check_same_order(ids, index):
    if index.nlevels != 1 or index.equals(ids):
        return
    differs = np.asarray(ids != index)
    if differs.any() and index.is_unique and index.isin(ids).all():
        i = int(differs.argmax())
        raise ValueError(
            f"y is in another order than the sequences of X: target {i} is indexed "
            f"{label(index[i])}, but sequence {i} of X is {label(ids[i])}. Reorder it with "
            "y.loc[X.index.get_level_values(0).unique()]."
        )
