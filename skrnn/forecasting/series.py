"""Many series end to end: the form in which the forecaster keeps its data."""

from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from skrnn.forecasting.blocks import Blocks, rows_of
from skrnn.forecasting.clock import Clock
from skrnn.forecasting.lines import show_time
from skrnn.sequences import label, lengths_to_offsets


@dataclass(frozen=True)
class Form:
    """What a caller passed, so that results come back as the same kind of thing.

    Attributes
    ----------
    is_pandas : bool
        A Series or DataFrame, not an array.
    is_lone : bool
        One series without a key: results have no axis (or index level) of series.
    is_flat : bool
        One target without a name of its own axis: a Series, or an array without the last axis.
    is_list : bool
        A list of pandas objects.
    name : hashable
        Name of the Series that a flat result is; for a list a tuple of their names.
    index_names : tuple
        Names of the levels of the index.
    columns_name : hashable
        Name of the axis of the columns.
    """

    is_pandas: bool = False
    is_lone: bool = False
    is_flat: bool = False
    is_list: bool = False
    name: object = None
    index_names: tuple = (None,)
    columns_name: object = None

    def name_of(self, i):
        """Return the name of a Series that a flat result of series `i` is."""
        return self.name[i] if self.is_list and self.name is not None else self.name


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """Many series, end to end.

    Attributes
    ----------
    values : ndarray of shape (n_rows_total, n_columns)
        float32 or float64, C-contiguous; NaN is a missing value, infinities do not occur.
    offsets : ndarray of shape (n_series + 1,), int64
        Series ``i`` is ``values[offsets[i]:offsets[i + 1]]``.
    schema : Schema
        What the columns are, and how they were encoded. See :mod:`skrnn.forecasting.columns`.
    static : ndarray of shape (n_series, n_static) or None
        Covariates that are constant for a series, categories as indicators.
    keys : Index or None
        One label a series; None for a lone one.
    clock : Clock
        When the rows are.
    form : Form
        What the caller passed.
    """

    values: np.ndarray
    offsets: np.ndarray
    schema: object
    static: np.ndarray | None
    keys: pd.Index | None
    clock: Clock
    form: Form
    _blocks: Blocks | None = field(default=None, repr=False)

    def __len__(self):
        return self.offsets.shape[0] - 1

    def __getattr__(self, name):
        if name != "values" or self.__dict__.get("_blocks") is None:
            raise AttributeError(name)
        # Series that have grown lie apart; they are put end to end when someone asks.
        values = self._gather(np.arange(len(self)), 0, self.lengths)
        vars(self)["values"] = values
        return values

    def __getstate__(self):
        return {**vars(self), "values": self.values, "_blocks": None}

    def __setstate__(self, state):
        vars(self).update(state)

    def __copy__(self):
        """Return another version that shares what this one has."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        return other

    def _gather(self, indices, n_skipped, lengths):
        """Return rows of some series end to end: so many, after some that are skipped."""
        is_compact = "values" in vars(self)
        source = self.values if is_compact else self._blocks.rows
        starts = (self.offsets[:-1] if is_compact else self._blocks.starts)[indices] + n_skipped
        if len(indices) == 1:
            return source[starts[0] : starts[0] + lengths[0]]
        return source[rows_of(starts, lengths)[0]]

    @property
    def dtype(self):
        """Type of the values."""
        return (self.values if self._blocks is None else self._blocks.rows).dtype

    @property
    def column_names(self):
        """Names of the columns of `values`: labels of the caller, or ``label=category``."""
        return self.schema.column_names

    @property
    def targets(self):
        """Columns of `values` to be forecast, int64."""
        return self.schema.targets

    @property
    def past(self):
        """Columns of `values` that are covariates known up to the present only, int64."""
        return self.schema.past

    @property
    def known(self):
        """Columns of `values` that are covariates known ahead, int64."""
        return self.schema.known

    @property
    def target_names(self):
        """Labels of the targets, as the caller passed them."""
        return self.schema.target_names

    @property
    def lengths(self):
        """Number of rows of each series, int64."""
        return np.diff(self.offsets)

    @property
    def freq(self):
        """The frequency: a pandas offset, or the step of an index of integers."""
        return self.clock.freq

    def series(self, i):
        """Return the rows of series `i`, a view of shape (length, n_columns)."""
        return self._gather([i], 0, self.lengths[[i]])

    def name_of(self, i):
        """Name series `i` for a message, for example ``'a'`` or ``3``."""
        return str(i) if self.keys is None else show_key(self.keys[i])

    def times(self, i):
        """Return the index of the rows of series `i`."""
        return self.clock.at(i, np.arange(self.lengths[i]))

    def future(self, i, n):
        """Return the index of the `n` rows after the end of series `i`."""
        return self.clock.at(i, self.lengths[i] + np.arange(n))

    def all_times(self):
        """Return the times of all rows of `values`, in their order."""
        series = np.repeat(np.arange(len(self)), self.lengths)
        rows = np.arange(self.offsets[-1]) - np.repeat(self.offsets[:-1], self.lengths)
        return self.clock.at(series, rows)

    def all_future(self, n):
        """Return the times of the `n` rows after each series, series by series."""
        series = np.arange(len(self))[:, np.newaxis]
        return self.clock.at(series, self.lengths[:, np.newaxis] + np.arange(n))

    def take(self, indices):
        """Return the selected series.

        Parameters
        ----------
        indices : array-like of int
            Positions of series.

        Returns
        -------
        SeriesSet
        """
        indices = np.asarray(indices, dtype=np.int64)
        return self._cut(indices, 0, self.lengths[indices])

    def truncated(self, lengths):
        """Return the series up to a length each: what was known at an earlier time.

        Parameters
        ----------
        lengths : int or array-like of int, of shape (n_series,)
            Rows to keep from the start; more than there are keeps all.

        Returns
        -------
        SeriesSet
        """
        lengths = np.minimum(np.broadcast_to(lengths, (len(self),)), self.lengths)
        return self._cut(np.arange(len(self)), 0, lengths)

    def tail(self, lengths, indices=None):
        """Return the last rows of the series, at their times.

        Parameters
        ----------
        lengths : int or array-like of int, of shape (n_series,)
            Rows to keep from the end; more than there are keeps all.
        indices : ndarray of int64, default=None
            Positions of the series to keep; None is all.

        Returns
        -------
        SeriesSet
        """
        indices = np.arange(len(self)) if indices is None else indices
        there = self.lengths[indices]
        lengths = np.minimum(np.broadcast_to(lengths, there.shape), there)
        return self._cut(indices, there - lengths, lengths)

    def _cut(self, indices, n_skipped, lengths):
        return replace(
            self,
            values=self._gather(indices, n_skipped, lengths),
            offsets=lengths_to_offsets(lengths),
            static=None if self.static is None else self.static[indices],
            keys=None if self.keys is None else self.keys[indices],
            clock=self.clock.take(indices).later(n_skipped),
            _blocks=None,
        )

    def append(self, newer):
        """Return these series with newer rows at their ends.

        Series grow in place, so that the cost is that of the new rows; only where there is no
        room left, or a series is new, all rows are copied once.

        Parameters
        ----------
        newer : SeriesSet
            Series of the same columns, matched by key. Their times must follow on. A series that
            is not there yet is added.

        Returns
        -------
        SeriesSet
        """
        positions = self._positions_of(newer)
        self._check_follows(newer, positions)
        if (positions >= 0).all():
            return self._grown(newer, positions)
        return self._merged(newer, positions)

    def _positions_of(self, newer):
        """Return the position here of each newer series, -1 for one that is not here."""
        if self.keys is None or newer.keys is None:
            if len(self) == len(newer) == 1 and self.keys is None and newer.keys is None:
                return np.zeros(1, np.int64)
            raise ValueError(
                f"{_describe_keys(newer)} cannot be appended to {_describe_keys(self)}: new rows "
                "are matched by key. Pass them in the layout of the history."
            )
        if self.form.is_pandas != newer.form.is_pandas or self.form.is_list != newer.form.is_list:
            raise ValueError(
                "Newer rows of many series must come in the layout of the history, so that their "
                "series can be told."
            )
        if not self._is_keyed and len(self) != len(newer):
            raise ValueError(
                f"X has newer rows of {len(newer)} series, but the history has {len(self)}, which "
                "are matched by position. Pass all of them in the same order."
            )
        return self.keys.get_indexer(newer.keys)

    @property
    def _is_keyed(self):
        """Whether the keys are the caller's, not only positions."""
        return self.form.is_pandas and not self.form.is_list

    def _check_follows(self, newer, positions):
        here = np.flatnonzero(positions >= 0)
        if here.size == 0 or not newer.form.is_pandas:
            return
        place = positions[here]
        first = newer.clock.at(here, 0)
        if first.equals(self.clock.at(place, self.lengths[place])):
            return
        rows = self.clock.rows_of(first, place)
        wrong = int((rows != self.lengths[place]).argmax())
        i = place[wrong]
        expected = self.future(i, 1)[0]
        problem = "overlap with" if rows[wrong] < self.lengths[i] else "leave a gap after"
        where = "" if self.keys is None else f" of series {self.name_of(i)}"
        raise ValueError(
            f"The new rows{where} {problem} the history: they begin at "
            f"{show_time(first[wrong])}, but the history continues at {show_time(expected)}. Pass "
            "the rows from there on, without a gap."
        )

    def _grown(self, newer, positions):
        before, n_new = self.lengths[positions], newer.lengths
        lengths, blocks = self.lengths, self._blocks
        lengths[positions] += n_new
        if blocks is None or not blocks.append(positions, before, newer.values, n_new):
            blocks = Blocks(self.values, self.lengths, lengths - self.lengths)
            blocks.append(positions, before, newer.values, n_new)
        grown = copy(self)
        vars(grown).pop("values", None)
        vars(grown).update(_blocks=blocks, offsets=lengths_to_offsets(lengths))
        return grown

    def _merged(self, newer, positions):
        is_new = positions < 0
        n_here = len(self)
        positions = np.where(is_new, n_here + np.cumsum(is_new) - 1, positions)
        n_series = n_here + int(is_new.sum())
        lengths = np.zeros(n_series, np.int64)
        lengths[:n_here] = self.lengths
        before = lengths.copy()
        lengths[positions] += newer.lengths
        offsets = lengths_to_offsets(lengths)
        values = np.empty((offsets[-1], self.values.shape[1]), self.values.dtype)
        values[rows_of(offsets[:n_here], self.lengths)[0]] = self.values
        values[rows_of(offsets[positions] + before[positions], newer.lengths)[0]] = newer.values
        added = newer.take(np.flatnonzero(is_new))
        keys, clock, static = self.keys, self.clock, self.static
        if is_new.any():
            keys, clock = keys.append(added.keys), clock.joined(added.clock)
            static = None if static is None else np.concatenate([static, added.static])
        return replace(
            self, values=values, offsets=offsets, keys=keys, clock=clock, static=static,
            _blocks=None,
        )  # fmt: skip


def show_key(key):
    """Show the key of a series in a message."""
    if isinstance(key, tuple):
        return "(" + ", ".join(label(part) for part in key) + ")"
    return label(key)


def _describe_keys(series_set):
    if series_set.keys is None:
        return "One series without a key"
    return f"{len(series_set)} series with keys"
