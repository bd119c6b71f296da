"""Forecasts in the form in which the series were passed, and the future covariates they need."""

import numpy as np
import pandas as pd

from skrnn.forecasting.lines import show_time
from skrnn.forecasting.series import show_key
from skrnn.layouts import plain_input
from skrnn.sequences import as_float, label


def forecast_output(series_set, point):
    """Return point forecasts in the caller's form.

    Parameters
    ----------
    series_set : SeriesSet
        The histories.
    point : ndarray of shape (n_series, horizon, n_targets)
        The rows after the end of each series.

    Returns
    -------
    Series, DataFrame, list of these, or ndarray
        pandas for pandas, with the index continued. For arrays of shape (n_series, horizon,
        n_targets), without the first axis for a lone series and without the last for a flat one.
    """
    form = series_set.form
    if not form.is_pandas:
        return _squeezed(point, form)
    if form.is_flat:
        return _rows_output(series_set, point[..., 0], point.shape[1])
    return _rows_output(series_set, point, point.shape[1], _target_columns(series_set))


def interval_output(series_set, lower, upper, coverages):
    """Return intervals in the caller's form.

    Parameters
    ----------
    series_set : SeriesSet
        The histories.
    lower, upper : ndarray of shape (n_coverages, n_series, horizon, n_targets)
        The bounds.
    coverages : float or list of float
        The coverage of each; a lone number has n_coverages 1.

    Returns
    -------
    DataFrame, list of these, or ndarray
        pandas: columns of three levels, (target, coverage, "lower" or "upper"). Arrays: the shape
        of the point forecast and (n_coverages, 2); for a lone coverage only (2,).
    """
    bounds = np.stack([lower, upper])  # (2, n_coverages, n_series, horizon, n_targets)
    if not series_set.form.is_pandas:
        last = np.moveaxis(bounds, (1, 0), (-2, -1))
        last = last[..., 0, :] if np.ndim(coverages) == 0 else last
        return _squeezed(last, series_set.form)
    coverages = [float(coverage) for coverage in np.atleast_1d(coverages)]
    columns = pd.MultiIndex.from_product(
        [_target_labels(series_set), coverages, ["lower", "upper"]]
    )
    cells = bounds.transpose(2, 3, 4, 1, 0)
    return _frames(series_set, cells, columns)


def quantile_output(series_set, quantiles, alphas):
    """Return quantiles in the caller's form.

    Parameters
    ----------
    series_set : SeriesSet
        The histories.
    quantiles : ndarray of shape (n_alphas, n_series, horizon, n_targets)
        The quantiles.
    alphas : float or list of float
        The probability of each; a lone number has n_alphas 1.

    Returns
    -------
    DataFrame, list of these, or ndarray
        pandas: columns of two levels, (target, alpha). Arrays: the shape of the point forecast and
        (n_alphas,); for a lone alpha just that shape.
    """
    if not series_set.form.is_pandas:
        last = np.moveaxis(quantiles, 0, -1)
        last = last[..., 0] if np.ndim(alphas) == 0 else last
        return _squeezed(last, series_set.form)
    alphas = [float(alpha) for alpha in np.atleast_1d(alphas)]
    columns = pd.MultiIndex.from_product([_target_labels(series_set), alphas])
    return _frames(series_set, quantiles.transpose(1, 2, 3, 0), columns)


def sample_output(series_set, samples):
    """Return sample paths in the caller's form.

    Parameters
    ----------
    series_set : SeriesSet
        The histories.
    samples : ndarray of shape (n_samples, n_series, horizon, n_targets)
        Paths into the future.

    Returns
    -------
    DataFrame, list of these, or ndarray
        pandas: columns of two levels, (target, number of the sample). Arrays: n_samples, then the
        shape of the point forecast.
    """
    if not series_set.form.is_pandas:
        return np.moveaxis(_squeezed(np.moveaxis(samples, 0, -1), series_set.form), -1, 0)
    columns = pd.MultiIndex.from_product([_target_labels(series_set), range(len(samples))])
    return _frames(series_set, samples.transpose(1, 2, 3, 0), columns)


def future_index(series_set, n):
    """Return the index of the `n` rows after the end of each series, series by series.

    Parameters
    ----------
    series_set : SeriesSet
    n : int

    Returns
    -------
    Index or MultiIndex
        Of a lone series with its frequency; else (series, time), named as the caller's.
    """
    form = series_set.form
    times = series_set.all_future(n)
    if form.is_lone:
        return _with_frequency(times, series_set).rename(form.index_names[0])
    keys = series_set.keys.repeat(n)
    levels = [keys.get_level_values(level) for level in range(keys.nlevels)]
    names = form.index_names
    return pd.MultiIndex.from_arrays(
        [*levels, times], names=names if len(names) == len(levels) + 1 else None
    )


def future_frame(series_set, n):
    """Return the empty frame of future covariates, to be filled in.

    Parameters
    ----------
    series_set : SeriesSet
        The histories.
    n : int
        Number of steps after the end of each.

    Returns
    -------
    DataFrame of shape (n, n_known) or (n_series * n, n_known)
        One row a step with the continued index, all NaN; categorical columns have their categories.
    """
    encoding = series_set.schema.known_encoding
    index = future_index(series_set, n)
    columns = {
        name: pd.Categorical([None] * len(index), categories=encoding.categories[name])
        if name in encoding.categories
        else np.full(len(index), np.nan, series_set.dtype)
        for name in encoding.names
    }
    frame = pd.DataFrame(columns, index=index, columns=pd.Index(encoding.names, tupleize_cols=True))
    frame.columns.name = series_set.form.columns_name
    return frame


def read_future(X_future, series_set, horizon):
    """Read the covariates of the rows after the end of each series.

    Parameters
    ----------
    X_future : DataFrame, Series, ndarray or None
        A frame holds the columns of `known_future` (and perhaps others, which are ignored) at the
        times of the forecast (and perhaps more). Without a level of series it is that of all. An
        array has shape (n_steps, n_known) for a lone series or all, or (n_series, n_steps,
        n_known), with at least `horizon` steps.
    series_set : SeriesSet
        The histories.
    horizon : int
        Number of steps to forecast.

    Returns
    -------
    ndarray of shape (n_series, horizon, n_known_encoded)
    """
    names = series_set.schema.known_names
    if not names:
        if X_future is None:
            return np.empty((len(series_set), horizon, 0), series_set.dtype)
        raise ValueError(
            "X_future was passed, but no column was known ahead in fit. Name the columns in "
            "known_future."
        )
    if X_future is None:
        raise ValueError(
            f"The forecast needs the future of known_future={names}: pass it as X_future. "
            f"future_frame({horizon}) returns the frame to fill in."
        )
    X_future = plain_input(X_future)
    if isinstance(X_future, (pd.Series, pd.DataFrame)):
        values = _read_future_frame(X_future, series_set, horizon)
    else:
        values = _read_future_array(X_future, series_set, horizon)
    values = values.astype(series_set.dtype, copy=False)
    _check_future_values(values, series_set)
    return values


def _read_future_frame(X_future, series_set, horizon):
    names = series_set.schema.known_names
    if isinstance(X_future, pd.Series):
        if len(names) != 1:
            raise ValueError(f"X_future is a Series, but the columns {names} are needed.")
        X_future = X_future.to_frame(name=names[0])
    for name in names:
        if name not in X_future.columns:
            raise ValueError(
                f"X_future lacks the column {label(name)} of known_future. It has "
                f"{list(X_future.columns)}."
            )
    rows = _future_rows(X_future.index, series_set, horizon)
    if (rows < 0).any():
        i, step = (int(place[0]) for place in np.nonzero(rows < 0))
        last = show_time(series_set.future(i, horizon)[-1])
        raise ValueError(
            f"X_future has no row for {_describe_step(series_set, i, step)}, so that the column "
            f"{label(names[0])} is missing there. A forecast of {horizon} step(s) needs every "
            f"time up to {last}; future_frame({horizon}) returns the index."
        )
    chosen = X_future[names].iloc[rows.ravel()]
    values = series_set.schema.known_encoding.encode(chosen, "X_future")
    return values.reshape(len(series_set), horizon, -1)


def _future_rows(index, series_set, horizon):
    """Return the row of X_future of each step of each series, -1 where there is none."""
    shape = (len(series_set), horizon)
    if index.nlevels == 1:
        _check_future_times(index, series_set)
        times = series_set.all_future(horizon)
        return index.get_indexer(times).reshape(shape)
    if series_set.keys is None:
        raise ValueError(
            f"The index of X_future has {index.nlevels} levels, but the history is one series. "
            "Give it the times alone as its index."
        )
    _check_future_times(index.levels[-1], series_set)
    if index.nlevels != series_set.keys.nlevels + 1:
        raise ValueError(
            f"The index of X_future has {index.nlevels} levels, but (series, time) as in fit has "
            f"{series_set.keys.nlevels + 1}."
        )
    _check_no_duplicates(index)
    wanted = future_index(series_set, horizon)
    return index.get_indexer(wanted).reshape(shape)


def _check_future_times(index, series_set):
    _check_no_duplicates(index)
    example = series_set.clock.at(0, 0)
    if type(example) is not type(index) and not (
        pd.api.types.is_integer_dtype(example.dtype) and pd.api.types.is_integer_dtype(index.dtype)
    ):
        raise ValueError(
            f"The times of X_future are of dtype {index.dtype}, but the history continues with "
            f"{example.dtype}. future_frame(n) returns the index."
        )
    if str(getattr(index, "tz", None)) != str(series_set.clock.tz):
        raise ValueError(
            f"The times of X_future are in the time zone {index.tz}, but those of the history in "
            f"{series_set.clock.tz}. Use tz_convert or tz_localize."
        )
    if isinstance(index, pd.PeriodIndex) and index.freq != series_set.freq:
        raise ValueError(
            f"X_future has periods of {index.freqstr!r}, but the history of "
            f"{series_set.clock.freq_name!r}."
        )


def _check_no_duplicates(index):
    repeated = index.duplicated()
    if repeated.any():
        row = index[int(repeated.argmax())]
        shown = show_key(row) if index.nlevels > 1 else show_time(row)
        raise ValueError(f"X_future has two rows for {shown}. Keep one.")


def _read_future_array(X_future, series_set, horizon):
    array = as_float(np.asarray(X_future), "X_future")
    n_known, n_series = len(series_set.schema.known_names), len(series_set)
    if series_set.schema.known_encoding.categories:
        raise ValueError(
            "X_future is an array, but known_future has categorical columns: pass a DataFrame as "
            f"future_frame({horizon}) returns."
        )
    expected = f"({n_series}, {horizon}, {n_known})"
    if n_known == 1 and array.ndim in (1, 2) and array.shape == (n_series, horizon)[-array.ndim :]:
        array = array[..., np.newaxis]
    if array.ndim == 2:
        expected = f"({horizon}, {n_known})"
        array = np.broadcast_to(array, (n_series, *array.shape))
    if array.ndim != 3 or array.shape[0] != n_series or array.shape[2] != n_known:
        raise ValueError(
            f"X_future has shape {np.shape(X_future)}, expected {expected}: one step a row, "
            f"one column for each of known_future={series_set.schema.known_names}."
        )
    if array.shape[1] < horizon:
        raise ValueError(
            f"X_future has {array.shape[1]} step(s), but the forecast has {horizon}: column "
            f"{label(series_set.schema.known_names[0])} is missing from step {array.shape[1]} on."
        )
    return array[:, :horizon]


def _check_future_values(values, series_set):
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    i, step, column = (int(place[0]) for place in np.nonzero(bad))
    encoding = series_set.schema.known_encoding
    name = encoding.names[encoding.owners[column]]
    kind = "missing (NaN)" if np.isnan(values[i, step, column]) else "infinite"
    raise ValueError(
        f"Column {label(name)} of X_future is {kind} at {_describe_step(series_set, i, step)}. "
        "What is known ahead must be known for every step of the forecast."
    )


def _describe_step(series_set, i, step):
    where = "" if series_set.keys is None else f" of series {series_set.name_of(i)}"
    if not series_set.form.is_pandas:
        return f"step {step}{where}"
    return f"{show_time(series_set.future(i, step + 1)[-1])}{where}"


def _squeezed(array, form):
    """Drop the axis of targets (2) and of series (0) that the caller's form does not have."""
    if form.is_flat:
        array = array[:, :, 0]
    return array[0] if form.is_lone else array


def _target_columns(series_set):
    return pd.Index(series_set.target_names, name=series_set.form.columns_name)


def _target_labels(series_set):
    """Return the first level of the columns of frames of intervals, quantiles and samples."""
    form = series_set.form
    if not form.is_flat:
        return series_set.target_names
    if form.is_list:
        return [0]
    return [0 if form.name is None else form.name]


def _frames(series_set, cells, columns):
    """Return frames of cells of shape (n_series, horizon, ...), all after the second a column."""
    n_series, horizon = cells.shape[:2]
    return _rows_output(series_set, cells.reshape(n_series, horizon, -1), horizon, columns)


def _rows_output(series_set, cells, horizon, columns=None):
    if series_set.form.is_list:
        return [
            _pandas(series_set, cells[i], _with_frequency(series_set.future(i, horizon), series_set)
                    .rename(series_set.form.index_names[0]), columns, i)
            for i in range(len(series_set))
        ]  # fmt: skip
    index = future_index(series_set, horizon)
    return _pandas(series_set, cells.reshape(len(index), *cells.shape[2:]), index, columns)


def _pandas(series_set, rows, index, columns, i=None):
    if columns is not None:
        return pd.DataFrame(rows, index=index, columns=columns)
    return pd.Series(rows, index=index, name=series_set.form.name_of(i))


def _with_frequency(times, series_set):
    """Return the times as an index that knows its frequency, or its step."""
    if isinstance(times, pd.DatetimeIndex):
        try:
            return pd.DatetimeIndex(times, freq=series_set.freq)
        except ValueError:  # the clock skipped one of the times on its way to summer time
            return times
    if isinstance(times, pd.PeriodIndex) or len(times) == 0:
        return times
    step = series_set.freq
    return pd.RangeIndex(int(times[0]), int(times[-1]) + step, step)
