"""Positions in the day, the week, the month and the year."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn.forecasting.calendar import CALENDAR_FEATURES, automatic_features, calendar_features
from skrnn.forecasting.frequency import as_offset


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        ("15min", ["time_of_day", "weekday", "day_of_year"]),
        ("h", ["time_of_day", "weekday", "day_of_year"]),
        ("12h", ["time_of_day", "weekday", "day_of_year"]),
        ("bh", ["time_of_day", "weekday", "day_of_year"]),
        ("24h", ["weekday", "day_of_month", "day_of_year"]),
        ("D", ["weekday", "day_of_month", "day_of_year"]),
        ("B", ["weekday", "day_of_month", "day_of_year"]),
        ("W-WED", ["day_of_year"]),
        ("SME", ["day_of_year"]),
        ("ME", ["month"]),
        ("2MS", ["month"]),
        ("QE", ["quarter"]),
        ("BQS", ["quarter"]),
        ("YS", []),
    ],
)
def test_what_suits_a_frequency(freq, expected):
    assert automatic_features(as_offset(freq)) == expected
    times = pd.date_range("2024-01-01", periods=9, freq=freq)
    features, names = calendar_features(times, times.freq)
    assert features.shape == (9, len(names))
    assert {name.rsplit("_", 2)[0] for name in names} == set(expected)
    assert features.dtype == np.float64


@given(
    name=st.sampled_from(CALENDAR_FEATURES),
    day=st.integers(0, 40_000),
    freq=st.sampled_from(["15min", "h", "D", "ME"]),
    tz=st.sampled_from([None, "Asia/Tokyo"]),
)
def test_features_lie_on_circles(name, day, freq, tz):
    start = pd.Timestamp("1970-01-01") + pd.Timedelta(days=day)
    times = pd.date_range(start, periods=40, freq=freq, tz=tz)
    features, names = calendar_features(times, times.freq, [name])
    for i in range(0, len(names), 2):
        assert names[i].replace("_sin_", "_cos_") == names[i + 1]
        np.testing.assert_allclose(np.hypot(features[:, i], features[:, i + 1]), 1.0)


def angle(time, name):
    features, _ = calendar_features(pd.DatetimeIndex([time]), as_offset("h"), name)
    return np.mod(np.arctan2(features[0, 0], features[0, 1]) / (2 * np.pi), 1.0)


@pytest.mark.parametrize(
    ("time", "name", "expected"),
    [
        ("2024-05-01 18:00", "time_of_day", 0.75),
        ("2024-05-01 18:30", "hour", 0.75),
        ("2024-05-01 18:30", "minute", 0.5),
        ("2024-05-06", "weekday", 0.0),
        ("2024-05-12", "weekday", 6 / 7),
        ("2024-02-29", "day_of_month", 28 / 29),
        ("2024-12-31", "day_of_year", 365 / 366),
        ("2023-12-31", "day_of_year", 364 / 365),
        ("2023-10-31", "month", 0.75),
        ("2023-10-31", "quarter", 0.75),
    ],
)
def test_positions(time, name, expected):
    assert angle(pd.Timestamp(time), name) == pytest.approx(expected)


def test_the_hour_is_that_on_the_wall():
    summer = pd.Timestamp("2024-07-01 06:00", tz="Europe/Berlin")
    assert angle(summer, "hour") == pytest.approx(0.25)
    assert angle(summer.tz_convert("UTC"), "hour") == pytest.approx(4 / 24)


def test_all_days_of_the_week_are_told_apart():
    week = pd.date_range("2024-05-06", periods=7, freq="D")
    features, _ = calendar_features(week, week.freq, ["weekday"])
    design = np.column_stack([features, np.ones(7)])
    assert np.linalg.matrix_rank(design) == 7


def test_periods_count_from_their_start():
    months = pd.period_range("2024-01", periods=6, freq="M")
    expected, names = calendar_features(months.to_timestamp(), as_offset("MS"), "auto")
    features, again = calendar_features(months, months.freq)
    np.testing.assert_array_equal(features, expected)
    assert names == again


def test_what_is_no_calendar():
    with pytest.raises(ValueError, match=r"only numbered.*calendar=None"):
        calendar_features(pd.RangeIndex(5), 1)
    days = pd.date_range("2024-05-06", periods=7, freq="D")
    with pytest.raises(ValueError, match=r"'fortnight' is no calendar feature. There are time_of"):
        calendar_features(days, days.freq, ["month", "fortnight"])
