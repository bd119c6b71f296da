import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.metrics import mean_absolute_error, mean_absolute_percentage_error, mean_pinball_loss

from skrnn import RNNForecaster, metrics
from skrnn.forecasting import backtest_scores
from skrnn.forecasting.backtest import backtest_frame, coverages_of, rolling_origins
from skrnn.forecasting.reading import read_series

# Networks this small have no skill, and say so.
pytestmark = pytest.mark.filterwarnings("ignore:On the rows held out")


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    horizon=st.integers(1, 6),
    n_windows=st.one_of(st.none(), st.integers(1, 5)),
    step=st.integers(1, 4),
)
def test_origins_end_at_the_end_and_leave_history(lengths, horizon, n_windows, step):
    lengths = np.array(lengths)
    if lengths.max() <= horizon:
        with pytest.raises(ValueError, match=f"at least {horizon + 1} rows"):
            rolling_origins(lengths, horizon, n_windows, step)
        return
    series, positions = rolling_origins(lengths, horizon, n_windows, step)
    for i, length in enumerate(lengths):
        mine = positions[series == i]
        expected = [p for p in range(length - horizon, 0, -step)][:n_windows][::-1]
        np.testing.assert_array_equal(mine, expected)


def panel():
    """Two monthly series of unequal length, one with a missing value."""
    months = pd.period_range("2020-01", periods=24, freq="M", name="month")
    rng = np.random.default_rng(0)
    long = pd.Series(10 + np.arange(24.0) + rng.normal(size=24), index=months)
    short = pd.Series(5 + rng.random(18), index=months[:18])
    short.iloc[16] = np.nan
    return pd.concat({"long": long, "short": short}, names=["series"])


def backtest_of(X, horizon=3, n_windows=2, season=4, error=0.5):
    """Forecasts that miss by a known amount, with intervals around them."""
    series_set = read_series(X)
    series, positions = rolling_origins(series_set.lengths, horizon, n_windows, horizon)
    rows = series_set.offsets[series, np.newaxis] + positions[:, np.newaxis] + np.arange(horizon)
    point = np.nan_to_num(series_set.values[rows][..., series_set.targets]) + error
    bounds = {0.5: (point - 0.4, point + 0.4), 0.8: (point - 1, point + 1)}
    return backtest_frame(series_set, series, positions, point, bounds, season)


def test_the_frame_is_tidy():
    X = panel()
    frame = backtest_of(X)
    assert list(frame.columns) == [
        "series", "cutoff", "time", "step", "y", "forecast", "lower_50", "upper_50", "lower_80",
        "upper_80", "naive", "naive_mae", "naive_rmse",
    ]  # fmt: skip
    assert len(frame) == 2 * 2 * 3
    for _, row in frame.iterrows():
        assert row["time"] - row["cutoff"] == row["step"] * row["time"].freq
        np.testing.assert_equal(row["y"], X[row["series"], row["time"]])
    assert frame["cutoff"].dtype == "period[M]"
    assert coverages_of(frame) == ["50", "80"]


def test_the_naive_forecast_repeats_the_last_season_known():
    X, season = panel(), 4
    frame = backtest_of(X, horizon=6, n_windows=1, season=season)
    for key, part in frame.groupby("series"):
        history = X[key].loc[: part["cutoff"].iloc[0]].ffill()
        expected = np.resize(history.iloc[-season:], 6)
        np.testing.assert_array_equal(part["naive"], expected)
        observed = X[key].loc[: part["cutoff"].iloc[0]]
        for name, power in (("naive_mae", 1), ("naive_rmse", 2)):
            error = metrics.seasonal_naive_error(observed, season_length=season, power=power)
            np.testing.assert_allclose(part[name], error)


def test_naive_columns_do_not_see_past_the_cutoff():
    X = panel()
    frame = backtest_of(X, n_windows=3)
    marked = X.copy()
    late = marked.index.get_level_values("month") > frame["cutoff"].min()
    marked[late] = 1e6
    found = backtest_of(marked, n_windows=3)
    first = frame["cutoff"] == frame["cutoff"].min()
    names = ["naive", "naive_mae", "naive_rmse"]
    pd.testing.assert_frame_equal(found.loc[first, names], frame.loc[first, names])
    assert not found.loc[~first, names].equals(frame.loc[~first, names])


def test_several_targets_have_a_column():
    months = pd.period_range("2020-01", periods=12, freq="M")
    X = pd.DataFrame({"a": np.arange(12.0), "b": np.arange(12.0) ** 2}, index=months)
    frame = backtest_of(X, horizon=2, n_windows=1)
    assert frame[["target", "step"]].to_numpy().tolist() == [
        ["a", 1], ["b", 1], ["a", 2], ["b", 2],
    ]  # fmt: skip
    np.testing.assert_array_equal(frame["y"], [10, 100, 11, 121])
    assert list(backtest_scores(frame, by="target").index) == ["a", "b"]


def test_arrays_are_counted():
    frame = backtest_of(np.arange(24.0).reshape(2, 12), horizon=2, n_windows=1)
    assert frame[["series", "cutoff", "time"]].to_numpy().tolist() == [
        [0, 9, 10], [0, 9, 11], [1, 9, 10], [1, 9, 11],
    ]  # fmt: skip


def test_scores_are_those_of_the_measures():
    X, season = panel(), 4
    frame = backtest_of(X, n_windows=1, season=season, error=0.7)
    scores = backtest_scores(frame).loc["all"]
    per_series = []
    for key, part in frame.groupby("series"):
        history = X[key].loc[: part["cutoff"].iloc[0]]
        part = part.dropna(subset="y")
        y, f = part["y"], part["forecast"]
        scaled = {"y_train": history, "season_length": season}
        levels = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
        names = ["lower_80", "lower_50", "forecast", "upper_50", "upper_80"]
        quantiles = part[names].to_numpy()
        mase = metrics.mean_absolute_scaled_error(y.array, f.array, **scaled)
        naive_mase = metrics.mean_absolute_scaled_error(y.array, part["naive"].array, **scaled)
        per_series.append(
            {
                "MAE": mean_absolute_error(y, f),
                "RMSE": np.sqrt(np.mean((y - f) ** 2)),
                "MAPE": mean_absolute_percentage_error(y, f),
                "sMAPE": metrics.symmetric_mean_absolute_percentage_error(y.array, f.array),
                "MASE": mase,
                "RMSSE": metrics.root_mean_squared_scaled_error(y.array, f.array, **scaled),
                "coverage_50": 0.0,
                "width_50": 0.8,
                "coverage_80": 1.0,
                "width_80": 2.0,
                "pinball": np.mean(
                    [mean_pinball_loss(y, part[n], alpha=a) for n, a in zip(names, levels)]
                ),
                "CRPS": metrics.continuous_ranked_probability_score(y, quantiles, levels),
                "naive": naive_mase,
            }
        )
    expected = pd.DataFrame(per_series).mean()
    expected["skill"] = 1 - expected["MASE"] / expected.pop("naive")
    assert scores["n"] == 5  # one of six is missing
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value), name
    assert set(scores.index) == {"n", *expected.index}


def test_groups_make_rows():
    frame = backtest_of(panel())
    assert list(backtest_scores(frame, by="step").index) == [1, 2, 3]
    assert list(backtest_scores(frame, by="series").index) == ["long", "short"]
    both = backtest_scores(frame, by=["series", "cutoff"])
    assert both.index.names == ["series", "cutoff"]
    assert both["n"].sum() == frame["y"].notna().sum()
    # Squares are averaged before the root is taken, series by series.
    frame["forecast"] = frame["y"] + frame["step"]
    assert backtest_scores(frame)["RMSE"].item() == pytest.approx(
        np.mean([np.sqrt(14 / 3), np.sqrt((1 + 4 + 9 + 1 + 9) / 5)])
    )


def test_a_series_that_repeats_itself_has_no_scaled_error():
    X = pd.concat({"flat": panel()["long"] * 0 + 3, "long": panel()["long"]})
    scores = backtest_scores(backtest_of(X, season=1), by="series")
    assert np.isnan(scores.loc["flat", "MASE"]) and np.isfinite(scores.loc["long", "MASE"])
    assert scores.loc["flat", "MAE"] == 0.5


@pytest.mark.parametrize(
    ("change", "by", "message"),
    [
        (lambda frame: frame, "month", "by='month' cannot be grouped by"),
        (lambda frame: frame, "target", "by='target'"),
        (lambda frame: frame.drop(columns="naive"), None, "no column 'naive'"),
        (lambda frame: frame.assign(y=np.nan), None, "y is all missing"),
    ],
)
def test_bad_input_is_named(change, by, message):
    with pytest.raises(ValueError, match=message):
        backtest_scores(change(backtest_of(panel())), by=by)


SMALL = {"hidden_layer_sizes": 4, "max_iter": 3, "lookback": 6, "random_state": 0}


def forecaster(horizon=3, **kwargs):
    return RNNForecaster(horizon=horizon, **{**SMALL, **kwargs})


@pytest.fixture(scope="module")
def months():
    index = pd.period_range("2020-01", periods=40, freq="M")
    rng = np.random.default_rng(1)
    return pd.Series(30 + 5 * np.sin(np.arange(40)) + rng.normal(size=40), index=index, name="y")


@pytest.fixture(scope="module")
def fitted(months):
    return forecaster().fit(months[:28])


def test_one_pass_forecasts_as_predict_does_at_each_origin(months, fitted):
    frame = fitted.backtest(months, n_windows=4, step=2, coverage=[0.5, 0.9])
    assert len(frame) == 4 * 3
    for cutoff, part in frame.groupby("cutoff"):
        expected = fitted.predict(months[:cutoff])
        np.testing.assert_allclose(part["forecast"], expected, rtol=1e-12)
        bounds = fitted.predict_interval(months[:cutoff], coverage=[0.5, 0.9])
        names = ["lower_50", "upper_50", "lower_90", "upper_90"]
        np.testing.assert_allclose(part[names], bounds, rtol=1e-12)
        assert part["time"].tolist() == expected.index.tolist()


def test_many_series_are_forecast_at_their_own_origins(months):
    X = pd.concat({"a": months, "b": 2 * months[:35]}, names=["series", "month"])
    model = forecaster().fit(X.groupby(level=0, group_keys=False).head(25))
    frame = model.backtest(X, n_windows=2)
    assert frame.groupby("series")["cutoff"].min().astype(str).to_dict() == {
        "a": "2022-10",
        "b": "2022-05",
    }
    for (key, cutoff), part in frame.groupby(["series", "cutoff"]):
        expected = model.predict(X.loc[[key], :cutoff])
        np.testing.assert_allclose(part["forecast"], expected, rtol=1e-12)


def test_rows_that_follow_on_are_joined_to_the_history(months, fitted):
    whole = fitted.backtest(months, n_windows=4)
    tail = fitted.backtest(months[28:], n_windows=None, step=3)
    assert tail["cutoff"].min() == months.index[27]
    pd.testing.assert_frame_equal(tail, whole)


def test_refitting_is_fitting_on_what_precedes(months):
    unfitted = forecaster()
    always = unfitted.backtest(months, n_windows=2, step=4, refit=True)
    once = unfitted.backtest(months, n_windows=2, step=4, refit="once")
    assert not hasattr(unfitted, "loss_curve_")
    cutoffs = sorted(always["cutoff"].unique())
    models = [forecaster().fit(months[:cutoff]) for cutoff in cutoffs]
    for frame, last in ((always, models[1]), (once, models[0])):
        for cutoff, model in zip(cutoffs, (models[0], last)):
            found = frame.loc[frame["cutoff"] == cutoff, "forecast"]
            np.testing.assert_allclose(found, model.predict(months[:cutoff]), rtol=1e-12)
    assert not always.equals(once)


@pytest.mark.parametrize("refit", [False, "once", True])
def test_nothing_behind_an_origin_is_seen(months, fitted, refit):
    """A marker in the future moves no forecast made before it."""
    marked = months.copy()
    marked.iloc[-4:] = 1e9
    names = ["forecast", "lower_80", "upper_80", "naive", "naive_mae", "naive_rmse"]
    plain, found = (
        fitted.backtest(X, n_windows=3, step=2, coverage=0.8, refit=refit) for X in (months, marked)
    )
    early = plain["cutoff"] < marked.index[-4]
    assert early.any() and not early.all()
    pd.testing.assert_frame_equal(found.loc[early, names], plain.loc[early, names])
    assert not found.loc[~early, "forecast"].equals(plain.loc[~early, "forecast"])


def test_series_of_unequal_length_are_refitted_together(months):
    X = pd.concat({"long": months, "short": months[:11], "tiny": months[:2]})
    frame = forecaster().backtest(X, n_windows=3, step=4, refit=True)
    assert frame.groupby("series")["cutoff"].nunique().to_dict() == {"long": 3, "short": 2}
    first = frame["cutoff"].min() == months.index[3]
    assert first
    last = frame[(frame["series"] == "long") & (frame["step"] == 1)].iloc[-1]
    known = pd.concat({"long": months[:37], "short": months[:8], "tiny": months[:2]})
    expected = forecaster().fit(known).predict().loc["long"].iloc[0]
    assert last["forecast"] == pytest.approx(expected, rel=1e-12)


def test_covariates_behind_an_origin_are_those_known_ahead(months):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"y": months, "holiday": rng.random(40), "rain": rng.random(40)})
    model = forecaster(target="y", known_future=["holiday"]).fit(X[:28])
    frame = model.backtest(X, n_windows=2)
    for cutoff, part in frame.groupby("cutoff"):
        expected = model.predict(X[:cutoff], X_future=X.loc[part["time"], ["holiday"]])
        np.testing.assert_allclose(part["forecast"], expected, rtol=1e-12)


def test_rows_of_training_are_warned_of(months, fitted):
    with pytest.warns(
        UserWarning, match="trained on rows that this backtest forecasts, from 2021-06"
    ):
        fitted.backtest(months[:32])
    values = months.to_numpy()
    model = forecaster().fit(values[:28])
    model.backtest(values, n_windows=4)
    model.backtest(values + 1)  # another series
    with pytest.warns(UserWarning, match="from 15 on"):
        model.backtest(values[:30])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"refit": "always"}, "refit must be False, 'once' or True"),
        ({"n_windows": 0}, "n_windows must be a whole number from 1; got 0"),
        ({"step": 1.5}, "step must be a whole number"),
        ({"horizon": 40}, "at least 41 rows; the longest has 40"),
        ({"coverage": 1.0}, "must lie between 0 and 1"),
    ],
)
def test_bad_arguments_are_named(months, fitted, kwargs, message):
    with pytest.raises(ValueError, match=message):
        fitted.backtest(months, **{"n_windows": 4, **kwargs})


def test_an_unfitted_forecaster_needs_a_refit(months):
    with pytest.raises(NotFittedError):
        forecaster().backtest(months)
