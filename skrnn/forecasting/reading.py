"""Every layout of series into a :class:`~skrnn.forecasting.series.SeriesSet`, and its errors."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from skrnn.forecasting.clock import counting_clock, read_clock
from skrnn.forecasting.columns import Encoding, Schema, divide_columns, is_one_label, named_columns
from skrnn.forecasting.lines import show_time
from skrnn.forecasting.series import Form, SeriesSet, show_key
from skrnn.forecasting.static import StaticTable, read_static_columns
from skrnn.layouts import is_scalar, plain_input, true_lengths
from skrnn.sequences import as_float, contiguous, label, lengths_to_offsets


@dataclass(frozen=True, eq=False)
class _Table:
    """Series end to end as a frame, before its columns are understood."""

    frame: pd.DataFrame
    offsets: np.ndarray
    times: pd.Index | None  # None for arrays, whose rows are only counted
    keys: pd.Index | None
    form: Form
    is_named: bool = True
    values: np.ndarray | None = None  # of an array, which needs no encoding

    def name_of(self, i):
        return str(i) if self.keys is None else show_key(self.keys[i])


def read_series(X, *, target=None, known_future=None, static=None, freq=None, like=None):
    """Read series in any layout.

    Parameters
    ----------
    X : Series, DataFrame, ndarray of 1, 2 or 3 dimensions, or list of arrays, Series or frames
        One series: a 1-D array, a Series, or a DataFrame of several columns with the time as its
        index. Many series: a Series or DataFrame with a (series, time) MultiIndex (or more levels,
        the last of which is the time), a 2-D array (n_series, n_steps) with a series a row, a 3-D
        array (n_series, n_steps, n_columns) whose rows may end in all-NaN steps as padding, or a
        list of series of any length. NaN is a missing value.
    target : label or list of labels, default=None
        Columns to forecast (numbers of columns for arrays). None: all that are nothing else. A
        single label gives results without an axis of targets.
    known_future : label or list of labels, default=None
        Columns known ahead. The rest are covariates of the past.
    static : list of labels, DataFrame or array of shape (n_series, n_static), default=None
        Covariates that are constant for a series: columns of X, or a table indexed by series.
    freq : str, DateOffset or int, default=None
        Frequency of the index, for example ``"B"``; None takes it from the index or infers it.
        An int is the step of an index of whole numbers.
    like : SeriesSet, default=None
        The training series: columns, categories, static table, frequency and time zone must be
        theirs, and `target`, `known_future`, `static` and `freq` are taken from there.

    Returns
    -------
    SeriesSet

    Raises
    ------
    ValueError, TypeError
        Naming the series, column and time that is wrong, and what to do.
    """
    series_set = _read(X, target, known_future, static, freq, like)
    if like is None:
        _check_is_no_column(series_set)
    _check_has_values(series_set)
    return series_set


def read_update(X, series_set):
    """Read newer rows of series and append them.

    Parameters
    ----------
    X : as for :func:`read_series`
        Rows that follow on in time; a missing value is NaN. New series may be among them.
    series_set : SeriesSet
        The series so far.

    Returns
    -------
    SeriesSet
        All rows. The cost is that of the new rows.
    """
    newer = _read(X, None, None, None, None, series_set)
    return series_set.append(newer)


def _read(X, target, known_future, static, freq, like):
    X = plain_input(X)
    table = _read_pandas(X) if isinstance(X, (pd.Series, pd.DataFrame)) else _read_other(X)
    if like is None:
        schema = _learn_schema(table, target, known_future, static)
    else:
        table = _with_columns(table, like.schema)
        schema = like.schema
    values = _encode(table, schema, None if like is None else like.dtype)
    form = table.form
    if schema.one_target and not form.is_flat:
        name = schema.target_names[0]
        n_series = len(table.offsets) - 1
        form = replace(form, is_flat=True, name=(name,) * n_series if form.is_list else name)
    series_set = SeriesSet(
        values=values,
        offsets=table.offsets,
        schema=schema,
        static=_static_of(table, schema),
        keys=table.keys,
        clock=_clock_of(table, freq, like),
        form=form,
    )
    _check_no_infinity(series_set, table)
    return series_set


def _read_pandas(X):
    if isinstance(X, pd.Series) and X.dtype == object and len(X) and not is_scalar(X.iloc[0]):
        return _read_list(list(X))
    is_series = isinstance(X, pd.Series)
    name, columns_name = (X.name, None) if is_series else (None, X.columns.name)
    frame = X.to_frame(name=0 if name is None else name) if is_series else X
    _check_shape(frame)
    form = Form(
        is_pandas=True,
        is_flat=is_series,
        name=name,
        index_names=tuple(X.index.names),
        columns_name=columns_name,
    )
    if X.index.nlevels == 1:
        form = replace(form, is_lone=True)
        _check_is_no_tidy_table(frame)
        offsets = np.array([0, len(frame)], dtype=np.int64)
        return _Table(frame, offsets, X.index, None, form)
    codes, keys = X.index.droplevel(-1).factorize()
    if codes.min() < 0:
        raise ValueError(
            f"Row {int(codes.argmin())} of X has no series in its index (it is missing). Name the "
            "series, or drop the row."
        )
    if (np.diff(codes) < 0).any():
        frame = frame.iloc[np.argsort(codes, kind="stable")]
    offsets = lengths_to_offsets(np.bincount(codes))
    return _Table(frame, offsets, frame.index.get_level_values(-1), keys, form)


def _check_shape(frame):
    if len(frame) == 0:
        raise ValueError("X has no rows (0 samples): there is nothing to forecast from.")
    if frame.shape[1] == 0:
        raise ValueError("X has no columns (0 features): there is nothing to forecast.")
    repeated = frame.columns.duplicated()
    if repeated.any():
        name = frame.columns[int(repeated.argmax())]
        raise ValueError(f"X has two columns named {label(name)}. Rename or drop one.")


def _check_is_no_tidy_table(frame):
    """Refuse a table whose series and times are columns instead of the index."""
    if {"unique_id", "ds"} <= set(frame.columns):
        raise ValueError(
            "X has the columns 'unique_id' and 'ds', which belong into the index: pass "
            "X.set_index(['unique_id', 'ds'])."
        )
    if isinstance(frame.index, pd.RangeIndex):
        for name, dtype in frame.dtypes.items():
            if getattr(dtype, "kind", "") == "M" or isinstance(dtype, pd.PeriodDtype):
                raise ValueError(
                    f"Column {label(name)} of X holds times, which belong into the index: pass "
                    f"X.set_index({label(name)}), or X.set_index([series, {label(name)}]) for "
                    "many series."
                )


def _read_other(X):
    if isinstance(X, (list, tuple)):
        if len(X) == 0:
            raise ValueError("X is empty (0 samples): there is nothing to forecast from.")
        if not any(is_scalar(element) for element in X):
            return _read_list(X)
    elif _is_array_of_series(X):
        return _read_list(list(X))
    array = as_float(_unwrapped_array(X))
    if array.size == 0:
        raise ValueError(f"X is empty (0 samples, shape {array.shape}).")
    readers = {1: _read_1d, 2: _read_2d, 3: _read_3d}
    if array.ndim not in readers:
        raise ValueError(
            f"X has {array.ndim} dimensions (shape {array.shape}). Pass one series as 1-D, "
            "(n_series, n_steps) or (n_series, n_steps, n_columns)."
        )
    return readers[array.ndim](array)


def _unwrapped_array(X):
    if issparse(X):
        raise TypeError("Sparse data was passed, but series are dense. Pass X.toarray().")
    array = np.asarray(X)
    if array.ndim == 0:
        raise TypeError(
            f"X is {array.item()!r:.60}, which is no series. Pass a Series, a DataFrame, an array, "
            "or a list of these; what is not a series is named, as in predict_samples(n_samples=5)."
        )
    return array


def _is_array_of_series(X):
    if not (isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1 and X.size):
        return False
    return not any(is_scalar(element) for element in X)


def _array_table(values, offsets, form):
    keys = None if form.is_lone else pd.RangeIndex(len(offsets) - 1)
    values = np.array(values, order="C")  # the caller may change his later
    frame = pd.DataFrame(values, copy=False)
    return _Table(frame, offsets, None, keys, form, is_named=False, values=values)


def _read_1d(array):
    offsets = np.array([0, len(array)], dtype=np.int64)
    return _array_table(array[:, np.newaxis], offsets, Form(is_lone=True, is_flat=True))


def _read_2d(array):
    n_series, n_steps = array.shape
    offsets = np.arange(0, (n_series + 1) * n_steps, n_steps)
    return _array_table(array.reshape(-1, 1), offsets, Form(is_flat=True))


def _read_3d(array):
    lengths = true_lengths(array)
    if lengths.min() == 0:
        raise ValueError(
            f"Series {int(lengths.argmin())} of X has no value: all its steps are NaN. Leave it "
            "out."
        )
    is_true = np.arange(array.shape[1]) < lengths[:, np.newaxis]
    return _array_table(array[is_true], lengths_to_offsets(lengths), Form())


def _read_list(elements):
    if all(isinstance(element, (pd.Series, pd.DataFrame)) for element in elements):
        return _read_pandas_list(elements)
    arrays = []
    for i, element in enumerate(elements):
        if isinstance(element, (pd.Series, pd.DataFrame)):
            raise TypeError(
                f"Series {i} of X is a pandas object, but others are not. Pass a list of one kind."
            )
        array = as_float(np.asarray(_unwrapped(element, i)), f"series {i} of X")
        if array.ndim not in (1, 2) or array.size == 0:
            raise ValueError(
                f"Series {i} of X has shape {array.shape}, expected (n_steps,) or (n_steps, "
                "n_columns) with at least one step."
            )
        arrays.append(array)
    is_flat = all(array.ndim == 1 for array in arrays)
    arrays = [array[:, np.newaxis] if array.ndim == 1 else array for array in arrays]
    for i, array in enumerate(arrays):
        if array.shape[1] != arrays[0].shape[1]:
            raise ValueError(
                f"Series {i} of X has {array.shape[1]} columns, but series 0 has "
                f"{arrays[0].shape[1]}. All series need the same columns."
            )
    offsets = lengths_to_offsets([len(array) for array in arrays])
    return _array_table(np.concatenate(arrays), offsets, Form(is_flat=is_flat))


def _unwrapped(element, i):
    try:
        return plain_input(np.asarray(element) if isinstance(element, (list, tuple)) else element)
    except ValueError as error:
        raise ValueError(
            f"Series {i} of X is ragged in itself or holds masked values: {error}"
        ) from error


def _read_pandas_list(elements):
    is_flat = all(element.ndim == 1 for element in elements)
    names = tuple(element.name if element.ndim == 1 else None for element in elements)
    frames = [
        element.to_frame(name=0 if is_flat else element.name) if element.ndim == 1 else element
        for element in elements
    ]
    for i, frame in enumerate(frames):
        _check_shape_of_element(frame, frames[0], i)
    form = Form(
        is_pandas=True,
        is_flat=is_flat,
        is_list=True,
        name=names if is_flat else None,
        index_names=(frames[0].index.name,),
        columns_name=frames[0].columns.name,
    )
    offsets = lengths_to_offsets([len(frame) for frame in frames])
    times = frames[0].index.append([frame.index for frame in frames[1:]])
    return _Table(pd.concat(frames), offsets, times, pd.RangeIndex(len(frames)), form)


def _check_shape_of_element(frame, first, i):
    if frame.index.nlevels > 1:
        raise ValueError(f"Series {i} of X has an index of {frame.index.nlevels} levels; give one.")
    if len(frame) == 0:
        raise ValueError(f"Series {i} of X has no rows. Leave it out.")
    if not frame.columns.equals(first.columns):
        raise ValueError(
            f"Series {i} of X has the columns {list(frame.columns)}, but series 0 has "
            f"{list(first.columns)}. All series need the same columns."
        )


def _learn_schema(table, target, known_future, static):
    columns = list(table.frame.columns)
    statics, static_names = None, []
    if static is not None:
        if _is_table(static):
            statics = StaticTable.of(static, table.keys)
        else:
            static_names = named_columns(static, columns, "static")
            statics = StaticTable(Encoding.of(table.frame[static_names]))
    targets, past, known = divide_columns(columns, target, known_future, static_names)
    others = [name for name in columns if name not in static_names]
    encoding = Encoding.of(table.frame[others] if static_names else table.frame)
    for name in targets:
        if name in encoding.categories:
            raise ValueError(
                f"Column {label(name)} is categorical and cannot be forecast. Name the columns to "
                "forecast in target; the others are covariates."
            )
    return Schema(
        encoding=encoding,
        target_names=targets,
        past_names=past,
        known_names=known,
        is_named=table.is_named and not (table.form.is_flat and len(columns) == 1),
        one_target=target is not None and is_one_label(target, columns),
        static_names=static_names,
        statics=statics,
    )


def _is_table(static):
    if isinstance(static, (pd.DataFrame, pd.Series)):
        return True
    return isinstance(static, np.ndarray) and static.dtype.kind in "fiub"


def _with_columns(table, schema):
    """Return the table with the columns of the training series, in their order."""
    wanted = [*schema.encoding.names, *schema.static_names]
    columns = list(table.frame.columns)
    is_named = table.is_named and not (table.form.is_flat and len(columns) == 1)
    if is_named and schema.is_named:
        missing = [name for name in wanted if name not in columns]
        unseen = [name for name in columns if name not in wanted]
        if missing or unseen:
            problem = f"lacks the column {label(missing[0])}" if missing else (
                f"has the column {label(unseen[0])}, which fit did not see"
            )  # fmt: skip
            raise ValueError(f"X {problem}. The columns of fit were {wanted}.")
        return table if columns == wanted else replace(table, frame=table.frame[wanted])
    if len(columns) != len(wanted):
        raise ValueError(
            f"X has {len(columns)} column(s), but fit had {len(wanted)}"
            f"{': ' + str(wanted) if schema.is_named else ''}."
        )
    if columns == wanted:
        return table
    if not schema.static_names:
        return replace(table, frame=table.frame.set_axis(wanted, axis=1))
    raise ValueError(
        f"X has no names of columns, but fit had {wanted} with static ones. Pass a DataFrame."
    )


def _encode(table, schema, dtype):
    names = schema.encoding.names
    if table.values is not None and not schema.static_names and not schema.encoding.categories:
        values = table.values
    else:
        frame = table.frame if len(names) == table.frame.shape[1] else table.frame[names]
        values = schema.encoding.encode(frame)
    return contiguous(values, dtype or values.dtype)


def _static_of(table, schema):
    if schema.statics is None:
        return None
    if schema.static_names:
        return read_static_columns(
            table.frame[schema.static_names], table.offsets, schema.statics.encoding, table.name_of
        )
    return schema.statics.of_series(table.keys)


def _clock_of(table, freq, like):
    n_series = len(table.offsets) - 1
    if table.times is None:
        return counting_clock(n_series)
    trained = None if like is None or not like.form.is_pandas else like.clock
    name_of = None if table.keys is None else table.name_of
    return read_clock(table.times, table.offsets, freq, trained, name_of)


def _check_no_infinity(series_set, table):
    bad = np.isinf(series_set.values)
    if not bad.any():
        return
    row, column = np.unravel_index(bad.argmax(), bad.shape)
    place = describe_cell(series_set, int(row), int(column))
    raise ValueError(
        f"X contains infinity or a value too large for {series_set.values.dtype}, the first "
        f"{place}. Replace it, by NaN if it is unknown."
    )


def describe_cell(series_set, row, column):
    """Say where a value is: in which series, at what time and in which column.

    Parameters
    ----------
    series_set : SeriesSet
    row, column : int
        Position in its values.

    Returns
    -------
    str
    """
    i = int(np.searchsorted(series_set.offsets, row, side="right")) - 1
    parts = []
    if series_set.keys is not None:
        parts.append(f"in series {series_set.name_of(i)}")
    step = row - int(series_set.offsets[i])
    if series_set.form.is_pandas:
        parts.append(f"at {show_time(series_set.clock.at(i, step)[0])}")
    else:
        parts.append(f"at step {step}")
    if series_set.values.shape[1] > 1 or series_set.schema.is_named:
        schema = series_set.schema
        name = schema.encoding.names[schema.encoding.owners[column]]
        parts.append(f"in column {label(name)}")
    return ", ".join(parts)


def _check_is_no_column(series_set):
    """Refuse a single series passed as a column, which reads as many series of one step."""
    n_series, form = len(series_set), series_set.form
    if n_series > 1 and not form.is_pandas and series_set.lengths.max() == 1:
        raise ValueError(
            f"X holds {n_series} series of one step each, as a 2-D array has one series a row. "
            "For one series of many steps pass X.ravel() or X[:, 0]; for one of many columns "
            "X[np.newaxis] or a DataFrame."
        )


def _check_has_values(series_set):
    """Refuse a series of which nothing is known."""
    values = series_set.values[:, series_set.targets]
    counts = np.add.reduceat(~np.isnan(values), series_set.offsets[:-1], axis=0)
    if counts.all():
        return
    i, target = (int(place[0]) for place in np.nonzero(counts == 0))
    n_rows = int(series_set.lengths[i])
    what = "X" if series_set.keys is None else f"Series {series_set.name_of(i)} of X"
    where = f" in column {label(series_set.target_names[target])}" if values.shape[1] > 1 else ""
    rows = "its one row is NaN" if n_rows == 1 else f"all its {n_rows} rows are NaN"
    raise ValueError(f"{what} has no value{where}: {rows}. Leave it out.")
