"""Forecasts in the caller's form, and the covariates of the future."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn.forecasting.output import (
    forecast_output,
    future_frame,
    future_index,
    interval_output,
    quantile_output,
    read_future,
    sample_output,
)
from skrnn.forecasting.reading import read_series

HORIZON = 4
ZONES = (None, "Europe/Berlin")
FREQUENCIES = ("15min", "h", "D", "B", "W-WED", "ME", "QS-FEB", "YE-DEC")


def days(n, freq="D", tz=None):
    return pd.date_range("2024-02-20", periods=n, freq=freq, tz=tz, name="day")


def panel(keys=("x", "y"), n=9, columns=("sales",), freq="D"):
    index = pd.MultiIndex.from_product([list(keys), days(n, freq)], names=["shop", "day"])
    return pd.DataFrame({name: 1.0 for name in columns}, index)


def point_of(series_set, horizon=HORIZON):
    shape = (len(series_set), horizon, len(series_set.targets))
    return np.arange(np.prod(shape), dtype=series_set.values.dtype).reshape(shape)


@given(
    freq=st.sampled_from(FREQUENCIES),
    tz=st.sampled_from(ZONES),
    n=st.integers(1, 40),
    horizon=st.integers(1, 30),
    kind=st.sampled_from(["Series", "DataFrame"]),
)
def test_pandas_in_pandas_out(freq, tz, n, horizon, kind):
    whole = days(n + horizon, freq, tz)
    y = pd.Series(1.0, whole[:n], name="sales", dtype="float32")
    X = y if kind == "Series" else y.to_frame()
    series_set = read_series(X, freq=freq)
    point = point_of(series_set, horizon)
    expected = type(X)(point.reshape(-1, *X.shape[1:]), index=whole[n:], dtype="float32")
    if kind == "Series":
        expected.name = "sales"
    else:
        expected.columns = ["sales"]
    forecast = forecast_output(series_set, point)
    (pd.testing.assert_series_equal if kind == "Series" else pd.testing.assert_frame_equal)(
        forecast, expected
    )
    assert forecast.index.freq == whole.freq
    assert forecast.index.name == "day"


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(5, name="n"),
        pd.RangeIndex(3, 13, 2),
        pd.period_range("2024-01", periods=5, freq="M", name="month"),
        pd.period_range("2024-01", periods=5, freq="W-THU"),
    ],
)
def test_other_indexes_go_on(index):
    y = pd.Series(np.arange(5.0), index)
    forecast = forecast_output(read_series(y[:3]), point_of(read_series(y[:3]), 2))
    pd.testing.assert_index_equal(forecast.index, index[3:], exact=True)


def test_forecasts_concatenate():
    y = pd.Series(np.arange(9.0), days(9), name="sales")
    series_set = read_series(y)
    together = pd.concat([y, forecast_output(series_set, point_of(series_set))])
    assert together.index.equals(days(13))
    assert together.name == "sales"
    read_series(together)


@pytest.mark.parametrize(
    ("X", "shape"),
    [
        (np.ones(9), (4,)),
        ([1.0, 2.0, 3.0], (4,)),
        (np.ones((3, 9)), (3, 4)),
        ([np.ones(9), np.ones(5)], (2, 4)),
        (np.ones((3, 9, 2)), (3, 4, 2)),
        (np.ones((3, 9, 1)), (3, 4, 1)),
        ([np.ones((9, 2)), np.ones((5, 2))], (2, 4, 2)),
    ],
)
def test_arrays_in_arrays_out(X, shape):
    series_set = read_series(X)
    point = point_of(series_set)
    forecast = forecast_output(series_set, point)
    assert forecast.shape == shape
    np.testing.assert_array_equal(forecast.ravel(), point.ravel())
    bounds = np.stack([point - 1, point - 2])
    both = interval_output(series_set, bounds, bounds + 5, [0.8, 0.9])
    assert both.shape == (*shape, 2, 2)
    np.testing.assert_array_equal(both[..., 1, 0], forecast - 2)
    np.testing.assert_array_equal(both[..., 1, 1], forecast + 3)
    one = interval_output(series_set, bounds[:1], bounds[:1] + 5, 0.8)
    np.testing.assert_array_equal(one, both[..., 0, :])
    np.testing.assert_array_equal(quantile_output(series_set, bounds[:1], 0.1), forecast - 1)
    quantiles = quantile_output(series_set, bounds, [0.1, 0.2])
    np.testing.assert_array_equal(quantiles[..., 1], forecast - 2)
    samples = sample_output(series_set, bounds)
    np.testing.assert_array_equal(samples, [forecast - 1, forecast - 2])


def test_a_single_label_drops_the_axis_of_targets():
    X = pd.DataFrame({"a": np.ones(9), "b": 2.0}, days(9))
    series_set = read_series(X, target="b")
    assert forecast_output(series_set, point_of(series_set)).name == "b"
    assert isinstance(forecast_output(series_set, point_of(series_set)), pd.Series)
    series_set = read_series(X, target=["b"])
    assert list(forecast_output(series_set, point_of(series_set)).columns) == ["b"]
    series_set = read_series(np.ones((3, 9, 2)), target=1)
    assert forecast_output(series_set, point_of(series_set)).shape == (3, 4)
    again = read_series(X.to_numpy()[np.newaxis], like=read_series(X, target="b"))
    assert forecast_output(again, point_of(again)).shape == (1, 4)


def test_targets_come_in_the_order_of_the_caller():
    X = pd.DataFrame(np.arange(27.0).reshape(9, 3), days(9), columns=list("abc"))
    series_set = read_series(X.rename_axis(columns="what"), target=["c", "a"])
    forecast = forecast_output(series_set, point_of(series_set))
    pd.testing.assert_index_equal(forecast.columns, pd.Index(["c", "a"], name="what"))
    assert series_set.values[0, series_set.targets].tolist() == [2.0, 0.0]


def test_a_tidy_frame_goes_on():
    X = panel()
    series_set = read_series(X)
    forecast = forecast_output(series_set, point_of(series_set))
    whole = panel(n=13)
    expected = whole.groupby(level=0).tail(4).assign(sales=np.arange(8.0))
    pd.testing.assert_frame_equal(forecast, expected)
    series = forecast_output(read_series(X["sales"]), point_of(series_set))
    pd.testing.assert_series_equal(series, expected["sales"])


def test_several_levels_of_series_go_on():
    X = panel()
    X = pd.concat({"north": X, "south": X.loc[["x"]]}, names=["region"])
    series_set = read_series(X)
    forecast = forecast_output(series_set, point_of(series_set, 1))
    assert forecast.index.names == ["region", "shop", "day"]
    assert forecast.index[-1] == ("south", "x", pd.Timestamp("2024-02-29"))


def test_a_list_of_pandas_goes_on():
    series_set = read_series([pd.Series(1.0, days(9), name="a"), pd.Series(1.0, days(5), name="b")])
    first, second = forecast_output(series_set, point_of(series_set))
    assert (first.name, second.name) == ("a", "b")
    pd.testing.assert_index_equal(second.index, days(9)[5:])
    bounds = interval_output(
        series_set, point_of(series_set)[None], point_of(series_set)[None], 0.9
    )
    assert len(bounds) == 2


def test_one_target_of_a_list_of_frames_names_each_series():
    frames = [pd.DataFrame({"sales": 1.0, "price": 2.0}, days(n)) for n in (9, 5)]
    series_set = read_series(frames, target="sales")
    forecasts = forecast_output(series_set, point_of(series_set))
    assert [forecast.name for forecast in forecasts] == ["sales", "sales"]


@pytest.mark.parametrize("name", ["sales", None])
def test_columns_of_intervals_quantiles_and_samples(name):
    y = pd.Series(np.ones(9), days(9), name=name)
    series_set = read_series(y)
    label = 0 if name is None else name
    bounds = np.stack([point_of(series_set), point_of(series_set) + 0.5])
    intervals = interval_output(series_set, bounds, bounds + 9, [0.8, 0.9])
    assert list(intervals.columns) == [
        (label, 0.8, "lower"), (label, 0.8, "upper"), (label, 0.9, "lower"), (label, 0.9, "upper"),
    ]  # fmt: skip
    np.testing.assert_array_equal(intervals[label, 0.9, "lower"], np.arange(4) + 0.5)
    np.testing.assert_array_equal(intervals[label, 0.8, "upper"], np.arange(4) + 9)
    pd.testing.assert_index_equal(intervals.index, days(13)[9:])
    one = interval_output(series_set, bounds[:1], bounds[:1] + 9, 0.8)
    pd.testing.assert_frame_equal(one, intervals.iloc[:, :2])
    quantiles = quantile_output(series_set, bounds, [0.1, 0.5])
    assert list(quantiles.columns) == [(label, 0.1), (label, 0.5)]
    samples = sample_output(series_set, bounds)
    assert list(samples.columns) == [(label, 0), (label, 1)]


def test_columns_of_several_targets():
    series_set = read_series(panel(columns=("a", "b")))
    bounds = point_of(series_set)[np.newaxis]
    intervals = interval_output(series_set, bounds, bounds + 100, 0.9)
    forecast = forecast_output(series_set, bounds[0])
    for target in "ab":
        np.testing.assert_array_equal(intervals[target, 0.9, "lower"], forecast[target])
        np.testing.assert_array_equal(intervals[target, 0.9, "upper"], forecast[target] + 100)


# --- covariates of the future ------------------------------------------------------------------


def shop(n=9, **index):
    frame = pd.DataFrame({"sales": np.ones(n), "wind": 1.0, "promo": np.arange(n) % 2}, days(n))
    return frame.assign(sky=pd.Categorical(np.resize(["sun", "rain"], n)))


KNOWN = {"target": "sales", "known_future": ["promo", "sky"]}


def filled(series_set, n=HORIZON):
    frame = future_frame(series_set, n)
    frame["promo"] = np.arange(len(frame), dtype=float)
    frame["sky"] = "sun"
    return frame


def test_the_future_frame_has_the_index_and_the_columns():
    frame = future_frame(read_series(shop(), **KNOWN), 3)
    pd.testing.assert_index_equal(frame.index, days(12)[9:])
    assert frame.index.freq == "D"
    assert list(frame.columns) == ["promo", "sky"]
    assert frame.isna().all(axis=None)
    assert frame["promo"].dtype == np.float64
    assert list(frame["sky"].cat.categories) == ["rain", "sun"]


def test_the_future_frame_of_many_series():
    series_set = read_series(
        panel(columns=("sales", "promo")), target="sales", known_future="promo"
    )
    frame = future_frame(series_set, 3)
    pd.testing.assert_index_equal(frame.index, panel(n=12).groupby(level=0).tail(3).index)
    frame["promo"] = np.arange(6.0)
    np.testing.assert_array_equal(
        read_future(frame, series_set, 3)[..., 0], np.arange(6.0).reshape(2, 3)
    )


@pytest.mark.parametrize("X", [np.ones((2, 9, 2)), [np.ones((9, 2)), np.ones((4, 2))]])
def test_the_future_frame_of_arrays(X):
    series_set = read_series(X, target=0, known_future=1)
    frame = future_frame(series_set, 3)
    frame[1] = np.arange(6.0)
    np.testing.assert_array_equal(
        read_future(frame, series_set, 3)[..., 0], np.arange(6.0).reshape(2, 3)
    )


@given(
    order=st.permutations(range(6)),
    n_extra=st.integers(0, 3),
    freq=st.sampled_from(FREQUENCIES),
    unit=st.sampled_from(["s", "ns"]),
)
def test_rows_of_the_future_may_come_in_any_order_with_more(order, n_extra, freq, unit):
    X = shop().set_axis(days(9, freq))
    series_set = read_series(X, **KNOWN)
    frame = filled(series_set, 6 + n_extra)
    frame = pd.concat([frame.iloc[order], frame.iloc[6:], X[["promo", "sky"]]]).assign(wind="?")
    frame.index = frame.index.as_unit(unit)
    values = read_future(frame[["sky", "wind", "promo"]], series_set, 6)
    assert values.shape == (1, 6, 3)
    np.testing.assert_array_equal(values[0, :, 0], np.arange(6.0))
    np.testing.assert_array_equal(values[0, :, 1:], [[0.0, 1.0]] * 6)


def test_one_future_serves_all_series():
    series_set = read_series(
        panel(columns=("sales", "promo")), target="sales", known_future="promo"
    )
    frame = pd.DataFrame({"promo": np.arange(4.0)}, days(13)[9:])
    np.testing.assert_array_equal(
        read_future(frame, series_set, 4)[..., 0], [np.arange(4.0), np.arange(4.0)]
    )
    np.testing.assert_array_equal(
        read_future(frame["promo"], series_set, 4), read_future(frame, series_set, 4)
    )


def test_series_that_end_at_other_times_have_other_futures():
    X = pd.concat([panel(("x",), 9, ("sales", "promo")), panel(("y",), 7, ("sales", "promo"))])
    series_set = read_series(X, target="sales", known_future="promo")
    frame = pd.DataFrame({"promo": np.arange(13.0)}, days(13))
    np.testing.assert_array_equal(
        read_future(frame, series_set, 2)[..., 0], [[9.0, 10.0], [7.0, 8.0]]
    )


@pytest.mark.parametrize(
    ("X", "X_future", "expected"),
    [
        (np.ones((2, 9, 2)), np.arange(8.0).reshape(2, 4, 1), [[0, 1, 2], [4, 5, 6]]),
        (np.ones((2, 9, 2)), np.arange(6.0).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        (np.ones((2, 9, 2)), np.arange(4.0)[:, np.newaxis], [[0, 1, 2], [0, 1, 2]]),
        (np.ones((1, 9, 2)), [0.0, 1.0, 2.0], [[0, 1, 2]]),
    ],
)
def test_the_future_may_be_an_array(X, X_future, expected):
    series_set = read_series(X, target=0, known_future=1)
    np.testing.assert_array_equal(read_future(X_future, series_set, 3)[..., 0], expected)


def test_no_future_is_needed_where_nothing_is_known():
    series_set = read_series(np.ones((2, 9)))
    assert read_future(None, series_set, 3).shape == (2, 3, 0)
    assert future_frame(series_set, 3).shape == (6, 0)
    with pytest.raises(ValueError, match="no column was known ahead in fit"):
        read_future(np.ones((2, 3)), series_set, 3)


def test_float32_stays_float32():
    series_set = read_series(np.ones((2, 9, 2), "f4"), target=0, known_future=1)
    assert read_future(np.ones((2, 3, 1)), series_set, 3).dtype == np.float32
    assert future_frame(series_set, 3).dtypes.tolist() == [np.float32]


def test_an_unseen_category_is_none_of_them():
    series_set = read_series(shop(), **KNOWN)
    frame = filled(series_set).astype({"sky": object})
    frame["sky"] = ["sun", "hail", "rain", "hail"]
    assert read_future(frame, series_set, 4)[0, :, 1:].tolist() == [[0, 1], [0, 0], [1, 0], [0, 0]]


def change(place, column, value):
    def changed(frame):
        frame = frame.astype(object)
        frame.iloc[place, frame.columns.get_loc(column)] = value
        return frame.astype({"promo": float})

    return changed


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: None, r"needs the future of known_future=\['promo', 'sky'\].*future_frame\(4\)"),
        (lambda f: f.drop(columns="sky"), "lacks the column 'sky' of known_future"),
        (lambda f: f["promo"], r"X_future is a Series, but the columns \['promo', 'sky'\]"),
        (lambda f: f[:2], "no row for 2024-03-02, so that the column 'promo'.*up to 2024-03-03"),
        (lambda f: f.drop(f.index[1]), "no row for 2024-03-01"),
        (lambda f: f.shift(1, freq="D"), "no row for 2024-02-29"),
        (change(2, "promo", np.nan), r"'promo' of X_future is missing \(NaN\) at 2024-03-02"),
        (change(3, "sky", None), r"'sky' of X_future is missing \(NaN\) at 2024-03-03"),
        (change(1, "promo", np.inf), "'promo' of X_future is infinite at 2024-03-01"),
        (lambda f: f.assign(promo="much"), "Column 'promo' of X_future holds strings"),
        (lambda f: pd.concat([f, f[:1]]), "two rows for 2024-02-29"),
        (lambda f: f.reset_index(drop=True), "dtype int64, but the history continues with date"),
        (lambda f: f.set_axis(f.index.to_period()), "dtype period"),
        (lambda f: f.tz_localize("UTC"), "zone UTC, but those of the history in None"),
        (lambda f: pd.concat({"x": f}), "has 2 levels, but the history is one series"),
        (lambda f: f[["promo"]].to_numpy(), "is an array, but known_future has categorical"),
    ],
)
def test_a_future_that_is_not_right(spoil, message):
    series_set = read_series(shop(), **KNOWN)
    with pytest.raises(ValueError, match=message):
        read_future(spoil(filled(series_set)), series_set, 4)


def test_the_series_of_a_missing_future_is_named():
    series_set = read_series(
        panel(columns=("sales", "promo")), target="sales", known_future="promo"
    )
    frame = future_frame(series_set, 4).assign(promo=1.0)
    with pytest.raises(ValueError, match="no row for 2024-03-02 of series 'y'"):
        read_future(frame.drop(("y", pd.Timestamp("2024-03-02"))), series_set, 4)
    frame.loc[("y", "2024-03-01"), "promo"] = np.nan
    with pytest.raises(ValueError, match=r"missing \(NaN\) at 2024-03-01 of series 'y'"):
        read_future(frame, series_set, 4)
    with pytest.raises(ValueError, match=r"3 levels, but \(series, time\) as in fit has 2"):
        read_future(pd.concat({"north": frame}), series_set, 4)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 2), r"shape \(2, 3, 2\), expected \(2, 4, 1\)"),
        ((3, 4, 1), r"shape \(3, 4, 1\), expected \(2, 4, 1\)"),
        ((4, 2), r"shape \(4, 2\), expected \(4, 1\)"),
        ((2, 3, 1), r"has 3 step\(s\), but the forecast has 4: column 1 is missing from step 3 on"),
        ((3, 1), r"has 3 step\(s\)"),
        ((2,), r"shape \(2,\)"),
    ],
)
def test_a_future_of_another_shape(shape, message):
    series_set = read_series(np.ones((2, 9, 2)), target=0, known_future=1)
    with pytest.raises(ValueError, match=message):
        read_future(np.ones(shape), series_set, 4)


def test_the_place_of_a_missing_value_in_an_array():
    series_set = read_series(np.ones((2, 9, 2)), target=0, known_future=1)
    X_future = np.ones((2, 4, 1))
    X_future[1, 2] = np.nan
    with pytest.raises(ValueError, match="at step 2 of series 1"):
        read_future(X_future, series_set, 4)


def test_periods_of_another_frequency():
    X = shop().set_axis(days(9).to_period())
    series_set = read_series(X, **KNOWN)
    frame = filled(series_set)
    assert read_future(frame, series_set, 4).shape == (1, 4, 3)
    with pytest.raises(ValueError, match="periods of 'M', but the history of 'D'"):
        read_future(frame[:1].set_axis(frame.index[:1].asfreq("M")), series_set, 4)


@pytest.mark.parametrize("freq", ["h", "D"])
def test_the_future_across_a_change_of_the_clock(freq):
    index = pd.date_range("2024-03-29 02:00", periods=9, freq=freq)
    index = index.tz_localize("Europe/Berlin", nonexistent="shift_forward")  # of one of the days
    y = pd.DataFrame({"sales": 1.0, "promo": 1.0}, index[:2])
    series_set = read_series(y, target="sales", known_future="promo", freq=freq)
    assert future_index(series_set, 7).equals(index[2:])
    frame = future_frame(series_set, 7).assign(promo=1.0)
    assert read_future(frame, series_set, 7).shape == (1, 7, 1)
