"""Lines of time: the labels of an index as whole numbers, and back.

On every line the rows of a series lie a fixed number of ordinals apart, the stride. So a clock
needs to keep no more than the ordinal of a series' first row, and order, duplicates and gaps are
plain arithmetic whatever the frequency.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

_UNITS_A_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


class OffLineError(ValueError):
    """A label that no row of the frequency can have; `position` is its place in the index."""

    def __init__(self, position):
        super().__init__(position)
        self.position = position


@dataclass(frozen=True)
class IntegerLine:
    """Whole numbers are their own ordinals."""

    kind = "integers"

    def ordinals(self, index):
        """Return the int64 ordinals of an index of integers."""
        return index.to_numpy(dtype=np.int64)

    def labels(self, ordinals):
        """Return the index of int64 ordinals."""
        return pd.Index(ordinals, dtype=np.int64)


@dataclass(frozen=True)
class PeriodLine:
    """Periods, counted by pandas in the unit of their frequency."""

    freq: object

    kind = "periods"

    def ordinals(self, index):
        """Return the int64 ordinals of a PeriodIndex of this frequency."""
        return index.asi8

    def labels(self, ordinals):
        """Return the PeriodIndex of int64 ordinals."""
        return pd.PeriodIndex.from_ordinals(ordinals, freq=self.freq)


@dataclass(frozen=True)
class FixedLine:
    """Instants a fixed time apart (hours and less), counted in UTC: summer time changes nothing."""

    unit: str
    tz: object = None

    kind = "time stamps"

    def ordinals(self, index):
        """Return the int64 ordinals of a DatetimeIndex."""
        return index.as_unit(self.unit).asi8

    def labels(self, ordinals):
        """Return the DatetimeIndex of int64 ordinals."""
        index = pd.DatetimeIndex(ordinals.view(f"M8[{self.unit}]"))
        return index if self.tz is None else index.tz_localize("UTC").tz_convert(self.tz)


@dataclass(frozen=True)
class WallLine:
    """Days and weeks by the clock on the wall: a day is a day though it has 23 or 25 hours."""

    unit: str
    tz: object = None
    weekday: int | None = None

    kind = "time stamps"

    def ordinals(self, index):
        """Return the int64 ordinals of a DatetimeIndex."""
        if self.weekday is not None:
            off = np.asarray(index.day_of_week != self.weekday)
            if off.any():
                raise OffLineError(int(off.argmax()))
        return _wall_times(index, self.unit).asi8

    def labels(self, ordinals):
        """Return the DatetimeIndex of int64 ordinals."""
        return _localise(pd.DatetimeIndex(ordinals.view(f"M8[{self.unit}]")), self.tz)


@dataclass(frozen=True)
class CalendarLine:
    """Dates of a calendar (month ends, business days, quarters, ...), numbered from an origin.

    An ordinal is the number of the date times the units of a day, plus the time of the day.

    Attributes
    ----------
    unit : {"s", "ms", "us", "ns"}
        Resolution of the time stamps.
    tz : tzinfo or None
    base : DateOffset
        Leads from a date to the next.
    origin : Timestamp
        The date that has number 0.
    """

    unit: str
    tz: object
    base: object
    origin: pd.Timestamp

    kind = "time stamps"

    @classmethod
    def through(cls, index, base):
        """Return the line whose origin is the first label of the index."""
        unit = index.unit
        wall = _wall_times(index[:1], unit)
        origin = wall[0] if _keeps_hours(base) else wall.normalize()[0]
        line = cls(unit, index.tz, base, origin)
        if not base.is_on_offset(origin):
            raise OffLineError(0)
        return line

    def ordinals(self, index):
        """Return the int64 ordinals of a DatetimeIndex."""
        wall = _wall_times(index, self.unit)
        dates = wall if _keeps_hours(self.base) else wall.normalize()
        first, last = dates.min(), dates.max()
        first_year = int(first.year) if first < self.origin else None
        grid, zero = _grid(self.base, self.origin, first_year, int(last.year), self.unit)
        numbers = grid.get_indexer(dates)
        if (numbers < 0).any():
            raise OffLineError(int((numbers < 0).argmax()))
        return (numbers - zero) * _UNITS_A_DAY[self.unit] + (wall.asi8 - dates.asi8)

    def labels(self, ordinals):
        """Return the DatetimeIndex of int64 ordinals."""
        if ordinals.size == 0:
            return _localise(pd.DatetimeIndex(ordinals.view(f"M8[{self.unit}]")), self.tz)
        numbers, times = np.divmod(ordinals, _UNITS_A_DAY[self.unit])
        first, last = int(numbers.min()), int(numbers.max())
        start = self.origin + self.base * first if first else self.origin
        dates = pd.date_range(start, periods=last - first + 1, freq=self.base, unit=self.unit)
        stamps = dates.asi8[numbers - first] + times
        return _localise(pd.DatetimeIndex(stamps.view(f"M8[{self.unit}]")), self.tz)


def line_of(index, freq, calendar=None):
    """Return the line on which the labels of an index lie, and the stride of its rows.

    Parameters
    ----------
    index : DatetimeIndex
    freq : DateOffset
    calendar : CalendarLine, default=None
        One of this frequency, to be used instead of a new one.

    Returns
    -------
    line : FixedLine, WallLine or CalendarLine
    stride : int
        Ordinals from one row to the next.
    """
    if isinstance(freq, pd.offsets.Day):
        return WallLine(index.unit, index.tz), freq.n * _UNITS_A_DAY[index.unit]
    if isinstance(freq, pd.offsets.Week):
        days = 7 * freq.n
        return WallLine(index.unit, index.tz, freq.weekday), days * _UNITS_A_DAY[index.unit]
    if isinstance(freq, pd.offsets.Tick):
        unit = index.unit
        step = pd.Timedelta(freq)
        if step % pd.Timedelta(1, unit=unit):
            unit = "ns"
        return FixedLine(unit, index.tz), int(step // pd.Timedelta(1, unit=unit))
    return calendar or CalendarLine.through(index, freq.base), freq.n * _UNITS_A_DAY[index.unit]


def show_time(time):
    """Show a time in a message, a day without its hours.

    Parameters
    ----------
    time : Timestamp, Period or int

    Returns
    -------
    str
    """
    return str(time).removesuffix(" 00:00:00")


def _wall_times(index, unit):
    index = index.as_unit(unit)
    return index if index.tz is None else index.tz_localize(None)


def _localise(index, tz):
    """Give wall times their zone. A skipped time moves on, a repeated one is the first."""
    if tz is None:
        return index
    first = np.ones(len(index), dtype=bool)
    return index.tz_localize(tz, nonexistent="shift_forward", ambiguous=first)


def _keeps_hours(base):
    """Tell whether the offset moves within a day, as business hours do."""
    return isinstance(base, pd.offsets.BusinessHour)


@lru_cache(maxsize=16)
def _grid(base, origin, first_year, last_year, unit):
    """Return the dates of these years and the origin's place in them; None begins with it."""
    end = pd.Timestamp(max(last_year, origin.year) + 1, 1, 1)
    grid = pd.date_range(origin, end, freq=base, unit=unit)
    if first_year is None:
        return grid, 0
    before = pd.date_range(origin, pd.Timestamp(first_year, 1, 1), freq=-base, unit=unit)[:0:-1]
    return before.append(grid), len(before)
