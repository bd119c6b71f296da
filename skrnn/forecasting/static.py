"""Covariates that are constant for a series: a table by series, or columns of X."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skrnn.forecasting.columns import Encoding
from skrnn.forecasting.series import show_key
from skrnn.sequences import label


@dataclass(frozen=True, eq=False)
class StaticTable:
    """Static covariates of known series.

    Attributes
    ----------
    encoding : Encoding
        Of the columns of the table.
    keys : Index or None
        The series of its rows; None where the columns of X hold the covariates.
    values : ndarray of shape (n_rows, n_static) or None
        The encoded table.
    """

    encoding: Encoding
    keys: pd.Index | None = None
    values: np.ndarray | None = None

    @classmethod
    def of(cls, table, keys):
        """Read a table with one row a series.

        Parameters
        ----------
        table : DataFrame or array-like of shape (n_series, n_static)
            A frame is indexed by the keys of the series; an array has a row for each, in order.
        keys : Index or None
            The keys of the series of X.

        Returns
        -------
        StaticTable
        """
        if keys is None:
            raise ValueError(
                "static was passed, but X is one series without a key. Static covariates tell "
                "series apart: pass a frame with a (series, time) MultiIndex, or leave them out."
            )
        if isinstance(table, pd.Series):
            table = table.to_frame()
        elif not isinstance(table, pd.DataFrame):
            table = _frame_of_array(table, keys)
        repeated = table.index.duplicated()
        if repeated.any():
            key = table.index[int(repeated.argmax())]
            raise ValueError(f"static has two rows for series {show_key(key)}. Keep one.")
        encoding = Encoding.of(table)
        values = encoding.encode(table, "static")
        _check_finite(values, encoding, table.index)
        return cls(encoding, table.index, values)

    def of_series(self, keys):
        """Return the covariates of series, of shape (n_series, n_static).

        Parameters
        ----------
        keys : Index or None
            The keys of the series of X.
        """
        if keys is None:
            raise ValueError(
                "X is one series without a key, but fit had a static table: it cannot be told "
                "which series this is. Pass a frame with a (series, time) MultiIndex."
            )
        rows = self.keys.get_indexer(keys)
        if (rows < 0).any():
            key = keys[int((rows < 0).argmax())]
            raise ValueError(
                f"Series {show_key(key)} is not in the static table passed to fit. Put a row for "
                "each series to be forecast into the table before fit; the series itself may be "
                "unseen."
            )
        return self.values[rows]


def _frame_of_array(table, keys):
    table = np.asarray(table)
    table = table[:, np.newaxis] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) != len(keys):
        raise ValueError(
            f"static has shape {table.shape}, but X holds {len(keys)} series. Pass one row a "
            "series, or a DataFrame indexed by the keys of the series."
        )
    return pd.DataFrame(table, index=keys)


def read_static_columns(frame, offsets, encoding, name_of):
    """Read columns of X that do not change within a series.

    Parameters
    ----------
    frame : DataFrame
        The static columns of X, its rows series by series.
    offsets : ndarray of shape (n_series + 1,)
        Where each series starts.
    encoding : Encoding
        Of these columns.
    name_of : callable
        Names series `i` for messages.

    Returns
    -------
    ndarray of shape (n_series, n_static)
    """
    for column in frame.columns:
        codes, _ = pd.factorize(frame[column])
        changes = np.diff(codes) != 0
        changes[offsets[1:-1] - 1] = False
        if changes.any():
            row = int(changes.argmax())
            series = int(np.searchsorted(offsets, row, side="right")) - 1
            values = frame[column].iloc[[row, row + 1]].tolist()
            raise ValueError(
                f"Column {label(column)} is named in static, but changes within series "
                f"{name_of(series)} from {values[0]!r} to {values[1]!r}. Leave it out of static: "
                "it is then a covariate of the past, or put it in known_future."
            )
    values = encoding.encode(frame.iloc[offsets[:-1]])
    _check_finite(values, encoding, [name_of(i) for i in range(len(values))])
    return values


def _check_finite(values, encoding, keys):
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    row, column = np.unravel_index(bad.argmax(), bad.shape)
    name = encoding.names[encoding.owners[column]]
    key = keys[row]
    raise ValueError(
        f"The static covariate {label(name)} of series "
        f"{key if isinstance(keys, list) else show_key(key)} is {values[row, column]}. Fill it "
        "in; for a category, with one of its own such as 'unknown'."
    )
