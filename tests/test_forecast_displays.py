from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from skrnn import RNNForecaster
from skrnn.forecasting import BacktestDisplay, ForecastDisplay, HorizonErrorDisplay, backtest_scores

plt = pytest.importorskip("matplotlib.pyplot")
dates = pytest.importorskip("matplotlib.dates")

# Networks this small have no skill, and say so.
pytestmark = pytest.mark.filterwarnings("ignore:On the rows held out")

INDICES = {
    "months": pd.period_range("2018-01", periods=48, freq="M"),
    "quarters": pd.period_range("1990Q1", periods=48, freq="Q"),
    "days": pd.date_range("2024-01-01", periods=48, freq="D", name="day"),
    "business days": pd.bdate_range("2024-01-01", periods=48),
    "hours with a zone": pd.date_range("2024-03-30", periods=48, freq="h", tz="Europe/Berlin"),
    "numbers": pd.RangeIndex(48),
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def display_of(index, horizon=6, **kwargs):
    n = len(index) - horizon
    values = 10 + np.sin(np.arange(len(index)) / 3)
    width = 1 + np.arange(horizon)
    parts = {
        "history": pd.Series(values[:n], index=index[:n], name="load"),
        "forecast": pd.Series(values[n:], index=index[n:]),
        "intervals": {
            c: (values[n:] - c * width, values[n:] + c * width) for c in (0.5, 0.8, 0.95)
        },
        "actual": pd.Series(values[n:] + 0.1, index=index[n:]),
    }
    return ForecastDisplay(**{**parts, **kwargs})


def legend_texts(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def nothing_is_cut_off(figure):
    figure.canvas.draw()
    box = figure.get_tightbbox()  # inches, of everything drawn
    width, height = figure.get_size_inches()
    return box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


@pytest.mark.parametrize("kind", INDICES)
def test_times_of_every_kind_are_drawn_and_readable(kind):
    index = INDICES[kind]
    display = display_of(index).plot()
    ax = display.ax_
    assert ax.figure is display.figure_
    history, forecast = display.history_line_, display.forecast_line_
    assert len(history.get_xdata()) == 42 and len(forecast.get_xdata()) == 6
    assert legend_texts(display) == [
        "history", "95 % interval", "80 % interval", "50 % interval", "forecast", "actual",
    ]  # fmt: skip
    assert ax.get_ylabel() == "load"
    display.figure_.canvas.draw()
    low, high = ax.get_xlim()
    labels = [label for label in ax.get_xticklabels() if low <= label.get_position()[0] <= high]
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert 3 <= len(labels) <= 9
    assert nothing_is_cut_off(display.figure_)
    is_dated = kind != "numbers"
    assert isinstance(ax.xaxis.get_major_formatter(), dates.ConciseDateFormatter) == is_dated
    assert ax.get_xlabel() == {"days": "day", "numbers": "Time step"}.get(kind, "")


def test_time_stamps_stand_at_their_local_clock():
    display = display_of(INDICES["hours with a zone"]).plot()
    first = dates.date2num(display.history_line_.get_xdata()[0])
    assert first == dates.date2num(np.datetime64("2024-03-30T00:00"))


def test_the_fan_leaves_out_what_is_covered():
    display = display_of(INDICES["numbers"]).plot()
    widest, middle, narrowest = (fan.get_paths() for fan in display.intervals_)
    assert (len(widest), len(middle), len(narrowest)) == (2, 2, 1)
    alphas = [fan.get_alpha() for fan in display.intervals_]
    assert alphas == sorted(alphas) and alphas[0] < alphas[-1]
    lower, upper = display.intervals[0.95]
    drawn = np.concatenate([path.vertices[:, 1] for path in widest])
    assert drawn.min() == lower.min() and drawn.max() == upper.max()


def test_a_forecast_of_one_step_is_seen():
    display = display_of(INDICES["months"], horizon=1).plot()
    assert display.forecast_line_.get_marker() == "o"
    assert all(len(fan.get_paths()) for fan in display.intervals_)


def test_a_lonely_value_between_missing_ones_is_a_dot():
    display = display_of(INDICES["numbers"])
    display.history.iloc[[3, 5]] = np.nan
    line = display.plot().history_line_
    assert line.get_marker() == "o" and line.get_markevery() == [4]


def test_two_models_share_axes():
    first = display_of(INDICES["months"], intervals=None, actual=None).plot(name="GRU")
    second = display_of(INDICES["months"], intervals=None, actual=None, name="LSTM")
    second.plot(first.ax_, forecast_kw={"c": "green", "ls": "--"})
    assert second.ax_ is first.ax_ and second.actual_line_ is None and second.intervals_ == []
    assert second.forecast_line_.get_color() == "green"
    assert "LSTM: forecast" in legend_texts(second) and "GRU: forecast" in legend_texts(second)


def test_bounds_of_another_length_are_named():
    display = display_of(INDICES["months"], intervals={0.8: ([1.0], [2.0])})
    with pytest.raises(ValueError, match=r"coverage 0\.8 must have the length of the forecast, 6"):
        display.plot()


def backtest_frame():
    """Two series, two targets, three origins of four steps."""
    days = pd.date_range("2024-01-01", periods=20, freq="D")
    rng = np.random.default_rng(0)
    rows = [
        {
            "series": series, "target": target, "cutoff": days[origin - 1], "step": step + 1,
            "time": days[origin + step], "y": 10.0 + origin + step, "naive": 9.0,
            "forecast": 10.0 + origin + step + rng.normal(), "naive_mae": 1.0, "naive_rmse": 1.2,
        }
        for series in ("a", "b")
        for target in ("load", "price")
        for origin in (8, 10, 12)
        for step in range(4)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    return frame.assign(lower_80=frame["forecast"] - 1, upper_80=frame["forecast"] + 1)


def test_a_backtest_shows_one_line_an_origin():
    frame = backtest_frame()
    display = BacktestDisplay.from_backtest(frame, series="b", coverage=0.8, name="GRU")
    assert len(display.forecast_lines_) == len(display.intervals_) == 3
    chosen = frame[(frame["series"] == "b") & (frame["target"] == "load")]
    for line, (_, window) in zip(display.forecast_lines_, chosen.groupby("cutoff")):
        np.testing.assert_array_equal(line.get_ydata(), window["forecast"])
    np.testing.assert_array_equal(display.actual_line_.get_ydata(), 18.0 + np.arange(8))
    assert legend_texts(display) == [
        "actual",
        "GRU: 80 % interval",
        "GRU: forecasts from 3 origins",
    ]
    assert nothing_is_cut_off(display.figure_)
    history = pd.Series(1.0, index=pd.date_range("2023-12-01", periods=50), name="load")
    longer = BacktestDisplay.from_backtest(frame, history=history)
    assert len(longer.actual_line_.get_xdata()) == 50 and longer.ax_.get_ylabel() == "load"
    assert longer.intervals_ == []


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"series": "c"}, r"no series 'c'; the first of them are \['a', 'b'\]"),
        ({"target": "cost"}, "no target 'cost'"),
        ({"coverage": 0.9}, r"coverage=0.9 is not among those of the backtest: \[0.8\]"),
    ],
)
def test_what_a_backtest_lacks_is_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        BacktestDisplay.from_backtest(backtest_frame(), **kwargs)


def test_errors_by_step_beside_the_naive_ones():
    frame = backtest_frame()
    display = HorizonErrorDisplay.from_backtest(frame, measure="MASE", name="GRU")
    expected = backtest_scores(frame, by="step")["MASE"]
    np.testing.assert_array_equal(display.line_.get_ydata(), expected)
    np.testing.assert_array_equal(display.line_.get_xdata(), [1, 2, 3, 4])
    naive = backtest_scores(frame.assign(forecast=frame["naive"]), by="step")["MASE"]
    np.testing.assert_array_equal(display.naive_line_.get_ydata(), naive)
    second = HorizonErrorDisplay.from_backtest(frame, measure="MASE", name="RNN", ax=display.ax_)
    assert second.naive_line_ is None
    assert legend_texts(second) == ["seasonal naive", "GRU", "RNN"]
    assert second.ax_.get_ylabel() == "MASE" and second.ax_.get_ylim()[0] == 0
    with pytest.raises(ValueError, match="measure must be"):
        HorizonErrorDisplay.from_backtest(frame, measure="skill")


SMALL = {"hidden_layer_sizes": 4, "max_iter": 3, "lookback": 6, "random_state": 0}


@pytest.fixture(scope="module")
def panel():
    """Two targets of two series."""
    months = pd.period_range("2018-01", periods=40, freq="M", name="month")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(20 + rng.normal(size=(40, 2)), index=months, columns=["load", "price"])
    return pd.concat({"a": frame, "b": 3 * frame}, names=["plant"])


@pytest.fixture(scope="module")
def model(panel):
    known = panel[panel.index.get_level_values("month") < "2021-01"]
    return RNNForecaster(horizon=3, **SMALL).fit(known)


def test_a_fitted_forecaster_draws_any_series_and_target(panel, model):
    display = ForecastDisplay.from_estimator(
        model, series="b", target="price", actual=panel, coverage=0.5, n_history=12
    )
    expected = model.predict().loc["b"]["price"]
    np.testing.assert_allclose(display.forecast_line_.get_ydata(), expected)
    np.testing.assert_array_equal(
        display.history_line_.get_ydata(), panel.loc["b"]["price"]["2020-01":"2020-12"]
    )
    bounds = model.predict_interval(coverage=[0.5]).loc["b"]["price"]
    lower, upper = display.intervals[0.5]
    np.testing.assert_allclose(np.stack([lower, upper], axis=1), bounds)
    assert display.ax_.get_ylabel() == "price" and display.ax_.get_xlabel() == "month"
    assert len(display.actual_line_.get_xdata()) == 40


def test_what_is_drawn_by_default_is_the_first(panel, model):
    display = ForecastDisplay.from_estimator(model)
    expected = model.predict().loc["a"]["load"]
    np.testing.assert_allclose(display.forecast_line_.get_ydata(), expected)
    assert display.actual_line_ is None and len(display.intervals_) == 2
    assert len(ForecastDisplay.from_estimator(model, coverage=None).intervals_) == 0


def test_actual_values_without_times_follow_the_history():
    values = 20 + np.random.default_rng(0).normal(size=30)
    model = RNNForecaster(horizon=3, **SMALL).fit(values)
    display = ForecastDisplay.from_estimator(model, values[:20], actual=values[20:25])
    np.testing.assert_array_equal(display.actual_line_.get_xdata(), np.arange(20, 25))
    np.testing.assert_array_equal(display.forecast_line_.get_xdata(), np.arange(20, 23))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"series": "c"}, "no series 'c'; there are 'a', 'b'"),
        ({"target": "cost"}, r"no target 'cost'; the targets are \['load', 'price'\]"),
        ({"coverage": [0.8, 1.5]}, "coverage must lie between 0 and 1"),
    ],
)
def test_what_a_forecaster_lacks_is_named(model, kwargs, message):
    with pytest.raises(ValueError, match=message):
        ForecastDisplay.from_estimator(model, **kwargs)


def test_other_estimators_are_refused():
    with pytest.raises(ValueError, match="needs an estimator with 'predict_interval'"):
        ForecastDisplay.from_estimator(LinearRegression())
