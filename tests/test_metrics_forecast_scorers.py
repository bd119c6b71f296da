import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, mean_absolute_percentage_error
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skrnn import RNNForecaster, metrics

# Networks this small have no skill, and say so.
pytestmark = pytest.mark.filterwarnings("ignore:On the rows held out")

SMALL = {"hidden_layer_sizes": 4, "max_iter": 3, "lookback": 6, "random_state": 0}
SCORERS = [
    scorer for scorer in vars(metrics).values() if isinstance(scorer, metrics.ForecastScorer)
]


def monthly(n=36):
    index = pd.period_range("2020-01", periods=n, freq="M")
    values = 30 + 5 * np.sin(np.arange(n)) + np.random.default_rng(1).normal(size=n)
    return pd.Series(values, index=index, name="y")


@pytest.fixture(scope="module")
def fitted():
    return RNNForecaster(horizon=4, season_length=3, **SMALL).fit(monthly()[:30])


def test_scores_are_the_negative_measures(fitted):
    history, test = monthly()[:30], monthly()[30:34]
    forecast = fitted.predict()
    scaled = {"y_train": history, "season_length": 3}
    expected = {
        "neg_mean_absolute_error": mean_absolute_error(test, forecast),
        "neg_root_mean_squared_error": np.sqrt(np.mean((test - forecast) ** 2)),
        "neg_mean_absolute_percentage_error": mean_absolute_percentage_error(test, forecast),
        "neg_symmetric_mean_absolute_percentage_error": (
            metrics.symmetric_mean_absolute_percentage_error(test, forecast)
        ),
        "neg_mean_absolute_scaled_error": (
            metrics.mean_absolute_scaled_error(test, forecast, **scaled)
        ),
        "neg_root_mean_squared_scaled_error": (
            metrics.root_mean_squared_scaled_error(test, forecast, **scaled)
        ),
    }
    levels = np.arange(0.05, 1, 0.1).round(2)
    quantiles = fitted.predict_quantiles(alpha=list(levels)).to_numpy()
    expected["neg_continuous_ranked_probability_score"] = (
        metrics.continuous_ranked_probability_score(test, quantiles, levels)
    )
    assert set(expected) == {scorer.name for scorer in SCORERS}
    for scorer in SCORERS:
        assert scorer(fitted, test) == pytest.approx(-expected[scorer.name]), scorer
    assert metrics.neg_mean_absolute_scaled_error(fitted, test) == pytest.approx(fitted.score(test))


def test_missing_values_and_series_without_errors_are_left_out(fitted):
    y = monthly()
    X = pd.concat({"a": y, "b": 2 * y, "flat": y * 0 + 1})
    train, test = (
        X[X.index.get_level_values(1) < "2022-07"], X[X.index.get_level_values(1) >= "2022-07"],
    )  # fmt: skip
    test = test.copy()
    test.iloc[2] = np.nan
    model = RNNForecaster(horizon=4, season_length=3, **SMALL).fit(train)
    forecast = model.predict(horizon=6)
    per_series = [
        metrics.mean_absolute_scaled_error(
            test[key], forecast[key], y_train=train[key], season_length=3
        )
        for key in ("a", "b")
    ]
    found = metrics.neg_mean_absolute_scaled_error(model, test)
    assert found == pytest.approx(-np.mean(per_series))


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.name)
def test_searches_take_them(scorer):
    calibrate = scorer is metrics.neg_continuous_ranked_probability_score
    model = RNNForecaster(horizon=3, **{**SMALL, "max_iter": 1}, calibrate=calibrate)
    cv = TimeSeriesSplit(n_splits=2, test_size=3)
    search = GridSearchCV(model, {"lookback": [3, 6]}, cv=cv, scoring=scorer, error_score="raise")
    search.fit(monthly().to_frame())
    by_hand = [
        scorer(RNNForecaster(**search.best_estimator_.get_params()).fit(monthly()[:train]),
               monthly()[train : train + 3])
        for train in (30, 33)
    ]  # fmt: skip
    assert search.best_score_ == pytest.approx(np.mean(by_hand))
    assert search.best_score_ < 0
    newer = monthly(39)[36:]
    assert scorer(search, newer.to_frame()) == scorer(search.best_estimator_, newer.to_frame())


def test_several_at_once_by_name():
    scoring = {scorer.name: scorer for scorer in SCORERS[1:3]}
    model = RNNForecaster(horizon=3, calibrate=False, **SMALL)
    cv = TimeSeriesSplit(n_splits=2, test_size=3)
    found = cross_validate(model, monthly(), cv=cv, scoring=scoring)
    assert all(len(found[f"test_{name}"]) == 2 for name in scoring)


def test_pipelines_are_looked_into(fitted):
    pipeline = make_pipeline(FunctionTransformer(), RNNForecaster(horizon=4, **SMALL))
    pipeline.fit(monthly()[:30])
    scorer = metrics.neg_mean_absolute_error
    assert scorer(pipeline, monthly()[30:]) == scorer(pipeline[-1], monthly()[30:])


def test_rows_with_what_followed(fitted):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 8)).cumsum(axis=1), rng.normal(size=(40, 2))
    model = RNNForecaster(**SMALL).fit(X[:30], y[:30])
    expected = metrics.mean_absolute_scaled_error(y[30:], model.predict(X[30:]), y_train=X[30:])
    found = metrics.neg_mean_absolute_scaled_error(model, X[30:], y[30:])
    assert found == pytest.approx(-expected)


def test_they_are_pickled_and_named():
    for scorer in SCORERS:
        copy = pickle.loads(pickle.dumps(scorer))
        assert copy.name == scorer.name and repr(copy) == f"<{scorer.name}>"


def test_other_estimators_are_refused():
    model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    with pytest.raises(TypeError, match="for an RNNForecaster; got LinearRegression"):
        metrics.neg_mean_absolute_error(model, monthly())
