"""What the columns of the series are: targets and covariates, numbers and categories."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from skrnn.sequences import FLOAT32, FLOAT64, as_float, float_dtype, label


@dataclass(frozen=True, eq=False)
class Encoding:
    """How columns become numbers; a category becomes one indicator column for each of its values.

    Attributes
    ----------
    names : list
        Labels of the columns, in order.
    categories : dict
        The categories of each categorical column, an Index.
    """

    names: list
    categories: dict

    @classmethod
    def of(cls, frame):
        """Learn the encoding of the columns of a frame."""
        categories = {
            name: frame.iloc[:, i].cat.categories
            for i, name in enumerate(frame.columns)
            if isinstance(frame.dtypes.iloc[i], pd.CategoricalDtype)
        }
        return cls(list(frame.columns), categories)

    @property
    def column_names(self):
        """Names of the encoded columns."""
        names = []
        for name in self.names:
            values = self.categories.get(name)
            names += [name] if values is None else [f"{name}={value}" for value in values]
        return names

    @property
    def owners(self):
        """Position in `names` of each encoded column, int64."""
        widths = [len(self.categories.get(name, "x")) for name in self.names]
        return np.repeat(np.arange(len(widths)), widths)

    def encode(self, frame, where="X"):
        """Return the float array of a frame with these columns, in this order.

        Parameters
        ----------
        frame : DataFrame
        where : str
            What it is, for messages.

        Returns
        -------
        ndarray of shape (n_rows, n_encoded_columns)
            float32 if every number is, else float64. A category not seen before has no indicator
            set, a missing one is NaN in all of its indicators.
        """
        blocks = []
        for i, name in enumerate(self.names):
            column = frame.iloc[:, i]
            if name in self.categories:
                blocks.append(_indicators(column, self.categories[name]))
            else:
                blocks.append(_numbers(column, f"Column {label(name)} of {where}"))
        dtypes = {block.dtype for block in blocks if block.dtype != np.int8}
        dtype = FLOAT32 if dtypes == {FLOAT32} else FLOAT64
        result = np.empty((len(frame), sum(block.shape[1] for block in blocks)), dtype)
        place = 0
        for block in blocks:
            block_end = place + block.shape[1]
            result[:, place:block_end] = block
            if block.dtype == np.int8:
                result[(block < 0).any(axis=1), place:block_end] = np.nan
            place = block_end
        return result


def _indicators(column, categories):
    """Return 1 where a value is the category of the column; -1 in rows without a value."""
    missing = column.isna().to_numpy(dtype=bool)
    codes = categories.get_indexer(pd.Index(column.to_numpy(dtype=object)))
    indicators = (codes[:, np.newaxis] == np.arange(len(categories))).astype(np.int8)
    indicators[missing] = -1
    return indicators


def _numbers(column, where):
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        raise ValueError(
            f"{where} is categorical, but it was numeric in fit. Convert it to numbers."
        )
    if isinstance(dtype, pd.DatetimeTZDtype) or getattr(dtype, "kind", "") in "mM":
        raise ValueError(
            f"{where} holds times ({dtype}). Times belong into the index: X.set_index(...)."
        )
    is_text = isinstance(dtype, pd.StringDtype)
    if is_text or pd.api.types.is_object_dtype(dtype):
        first = next((value for value in column if isinstance(value, (str, bytes))), None)
        if first is not None or is_text:
            example = "" if first is None else f", for example {first!r}"
            raise ValueError(
                f"{where} holds strings (dtype {dtype}{example}). Make a covariate categorical "
                "with .astype('category'), or numbers with pd.to_numeric(...)."
            )
    numpy_dtype = getattr(dtype, "numpy_dtype", dtype)
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind in "fiub":
        values = column.to_numpy(dtype=float_dtype(numpy_dtype), na_value=np.nan)
    else:
        values = as_float(np.asarray(column, dtype=object), where)
    return values[:, np.newaxis]


@dataclass(frozen=True, eq=False)
class Schema:
    """The columns of a set of series, and their parts.

    Attributes
    ----------
    encoding : Encoding
        Of the columns of X but the static ones.
    target_names, past_names, known_names : list
        Labels of the columns by part.
    is_named : bool
        The columns have labels; those of arrays are only numbered.
    one_target : bool
        The target was passed as a single label, so that results have no axis of targets.
    static_names : list
        Columns of X that are constant for a series.
    statics : StaticTable or None
        The covariates of each series.
    """

    encoding: Encoding
    target_names: list
    past_names: list
    known_names: list
    is_named: bool
    one_target: bool = False
    static_names: list = field(default_factory=list)
    statics: object = None

    @property
    def column_names(self):
        """Names of the encoded columns."""
        return self.encoding.column_names

    @property
    def targets(self):
        """Positions of the encoded columns to be forecast, int64."""
        return self._positions(self.target_names)

    @property
    def past(self):
        """Positions of the encoded covariates of the past, int64."""
        return self._positions(self.past_names)

    @property
    def known(self):
        """Positions of the encoded covariates known ahead, int64."""
        return self._positions(self.known_names)

    @property
    def known_encoding(self):
        """The encoding of the covariates known ahead alone."""
        categories = self.encoding.categories
        chosen = {name: categories[name] for name in self.known_names if name in categories}
        return Encoding(self.known_names, chosen)

    def _positions(self, names):
        owners, columns = self.encoding.owners, self.encoding.names
        places = [np.flatnonzero(owners == columns.index(name)) for name in names]
        return np.concatenate([np.zeros(0, np.int64), *places])


def divide_columns(columns, target, known_future, static_names):
    """Divide columns into targets, covariates of the past and covariates known ahead.

    Parameters
    ----------
    columns : list
        Labels of all columns.
    target, known_future : label, list of labels, or None
        As the caller passed them. Without a target, every column is one that is nothing else.
    static_names : list
        Labels of the columns that are constant for a series.

    Returns
    -------
    target_names, past_names, known_names : list
        Named ones in the order of the caller, the rest in that of the columns.
    """
    known = named_columns(known_future, columns, "known_future")
    other = [*known, *static_names]
    if target is None:
        targets = [name for name in columns if name not in other]
    else:
        targets = named_columns(target, columns, "target")
    if not targets:
        raise ValueError(
            "No column is left to forecast: X has the columns "
            f"{_list(columns)}, and all are covariates."
        )
    for names, what in ((known, "known_future"), (static_names, "static")):
        both = [name for name in names if name in targets]
        if both:
            raise ValueError(
                f"Column {label(both[0])} is in target and in {what}. What is to be forecast is "
                "no covariate: name it in one of them."
            )
    past = [name for name in columns if name not in targets and name not in other]
    return targets, past, known


def is_one_label(names, columns):
    """Tell whether `names` is a single label, as for ``frame[names]``, and not a list of them."""
    if names is None or isinstance(names, (list, np.ndarray, pd.Index, pd.Series, set)):
        return False
    return not isinstance(names, tuple) or names in columns


def named_columns(names, columns, parameter):
    """Return a list of the labels that a parameter names, each of which must be a column."""
    if names is None:
        return []
    names = [names] if is_one_label(names, columns) else list(names)
    for name in names:
        if name not in columns:
            raise ValueError(
                f"{parameter} names {label(name)}, which is not among the columns of X: "
                f"{_list(columns)}."
            )
    if len(set(names)) != len(names):
        raise ValueError(f"{parameter} names a column twice: {_list(names)}.")
    return names


def _list(names, most=12):
    shown = ", ".join(label(name) for name in names[:most])
    return f"[{shown}{', ...' if len(names) > most else ''}]"
