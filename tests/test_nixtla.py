"""The adapter for frames of Nixtla's libraries, beside one of them where it is installed."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from skrnn import RNNForecaster
from skrnn.nixtla import RNNForecast

foreign = pytest.mark.filterwarnings("ignore")  # other people's warnings

# Networks this small have no skill, and say so.
pytestmark = pytest.mark.filterwarnings("ignore:On the rows held out")

SMALL = {"hidden_layer_sizes": (4,), "max_iter": 3, "lookback": 7, "random_state": 0}
HORIZON = 5


def daily_frame(n_series=3, n_days=60):
    """Series of unequal ends, in no order, with a categorical column of keys."""
    rng = np.random.default_rng(0)
    parts = []
    for i in range(n_series):
        days = np.arange(n_days + 3 * i)
        parts.append(
            pd.DataFrame(
                {
                    "unique_id": f"shop {i}",
                    "ds": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D"),
                    "y": 20 * (i + 1)
                    + 5 * np.sin(days * 2 * np.pi / 7)
                    + rng.normal(size=len(days)),
                }
            )
        )
    frame = pd.concat(parts, ignore_index=True).astype({"unique_id": "category"})
    return frame.sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def df():
    return daily_frame()


@pytest.fixture(scope="module")
def mlforecast():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            "mlforecast", reason="mlforecast is not installed: pip install skrnn[nixtla]"
        )


@pytest.fixture(scope="module")
def theirs(df, mlforecast):
    from mlforecast.utils import PredictionIntervals

    model = mlforecast.MLForecast(models={"linear": LinearRegression()}, freq="D", lags=[1, 7])
    return model.fit(df, prediction_intervals=PredictionIntervals(n_windows=2, h=HORIZON))


@pytest.fixture(scope="module")
def ours(df):
    return RNNForecast(RNNForecaster(horizon=HORIZON, **SMALL), freq="D").fit(df)


@foreign
def test_frames_are_those_of_mlforecast(ours, theirs):
    expected = theirs.predict(HORIZON, level=[80, 95])
    found = ours.predict(HORIZON, level=[80, 95])
    renamed = expected.rename(columns=lambda name: name.replace("linear", "RNNForecaster"))
    assert list(found.columns) == list(renamed.columns)
    assert (found.dtypes == renamed.dtypes).all()
    pd.testing.assert_frame_equal(found[["unique_id", "ds"]], renamed[["unique_id", "ds"]])
    assert (found["RNNForecaster-lo-95"] <= found["RNNForecaster-lo-80"]).all()
    assert (found["RNNForecaster-hi-80"] <= found["RNNForecaster-hi-95"]).all()


def test_forecasts_are_those_of_the_forecaster(df, ours):
    series = df.set_index(["unique_id", "ds"]).sort_index()
    core = RNNForecaster(horizon=HORIZON, target="y", freq="D", **SMALL).fit(series)
    found = ours.predict()
    np.testing.assert_array_equal(found["RNNForecaster"], np.ravel(core.predict()))


@foreign
def test_results_are_evaluated_side_by_side(df, mlforecast):
    from utilsforecast.evaluation import evaluate
    from utilsforecast.losses import mae

    model = RNNForecast({"gru": RNNForecaster(horizon=HORIZON, **SMALL)}, freq="D")
    found = model.cross_validation(df, HORIZON, n_windows=2, refit=False, level=[80])
    linear = mlforecast.MLForecast(models={"linear": LinearRegression()}, freq="D", lags=[1, 7])
    theirs = linear.cross_validation(df, n_windows=2, h=HORIZON, refit=False)
    keys = ["unique_id", "ds", "cutoff", "y"]
    both = theirs.merge(found, on=keys)
    assert len(both) == len(theirs) == len(found) == 3 * 2 * HORIZON
    scores = evaluate(both.drop(columns="cutoff"), metrics=[mae], models=["linear", "gru"])
    assert scores[["linear", "gru"]].notna().all(axis=None)
    assert list(found.columns) == [*keys, "gru", "gru-lo-80", "gru-hi-80"]


def test_models_share_a_frame(df):
    models = [RNNForecaster(horizon=2, **SMALL), RNNForecaster(horizon=2, cell="rnn", **SMALL)]
    found = RNNForecast(models, freq="D").fit(df).predict(level=[90])
    assert [name for name in found if "-" not in name] == [
        "unique_id", "ds", "RNNForecaster", "RNNForecaster2",
    ]  # fmt: skip
    assert not found["RNNForecaster"].equals(found["RNNForecaster2"])


def test_other_names_and_covariates(df):
    named = df.set_axis(["shop", "day", "sales"], axis=1)
    named["weekend"] = (named["day"].dt.day_of_week >= 5).astype(float)
    last = named.groupby("shop", observed=True)["day"].max()
    future = pd.concat(
        [
            pd.DataFrame({"shop": shop, "day": day + pd.to_timedelta([1, 2], unit="D")})
            for shop, day in last.items()
        ]
    )
    future["weekend"] = (future["day"].dt.day_of_week >= 5).astype(float)
    model = RNNForecast(RNNForecaster(horizon=2, known_future=["weekend"], **SMALL), freq="D")
    model.fit(named, id_col="shop", time_col="day", target_col="sales")
    found = model.predict(X_df=future)
    assert list(found.columns) == ["shop", "day", "RNNForecaster"]
    with pytest.raises(ValueError, match="weekend"):
        model.predict()


def test_update_appends(df):
    ordered = df.sort_values(["unique_id", "ds"])
    recent = ordered.groupby("unique_id", observed=True).tail(4)
    model = RNNForecast(RNNForecaster(horizon=HORIZON, **SMALL), freq="D")
    model.fit(ordered.drop(recent.index)).update(recent)
    assert model.predict()["ds"].min() == ordered.groupby("unique_id", observed=True)[
        "ds"
    ].max().min() + pd.Timedelta(days=1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda df: RNNForecast([], "D").fit(df), ValueError, "models is empty"),
        (lambda df: RNNForecast(LinearRegression(), "D").fit(df), TypeError, "must be RNNForecast"),
        (
            lambda df: RNNForecast(RNNForecaster(), "D").fit(df[["ds", "y"]]),
            ValueError,
            "unique_id",
        ),
        (lambda df: RNNForecast(RNNForecaster(), "D").predict(2), ValueError, "not fitted"),
    ],
)
def test_bad_input_is_named(df, call, error, message):
    with pytest.raises(error, match=message):
        call(df)


def test_levels_are_a_list(ours):
    with pytest.raises(TypeError, match=r"list of percentages such as \[80, 95\], got 80"):
        ours.predict(level=80)


@pytest.mark.parametrize("level", [[0], [80, 100]])
def test_bad_levels_are_named(ours, level):
    with pytest.raises(ValueError, match="between 0 and 100"):
        ours.predict(level=level)
