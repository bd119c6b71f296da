"""Other libraries on the competition sets, with the same measures, beside `results_forecasting.py`.

Runs in an environment of its own with ``pip install statsforecast mlforecast lightgbm``; skrnn is
not needed there.

    python benchmarks/forecast_peers.py --sets "Tourism Quarterly" --models AutoETS,LightGBM

AutoETS, AutoARIMA and AutoTheta fit each series alone, with the season of the set. LightGBM is one
model for all series of a set, fed back step by step: lags of one and two seasons (of 13 steps where
there is none), levels divided out by differencing the logarithm once; missing values are those of a
season before. All else is as the libraries have it. Seconds are processor seconds of fit and
forecast on one core, after a first run on two series that compiles what is compiled.
"""

import argparse
import sys
import time

import numpy as np
import pandas as pd
from forecast_sets import TASKS

MODELS = ("SeasonalNaive", "AutoTheta", "AutoETS", "AutoARIMA", "LightGBM")


def as_frame(problem):
    """Return the training series as the frame that Nixtla's libraries read."""
    parts = []
    for number, series in enumerate(problem.histories):
        filled = np.array(series)
        for row in np.flatnonzero(np.isnan(filled)):
            filled[row] = filled[row - problem.season] if row >= problem.season else 0.0
        parts.append(pd.DataFrame({"unique_id": number, "ds": np.arange(len(filled)), "y": filled}))
    return pd.concat(parts, ignore_index=True)


def forecast_each(name, frame, season, horizon):
    """Fit a model of statsforecast to each series and return the forecasts."""
    from statsforecast import StatsForecast, models

    model = getattr(models, name)(season_length=season)
    result = StatsForecast(models=[model], freq=1, n_jobs=1).forecast(df=frame, h=horizon)
    return result.sort_values(["unique_id", "ds"])[name].to_numpy()


def forecast_all(frame, season, horizon):
    """Fit LightGBM to the lags of all series and return the forecasts."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.target_transforms import Differences, GlobalSklearnTransformer
    from sklearn.preprocessing import FunctionTransformer

    positive = (frame["y"] > 0).all()
    transforms = [Differences([1])]
    if positive:
        logarithm = FunctionTransformer(func=np.log, inverse_func=np.exp)
        transforms.insert(0, GlobalSklearnTransformer(logarithm))
    shortest = frame.groupby("unique_id").size().min()
    n_lags = min(2 * season if season > 1 else 13, shortest - 2)
    model = MLForecast(
        models={"model": LGBMRegressor(verbose=-1, n_jobs=1, random_state=0)},
        freq=1,
        lags=range(1, n_lags + 1),
        target_transforms=transforms,
    )
    result = model.fit(frame, static_features=[]).predict(horizon)
    return result.sort_values(["unique_id", "ds"])["model"].to_numpy()


def forecast(name, frame, season, horizon):
    """Return the forecasts of a model and the processor seconds that they took."""
    start = time.process_time()
    if name == "LightGBM":
        values = forecast_all(frame, season, horizon)
    else:
        values = forecast_each(name, frame, season, horizon)
    return values, time.process_time() - start


def main(arguments=None):
    """Measure the models asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", help="names, separated by semicolons (default: all)")
    parser.add_argument("--models", default=",".join(MODELS), help=f"of {', '.join(MODELS)}")
    options = parser.parse_args(arguments)
    tasks = [task for task in TASKS if task.season_given]
    if options.sets:
        tasks = [task for task in tasks if task.name in options.sets.split(";")]
    print("| set | model | measures | CPU s |\n| --- | --- | --- | --- |")
    for task in tasks:
        problem = task.load()
        frame = as_frame(problem)
        few = frame[frame["unique_id"] < 2]
        for name in options.models.split(","):
            forecast(name, few, problem.season, problem.horizon)
            values, seconds = forecast(name, frame, problem.season, problem.horizon)
            values = values.reshape(problem.actual.shape).astype(float)
            scores = ", ".join(
                f"{what} {measure(problem.actual, values, problem.histories, problem.season):.4g}"
                for what, measure in task.measures.items()
            )
            print(f"| {task.name} | {name} | {scores} | {seconds:.1f} |", flush=True)
            print(f"{task.name}: {name}: {scores} ({seconds:.1f} s)", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
