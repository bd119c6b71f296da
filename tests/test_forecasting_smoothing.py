"""Exponential smoothing, against slow and obvious NumPy, and when it is averaged with a network."""

import numpy as np
import pandas as pd
import pytest

from skrnn import RNNForecaster
from skrnn.forecasting.smoothing import needed_rows, rows_to_smooth, smoothed, smoothing_settings

SMALL = {"hidden_layer_sizes": 4, "max_iter": 2, "calibrate": False, "random_state": 0}


def noisy_season(n, season, seed=0):
    rng = np.random.default_rng(seed)
    return 0.1 * np.arange(n) + 3 * np.sin(2 * np.pi * np.arange(n) / season) + rng.normal(size=n)


def of_one(history, season, horizon):
    """Forecast from the end of one series."""
    values = np.asarray(history, dtype=float)[:, np.newaxis]
    n = np.array([len(values)])
    return smoothed(values, n, n, season, horizon)[0, :, 0]


def followed(history, setting, season):
    """Return level, trend and seasons after each row, by the equations of the textbook."""
    to_level, to_season, to_trend, kept = setting
    history = np.asarray(history)
    level, trend, seasons = history[0], 0.0, np.zeros(season)
    if season > 1:
        first, second = history[:season], history[season : 2 * season]
        trend = (second.mean() - first.mean()) / season
        line = (np.arange(season) - (season - 1) / 2) * trend
        seasons = (first - first.mean() - line + second - second.mean() - line) / 2
        level = first.mean() - (season + 1) / 2 * trend if kept else first.mean()
        trend = trend if kept else 0.0
    states = []
    for t, value in enumerate(history):
        error = value - (level + kept * trend + seasons[t % season])
        level, trend = (
            level + kept * trend + to_level * error,
            kept * trend + to_level * to_trend * error,
        )
        seasons = seasons.copy()
        seasons[t % season] += to_season * (1 - to_level) * error
        states.append((level, trend, seasons))
    return states


def forecast_after(state, t, kept, horizon):
    level, trend, seasons = state
    damped = np.cumsum(kept ** np.arange(1, horizon + 1))
    return level + damped * trend + seasons[(t + 1 + np.arange(horizon)) % len(seasons)]


@pytest.mark.parametrize(("season", "horizon"), [(1, 3), (4, 6), (4, 2)])
def test_smoothing_is_that_of_the_textbook(season, horizon):
    history = noisy_season(23, 4)
    errors, forecasts = [], []
    for setting in smoothing_settings(season).T:
        states, kept = followed(history, setting, season), setting[3]
        forecasts.append(forecast_after(states[-1], 22, kept, horizon))
        misses = [
            np.abs(history[t + 1 : t + 1 + horizon] - ahead[: 22 - t])
            for t in range(max(2 * season - 1, 3), 22)
            for ahead in [forecast_after(states[t], t, kept, horizon)]
        ]
        errors.append(np.concatenate(misses).mean())
    best = np.argsort(errors)[:5]
    np.testing.assert_allclose(
        of_one(history, season, horizon), np.mean(np.array(forecasts)[best], axis=0)
    )


def test_a_season_on_a_line_goes_on():
    t = np.arange(60)
    y = 0.5 * t + np.array([3.0, -1.0, 0.0, -2.0])[t % 4]
    # The trend is damped a little; without it or the season the error would be 4 or 3.
    np.testing.assert_allclose(of_one(y[:52], 4, 8), y[52:], atol=1)


@pytest.mark.parametrize("season", [1, 6])
def test_smoothing_depends_on_recent_rows_alone(season):
    n = rows_to_smooth(season)
    y = noisy_season(n + 30, 6)
    changed = y.copy()
    changed[:30] += 100
    forecast = of_one(y, season, 5)
    np.testing.assert_array_equal(forecast, of_one(changed, season, 5))
    unknown = np.concatenate([np.full(30, np.nan), y[30:]])
    np.testing.assert_array_equal(forecast, of_one(unknown, season, 5))


@pytest.mark.parametrize("season", [1, 6])
def test_short_histories_are_not_smoothed(season):
    y = noisy_season(needed_rows(season), 6)
    assert np.isfinite(of_one(y, season, 3)).all()
    assert np.isnan(of_one(y[1:], season, 3)).all()


def test_the_forecast_is_the_mean_of_both():
    y = np.exp(noisy_season(60, 4) / 10)
    settings = {**SMALL, "horizon": 3, "season_length": 4, "quantiles": [0.2, 0.8]}
    alone, both = (RNNForecaster(**settings, smoothing=s).fit(y) for s in (False, "auto"))
    expected = (np.log(alone.predict()) + of_one(np.log(y), 4, 3)) / 2
    np.testing.assert_allclose(both.predict(), np.exp(expected))
    widths = [np.diff(np.log(model.predict_quantiles(alpha=[0.2, 0.8]))) for model in (alone, both)]
    np.testing.assert_allclose(*widths)
    np.testing.assert_array_equal(both.predict(horizon=2), both.predict()[:2])
    np.testing.assert_array_equal(RNNForecaster(**settings).fit(y).predict(y[-40:]), both.predict())


def test_constant_series_stay_and_short_ones_are_left_to_the_network():
    series = [noisy_season(50, 4) + 20, np.full(50, 7.1), noisy_season(6, 4) + 20]
    settings = {**SMALL, "horizon": 3, "season_length": 4}
    alone, both = (RNNForecaster(**settings, smoothing=s).fit(series) for s in (False, True))
    same = (alone.predict() == both.predict()).all(axis=1)
    assert list(same) == [False, True, True]
    np.testing.assert_allclose(both.predict()[1], 7.1)


@pytest.mark.parametrize(
    ("n_rows", "settings", "expected"),
    [
        (200, {}, True),
        (201, {}, False),
        (201, {"smoothing": True}, True),
        (30, {"smoothing": False}, False),
        (3, {}, False),
        (60, {"target": "a"}, False),
        (60, {"target": ["a", "b"]}, True),
        (60, {"target": ["a", "b"], "multivariate": "joint"}, False),
        (60, {"target": ["a", "b"], "calendar": ["month"]}, False),
    ],
)
def test_when_forecasts_are_smoothed(n_rows, settings, expected):
    months = pd.period_range("2000-01", periods=n_rows, freq="M")
    X = pd.DataFrame({"a": noisy_season(n_rows, 12), "b": noisy_season(n_rows, 12, 1)}, months)
    X = X if "target" in settings else X["a"]
    assert RNNForecaster(**SMALL, **settings).fit(X)._model.plan.smoothing is expected
