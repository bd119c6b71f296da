"""Forecasts of every form as rows: one series a row, one step of the horizon a column."""

import numpy as np
import pandas as pd


def aligned_rows(y_true, y_pred, name="y_pred", true_name="y_true"):
    """Return both sides as float64 rows (n_series, horizon) and the keys of the series.

    Keys are None where nothing names the series.
    """
    if isinstance(y_true, (pd.Series, pd.DataFrame)):
        _check_same_index(y_true, y_pred, name, true_name)
    true, keys = _rows(y_true, true_name)
    pred, _ = _rows(y_pred, name)
    if true.shape != pred.shape:
        raise ValueError(
            f"{true_name} and {name} must have the same shape, (horizon,) or (n_series, horizon); "
            f"got {np.shape(y_true)} and {np.shape(y_pred)}."
        )
    check_finite_where_observed(true, pred, name)
    return true, pred, keys


def training_rows(y_train, keys, n_series):
    """Return the series that preceded the forecasts, one array each, in their order."""
    if isinstance(y_train, pd.DataFrame) or _is_stacked(y_train):
        rows = _by_key(y_train)
        missing = [key for key in keys or [] if key not in rows]
        if missing:
            raise ValueError(f"y_train has no series {missing[0]!r}, which y_true has.")
        rows = [rows[key] for key in keys] if keys else list(rows.values())
    elif isinstance(y_train, pd.Series) or np.ndim(y_train[0]) == 0:
        rows = [np.asarray(y_train, dtype=np.float64)]
    else:
        rows = [np.asarray(row, dtype=np.float64) for row in y_train]
    if len(rows) != n_series:
        raise ValueError(
            f"y_train must hold the {n_series} series of y_true, one a row; it has {len(rows)}."
        )
    for i, row in enumerate(rows):
        if row.ndim != 1:
            raise ValueError(f"series {i} of y_train must be 1-D; its shape is {row.shape}.")
    return rows


def check_finite_where_observed(true, pred, name):
    """Refuse a forecast that is not finite at a step that was observed."""
    bad = np.argwhere(~np.isnan(true) & ~np.isfinite(pred))
    if len(bad):
        series, step = bad[0]
        raise ValueError(
            f"{name} of series {series} is {pred[series, step]} at step {step + 1} of the horizon, "
            "where there is something to compare with."
        )


def _rows(values, name):
    if isinstance(values, pd.DataFrame) or _is_stacked(values):
        rows = _by_key(values)
        width = max(map(len, rows.values()))
        padded = np.full((len(rows), width), np.nan)
        for padded_row, row in zip(padded, rows.values()):
            padded_row[: len(row)] = row
        return padded, list(rows)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(
            f"{name} must be (horizon,) or (n_series, horizon), neither of them 0; "
            f"got {array.shape}."
        )
    return np.atleast_2d(array), None


def _is_stacked(values):
    return isinstance(values, pd.Series) and isinstance(values.index, pd.MultiIndex)


def _by_key(values):
    """Return a dict of 1-D arrays, one for each series and column."""
    columns = values.to_frame() if isinstance(values, pd.Series) else values
    if not isinstance(columns.index, pd.MultiIndex):
        return {name: columns[name].to_numpy(dtype=np.float64) for name in columns}
    levels = list(range(columns.index.nlevels - 1))
    groups = columns.groupby(level=levels[0] if len(levels) == 1 else levels, sort=False)
    return {
        (key, name) if columns.shape[1] > 1 else key: part[name].to_numpy(dtype=np.float64)
        for key, part in groups
        for name in columns
    }


def _check_same_index(y_true, y_pred, name, true_name):
    if not isinstance(y_pred, (pd.Series, pd.DataFrame)):
        return
    columns, other = getattr(y_true, "columns", None), getattr(y_pred, "columns", None)
    if columns is not None and other is not None and list(columns) != list(other):
        raise ValueError(
            f"{true_name} and {name} must have the same columns in the same order; got "
            f"{list(columns)} and {list(other)}."
        )
    if y_true.index.equals(y_pred.index):
        return
    ends = [
        f"{label} has {len(values)} rows from {values.index[0]} to {values.index[-1]}"
        for label, values in ((true_name, y_true), (name, y_pred))
        if len(values)
    ]
    raise ValueError(
        f"{true_name} and {name} must have the same index, or one of them be an array: "
        f"{'; '.join(ends)}. Select the times of one in the other with .loc."
    )
