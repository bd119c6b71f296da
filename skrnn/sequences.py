"""Sequences of unequal length laid end to end, and the values that they may be made of."""

import sys
from dataclasses import dataclass

import numpy as np

from skrnn._jit import JIT_DISABLED, jit
from skrnn._views import flat

FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
_CHUNK = 1 << 16


@jit
def _pack_rows(values, first_rows, starts, out):
    """Copy step t of each living sequence to the rows of step t."""
    for t in range(starts.size - 1):
        for i in range(starts[t + 1] - starts[t]):
            source = flat(values, first_rows[i] + t, first_rows[i] + t + 1)
            target = flat(out, starts[t] + i, starts[t] + i + 1)
            for c in range(target.size):
                target[c] = source[c]


@jit
def _line_is_finite(values):
    # Counted, not summed up: the compiler makes vector code of it.
    n_wrong = 0
    for k in range(values.size):
        n_wrong += values[k] - values[k] != 0
    return n_wrong == 0


def _line_is_finite_plain(values):
    return bool(np.isfinite(values).all())


# Without the compiler an infinity less itself would be a warning.
line_is_finite = _line_is_finite_plain if JIT_DISABLED else _line_is_finite
"""Whether no value of a line is NaN or infinite, quicker than NumPy for a short one."""


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """Many sequences, end to end.

    Attributes
    ----------
    values : ndarray of shape (n_steps_total, n_channels)
        The true steps of all sequences, float32 or float64, C-contiguous, native byte order.
    offsets : ndarray of shape (n_sequences + 1,), int64
        Sequence ``i`` is ``values[offsets[i]:offsets[i + 1]]``.
    """

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self):
        return self.offsets.shape[0] - 1

    @property
    def n_sequences(self):
        """Number of sequences."""
        return self.offsets.shape[0] - 1

    @property
    def n_channels(self):
        """Number of channels of each step."""
        return self.values.shape[1]

    @property
    def lengths(self):
        """Number of steps of each sequence, int64."""
        return self.offsets[1:] - self.offsets[:-1]

    def lengths_of(self, indices):
        """Return the number of steps of some sequences, without looking at the others."""
        return self.offsets[indices + 1] - self.offsets[indices]

    def pack(self, indices, starts, out, first=0):
        """Write some sequences, longest first, to time-major rows without gaps.

        Parameters
        ----------
        indices : ndarray of int64
            Which sequences, from the longest to the shortest.
        starts : ndarray of int64 of shape (n_steps + 1,)
            First row of each step in `out`.
        out : ndarray of shape (n_rows, n_channels)
            Receives the steps.
        first : int, default=0
            The step that comes first.
        """
        self.pack_rows(self.offsets[indices] + first, starts, out)

    def pack_rows(self, first_rows, starts, out):
        """Write steps as :meth:`pack` does, given the row of `values` where each sequence begins.

        Parameters
        ----------
        first_rows : ndarray of int64
            First row of each sequence, or of the stretch of it that is wanted.
        starts : ndarray of int64 of shape (n_steps + 1,)
            First row of each step in `out`.
        out : ndarray of shape (n_rows, n_channels)
            Receives the steps.
        """
        kernel, arguments = self.prepare_pack(first_rows, starts, out)
        kernel(*arguments)

    def prepare_pack(self, first_rows, starts, out):
        """Return the kernel and the arguments that do what :meth:`pack_rows` does."""
        return _pack_rows, (self.values, first_rows, starts, out)

    @property
    def dtype(self):
        """Type of the values."""
        return self.values.dtype

    def load(self, indices):
        """Return sequences in memory and where each of `indices` is among them: these, and there.

        Parameters
        ----------
        indices : ndarray of int64
            Which sequences will be needed.

        Returns
        -------
        sequences : Sequences
        positions : ndarray of int64
        """
        return self, indices

    def in_memory(self):
        """Return all sequences in memory, as these are."""
        return self

    def astype(self, dtype):
        """Return the sequences in another float type."""
        return Sequences(self.values.astype(dtype), self.offsets)

    def take(self, indices):
        """Select sequences.

        Parameters
        ----------
        indices : slice, or array-like of int or bool
            Which sequences, in which order. Negative indices count from the end.

        Returns
        -------
        Sequences
            The selected sequences. A run of neighbours in rising order is a view; anything else
            is a copy.
        """
        indices = self._positions(indices)
        n_selected = indices.shape[0]
        if n_selected == 0:
            return Sequences(self.values[:0], np.zeros(1, np.int64))
        first = indices[0]
        if n_selected == 1 or (np.diff(indices) == 1).all():
            offsets = self.offsets[first : first + n_selected + 1]
            return Sequences(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])
        rows, offsets = rows_of(self.offsets, indices)
        return Sequences(self.values.take(rows, axis=0), offsets)

    def _positions(self, indices):
        n_sequences = self.n_sequences
        if isinstance(indices, slice):
            return np.arange(*indices.indices(n_sequences))
        indices = np.asarray(indices)
        if indices.dtype == bool:
            if indices.shape != (n_sequences,):
                raise IndexError(
                    f"a mask of shape {indices.shape} cannot select from {n_sequences} sequences"
                )
            return np.flatnonzero(indices)
        if indices.ndim != 1:
            raise IndexError(f"indices must be 1-D, got an array of shape {indices.shape}")
        if indices.size == 0:
            return np.zeros(0, np.int64)
        if indices.dtype.kind not in "iu":
            raise IndexError(f"indices must be integers, a mask or a slice, got {indices.dtype}")
        if indices.min() < -n_sequences or indices.max() >= n_sequences:
            raise IndexError(f"an index is out of bounds for {n_sequences} sequences")
        indices = indices.astype(np.int64, copy=False)
        return np.where(indices < 0, indices + n_sequences, indices)


def rows_of(offsets, indices):
    """Return the rows of some sequences among those of all, and where each sequence begins.

    Parameters
    ----------
    offsets : ndarray of shape (n_sequences + 1,), int64
        Sequence ``i`` is rows ``offsets[i]`` to ``offsets[i + 1]``.
    indices : ndarray of int64 of shape (n_selected,)
        Which sequences, in which order.

    Returns
    -------
    rows : ndarray of int64
        Their rows, end to end.
    selected_offsets : ndarray of shape (n_selected + 1,), int64
        Where each of them begins, and the end.
    """
    lengths = (offsets[1:] - offsets[:-1])[indices]
    selected_offsets = lengths_to_offsets(lengths)
    rows = np.repeat(offsets[indices] - selected_offsets[:-1], lengths)
    rows += np.arange(rows.shape[0])
    return rows, selected_offsets


def lengths_to_offsets(lengths):
    """Return the int64 offsets of sequences of the given lengths."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def all_finite(values):
    """Tell whether no value is NaN or infinite."""
    if values.size > _CHUNK and values.flags.c_contiguous:
        # In pieces that stay in the cache, so that no mask as long as the data is built.
        line = values.reshape(-1)
        return all(all_finite(line[i : i + _CHUNK]) for i in range(0, line.size, _CHUNK))
    # The ufunc's own reduction costs half of what ndarray.all does for a single short sequence.
    return bool(np.logical_and.reduce(np.isfinite(values), axis=None))


def first_not_finite(sequences):
    """Return (sequence, step, channel) of the first NaN or infinity, and the value."""
    position, channel = np.unravel_index(
        np.isfinite(sequences.values).argmin(), sequences.values.shape
    )
    row = int(np.searchsorted(sequences.offsets, position, side="right")) - 1
    step = int(position - sequences.offsets[row])
    return row, step, int(channel), sequences.values[position, channel]


def not_finite_message(value, place, dtype):
    """Begin the message for a NaN or an infinity as scikit-learn does, then name the place."""
    if np.isnan(value):
        return f"Input X contains NaN: the first is in {place}."
    return f"Input X contains infinity or a value too large for {dtype!r}: the first is in {place}."


def label(value):
    """Show a label or value in a message, NumPy scalars as what they stand for."""
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return str(value)
    return repr(value.item() if isinstance(value, np.generic) else value)


def labels_of(values):
    """Return labels as an array, in which numbers, NaN and None beside strings stay what they are.

    Parameters
    ----------
    values : array-like
        Labels of any type; NumPy would turn ``["a", nan]`` into ``["a", "nan"]``.

    Returns
    -------
    labels : ndarray
        Of dtype object where types are mixed.
    """
    array = np.asarray(values)
    if isinstance(values, np.ndarray) or array.dtype.kind not in "US":
        return array
    objects = np.array(values, dtype=object)
    return array if all(isinstance(v, (str, bytes)) for v in objects.flat) else objects


def joined_labels(arrays):
    """Return arrays of labels end to end, as objects where some are strings and others are not."""
    are_text = [array.dtype.kind in "US" for array in arrays]
    if any(are_text) and not all(are_text):
        arrays = [array.astype(object) for array in arrays]
    return np.concatenate(arrays)


def first_of_other_kind(labels):
    """Return the place of the first label that is no string, or the first that is one.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Labels.

    Returns
    -------
    place : int or None
        The first that is of another kind than label 0; None if all are strings, or none is.
    """
    if labels.dtype != object or labels.size == 0:
        return None
    are_text = np.array([isinstance(value, str) for value in labels])
    differs = are_text != are_text[0]
    return int(differs.argmax()) if differs.any() else None


def is_pandas(X):
    """Tell whether X is a pandas DataFrame or Series, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(X, (pandas.DataFrame, pandas.Series))


def unmasked(array, where):
    """Return the data of a masked array; a masked value is an error."""
    if not isinstance(array, np.ma.MaskedArray):
        return array
    mask = np.ma.getmaskarray(array)
    if mask.any():
        place = tuple(int(i) for i in np.unravel_index(mask.argmax(), mask.shape))
        raise ValueError(
            f"{where} is a masked array with {int(mask.sum())} masked value(s), the first at "
            f"index {place}. Fill them with .filled(...), drop those steps, or impute them first."
        )
    return array.data


def float_dtype(dtype):
    """Return the float type that values of a NumPy type are computed in."""
    small = dtype.kind == "f" and dtype.itemsize <= 4
    return FLOAT32 if small else FLOAT64


def as_float(array, where="X"):
    """Convert an array to native float32 or float64, naming what cannot be converted.

    Parameters
    ----------
    array : ndarray
        Values of any type.
    where : str
        What the array is, for messages.

    Returns
    -------
    ndarray
        float32 for float32 and float16, float64 for the rest; the same object where possible.
    """
    dtype = array.dtype
    if dtype in (FLOAT32, FLOAT64):
        return array
    if dtype.kind in "fiub":
        with np.errstate(over="ignore"):
            return array.astype(float_dtype(dtype))
    if dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {where} has dtype {dtype}")
    if dtype.kind == "O":
        return _object_to_float(array, where)
    kind = "strings" if dtype.kind in "UST" else "no numbers"
    first = f", for example {label(array.flat[0])}" if array.size else ""
    raise ValueError(
        f"{where} holds {kind}{first} (dtype {dtype}, shape {array.shape}). Encode them as numbers "
        "first."
    )


def _object_to_float(array, where):
    result = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        value = array[index]
        if type(value) is not float:
            value = _number(value, f"{where} at index {index}" if index else where)
        result[index] = value
    return result


def _number(value, place):
    if isinstance(value, (str, bytes)):
        raise ValueError(f"{place} is the string {value!r}, not a number. Encode it first.")
    if isinstance(value, (complex, np.complexfloating)):
        raise ValueError(f"Complex data not supported: {place} is {value!r}")
    if value is None:
        return np.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{place} is no number: {error}") from error


def frame_to_float(frame, where="X"):
    """Convert the columns of a frame to one float array, naming the column that cannot be.

    Parameters
    ----------
    frame : DataFrame
    where : str
        What the frame is, for messages.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        float32 if every column is float32 or float16, else float64.
    """
    dtypes = list(frame.dtypes)
    if all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in dtypes):
        small = all(float_dtype(dtype) == FLOAT32 for dtype in dtypes)
        with np.errstate(over="ignore"):
            return frame.to_numpy(dtype=FLOAT32 if small else FLOAT64)
    columns = [
        _column_to_float(frame.iloc[:, i], f"column {label(name)} of {where}")
        for i, name in enumerate(frame.columns)
    ]
    return np.stack(columns, axis=1)


def _column_to_float(column, where):
    if isinstance(column.dtype, np.dtype):
        return as_float(column.to_numpy(), where)
    numpy_dtype = getattr(column.dtype, "numpy_dtype", None)
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind in "fiub":
        return column.to_numpy(dtype=float_dtype(numpy_dtype), na_value=np.nan)
    return as_float(np.asarray(column), where)


def check_array_shape(shape):
    """Refuse an array of more than three dimensions, or one with nothing along one of them."""
    if len(shape) > 3:
        raise ValueError(
            f"X has {len(shape)} dimensions (shape {shape}), at most 3 are read: (sequences, "
            "steps, channels). Merge the last axes with X.reshape(X.shape[0], X.shape[1], -1)."
        )
    n_sequences, n_steps, n_channels = shape
    if n_sequences == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required."
        )
    if n_steps == 0:
        raise ValueError(f"X has shape {shape}: its axis 1 has no steps, so sequence 0 is empty.")
    if n_channels == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is required: "
            "axis 2 has no channels."
        )


def contiguous(array, dtype):
    """Return the array C-contiguous and of the given type, itself if it is so already."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(array, dtype=dtype)
