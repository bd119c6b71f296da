"""RNNForecaster: what it forecasts, and what it must not be able to see."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrnn import RNNForecaster
from skrnn.forecasting.planning import season_of

pytestmark = pytest.mark.filterwarnings("ignore:On the rows held out")

SMALL = {"hidden_layer_sizes": 8, "max_iter": 15, "random_state": 0}
FAST = {**SMALL, "calibrate": False}


@parametrize_with_checks([
    RNNForecaster(),
    RNNForecaster(
        hidden_layer_sizes=16, max_iter=100, learning_rate_init=0.02, early_stopping=True,
        n_iter_no_change=50, loss="huber", cell="lstm", n_jobs=2, calibrate=False,
    ),
])  # fmt: skip
def test_every_check_passes(estimator, check):
    check(estimator)


def months(values, start="2010-01", name="sales"):
    return pd.Series(values, pd.period_range(start, periods=len(values), freq="M"), name=name)


def seasonal(n, rng=None, noise=0.02):
    t = np.arange(n)
    rng = np.random.default_rng(0) if rng is None else rng
    return (100 + t) * (1 + 0.3 * np.sin(t * np.pi / 6)) * np.exp(noise * rng.normal(size=n))


# ------------------------------------------------------------------------------ what it forecasts


def test_a_trend_with_a_season_is_continued():
    y = months(seasonal(144))
    model = RNNForecaster(horizon=12, random_state=0).fit(y[:-12])
    forecast = model.predict()
    assert model.season_length_ == model.segment_length_ == 12
    pd.testing.assert_index_equal(forecast.index, y.index[-12:])
    assert forecast.name == "sales"
    naive = y[-24:-12].to_numpy()
    error, naive_error = np.abs(forecast - y[-12:]).mean(), np.abs(naive - y[-12:]).mean()
    assert error < 0.5 * naive_error
    assert model.skill_ > 0.2
    assert model.score(y[-12:]) > -0.5


@pytest.mark.filterwarnings("ignore:lbfgs stopped")
@pytest.mark.parametrize(
    "settings",
    [
        {"strategy": "recursive"},
        {"difference": 1},
        {"difference": 1, "strategy": "recursive", "baseline": "seasonal_naive"},
        {"baseline": "seasonal_naive"},
        {"scaling": "standard"},
        {"scaling": None, "power_transform": "log"},
        {"power_transform": "box-cox"},
        {"power_transform": None},
        {"segment_length": 1, "lookback": 13},
        {"segment_length": 5, "lookback": 17},
        {"calendar": "auto"},
        {"quantiles": [0.1, 0.5, 0.9]},
        {"early_stopping": True},
        {"cell": "lstm", "hidden_layer_sizes": (8, 4), "bidirectional": True, "pooling": "mean"},
        {"solver": "lbfgs"},
        {"windows_per_epoch": 16, "dropout": 0.1},
    ],
    ids=str,
)
def test_every_choice_goes_from_series_to_intervals(settings):
    y = months(seasonal(96))
    model = RNNForecaster(horizon=3, **{**SMALL, "max_iter": 40, **settings}).fit(y[:-3])
    forecast, bounds = model.predict(horizon=7), model.predict_interval(horizon=7)
    assert np.isfinite(forecast).all() and (bounds.iloc[:, 0] <= bounds.iloc[:, 1]).all()
    # Few epochs of a small network; what undoes no scale or level would be off by far more.
    assert np.abs(forecast[:3] / y[-3:] - 1).max() < 0.6
    np.testing.assert_array_equal(forecast[:3], model.predict())
    copied = pickle.loads(pickle.dumps(model))
    pd.testing.assert_series_equal(copied.predict(horizon=7), forecast)
    pd.testing.assert_frame_equal(copied.predict_interval(horizon=7), bounds)


def test_one_network_serves_many_series_seen_and_unseen():
    rng = np.random.default_rng(0)
    X = [size * seasonal(n, rng) for size, n in [(1, 60), (1000, 48), (0.001, 90), (5, 30)]]
    model = RNNForecaster(horizon=4, season_length=12, **{**SMALL, "max_iter": 60}).fit(X)
    forecast = model.predict()
    assert forecast.shape == (4, 4)
    ratio = forecast.mean(axis=1) / [x[-12:].mean() for x in X]
    assert (np.abs(ratio - 1) < 0.5).all()
    alone = [model.predict(x) for x in X]
    np.testing.assert_array_equal(forecast, alone)  # to the last bit
    unseen = 37 * seasonal(40, rng)
    np.testing.assert_allclose(model.predict([unseen])[0] / unseen[-12:].mean(), 1, atol=0.5)


@pytest.mark.parametrize("n_rows", [1, 2, 3, 11, 13, 25])
def test_short_histories_are_continued(n_rows):
    rng = np.random.default_rng(0)
    model = RNNForecaster(horizon=3, season_length=12, **SMALL)
    model.fit([seasonal(60, rng) for _ in range(3)])
    history = seasonal(n_rows, rng)
    forecast = model.predict(history, horizon=5)
    assert np.isfinite(forecast).all()
    bounds = model.predict_interval(history, horizon=5)
    assert np.isfinite(bounds).all() and (bounds[:, 1] > bounds[:, 0]).all()
    if n_rows == 1:
        np.testing.assert_allclose(forecast, np.full(5, history[0]), rtol=1e-12)


def test_what_never_moved_stays():
    for y in (np.full(30, 5.0), np.array([7.0]), np.zeros(20), np.array([-2.0, -2.0])):
        model = RNNForecaster(horizon=3, **SMALL).fit(y)
        np.testing.assert_allclose(model.predict(), np.full(3, y[-1]), rtol=1e-12)
        np.testing.assert_allclose(model.predict(horizon=8), np.full(8, y[-1]), rtol=1e-12)
        assert model.predict_interval().shape == (3, 2)
        assert np.isnan(model.skill_)
    X = np.stack([np.full(60, 4.0), seasonal(60)])
    forecast = RNNForecaster(horizon=3, **SMALL).fit(X).predict()
    np.testing.assert_allclose(forecast[0], np.full(3, 4.0), rtol=1e-12)
    assert (forecast[1] != forecast[1, 0]).any()


def test_float32_stays_float32():
    y = seasonal(60).astype(np.float32)
    model = RNNForecaster(horizon=2, **SMALL).fit(y)
    assert model.predict().dtype == model._model.regressor.dtype == np.float32
    assert model.predict_interval().dtype == model.predict_samples(n_samples=3).dtype == np.float32
    X = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    assert RNNForecaster(**SMALL).fit(X, X[:, 0]).predict(X).dtype == np.float32


@pytest.mark.parametrize("n_jobs", [2, 5])
def test_results_do_not_depend_on_threads(n_jobs):
    rng = np.random.default_rng(0)
    X = [seasonal(n, rng) for n in (60, 50, 40)]
    one = RNNForecaster(horizon=3, dropout=0.1, **SMALL).fit(X)
    many = RNNForecaster(horizon=3, dropout=0.1, n_jobs=n_jobs, **SMALL).fit(X)
    np.testing.assert_array_equal(one.predict(), many.predict())
    np.testing.assert_array_equal(one.predict_interval(), many.predict_interval())


# ----------------------------------------------------------------------- covariates, many targets


def test_what_is_known_ahead_is_used():
    rng = np.random.default_rng(0)
    price = rng.normal(size=200)
    index = pd.date_range("2024-01-01", periods=200, freq="D")
    X = pd.DataFrame({"sales": 50 + 10 * price + rng.normal(size=200), "price": price}, index)
    settings = {**FAST, "max_iter": 100, "season_length": None, "hidden_layer_sizes": 16}
    model = RNNForecaster(horizon=5, target="sales", known_future=["price"], **settings)
    model.fit(X[:190])
    frame = model.future_frame(10)
    assert list(frame.columns) == ["price"] and frame.isna().all(axis=None)
    pd.testing.assert_index_equal(frame.index, X.index[190:], check_names=False)
    earlier = model.future_frame(3, X=X[:100])
    pd.testing.assert_index_equal(earlier.index, X.index[100:103], check_names=False)
    told = model.predict(X_future=X[["price"]][190:], horizon=10)
    blind = RNNForecaster(horizon=5, **settings).fit(X["sales"][:190]).predict(horizon=10)
    truth = X["sales"][190:]
    assert told.name == "sales"
    assert np.abs(told - truth).mean() < 0.6 * np.abs(blind - truth).mean()
    turned = model.predict(X_future=-X[["price"]][190:], horizon=10)
    assert np.corrcoef(turned, told)[0, 1] < 0
    with pytest.raises(ValueError, match=r"2024-07-14.*price"):
        model.predict(X_future=X[["price"]][190:195], horizon=10)


def test_a_covariate_of_the_past_that_leads_is_used():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=400)
    X = np.stack([np.roll(signal, 1) * 3, signal], axis=1)[np.newaxis]  # told a step before
    settings = {**FAST, "max_iter": 60, "season_length": None}
    both = RNNForecaster(target=0, **settings).fit(X[:, :380])
    alone = RNNForecaster(**settings).fit(X[:, :380, 0])
    with_it, without = both.score(X[:, 300:]), alone.score(X[:, 300:, 0])
    frame = both.backtest(X, n_windows=19)
    error = np.abs(frame["y"] - frame["forecast"]).mean()
    assert error < 0.4 * np.abs(frame["y"]).mean()
    assert np.isfinite([with_it, without]).all()


def test_static_covariates_tell_series_apart():
    """A rare event lifts some series and lowers others; what kind a series is was told once."""
    rng = np.random.default_rng(0)
    keys = [f"s{i}" for i in range(8)]
    sign = np.where(np.arange(8) % 2, 1, -1)
    index = pd.MultiIndex.from_product([keys, pd.RangeIndex(150)], names=["key", "day"])
    event = rng.random(1200) < 0.1
    y = 10 * np.repeat(sign, 150) * event + rng.normal(size=1200)
    X = pd.DataFrame({"y": y, "event": event.astype(float)}, index)
    kinds = pd.DataFrame({"kind": pd.Categorical(np.where(sign > 0, "up", "down"))}, index=keys)
    model = RNNForecaster(
        lookback=3, segment_length=1, season_length=None, target="y", known_future="event",
        static=kinds, **{**FAST, "max_iter": 60},
    ).fit(X)  # fmt: skip
    lifted = model.predict(X_future=model.future_frame(1).fillna(1.0)).to_numpy()
    usual = model.predict(X_future=model.future_frame(1).fillna(0.0)).to_numpy()
    assert (sign * (lifted - usual) > 5).all()
    unknown = X.rename(index={"s0": "new"}, level="key")
    with pytest.raises(ValueError, match="'new' is not in the static table"):
        model.predict(unknown, X_future=model.future_frame(1).fillna(0.0))


@pytest.mark.parametrize("multivariate", ["separate", "joint"])
def test_several_targets_come_back_in_their_units(multivariate):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"a": seasonal(96, rng), "b": 1e4 * seasonal(96, rng), "c": -5 + rng.normal(size=96)},
        pd.period_range("2010-01", periods=96, freq="M"),
    )
    model = RNNForecaster(horizon=3, multivariate=multivariate, **{**SMALL, "max_iter": 60}).fit(X)
    forecast = model.predict(horizon=8)
    assert list(forecast.columns) == ["a", "b", "c"] and forecast.shape == (8, 3)
    assert forecast["b"].mean() / forecast["a"].mean() == pytest.approx(1e4, rel=0.3)
    assert abs(forecast["c"].mean() + 5) < 2
    bounds = model.predict_interval(coverage=[0.5, 0.9])
    assert bounds.columns.nlevels == 3 and bounds.shape == (3, 12)
    assert (bounds["b", 0.9, "lower"] < forecast["b"][:3]).all()


def test_an_array_of_targets_keeps_its_shape():
    X = np.random.default_rng(0).normal(size=(4, 40, 2)).cumsum(axis=1)
    model = RNNForecaster(horizon=3, **SMALL).fit(X)
    assert model.predict().shape == (4, 3, 2)
    assert model.predict_interval(coverage=[0.5, 0.9]).shape == (4, 3, 2, 2, 2)
    np.testing.assert_array_equal(model.predict(X[1:2])[0], model.predict()[1])


# ---------------------------------------------------------------------------------- missing values


def test_missing_values_are_inputs():
    y = seasonal(120)
    y[[3, 40, 41, 42, 77, 118, 119]] = np.nan
    model = RNNForecaster(horizon=4, season_length=12, **{**SMALL, "max_iter": 60}).fit(y)
    forecast = model.predict(horizon=9)
    assert np.isfinite(forecast).all()
    np.testing.assert_allclose(forecast[:4], seasonal(124, noise=0)[120:], rtol=0.25)
    # As if the missing ones had their filled values, but for the channel that says so.
    tail = np.concatenate([np.full(5, np.nan), y[-30:]])
    assert np.isfinite(model.predict(tail)).all()


def test_values_that_begin_late_are_enough():
    y = np.r_[np.full(30, np.nan), seasonal(8)]
    X = np.stack(
        [np.r_[np.full(20, np.nan), seasonal(18)], np.r_[seasonal(12), np.full(26, np.nan)]]
    )
    for series in (y, X):
        model = RNNForecaster(horizon=4, **SMALL).fit(series)
        assert np.isfinite(model.predict()).all() and np.isfinite(model.predict_interval()).all()


def test_missing_targets_are_left_out_of_the_loss():
    y = np.sin(np.arange(80) * 0.7)
    holes = y.copy()
    holes[50] = np.nan
    full, gappy = (RNNForecaster(horizon=2, **FAST).fit(x) for x in (y, holes))
    assert np.isfinite(gappy.loss_) and gappy.loss_ != full.loss_


# ---------------------------------------------------------------------------------------- no leaks


def test_nothing_behind_an_origin_is_seen():
    rng = np.random.default_rng(0)
    y = seasonal(100, rng)
    y[30] = np.nan
    model = RNNForecaster(horizon=3, season_length=12, target=None, **FAST).fit(y[:80])
    marked = y.copy()
    marked[90:] = 1e6
    series, positions = np.zeros(60, np.int64), np.arange(31, 91)
    before, after = (
        model._forecast_from(model._histories(x), series, positions, 5).point() for x in (y, marked)
    )
    np.testing.assert_array_equal(before, after)
    assert not np.isnan(before).any()


def test_a_marker_in_the_held_out_rows_moves_nothing_before_it(monkeypatch):
    """Transforms, units and errors of the first training are those of the rows before the tail."""
    fitted = []
    original = RNNForecaster._calibrate

    def spy(self, panel, plan):
        fitted.append(original(self, panel, plan))
        return fitted[-1]

    monkeypatch.setattr(RNNForecaster, "_calibrate", spy)
    y = seasonal(120)
    marked = y.copy()
    marked[-1] = -1e4  # would forbid the logarithm
    for x in (y, marked):
        RNNForecaster(horizon=3, season_length=12, **SMALL).fit(x)
    plain, other = (model.channels for model in fitted)
    assert plain.transforms == other.transforms
    np.testing.assert_array_equal(plain.target_unit, other.target_unit)
    np.testing.assert_array_equal(fitted[0].regressor._params, fitted[1].regressor._params)


def test_errors_before_a_marker_do_not_move():
    y = np.random.default_rng(0).normal(size=120)
    marked = y.copy()
    marked[-1] = 1e6
    plain, other = (
        RNNForecaster(horizon=3, season_length=None, **SMALL).fit(x)._errors for x in (y, marked)
    )
    # Only the errors of the last value itself differ, in units that the final fit may change.
    ratio = other.errors[:-3] / plain.errors[:-3]
    np.testing.assert_allclose(ratio, ratio[0, 0, 0, 0])
    assert abs(other.errors[-1, 0, 0, 0]) > 1e3 * np.abs(plain.errors[-1, 0, 0, 0])


def test_early_stopping_watches_the_latest_rows():
    y = seasonal(120)
    marked = y.copy()
    marked[-5:] *= 50
    settings = {**FAST, "max_iter": 4, "horizon": 3, "early_stopping": True, "season_length": 12}
    plain, other = (RNNForecaster(**settings).fit(x) for x in (y, marked))
    np.testing.assert_array_equal(plain.loss_curve_, other.loss_curve_)
    assert plain.validation_loss_curve_ != other.validation_loss_curve_
    assert len(plain.validation_scores_) == plain.n_iter_


# ------------------------------------------------------------------------------ going on in time


def test_update_is_like_having_seen_it_all():
    y = months(seasonal(100))
    model = RNNForecaster(horizon=3, **SMALL).fit(y[:80])
    model = pickle.loads(pickle.dumps(model))
    weights = model._model.regressor._params.copy()
    for part in (y[80:81], y[81:90], y[90:]):
        model.update(part)
    pd.testing.assert_series_equal(model.predict(), model.predict(y))
    assert model.predict().index[0] == y.index[-1] + 1
    np.testing.assert_array_equal(model._model.regressor._params, weights)
    with pytest.raises(ValueError, match="overlap with the history"):
        model.update(y[90:])
    model.update(months([1.0], start="2018-05"), refit=True)
    assert (model._model.regressor._params != weights).any()


def test_update_moves_the_intervals():
    rng = np.random.default_rng(0)
    calm, wild = rng.normal(size=150), 10 * rng.normal(size=150)
    model = RNNForecaster(horizon=2, season_length=None, **SMALL).fit(calm)
    before = np.ptp(model.predict_interval(), axis=1)
    model.update(wild)
    assert (model._errors.positions >= 150).all()  # the calm ones are gone
    assert (np.ptp(model.predict_interval(), axis=1) > 4 * before).all()


def test_update_takes_new_series():
    index = pd.MultiIndex.from_product([["a", "b"], range(40)])
    X = pd.Series(np.random.default_rng(0).normal(size=80).cumsum(), index)
    model = RNNForecaster(horizon=2, **SMALL).fit(X)
    new = pd.Series([1.0, 2.0, 5.0], pd.MultiIndex.from_tuples([("a", 40), ("c", 0), ("c", 1)]))
    forecast = model.update(new).predict()
    assert list(forecast.index) == [("a", 41), ("a", 42), ("b", 40), ("b", 41), ("c", 2), ("c", 3)]


@pytest.mark.parametrize(
    ("settings", "X"),
    [
        ({}, seasonal(100)),
        ({"lookback": 30}, seasonal(100)),  # no whole number of segments
        ({"season_length": None, "quantiles": [0.2, 0.8]}, seasonal(100) - 100),
        ({"baseline": "seasonal_naive"}, np.stack([seasonal(100), 3 * seasonal(100)])),
        ({}, np.stack([seasonal(100), seasonal(100) - 150], axis=1)[np.newaxis]),
        ({"multivariate": "joint"}, np.stack([seasonal(100), seasonal(100) - 150], 1)[np.newaxis]),
        ({}, np.where(np.arange(100) % 9 == 4, np.nan, seasonal(100))),
        ({"scaling": "standard"}, seasonal(100).astype(np.float32)),
    ],
)
def test_live_forecasts_are_those_of_predict(settings, X):
    axis = X.ndim - 1 if X.ndim < 3 else 1
    past, rest = np.split(X, [90], axis=axis)
    model = RNNForecaster(horizon=3, **{**FAST, "season_length": 12, **settings}).fit(past)
    fitted = pickle.loads(pickle.dumps(model))
    state = fitted.init_state()
    start = state
    for t in range(10):
        forecast, state = fitted.step(np.take(rest, t, axis=axis), state)
    np.testing.assert_array_equal(forecast, model.update(rest).predict())
    assert forecast.dtype == X.dtype
    again, _ = fitted.step(np.take(rest, 0, axis=axis), start)  # the state was left as it was
    np.testing.assert_array_equal(again, fitted.update(np.split(rest, [1], axis)[0]).predict())


def test_live_forecasts_begin_with_one_value_and_tell_what_they_do_not_do():
    model = RNNForecaster(horizon=3, season_length=12, **FAST).fit(seasonal(80))
    state = model.init_state(np.array([5.0]))
    for value in (5.5, 6.0, 5.0, 7.0):
        forecast, state = model.step(value, state)
    np.testing.assert_array_equal(forecast, model.predict(np.array([5, 5.5, 6, 5, 7])))
    with pytest.raises(ValueError, match="infinite"):
        model.step(np.inf, state)
    with pytest.raises(ValueError, match=r"x has shape \(2,\)"):
        model.step([1.0, 2.0], state)
    with pytest.raises(TypeError, match="state must be what init_state"):
        model.step(1.0, None)
    other = RNNForecaster(lookback=30, **FAST).fit(seasonal(80))
    with pytest.raises(ValueError, match="state is that of another forecaster"):
        other.step(1.0, state)
    with pytest.raises(ValueError, match="difference=0"):
        RNNForecaster(difference=1, **FAST).fit(seasonal(80)).init_state()
    dated = RNNForecaster(calendar="auto", **FAST).fit(months(seasonal(80)))
    with pytest.raises(ValueError, match="covariates that change"):
        dated.init_state()


# ----------------------------------------------------------------------- as a scikit-learn citizen


def test_searches_over_time_select_by_forecasts():
    y = months(seasonal(108))
    grid = {"season_length": [None, 12], "cell": ["gru"]}
    search = GridSearchCV(
        RNNForecaster(horizon=6, **{**FAST, "max_iter": 60}),
        grid,
        cv=TimeSeriesSplit(3, test_size=6),
    )
    search.fit(y)
    assert search.best_params_["season_length"] == 12
    assert (search.cv_results_["mean_test_score"] < 0).all()
    assert search.predict(None).index[0] == y.index[-1] + 1
    scores = cross_val_score(
        RNNForecaster(horizon=2, **FAST), y, cv=TimeSeriesSplit(2, test_size=4, gap=3)
    )
    assert np.isfinite(scores).all()


def test_scores_are_of_the_rows_passed():
    y = months(seasonal(100))
    model = RNNForecaster(horizon=4, season_length=12, **FAST).fit(y[:80])
    unit = np.abs(y[:80].to_numpy()[12:] - y[:80].to_numpy()[:-12]).mean()
    forecast = model.predict(horizon=10)
    expected = -np.abs(forecast - y[80:90]).mean() / unit
    assert model.score(y[80:90]) == pytest.approx(expected)
    later = -np.abs(forecast[6:] - y[86:90]).mean() / unit
    assert model.score(y[86:90]) == pytest.approx(later)
    whole = months(seasonal(60), start="1990-01")
    unit = np.abs(whole.to_numpy()[12:56] - whole.to_numpy()[:44]).mean()
    expected = -np.abs(model.predict(whole[:56]) - whole[56:]).mean() / unit
    assert model.score(whole) == pytest.approx(expected)
    with pytest.raises(ValueError, match="at most 3 rows"):
        model.score(whole[:3])


def test_it_ends_a_pipeline_that_keeps_pandas():
    y = months(seasonal(60)).to_frame()
    pipeline = make_pipeline(
        FunctionTransformer(np.sqrt).set_output(transform="pandas"),
        RNNForecaster(horizon=3, **FAST),
    )
    forecast = pipeline.fit(y)[-1].predict()
    assert list(forecast.columns) == ["sales"] and (forecast.mean() < 20).all()
    assert clone(pipeline[-1]).get_params() == pipeline[-1].get_params()


def test_no_skill_is_said_once():
    y = np.random.default_rng(1).normal(size=70).cumsum()
    model = RNNForecaster(horizon=5, learning_rate_init=5.0, max_iter=2, random_state=0)
    with pytest.warns(UserWarning, match="worse than the seasonal naive") as caught:
        model.fit(y)
    assert len(caught) == 1 and model.skill_ < 0


def test_training_can_be_watched_and_goes_on(capsys):
    y = seasonal(80)
    model = RNNForecaster(horizon=2, verbose=5, **SMALL).fit(y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].startswith("epoch")  # of the final training alone
    assert len(model.loss_curve_) == model.n_iter_ == 15
    model.set_params(warm_start=True, verbose=False)
    assert model.fit(y).loss_curve_[0] < model.loss_curve_[0] * 1.2
    assert capsys.readouterr().out == ""


class Recorder:
    """A callback that notes what it is told, and forecasts with what it is given."""

    def __init__(self, stop_after=None):
        self.epochs, self.stop_after, self.forecasts = [], stop_after, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **kwargs):
        pass

    def on_fit_task_end(self, estimator, context, **kwargs):
        if context.task_name == "epoch":
            self.epochs.append(context.task_id)
            return self.stop_after is not None and len(self.epochs) >= self.stop_after
        return False


def test_callbacks_hear_of_every_epoch():
    recorder = Recorder()
    model = RNNForecaster(horizon=2, **SMALL).set_callbacks(recorder).fit(seasonal(60))
    assert recorder.epochs == list(range(15))
    stopper = Recorder(stop_after=3)
    model = RNNForecaster(horizon=2, **SMALL).set_callbacks(stopper).fit(seasonal(60))
    assert model.n_iter_ == 3
    RNNForecaster(horizon=2, **SMALL).set_callbacks(Recorder()).fit(np.full(9, 1.0))


def test_failures_leave_it_as_it_was():
    y = seasonal(60)
    model = RNNForecaster(horizon=2, **FAST).fit(y)
    forecast = model.predict()
    with pytest.raises(ValueError, match="longer than every series"):
        model.set_params(lookback=500).fit(y)
    np.testing.assert_array_equal(model.predict(), forecast)


# ------------------------------------------------------------------------------- seasons, bad input


@pytest.mark.parametrize(
    ("freq", "season"),
    [
        ("YS", 1), ("QE-FEB", 4), ("MS", 12), ("ME", 12), ("2MS", 6), ("5MS", 1), ("W-SUN", 1),
        ("D", 7), ("B", 5), ("h", 24), ("30min", 48), ("15min", 96), ("min", 60), ("s", 3600),
        ("SME", 24), ("7h", 1), ("2D", 1),
    ],
)  # fmt: skip
def test_seasons_follow_from_the_frequency(freq, season):
    assert season_of(pd.tseries.frequencies.to_offset(freq)) == season
    assert season_of(3) == 1


@pytest.mark.parametrize(
    ("settings", "X", "y", "message"),
    [
        ({"horizon": 0}, seasonal(40), None, "horizon"),
        ({"horizon": True}, seasonal(40), None, "'horizon' .* must be an int .* Got True"),
        ({"difference": True}, seasonal(40), None, "'difference' .* must be an int"),
        ({"season_length": 41}, seasonal(40), None, "season_length=41 is longer than every series"),
        ({"segment_length": 6, "lookback": 5}, seasonal(40), None, "segment_length=6 is more than"),
        ({"lookback": 40}, seasonal(40), None, "lookback=40 is longer than every series"),
        ({"quantiles": [1.5]}, seasonal(40), None, "quantiles must lie between 0 and 1"),
        ({"power_transform": "log"}, -seasonal(40), None, "power_transform='log'"),
        ({"target": "x"}, seasonal(40), None, "target names 'x'"),
        ({}, np.full(40, np.nan), None, "no value|NaN|missing"),
        ({}, np.r_[seasonal(40), np.inf], None, "infinity"),
        ({"horizon": 3}, np.ones((9, 4)), np.ones(9), r"horizon=3, but y has 1 column"),
        ({"strategy": "recursive"}, np.ones((9, 4)), np.ones(9), "strategy='recursive'"),
        ({"scaling": "window"}, np.ones((9, 4, 2)), np.ones(9), "2 channels"),
        ({}, np.ones((9, 4)), np.ones(8), "inconsistent numbers of samples"),
        ({}, np.ones(9), np.ones(9), r"got 1D array instead .*call fit\(X\) without y"),
        ({}, pd.Series(np.ones(9)), np.ones(9), r"call fit\(X\) without y"),
        ({"calendar": "auto"}, seasonal(40), None, "dates"),
    ],
)
def test_bad_input_is_told(settings, X, y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        RNNForecaster(**{**FAST, **settings}).fit(X, y)


def test_bad_questions_are_told():
    model = RNNForecaster(horizon=2, **FAST).fit(seasonal(40))
    with pytest.raises(ValueError, match="horizon must be at least 1, got 0"):
        model.predict(horizon=0)
    with pytest.raises(TypeError, match="horizon must be an integer"):
        model.predict(horizon=2.5)
    with pytest.raises(ValueError, match="no column was known ahead"):
        model.predict(X_future=np.ones((2, 1)))
    X = np.random.default_rng(0).normal(size=(20, 5))
    rows = RNNForecaster(**FAST).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="row by row"):
        rows.predict()
    with pytest.raises(ValueError, match=r"horizon=4, but after fit\(X, y\)"):
        rows.predict(X, horizon=4)
    with pytest.raises(ValueError, match="X_future has no meaning"):
        rows.predict(X, X_future=X)
    with pytest.raises(ValueError, match="row by row"):
        rows.update(X)


# -------------------------------------------------------------------------------------- row by row


def test_rows_are_read_as_histories():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 8))
    y = np.stack([X[:, -1], X[:, -1] + X[:, -2]], axis=1)
    model = RNNForecaster(horizon=2, hidden_layer_sizes=16, max_iter=60, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.8
    np.testing.assert_array_equal(model.predict(X)[3:4], model.predict(X[3:4]))
    far = 1000 + 5 * X
    scaled = RNNForecaster(horizon=2, scaling="window", **{**FAST, "max_iter": 60})
    moved = scaled.fit(X, y).predict(far)
    np.testing.assert_allclose(moved, 1000 + 5 * scaled.predict(X), rtol=1e-6)
    wide = RNNForecaster(n_timesteps=4, **FAST).fit(X, y[:, 0])
    assert wide.n_channels_ == 2 and wide.predict(X).shape == (200,)
