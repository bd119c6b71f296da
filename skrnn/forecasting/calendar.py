"""Features of the calendar: where in the day, the week, the month and the year a time lies.

Each is a position on a circle, told by the sine and cosine of its angle, so that 23:00 lies beside
00:00 and December beside January. The days of the week get the harmonics that tell all seven apart.
"""

import numpy as np
import pandas as pd

_DAY = pd.Timedelta(days=1)
_HARMONICS = {
    "time_of_day": 2,
    "hour": 2,
    "minute": 1,
    "weekday": 3,
    "day_of_month": 1,
    "day_of_year": 1,
    "month": 1,
    "quarter": 1,
}
CALENDAR_FEATURES = tuple(_HARMONICS)


def calendar_features(times, freq, names="auto"):
    """Return features of the calendar for times.

    Parameters
    ----------
    times : DatetimeIndex or PeriodIndex
        Of a period counts its start, time stamps count by the clock of their time zone.
    freq : DateOffset
        Frequency of the times, which ``"auto"`` goes by.
    names : "auto" or list of str, default="auto"
        Any of :data:`CALENDAR_FEATURES`. ``"auto"`` takes the time of the day for steps below a
        day, the day of the week and the month for steps up to a day, the day of the year for steps
        up to a few weeks, the month or the quarter for longer ones, and nothing for years.

    Returns
    -------
    features : ndarray of shape (n_times, n_features), float64
        Sines and cosines.
    feature_names : list of str
        For example ``"weekday_sin_1"``.
    """
    if not isinstance(times, (pd.DatetimeIndex, pd.PeriodIndex)):
        raise ValueError(
            "Calendar features need dates, but the rows are only numbered. Pass a series with a "
            "DatetimeIndex or PeriodIndex, or set calendar=None."
        )
    names = automatic_features(freq) if isinstance(names, str) and names == "auto" else names
    names = [names] if isinstance(names, str) else list(names)
    columns, feature_names = [], []
    for name in names:
        if name not in _HARMONICS:
            raise ValueError(
                f"{name!r} is no calendar feature. There are {', '.join(CALENDAR_FEATURES)}."
            )
        angle = 2 * np.pi * _phase(times, name)
        for harmonic in range(1, _HARMONICS[name] + 1):
            columns += [np.sin(harmonic * angle), np.cos(harmonic * angle)]
            feature_names += [f"{name}_sin_{harmonic}", f"{name}_cos_{harmonic}"]
    features = np.stack(columns, axis=1) if columns else np.empty((len(times), 0))
    return features, feature_names


def automatic_features(freq):
    """Return the names of the calendar features that suit a frequency.

    Parameters
    ----------
    freq : DateOffset

    Returns
    -------
    list of str
    """
    step = typical_step(freq)
    if step < _DAY:
        return ["time_of_day", "weekday", "day_of_year"]
    if step < 5 * _DAY:
        return ["weekday", "day_of_month", "day_of_year"]
    if step < 28 * _DAY:
        return ["day_of_year"]
    if step < 80 * _DAY:
        return ["month"]
    if step < 300 * _DAY:
        return ["quarter"]
    return []


def typical_step(freq):
    """Return the mean time from one row to the next.

    Parameters
    ----------
    freq : DateOffset

    Returns
    -------
    Timedelta
    """
    start = pd.Timestamp(2001, 1, 1)
    n = 20
    return ((start + freq * n) - (start + freq)) / (n - 1)


def _phase(times, name):
    """Return the position in the cycle, from 0 to below 1."""
    if isinstance(times, pd.PeriodIndex):
        times = times.to_timestamp(how="start")
    seconds = times.hour * 3600 + times.minute * 60 + times.second
    positions = {
        "time_of_day": lambda: seconds / 86_400,
        "hour": lambda: times.hour / 24,
        "minute": lambda: times.minute / 60,
        "weekday": lambda: times.day_of_week / 7,
        "day_of_month": lambda: (times.day - 1) / times.days_in_month,
        "day_of_year": lambda: (times.day_of_year - 1) / (365 + times.is_leap_year),
        "month": lambda: (times.month - 1) / 12,
        "quarter": lambda: (times.quarter - 1) / 4,
    }
    return np.asarray(positions[name](), dtype=np.float64)
