"""The adapter for sktime; needs the extra `sktime`."""

import warnings
from inspect import signature

import numpy as np
import pandas as pd
import pytest

import skrnn

pytest.importorskip("sktime", reason="sktime is not installed: pip install skrnn[sktime]")
# Other people's warnings, at import and in their checks.
pytestmark = pytest.mark.filterwarnings("ignore")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sktime.forecasting.base import ForecastingHorizon
    from sktime.forecasting.model_selection import ForecastingGridSearchCV
    from sktime.split import ExpandingWindowSplitter
    from sktime.utils._testing.hierarchical import _make_hierarchical
    from sktime.utils.estimator_checks import check_estimator

    from skrnn.sktime import RNNForecaster

SMALL = {"hidden_layer_sizes": (4,), "max_iter": 3, "lookback": 6, "random_state": 0}


def monthly(n=48, name="visitors"):
    index = pd.period_range("2020-01", periods=n, freq="M")
    rng = np.random.default_rng(0)
    values = 50 + np.arange(n) + 9 * np.sin(np.arange(n) * np.pi / 6) + rng.normal(size=n)
    return pd.Series(values, index=index, name=name)


def with_covariate(y):
    return pd.DataFrame({"price": np.cos(np.arange(len(y)))}, index=y.index)


def test_every_check_of_sktime_passes():
    results = check_estimator(RNNForecaster, raise_exceptions=False, verbose=False)
    failed = {name: error for name, error in results.items() if error != "PASSED"}
    assert failed == {}
    assert len(results) > 600
    assert any("doctest" in name for name in results)


def test_parameters_are_those_of_the_forecaster():
    own = set(RNNForecaster.get_param_names())
    assert own == set(skrnn.RNNForecaster().get_params()) - {"target", "known_future", "static"}
    assert "self" in signature(RNNForecaster.__init__).parameters
    with pytest.raises(TypeError, match="hiden"):
        RNNForecaster(hiden_layer_sizes=(3,))


def test_forecasts_are_those_of_the_forecaster():
    y = monthly()
    core = skrnn.RNNForecaster(horizon=5, **SMALL).fit(y)
    adapter = RNNForecaster(**SMALL).fit(y, fh=[1, 2, 5])
    expected = core.predict()
    pd.testing.assert_series_equal(adapter.predict(), expected.iloc[[0, 1, 4]], check_freq=False)
    bounds = adapter.predict_interval(coverage=[0.5, 0.9])
    assert list(bounds.columns) == [
        ("visitors", coverage, side) for coverage in (0.5, 0.9) for side in ("lower", "upper")
    ]
    np.testing.assert_array_equal(
        bounds, core.predict_interval(coverage=[0.5, 0.9]).iloc[[0, 1, 4]]
    )
    quantiles = adapter.predict_quantiles(alpha=[0.1, 0.5])
    np.testing.assert_array_equal(
        quantiles, core.predict_quantiles(alpha=[0.1, 0.5]).iloc[[0, 1, 4]]
    )


def test_covariates_are_known_ahead():
    y = monthly()
    X = with_covariate(y)
    adapter = RNNForecaster(**SMALL).fit(y[:40], X=X[:40], fh=[1, 3])
    frame = pd.DataFrame({"y": y, "price": X["price"]})
    core = skrnn.RNNForecaster(horizon=3, target="y", known_future=["price"], **SMALL)
    core.fit(frame[:40])
    expected = core.predict(X_future=X[40:])
    np.testing.assert_array_equal(adapter.predict(X=X[40:]), expected.iloc[[0, 2]])
    # The second step is not asked for, so that it may be missing; the first may not.
    adapter.predict(X=X.iloc[[40, 42]])
    with pytest.raises(ValueError, match="2023-05"):
        adapter.predict(X=X.iloc[[41, 42]])


def test_update_moves_on_without_fitting():
    y = monthly()
    adapter = RNNForecaster(**SMALL).fit(y[:40], fh=[1, 2])
    adapter.update(y[38:44], update_params=False)  # two rows are known already
    core = skrnn.RNNForecaster(horizon=2, **SMALL).fit(y[:40]).update(y[40:44])
    pd.testing.assert_series_equal(adapter.predict(), core.predict(), check_freq=False)


def test_hierarchies_are_one_global_model():
    y = _make_hierarchical((2, 3), min_timepoints=20, max_timepoints=20, random_state=0)
    forecast = RNNForecaster(**SMALL).fit(y, fh=[1, 2]).predict()
    assert forecast.index.droplevel(-1).unique().equals(y.index.droplevel(-1).unique())
    assert len(forecast) == 12


def test_series_that_end_early_are_forecast_as_far_as_the_others():
    y = monthly(40)
    panel = pd.concat({"long": y, "short": y[:37]}, names=["series", "month"]).to_frame()
    forecast = RNNForecaster(**SMALL).fit(panel, fh=[1, 2]).predict()
    assert list(forecast.loc["short"].index.astype(str)) == ["2023-05", "2023-06"]
    assert forecast.loc["short"].index.equals(forecast.loc["long"].index)


def test_grid_search_of_sktime():
    y = monthly(40)
    cv = ExpandingWindowSplitter(fh=[1, 2, 3], initial_window=34, step_length=3)
    search = ForecastingGridSearchCV(RNNForecaster(**SMALL), cv, {"lookback": [3, 6]})
    search.fit(y, fh=ForecastingHorizon([1, 2, 3]))
    assert search.best_params_["lookback"] in {3, 6}
    assert len(search.predict()) == 3


def test_construction_and_fit_are_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RNNForecaster(**SMALL)
