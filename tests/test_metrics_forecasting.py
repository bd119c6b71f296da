import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from skrnn.metrics import (
    continuous_ranked_probability_score,
    interval_coverage,
    mean_absolute_scaled_error,
    mean_interval_width,
    root_mean_squared_scaled_error,
    seasonal_naive_error,
    symmetric_mean_absolute_percentage_error,
)

SCALED = [mean_absolute_scaled_error, root_mean_squared_scaled_error]


def slow_scaled_error(true, pred, train, season, power):
    """The definition, written out for lists: one value a series, then their mean."""
    per_series = []
    for y, f, x in zip(true, pred, train):
        errors = [abs(a - b) ** power for a, b in zip(y, f) if not np.isnan(a)]
        naive = [
            abs(x[t] - x[t - season]) ** power
            for t in range(season, len(x))
            if not np.isnan(x[t]) and not np.isnan(x[t - season])
        ]
        per_series.append((np.mean(errors) / np.mean(naive)) ** (1 / power))
    return np.mean(per_series)


@given(
    seed=st.integers(0, 1000),
    n_series=st.integers(1, 4),
    horizon=st.integers(1, 6),
    season=st.integers(1, 4),
    with_nan=st.booleans(),
)
def test_scaled_errors_equal_their_definition(seed, n_series, horizon, season, with_nan):
    rng = np.random.default_rng(seed)
    true, pred = rng.normal(size=(2, n_series, horizon))
    train = [rng.normal(size=season + 6 + i) for i in range(n_series)]
    if with_nan:
        train[0][2] = np.nan
        if horizon > 1:
            true[0, 0] = np.nan
    for power, metric in zip((1, 2), SCALED):
        found = metric(true, pred, y_train=train, season_length=season)
        np.testing.assert_allclose(found, slow_scaled_error(true, pred, train, season, power))


def test_naive_forecast_of_a_random_walk_scores_about_one():
    rng = np.random.default_rng(0)
    walks = rng.normal(size=(2000, 101)).cumsum(axis=1)
    train, true = walks[:, :100], walks[:, 100:]
    for metric in SCALED:
        assert abs(metric(true, train[:, -1:], y_train=train) - 1) < 0.25


@pytest.mark.parametrize("metric", SCALED)
def test_scaled_errors_of_each_step(metric):
    true, pred = np.array([[1.0, 2.0], [3.0, 5.0]]), np.zeros((2, 2))
    train = [[0, 1], [0, 2]]  # naive errors 1 and 2
    expected = [1.25, 2.25] if metric is mean_absolute_scaled_error else np.sqrt([3.25 / 2, 5.125])
    found = metric(true, pred, y_train=train, multioutput="raw_values")
    np.testing.assert_allclose(found, expected)


def test_smape_of_zeros_and_opposites():
    assert symmetric_mean_absolute_percentage_error([0, 0], [0, 0]) == 0
    assert symmetric_mean_absolute_percentage_error([1, 0], [-1, 3]) == 2
    steps = symmetric_mean_absolute_percentage_error(
        [[1, 2], [np.nan, 2]], [[3, 2], [5, 2]], multioutput="raw_values"
    )
    np.testing.assert_allclose(steps, [1, 0])


def test_the_competition_s_own_figures(shared_data):
    """M4 Weekly: the naive method scored 9.161 and 2.777 in the organisers' tables."""
    with np.load(shared_data / "forecast" / "m4_weekly.npz", allow_pickle=True) as data:
        train = np.split(data["train"], data["train_offset"][1:-1])
        true = np.stack(np.split(data["test"], data["test_offset"][1:-1]))
    naive = np.stack([np.full(true.shape[1], series[-1]) for series in train])
    assert round(100 * symmetric_mean_absolute_percentage_error(true, naive), 3) == 9.161
    assert round(mean_absolute_scaled_error(true, naive, y_train=train), 3) == 2.777


def test_coverage_counts_bounds_and_leaves_out_nan():
    assert interval_coverage([1, 2, np.nan, 4], [1, 0, 0, 5], [2, 2, 9, 6]) == pytest.approx(2 / 3)
    per_step = interval_coverage(
        [[1, 1], [1, 1]], [[0, 2], [0, 0]], [[1, 3], [1, 3]], multioutput="raw_values"
    )
    np.testing.assert_array_equal(per_step, [1, 0.5])
    assert mean_interval_width([[0, 1], [0, 0]], [[1, 2], [3, 3]]) == 2


@given(seed=st.integers(0, 1000), n_levels=st.integers(1, 9))
def test_crps_of_even_levels_is_twice_the_mean_pinball_loss(seed, n_levels):
    rng = np.random.default_rng(seed)
    alpha = (np.arange(n_levels) + 0.5) / n_levels
    true = rng.normal(size=(3, 4))
    quantiles = np.sort(rng.normal(size=(3, 4, n_levels)), axis=-1)
    expected = 2 * np.mean(
        [
            mean_pinball_loss(true.ravel(), quantiles[..., i].ravel(), alpha=level)
            for i, level in enumerate(alpha)
        ]
    )
    found = continuous_ranked_probability_score(true, quantiles, alpha)
    np.testing.assert_allclose(found, expected)


def test_crps_approaches_that_of_the_normal_distribution():
    from scipy.stats import norm

    alpha = np.linspace(0.005, 0.995, 199)
    y = np.array([-1.0, 0.0, 0.7])
    z_score = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / np.sqrt(np.pi)
    quantiles = np.tile(norm.ppf(alpha), (3, 1))
    found = continuous_ranked_probability_score(y, quantiles, alpha, multioutput="raw_values")
    np.testing.assert_allclose(found, z_score, atol=5e-3)


def test_crps_of_a_point_forecast_is_its_absolute_error():
    quantiles = np.full((1, 5), 4.0)
    levels = [0.1, 0.3, 0.5, 0.7, 0.9]
    assert continuous_ranked_probability_score([1.0], quantiles, levels) == pytest.approx(3)


def series_of(values, start="2020-01-31"):
    return pd.Series(values, index=pd.date_range(start, periods=len(values), freq="ME"))


def test_pandas_is_read_by_its_index():
    history, true = series_of([1.0, 2, 4, 5]), series_of([7.0, 8], "2020-05-31")
    pred = pd.Series([6.0, 10.0], index=true.index)
    assert mean_absolute_scaled_error(true, pred, y_train=history) == 1.125
    frame = pd.DataFrame({"a": true, "b": 2 * true})
    forecast = pd.DataFrame({"a": pred, "b": 2 * pred})
    train = pd.DataFrame({"a": history, "b": 2 * history})
    assert mean_absolute_scaled_error(frame, forecast, y_train=train) == 1.125
    stacked = [part.T.stack() for part in (frame, forecast, train)]
    assert mean_absolute_scaled_error(stacked[0], stacked[1], y_train=stacked[2]) == 1.125
    # The training series are found by key, not by position.
    turned = pd.concat([stacked[2].loc[["b"]], stacked[2].loc[["a"]]])
    assert mean_absolute_scaled_error(stacked[0], stacked[1], y_train=turned) == 1.125


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f([1, 2], [1], y_train=[1, 2]), "same shape"),
        (lambda f: f([1, 2], [1, np.nan], y_train=[1, 2]), "y_pred of series 0 is nan at step 2"),
        (lambda f: f([1], [1], y_train=[3, 3, 3]), "repeats itself exactly"),
        (lambda f: f([1], [1], y_train=[3, 4], season_length=2), "no two values a season apart"),
        (lambda f: f([[1], [2]], [[1], [2]], y_train=[[1, 2]]), "the 2 series of y_true"),
        (lambda f: f([[1]], [[1]], y_train=[[[1, 2]]]), "must be 1-D"),
        (lambda f: f([1], [1], y_train=[3, 4], season_length=0), "season_length must be"),
        (lambda f: f([1], [1], y_train=[3, 4], multioutput="mean"), "multioutput must be one of"),
        (lambda f: f([[[1]]], [[[1]]], y_train=[3, 4]), "got \\(1, 1, 1\\)"),
    ],
)
def test_bad_input_is_named(call, message):
    for metric in SCALED:
        with pytest.raises(ValueError, match=message):
            call(metric)


def test_indices_that_differ_are_named():
    true, pred = series_of([1.0, 2.0]), series_of([1.0, 2.0], "2021-01-31")
    with pytest.raises(ValueError, match="y_true has 2 rows from 2020-01-31"):
        symmetric_mean_absolute_percentage_error(true, pred)
    frame = pd.DataFrame({"a": true, "b": true})
    with pytest.raises(ValueError, match="same columns in the same order"):
        symmetric_mean_absolute_percentage_error(frame, frame[["b", "a"]])
    keyed = pd.concat({"x": true, "y": true})
    with pytest.raises(ValueError, match="y_train has no series 'y'"):
        mean_absolute_scaled_error(keyed, keyed, y_train=pd.concat({"x": true, "z": true}))


@pytest.mark.parametrize(
    ("quantiles", "alpha", "message"),
    [
        ([[1.0, 2.0]], [0.5], "one more axis for the 1 levels"),
        ([[1.0, 2.0]], [0.5, 0.1], "must rise"),
        ([[1.0, 2.0]], [0.0, 0.1], "levels between 0 and 1"),
        ([[1.0, np.nan]], [0.1, 0.5], "y_quantiles of series 0"),
    ],
)
def test_bad_quantiles_are_named(quantiles, alpha, message):
    with pytest.raises(ValueError, match=message):
        continuous_ranked_probability_score([1.0], quantiles, alpha)


def test_seasonal_naive_error_of_too_short_a_series_is_nan():
    assert np.isnan(seasonal_naive_error([1.0, 2.0], season_length=5))
