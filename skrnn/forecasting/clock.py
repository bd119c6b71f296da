"""When the rows of many series are, the times after them, and what is wrong with times."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from skrnn.forecasting.frequency import (
    as_offset,
    check_index_kind,
    infer_frequency,
    integer_step,
)
from skrnn.forecasting.lines import (
    CalendarLine,
    IntegerLine,
    OffLineError,
    PeriodLine,
    line_of,
    show_time,
)

_HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True, eq=False)
class Clock:
    """The times of the rows of many series, by where each series starts.

    Attributes
    ----------
    line : IntegerLine, PeriodLine, FixedLine, WallLine or CalendarLine
        Turns ordinals into labels of an index and back.
    starts : ndarray of shape (n_series,), int64
        Ordinal of the first row of each series.
    stride : int
        Ordinals from one row to the next.
    freq : DateOffset or int
        The frequency of pandas, or the step of integers.
    """

    line: object
    starts: np.ndarray
    stride: int
    freq: object

    @property
    def is_calendar(self):
        """Whether the times are dates, so that calendar features exist."""
        return not isinstance(self.line, IntegerLine)

    @property
    def tz(self):
        """Time zone of the time stamps, or None."""
        return getattr(self.line, "tz", None)

    @property
    def freq_name(self):
        """Name of the frequency, as pandas writes it."""
        return _name_of_frequency(self.freq, isinstance(self.line, PeriodLine))

    def at(self, series, rows):
        """Return the times of given rows of given series, which may lie after their end.

        Parameters
        ----------
        series : int or ndarray of int
            Positions of the series.
        rows : int or ndarray of int
            Rows, counted from the start of the series; broadcast against `series`.

        Returns
        -------
        DatetimeIndex, PeriodIndex or Index of int64
            One time for each pair, in the order of the flattened broadcast.
        """
        ordinals = self.starts[series] + np.asarray(rows, dtype=np.int64) * self.stride
        return self.line.labels(np.ravel(ordinals))

    def rows_of(self, index, series):
        """Return which rows of a series have the times of an index: the inverse of `at`.

        Parameters
        ----------
        index : Index
            Times of the kind that `at` returns.
        series : int or ndarray of int
            Positions of the series, broadcast against `index`.

        Returns
        -------
        ndarray of float
            Row numbers, not whole for a time between two rows; may be negative.
        """
        return (self.line.ordinals(index) - self.starts[series]) / self.stride

    def take(self, indices):
        """Return the clock of the selected series."""
        return replace(self, starts=self.starts[indices])

    def later(self, rows):
        """Return the clock of series whose first `rows` rows (int or one a series) are cut off."""
        return replace(self, starts=self.starts + np.asarray(rows, np.int64) * self.stride)

    def joined(self, other):
        """Return the clock of these series and, after them, those of another clock."""
        first = self.line.ordinals(other.at(np.arange(len(other.starts)), 0))
        return replace(self, starts=np.concatenate([self.starts, first]))


_CONVERSIONS = {
    "integers": "Number the rows with X.reset_index(drop=True).",
    "periods": "Convert it with X.to_period(freq).",
    "time stamps": "Convert it with X.to_timestamp() or pd.to_datetime(X.index).",
}


def _zone_fix(tz, wanted):
    if tz is None:
        return f"Name the zone with X.tz_localize({str(wanted)!r})."
    return f"Convert them with X.tz_convert({None if wanted is None else str(wanted)!r})."


def counting_clock(n_series):
    """Return the clock of arrays, which have no index: rows 0, 1, 2, ... of each series."""
    return Clock(IntegerLine(), np.zeros(n_series, np.int64), 1, 1)


def read_clock(index, offsets, freq=None, like=None, name_of=None):
    """Read the times of many series and check that they rise in equal steps.

    Parameters
    ----------
    index : Index
        The times of all series, end to end.
    offsets : ndarray of shape (n_series + 1,)
        Where each series starts; none is empty.
    freq : str, DateOffset, int, default=None
        The frequency; None takes that of `like`, of the index, or infers it.
    like : Clock, default=None
        That of the training series: must have the same frequency and time zone.
    name_of : callable, default=None
        Returns the name of series `i` for messages. None: there is one series, without a name.

    Returns
    -------
    Clock
    """
    check_index_kind(index)
    _check_rising(index, offsets, name_of)
    if like is None:
        return _clock(index, offsets, _frequency(index, offsets, freq), name_of)
    _check_kind(index, like)
    if isinstance(index, pd.PeriodIndex):
        _check_frequency(index.freq, like, is_period=True)
    line = None
    if isinstance(like.line, CalendarLine) and like.line.unit == index.unit:
        line = like.line  # whose dates are laid out already
    try:
        return _clock(index, offsets, like.freq, name_of, line)
    except ValueError:
        if not _is_integers(index) and np.diff(offsets).max() >= 3:
            _check_frequency(_frequency(index, offsets, None), like)
        raise


def _check_rising(index, offsets, name_of):
    values = index.to_numpy(np.int64) if _is_integers(index) else index.asi8
    steps = np.diff(values)
    steps[offsets[1:-1] - 1] = 1
    wrong = steps <= 0
    if not wrong.any():
        return
    row = int(wrong.argmax())
    place = _place(offsets, row, name_of)
    if steps[row] == 0:
        raise ValueError(
            f"The time {show_time(index[row])} occurs twice{place}. The rows are duplicates: keep "
            "one, for example with X[~X.index.duplicated()], or merge them with groupby."
            f"{_summer_time_hint(index)}"
        )
    raise ValueError(
        f"The times{place} are not sorted: {show_time(index[row + 1])} comes after "
        f"{show_time(index[row])}. Sort them with X.sort_index()."
    )


def _frequency(index, offsets, freq):
    """Return the offset or the step of integers, from the first source that says it."""
    if _is_integers(index):
        if freq is None:
            return integer_step(index, offsets)
        if isinstance(freq, bool) or not isinstance(freq, (int, np.integer)) or freq < 1:
            raise ValueError(
                f"freq={freq!r} was passed, but the index of X holds whole numbers: freq must be "
                "their step, a positive int, or None. Set dates as the index first."
            )
        return int(freq)
    if isinstance(index, pd.PeriodIndex):
        if freq is not None and not _means(freq, index.freq):
            raise ValueError(
                f"freq={freq!r} was passed, but the index of X holds periods of "
                f"{index.freqstr!r}. Leave freq at None, or convert with X.resample(...)."
            )
        return index.freq
    if freq is not None:
        return as_offset(freq)
    if len(offsets) == 2 and index.freq is not None:
        return index.freq
    return infer_frequency(index, offsets)


def _means(freq, periods):
    """Tell whether a name of a frequency stands for that of periods."""
    for parse in (lambda name: pd.PeriodIndex([], freq=name).freq, as_offset):
        try:
            if parse(freq) == periods:
                return True
        except (ValueError, TypeError):
            continue
    return False


def _check_kind(index, like):
    """Check that an index is of the kind and in the time zone of that of fit."""
    kind = "time stamps"
    if _is_integers(index):
        kind = IntegerLine.kind
    elif isinstance(index, pd.PeriodIndex):
        kind = PeriodLine.kind
    if kind != like.line.kind:
        raise ValueError(
            f"The index of X holds {kind}, but that of fit held {like.line.kind}. "
            f"{_CONVERSIONS[like.line.kind]}"
        )
    tz = getattr(index, "tz", None)
    if str(tz) != str(like.tz):
        raise ValueError(
            f"The times of X are in the time zone {tz}, but those of fit in {like.tz}. "
            f"{_zone_fix(tz, like.tz)}"
        )


def _check_frequency(freq, like, is_period=False):
    if freq != like.freq:
        raise ValueError(
            f"X has the frequency {_name_of_frequency(freq, is_period)!r}, but fit had "
            f"{like.freq_name!r}. A forecaster knows one frequency; fit another for the other."
        )


def _name_of_frequency(freq, is_period):
    """Name a frequency as pandas does: months are 'M' as periods, 'ME' as their ends."""
    if is_period:
        return pd.PeriodIndex.from_ordinals(np.zeros(0, np.int64), freq=freq).freqstr
    return getattr(freq, "freqstr", None) or str(freq)


def _clock(index, offsets, freq, name_of, line=None):
    try:
        if _is_integers(index):
            line, stride = IntegerLine(), freq
        elif isinstance(index, pd.PeriodIndex):
            line, stride = PeriodLine(freq), freq.n
        else:
            line, stride = line_of(index, freq, line)
        ordinals = line.ordinals(index)
    except OffLineError as error:
        row = error.position
        place = _place(offsets, row, name_of)
        raise ValueError(
            f"The time {show_time(index[row])}{place} does not belong to the "
            f"frequency {freq.freqstr!r}. All series need one frequency: set the right one with "
            "freq=, or bring X to it with X.asfreq(...) or X.resample(...)."
        ) from error
    clock = Clock(line, ordinals[offsets[:-1]], stride, freq)
    _check_steps(clock, index, ordinals, offsets, name_of)
    return clock


def _check_steps(clock, index, ordinals, offsets, name_of):
    steps = np.diff(ordinals)
    steps[offsets[1:-1] - 1] = clock.stride
    wrong = steps != clock.stride
    if not wrong.any():
        return
    lengths = np.diff(offsets)
    series = np.repeat(np.arange(len(lengths)), lengths)
    rows = np.arange(len(index)) - np.repeat(offsets[:-1], lengths)
    expected = clock.at(series, rows)
    if expected.equals(index):  # wall times that the clock skipped on the way to summer time
        return
    row = int(wrong.argmax())
    missing = clock.line.labels(ordinals[row : row + 1] + clock.stride)[0]
    place = _place(offsets, row, name_of)
    if steps[row] % clock.stride == 0:
        raise ValueError(
            f"The index has a gap{place}: {show_time(missing)} is missing, "
            f"{show_time(index[row])} is followed by {show_time(index[row + 1])} (frequency "
            f"{clock.freq_name!r}). A value may be missing, its row may not. "
            f"{_how_to_fill(clock, name_of)}{_summer_time_hint(index, steps[row], clock)}"
        )
    raise ValueError(
        f"The times{place} do not follow the frequency {clock.freq_name!r}: "
        f"{show_time(index[row])} is followed by {show_time(index[row + 1])} instead of "
        f"{show_time(missing)}. All series need one frequency: set it with freq=, or bring X to it "
        "with X.asfreq(...) or X.resample(...)."
    )


def _how_to_fill(clock, name_of):
    """Return code that puts the missing rows in."""
    one = "X" if name_of is None else "rows"
    whole = f"{one}.index[0], {one}.index[-1]"
    if clock.line.kind == "time stamps":
        fill = f"{one}.asfreq({clock.freq_name!r})"
    elif clock.line.kind == "periods":
        fill = f"{one}.reindex(pd.period_range({whole}, freq={clock.freq_name!r}))"
    else:
        fill = f"{one}.reindex(range({whole} + 1, {clock.stride}))"
    if name_of is not None:
        groups = "(key, group.droplevel(0)) for key, group in X.groupby(level=0)"
        fill = f"pd.concat({{key: {fill} for key, rows in ({groups})}}, names=X.index.names)"
    return f"Fill it with {fill}: NaN is welcome in what is to be forecast."


def _summer_time_hint(index, step=None, clock=None):
    """Say what an hour missing or there twice in local time without a zone may be."""
    if not isinstance(index, pd.DatetimeIndex) or index.tz is not None or len(index) < 3:
        return ""
    unit = pd.Timedelta(1, unit=index.unit)
    if np.median(np.diff(index.asi8)) * unit > _HOUR:
        return ""
    if step is not None and (step - clock.stride) * unit != _HOUR:
        return ""
    return " If these are local times and the clock was changed, name the zone with X.tz_localize."


def _is_integers(index):
    return pd.api.types.is_integer_dtype(index.dtype)


def _place(offsets, row, name_of):
    if name_of is None:
        return ""
    return f" in series {name_of(int(np.searchsorted(offsets, row, side='right')) - 1)}"
