"""Times of series: every frequency continued as pandas continues it, and every fault named."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from skrnn.forecasting.clock import counting_clock, read_clock
from skrnn.forecasting.frequency import as_offset
from skrnn.forecasting.lines import CalendarLine, WallLine, line_of, show_time

FREQUENCIES = (
    "s", "5min", "15min", "h", "6h", "24h", "D", "2D", "7D", "B", "C", "W-SUN", "W-WED", "2W-TUE",
    "ME", "MS", "2ME", "BME", "BMS", "QE-DEC", "QS-FEB", "QE-JAN", "BQE-MAR", "YE-DEC", "YS-APR",
    "2YE-DEC", "WOM-3FRI", "SME", "SMS", "bh",
)  # fmt: skip
NOT_INFERRED = ("C", "SME", "SMS", "2YE-DEC")  # pandas has another name for them, or none
ZONES = (None, "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
UNITS = ("s", "ms", "us", "ns")


def stamps(freq, n, *, start="2023-06-07", tz=None, unit="ns"):
    return pd.date_range(start, periods=n, freq=freq, tz=tz, unit=unit)


def without_freq(index):
    return index._with_freq(None) if isinstance(index, pd.DatetimeIndex) else index


def lone(index, **options):
    return read_clock(index, np.array([0, len(index)]), **options)


def together(*indexes, **options):
    """One clock of several series."""
    index = indexes[0].append(list(indexes[1:]))
    offsets = np.cumsum([0, *map(len, indexes)])
    return read_clock(index, offsets, name_of=lambda i: repr("abcdef"[i]), **options)


@given(
    freq=st.sampled_from(FREQUENCIES),
    tz=st.sampled_from(ZONES),
    unit=st.sampled_from(UNITS),
    day=st.integers(0, 20_000),
    hour=st.integers(0, 23),
    n_known=st.integers(12, 60),
    n_future=st.integers(1, 60),
)
def test_every_frequency_is_continued_as_pandas_does(freq, tz, unit, day, hour, n_known, n_future):
    start = pd.Timestamp("1971-01-01") + pd.Timedelta(days=day, hours=hour)
    try:
        whole = stamps(freq, n_known + n_future, start=start, tz=tz, unit=unit)
    except ValueError:  # the start is a time that the zone's clock skips or repeats
        assume(False)
    known = without_freq(whole[:n_known])
    clock = lone(known, freq=freq)
    np.testing.assert_array_equal(clock.rows_of(whole, 0), np.arange(len(whole)))
    assert clock.at(0, np.arange(len(whole))).equals(whole)
    assert clock.at(0, np.arange(len(whole))).dtype == whole.dtype


@pytest.mark.parametrize("freq", [freq for freq in FREQUENCIES if freq not in NOT_INFERRED])
@pytest.mark.parametrize("tz", [None, "Europe/Berlin"])
def test_the_frequency_is_inferred(freq, tz):
    whole = stamps(freq, 60, tz=tz)
    clock = lone(without_freq(whole[:40]))
    assert clock.at(0, np.arange(60)).equals(whole)


@given(
    freq=st.sampled_from(("h", "2h", "D", "M", "3M", "Q-DEC", "Q-FEB", "W-THU", "Y")),
    n=st.integers(1, 30),
)
def test_periods_are_continued(freq, n):
    whole = pd.period_range("2019-11-01", periods=n + 7, freq=freq)
    clock = lone(whole[:n])
    assert clock.at(0, np.arange(n + 7)).equals(whole)
    assert clock.at(0, np.arange(n + 7)).dtype == whole.dtype


@given(start=st.integers(-50, 50), step=st.integers(1, 9), n=st.integers(2, 30))
def test_whole_numbers_are_continued(start, step, n):
    whole = np.arange(start, start + step * (n + 4), step)
    for index in (pd.Index(whole[:n]), pd.RangeIndex(start, start + step * n, step)):
        clock = lone(index)
        assert clock.freq == step
        np.testing.assert_array_equal(clock.at(0, np.arange(n + 4)), whole)


def test_one_row_says_its_frequency_or_is_told():
    first = stamps("QE", 1)
    assert lone(first).at(0, 1)[0] == pd.Timestamp("2023-09-30")
    assert lone(without_freq(first), freq="ME").at(0, 1)[0] == pd.Timestamp("2023-07-31")
    assert lone(pd.Index([7])).at(0, [0, 1]).tolist() == [7, 8]
    with pytest.raises(ValueError, match=r"cannot be inferred from 1 row\(s\).*freq='D'"):
        lone(without_freq(first))


def test_summer_time_leaves_days_days_and_hours_hours():
    days = lone(stamps("D", 5, start="2024-03-28", tz="Europe/Berlin"))
    assert set(days.at(0, np.arange(9)).hour) == {0}
    hours = lone(stamps("h", 5, start="2024-03-30 22:00", tz="Europe/Berlin"))
    following = hours.at(0, np.arange(4, 8))
    assert following.hour.tolist() == [3, 4, 5, 6]  # 02:00 does not exist that day
    autumn = lone(stamps("h", 3, start="2024-10-26 23:00", tz="Europe/Berlin"))
    assert autumn.at(0, np.arange(3, 6)).hour.tolist() == [2, 2, 3]


def test_a_time_that_the_clock_skips_moves_on_and_is_read_back():
    days = stamps("D", 3, start="2024-03-28 02:30", tz="Europe/Berlin")
    clock = lone(days)
    continued = clock.at(0, np.arange(6))
    assert [str(time) for time in continued[3:]] == [
        "2024-03-31 03:00:00+02:00", "2024-04-01 02:30:00+02:00", "2024-04-02 02:30:00+02:00",
    ]  # fmt: skip
    assert lone(continued, freq="D").at(0, 5)[0] == continued[5]


def test_a_repeated_time_is_the_first():
    clock = lone(stamps("D", 3, start="2024-10-24 02:30", tz="Europe/Berlin"))
    assert str(clock.at(0, 3)[0]) == "2024-10-27 02:30:00+02:00"


def test_leap_days():
    assert str(lone(stamps("ME", 3, start="2023-11-30")).at(0, 3)[0].date()) == "2024-02-29"
    assert str(lone(stamps("D", 3, start="2024-02-26")).at(0, 3)[0].date()) == "2024-02-29"
    assert str(lone(stamps("YE-FEB", 3, start="2021-02-28")).at(0, 3)[0].date()) == "2024-02-29"


def test_day_of_the_month_as_an_offset():
    freq = pd.DateOffset(months=1)
    whole = stamps(freq, 30, start="2021-01-15")
    assert lone(without_freq(whole[:12]), freq=freq).at(0, np.arange(30)).equals(whole)


@given(
    freq=st.sampled_from(("h", "D", "B", "W-WED", "ME", "QS-FEB")),
    shifts=st.lists(st.integers(-40, 40), min_size=1, max_size=4),
    lengths=st.lists(st.integers(1, 12), min_size=4, max_size=4),
)
def test_series_may_start_at_any_time(freq, shifts, lengths):
    whole = stamps(freq, 100)
    starts = [40, *(40 + shift for shift in shifts)]
    indexes = [whole[s : s + n] for s, n in zip(starts, [12, *lengths], strict=False)]
    clock = together(*map(without_freq, indexes))
    for i, start in enumerate(starts):
        assert clock.at(i, np.arange(15)).equals(without_freq(whole[start : start + 15]))
    both = clock.at(np.arange(len(starts))[:, None], np.array([[0, 3]]))
    assert both.equals(whole[np.add.outer(starts, [0, 3]).ravel()]._with_freq(None))


def test_hours_of_series_may_lie_apart_by_minutes():
    clock = together(stamps("h", 5), stamps("h", 5) + pd.Timedelta(minutes=20))
    assert clock.at(1, 5)[0] == pd.Timestamp("2023-06-07 05:20")


def test_later_and_take_move_with_the_rows():
    clock = together(stamps("B", 9), stamps("B", 9, start="2024-01-01"))
    assert clock.later([4, 2]).at(1, 0).equals(clock.at(1, 2))
    assert clock.take(np.array([1])).at(0, 0).equals(clock.at(1, 0))
    assert clock.joined(clock).at(3, 4).equals(clock.at(1, 4))


def test_arrays_are_counted():
    clock = counting_clock(2)
    assert clock.at(1, [3, 4]).tolist() == [3, 4]
    assert not clock.is_calendar


@given(
    freq=st.sampled_from(FREQUENCIES),
    n=st.integers(20, 40),
    hole=st.integers(3, 16),
    width=st.integers(1, 3),
)
def test_the_first_missing_time_is_named(freq, n, hole, width):
    whole = stamps(freq, n)
    index = without_freq(whole.delete(np.arange(hole, hole + width)))
    with pytest.raises(ValueError, match=r"gap") as caught:
        lone(index, freq=freq)
    message = str(caught.value)
    assert f"{show_time(whole[hole])} is missing" in message
    assert "asfreq" in message


@pytest.mark.parametrize("freq", ["15min", "h", "D", "B", "W-WED", "ME", "QS-OCT"])
def test_a_gap_hides_no_frequency(freq):
    whole = stamps(freq, 60)
    with pytest.raises(ValueError, match=f"gap: {show_time(whole[30])} is missing") as caught:
        lone(without_freq(whole.delete(30)))
    hint = str(caught.value).split("X.asfreq(")[1].split(")")[0].strip("'")
    filled = pd.Series(0.0, without_freq(whole.delete(30))).asfreq(hint)
    assert lone(filled.index).at(0, 30)[0] == whole[30]


def test_gaps_of_periods_and_numbers():
    months = pd.period_range("2024-01", periods=9, freq="M")
    with pytest.raises(ValueError, match="gap: 2024-04 is missing"):
        lone(months.delete([3, 4]))
    with pytest.raises(ValueError, match="gap: 3 is missing, 2 is followed by 4"):
        lone(pd.Index([0, 1, 2, 4]))


@pytest.mark.parametrize(
    "whole",
    [stamps("D", 9), pd.period_range("2024-01", periods=9, freq="M"), pd.RangeIndex(5, 23, 2)],
)
def test_the_fix_of_a_gap_works(whole):
    def fixed(X, error):
        filled = eval(str(error).split("Fill it with ")[1].split(": NaN")[0], {"X": X, "pd": pd})
        assert filled.isna().sum() == 1
        return filled.index

    with pytest.raises(ValueError, match="gap") as caught:
        lone(whole.delete(3))
    assert fixed(pd.Series(1.0, whole.delete(3)), caught.value).equals(whole)
    with pytest.raises(ValueError, match="gap in series 'b'") as caught:
        together(whole, whole.delete(3))
    index = pd.MultiIndex.from_product([["a", "b"], whole], names=["shop", "day"])
    assert fixed(pd.Series(1.0, index.delete(12)), caught.value).equals(index)


def test_duplicates_and_disorder_name_the_first():
    days = stamps("D", 6)
    with pytest.raises(ValueError, match=r"2023-06-09 occurs twice.*duplicated"):
        lone(days[[0, 1, 2, 2, 3, 3]])
    with pytest.raises(ValueError, match=r"not sorted: 2023-06-08.* after 2023-06-10.*sort_index"):
        lone(days[[0, 3, 1, 2]])
    with pytest.raises(ValueError, match=r"in series 'b' are not sorted"):
        together(days, days[::-1])
    with pytest.raises(ValueError, match="5 occurs twice"):
        lone(pd.Index([4, 5, 5]))


def test_a_clock_change_in_local_time_is_recognised():
    berlin = stamps("h", 60, start="2024-03-30", tz="Europe/Berlin")
    with pytest.raises(ValueError, match=r"2024-03-31 02:00:00 is missing.*tz_localize"):
        lone(berlin.tz_localize(None))
    berlin = stamps("h", 60, start="2024-10-26", tz="Europe/Berlin")
    with pytest.raises(ValueError, match=r"2024-10-27 02:00:00 occurs twice.*tz_localize"):
        lone(berlin.tz_localize(None))
    with pytest.raises(ValueError, match="gap") as caught:
        lone(stamps("h", 60).delete([7, 8]))
    assert "tz_localize" not in str(caught.value)


def test_mixed_frequencies_name_the_series():
    with pytest.raises(ValueError, match=r"in series 'b'.*belong to the frequency 'ME'"):
        together(stamps("ME", 30), stamps("MS", 20))
    with pytest.raises(ValueError, match=r"series 'b' do not follow the frequency 'D'.*12:00"):
        together(stamps("D", 30), stamps("12h", 20))
    with pytest.raises(ValueError, match=r"gap in series 'b'"):
        together(stamps("D", 30), stamps("W-SUN", 20))
    with pytest.raises(ValueError, match=r"series 'b' does not belong to the frequency 'W-SUN'"):
        together(stamps("W-SUN", 30), stamps("W-MON", 20))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (pd.Index(["2024-01", "2024-02"]), "dtype str|dtype object"),
        (pd.Index([0.0, 1.0]), r"holds no times \(dtype float64.*astype\(int\)"),
        (pd.Index([True, False]), "holds no times"),
        (pd.timedelta_range("1h", periods=3), r"holds no times.*reset_index"),
        (pd.DatetimeIndex(["2024-01-01", None]), "no time in row 1"),
        (pd.DatetimeIndex(["2024-01-01", "2024-01-03", "2024-01-04", "2024-02-08"]), "inferred"),
        (pd.CategoricalIndex(["a", "b"]), "holds no times"),
    ],
)
def test_an_index_that_cannot_be_continued(index, message):
    with pytest.raises((ValueError, TypeError), match=message):
        lone(index)


@pytest.mark.parametrize(
    ("index", "freq", "message"),
    [
        (stamps("D", 5), "1 fort-night", "no frequency of pandas"),
        (stamps("D", 5), "-1D", "must lead forward"),
        (stamps("D", 5), "ME", "does not belong to the frequency 'ME'"),
        (stamps("D", 5), "h", "gap"),
        (stamps("D", 5), "2D", "do not follow the frequency '2D'"),
        (pd.RangeIndex(5), "D", "must be their step"),
        (pd.RangeIndex(5), True, "must be their step"),
        (pd.RangeIndex(5), 0, "must be their step"),
        (pd.period_range("2024", periods=5, freq="M"), "D", "holds periods of 'M'"),
    ],
)
def test_a_frequency_that_does_not_fit(index, freq, message):
    with pytest.raises(ValueError, match=message):
        lone(index, freq=freq)


@pytest.mark.parametrize("freq", ["M", "ME", pd.offsets.MonthEnd()])
def test_a_frequency_may_repeat_that_of_periods(freq):
    index = pd.period_range("2024", periods=5, freq="M")
    assert lone(index, freq=freq).freq == index.freq


def test_an_int_may_be_the_frequency_of_numbers():
    assert lone(pd.Index([5]), freq=np.int64(5)).at(0, 1).tolist() == [10]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (stamps("D", 9, tz="Europe/Berlin"), "zone Europe/Berlin, but those of fit in None.*conv"),
        (stamps("h", 9), "'h', but fit had 'D'"),
        (stamps("W-SUN", 9), "'W-SUN', but fit had 'D'"),
        (stamps("D", 9).delete(4), "gap"),
        (stamps("D", 9).to_period(), r"periods, but that of fit held time stamps.*to_timestamp"),
        (pd.RangeIndex(9), "integers, but that of fit held time stamps"),
    ],
)
def test_times_unlike_those_of_fit(index, message):
    with pytest.raises(ValueError, match=message):
        lone(index, like=lone(stamps("D", 20)))


def test_zones_unlike_those_of_fit_say_how_to_convert():
    trained = lone(stamps("D", 20, tz="Europe/Berlin"))
    with pytest.raises(ValueError, match=r"tz_localize\('Europe/Berlin'\)"):
        lone(stamps("D", 9), like=trained)
    with pytest.raises(ValueError, match=r"tz_convert\('Europe/Berlin'\)"):
        lone(stamps("D", 9, tz="Europe/Berlin").tz_convert("UTC"), like=trained)


def test_periods_unlike_those_of_fit():
    trained = lone(pd.period_range("2024", periods=9, freq="M"))
    with pytest.raises(ValueError, match="'Q-DEC', but fit had 'M'"):
        lone(pd.period_range("2024", periods=9, freq="Q"), like=trained)


def test_one_new_row_has_the_frequency_of_fit():
    trained = lone(stamps("B", 20))
    row = without_freq(stamps("B", 1, start="2031-01-03"))
    assert lone(row, like=trained).at(0, 1)[0] == pd.Timestamp("2031-01-06")
    earlier = without_freq(stamps("B", 1, start="1999-01-01"))
    assert lone(earlier, like=trained).at(0, 1)[0] == pd.Timestamp("1999-01-04")


def test_weeks_and_calendars_have_their_lines():
    assert line_of(stamps("W-WED", 3), as_offset("W-WED"))[0] == WallLine("ns", None, 2)
    assert isinstance(line_of(stamps("ME", 3), as_offset("ME"))[0], CalendarLine)
