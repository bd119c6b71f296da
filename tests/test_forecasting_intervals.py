"""Conformal intervals: finite-sample order statistics, pooling, growth beyond the horizon."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn import RNNForecaster
from skrnn.forecasting.intervals import (
    ConformalErrors,
    forecast_quantiles,
    interpolate_levels,
    order_statistic,
)
from skrnn.forecasting.model import Forecasts
from skrnn.forecasting.normalisation import Transform

SMALL = {"hidden_layer_sizes": 8, "max_iter": 30, "random_state": 0}


@pytest.mark.parametrize(("n", "level"), [(19, 0.95), (10, 0.9), (50, 0.5), (99, 0.025), (39, 0.1)])
def test_order_statistics_hold_for_finite_samples(n, level):
    """With exchangeable errors the share below is exactly rank / (n + 1)."""
    rng = np.random.default_rng(0)
    draws = rng.exponential(size=(20_000, n + 1))
    below = np.mean([row[-1] <= order_statistic(np.sort(row[:-1]), level) for row in draws])
    if level == 0.5:
        assert abs(below - 0.5) < 0.02
    elif level > 0.5:
        assert level - 0.01 < below < level + 1 / (n + 1) + 0.01
    else:
        assert level - 1 / (n + 1) - 0.01 < below < level + 0.01


@given(
    errors=st.lists(st.floats(-1e3, 1e3), max_size=60),
    levels=st.lists(st.floats(0.001, 0.999), min_size=2, max_size=6),
)
def test_order_statistics_rise_with_the_level(errors, levels):
    errors, levels = np.sort(errors), sorted(levels)
    found = [order_statistic(errors, level) for level in levels]
    assert (np.diff(found) >= -1e-9 * (1 + np.abs(found[:-1]))).all()


def errors_of(rng, n, horizon, n_targets=1):
    scale = np.sqrt(np.arange(1, horizon + 1))[:, np.newaxis, np.newaxis]
    errors = rng.normal(size=(n, horizon, n_targets, 1)) * scale
    return ConformalErrors(errors, np.zeros(n, np.int64), np.arange(n))


def forecasts_of(n, horizon, n_targets=1, transform=None):
    centre = np.full((n, horizon, n_targets), 2.0)
    transforms = [transform or Transform()] * n_targets
    return Forecasts(centre, np.full((n, n_targets), 3.0), None, transforms)


@pytest.mark.parametrize("n", [0, 1, 3, 12, 200])
@pytest.mark.parametrize("horizon", [2, 4, 11])
def test_quantiles_never_cross_and_grow_with_the_horizon(n, horizon):
    errors = errors_of(np.random.default_rng(n), n, 4)
    alphas = [0.9, 0.025, 0.5, 0.1, 0.975]
    forecasts = forecasts_of(3, horizon, transform=Transform(0.0, 0.0, 0.1, 50.0))
    quantiles = forecast_quantiles(forecasts, errors, (0.5,), alphas, 4)
    assert quantiles.shape == (5, 3, horizon, 1)
    ordered = quantiles[np.argsort(alphas)]
    assert np.isfinite(ordered).all()
    assert (np.diff(ordered, axis=0) >= 0).all()
    if n >= 12 and horizon > 4:
        width = np.log(quantiles[4] / quantiles[1])[0, :, 0]
        assert width[4:].min() > width[:4].max()


def test_series_count_alike_however_many_errors_they_bring():
    """Nine short series are wild, one long one is calm: what is wanted is one forecast of each."""
    rng = np.random.default_rng(0)
    counts = np.array([60] * 9 + [4000])
    scales = np.array([10.0] * 9 + [1.0])
    series = np.repeat(np.arange(10), counts)
    errors = rng.normal(size=series.size) * scales[series]
    conformal = ConformalErrors(errors.reshape(-1, 1, 1, 1), series, np.arange(series.size))
    low, high = (conformal.corrections(alpha)[0, 0] for alpha in (0.1, 0.9))
    new = rng.normal(size=(2000, 10)) * scales
    assert abs(np.mean((low <= new) & (new <= high)) - 0.8) < 0.03
    alike = np.bincount(series)[series] == 60
    same = ConformalErrors(conformal.errors[alike], series[alike], np.arange(alike.sum()))
    rising = np.sort(errors[alike])
    for alpha in (0.1, 0.37, 0.5, 0.9, 0.9999):
        assert same.corrections(alpha)[0, 0] == order_statistic(rising, alpha)


def test_few_errors_are_pooled_over_the_steps():
    errors = errors_of(np.random.default_rng(0), 20, 4)
    corrections = errors.corrections(0.975)[:, 0]
    assert (np.diff(corrections) > 0).all()  # as the size of the errors does
    errors.errors[:, 2:] = np.nan
    corrections = errors.corrections(0.975)[:, 0]
    assert np.isfinite(corrections).all() and corrections[3] > corrections[1]


def test_levels_are_interpolated():
    values = np.array([0.0, 1.0, 5.0])
    assert interpolate_levels(values, (0.1, 0.5, 0.9), 0.3) == pytest.approx(0.5)
    assert interpolate_levels(values, (0.1, 0.5, 0.9), 0.95) == 5
    assert interpolate_levels(values, (0.1, 0.5, 0.9), 0.01) == 0


def test_new_observations_fill_gaps_and_push_out_the_oldest():
    errors = ConformalErrors(
        np.array([[1.0, 2.0], [3.0, np.nan]])[:, :, np.newaxis, np.newaxis],
        np.zeros(2, np.int64),
        np.array([10, 11]),
    )
    new = np.array([[7.0, 4.0], [5.0, np.nan]])[:, :, np.newaxis, np.newaxis]
    after = errors.updated(new, np.zeros(2, np.int64), np.array([11, 12]))
    np.testing.assert_array_equal(after.positions, [10, 11, 12])
    np.testing.assert_array_equal(after.errors[1:, :, 0, 0], [[3.0, 4.0], [5.0, np.nan]])
    many = np.arange(150.0)[:, np.newaxis, np.newaxis, np.newaxis].repeat(2, axis=1)
    later = after.updated(many, np.zeros(150, np.int64), np.arange(20, 170))
    np.testing.assert_array_equal(later.positions, np.arange(70, 170))


def simulated(kind, n, rng):
    noise = rng.normal(size=n)
    if kind == "seasonal":
        return 20 + 5 * np.sin(np.arange(n) * np.pi / 6) + noise
    y = np.zeros(n)
    for t in range(1, n):
        y[t] = 0.7 * y[t - 1] + noise[t]
    return y


@pytest.mark.filterwarnings("ignore:On the rows held out")
@pytest.mark.parametrize("kind", ["ar", "seasonal"])
@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_intervals_cover_what_they_claim(kind, strategy):
    rng = np.random.default_rng(7)
    X = np.array([simulated(kind, 160, rng) for _ in range(40)])
    model = RNNForecaster(
        horizon=4, season_length=12 if kind == "seasonal" else None, strategy=strategy, **SMALL
    ).fit(X[:, :140])
    for horizon in (4, 10):
        bounds = model.predict_interval(coverage=[0.5, 0.8, 0.95], horizon=horizon)
        y = X[:, 140 : 140 + horizon, np.newaxis]
        inside = ((bounds[..., 0] <= y) & (y <= bounds[..., 1])).mean(axis=(0, 1))
        # 160 or 400 outcomes, those of one series not independent; wider beyond what was learned.
        np.testing.assert_array_less([0.38, 0.70, 0.90], inside)
        if horizon == 4:
            np.testing.assert_array_less(inside[:2], [0.62, 0.9])


@pytest.mark.filterwarnings("ignore:On the rows held out")
def test_samples_agree_with_quantiles_and_hang_together():
    rng = np.random.default_rng(3)
    y = np.cumsum(rng.normal(size=400))
    model = RNNForecaster(horizon=5, season_length=None, **SMALL).fit(y)
    samples = model.predict_samples(n_samples=4000, horizon=12)
    assert samples.shape == (4000, 12)
    quantiles = model.predict_quantiles(alpha=[0.1, 0.9], horizon=5)
    np.testing.assert_allclose(
        np.quantile(samples[:, :5], [0.1, 0.9], axis=0).T, quantiles, atol=0.8
    )
    assert np.corrcoef(samples[:, 3], samples[:, 4])[0, 1] > 0.6  # the steps of a random walk
    assert samples[:, 11].std() > samples[:, 4].std()
    np.testing.assert_array_equal(samples, model.predict_samples(n_samples=4000, horizon=12))
    other = model.predict_samples(n_samples=10, random_state=1)
    assert (other != samples[:10, :5]).any()


@pytest.mark.filterwarnings("ignore:On the rows held out")
@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_the_network_may_learn_quantiles(strategy):
    X = np.random.default_rng(0).normal(size=(60, 64))
    settings = {**SMALL, "season_length": None, "horizon": 3, "quantiles": [0.1, 0.9]}
    model = RNNForecaster(strategy=strategy, **settings).fit(X[:, :60])
    bounds = model.predict_interval(coverage=0.8)
    assert (bounds[..., 0] <= model.predict()).all() and (model.predict() <= bounds[..., 1]).all()
    alone = RNNForecaster(strategy=strategy, calibrate=False, **settings).fit(X[:, :60])
    quantiles = alone.predict_quantiles(alpha=[0.05, 0.1, 0.3, 0.5, 0.9])
    below = (X[:, 60:63, np.newaxis] <= quantiles).mean(axis=(0, 1))
    np.testing.assert_allclose(below[[1, 3, 4]], [0.1, 0.5, 0.9], atol=0.12)
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    np.testing.assert_array_equal(quantiles[..., 3], alone.predict())
    np.testing.assert_array_equal(quantiles[..., 0], quantiles[..., 1])


def test_rows_have_intervals_too():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    y = X[:, [4, 3]] + 0.1 * rng.normal(size=(300, 2))
    model = RNNForecaster(horizon=2, **SMALL).fit(X[:250], y[:250])
    bounds = model.predict_interval(X[250:], coverage=[0.5, 0.9])
    assert bounds.shape == (50, 2, 2, 2)
    inside = (bounds[..., 0] <= y[250:, :, np.newaxis]) & (y[250:, :, np.newaxis] <= bounds[..., 1])
    assert inside[:, :, 1].mean() > 0.8 > inside[:, :, 0].mean() > 0.35
    assert model.predict_quantiles(X[250:], alpha=0.1).shape == (50, 2)
    assert model.predict_samples(X[250:], n_samples=7).shape == (7, 50, 2)
    flat = RNNForecaster(**SMALL).fit(X, y[:, 0])
    assert flat.predict_interval(X).shape == (300, 2)
    assert flat.predict_interval(X, coverage=[0.5, 0.9]).shape == (300, 2, 2)
    assert flat.predict_quantiles(X).shape == (300, 3)


def test_bad_probabilities_and_missing_errors_are_told():
    y = np.sin(np.arange(60.0))
    model = RNNForecaster(calibrate=False, **SMALL).fit(y)
    with pytest.raises(ValueError, match="calibrate=False was set"):
        model.predict_interval()
    with pytest.raises(ValueError, match="calibrate=False was set"):
        model.predict_samples()
    with pytest.raises(ValueError, match=r"coverage must lie between 0 and 1"):
        model.predict_interval(coverage=90)
    with pytest.raises(ValueError, match=r"alpha must lie between 0 and 1"):
        model.predict_quantiles(alpha=[0.1, 1.0])
    with pytest.raises(ValueError, match=r"quantiles must lie between 0 and 1"):
        RNNForecaster(quantiles=[0, 0.5], **SMALL).fit(y)
