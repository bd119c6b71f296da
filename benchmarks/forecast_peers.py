"""Other libraries on the competition sets, with the same measures, beside `results_forecasting.py`.

Runs in environments of their own, in which skrnn is not needed: ``pip install statsforecast
mlforecast lightgbm``, or ``pip install darts torch pytorch-lightning pandas`` for DartsLSTM, or
``pip install neuralforecast`` for GRU and LSTM.

    python benchmarks/forecast_peers.py --sets "Tourism Quarterly" --models AutoETS,LightGBM
    python benchmarks/forecast_peers.py --sets "M4 Weekly" --models AutoETS --series 40

AutoETS, AutoARIMA and AutoTheta fit each series alone, with the season of the set. LightGBM is one
model for all series of a set, fed back step by step: lags of one and two seasons (of 13 steps where
there is none), levels divided out by differencing the logarithm once; missing values are those of a
season before. The recurrent networks are those of `forecast_recurrent_peers.py`, one seed. All else
is as the libraries have it. Seconds are processor seconds of fit and forecast on one core, after a
first run on two series that compiles what is compiled. With `--series` OWA is relative to repeating
the last value of the same series.
"""

import argparse
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
from forecast_sets import TASKS

MODELS = ("SeasonalNaive", "AutoTheta", "AutoETS", "AutoARIMA", "LightGBM")
NETWORKS = ("DartsLSTM", "GRU", "LSTM")


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


def forecast_network(name, frame, season, horizon, seconds):
    """Fit a recurrent network to all series and return the forecasts and how far training came."""
    import forecast_recurrent_peers as networks

    if name == "DartsLSTM":
        return networks.forecast_darts(frame, season, horizon, seconds)
    return networks.forecast_neuralforecast(name, frame, season, horizon, seconds)


def forecast(name, frame, season, horizon, limit):
    """Return the forecasts of a model, the processor seconds that they took, and a note."""
    start, note = time.process_time(), ""
    if name in NETWORKS:
        values, note = forecast_network(name, frame, season, horizon, limit)
    elif name == "LightGBM":
        values = forecast_all(frame, season, horizon)
    else:
        values = forecast_each(name, frame, season, horizon)
    return values, time.process_time() - start, note


def some_series(problem, n_series):
    """Return a problem of some of the series, drawn at random with seed 0; all of them if None."""
    n_all = len(problem.histories)
    if n_series is None or n_series >= n_all:
        return problem
    chosen = np.sort(np.random.default_rng(0).permutation(n_all)[:n_series])
    histories = [problem.histories[i] for i in chosen]
    return replace(problem, actual=problem.actual[chosen], histories=histories)


def main(arguments=None):
    """Measure the models asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", help="names, separated by semicolons (default: all)")
    names = ", ".join(MODELS + NETWORKS)
    parser.add_argument("--models", default=",".join(MODELS), help=f"of {names}")
    parser.add_argument("--series", type=int, help="number of series, drawn at random")
    parser.add_argument(
        "--limit", type=float, default=360, help="seconds to train a network (default: 360)"
    )
    options = parser.parse_args(arguments)
    tasks = [task for task in TASKS if task.season_given]
    if options.sets:
        tasks = [task for task in tasks if task.name in options.sets.split(";")]
    print("| set | series | model | measures | CPU s | |\n| --- | --- | --- | --- | --- | --- |")
    for task in tasks:
        problem = some_series(task.load(), options.series)
        frame, n_series = as_frame(problem), len(problem.histories)
        few, measures = frame[frame["unique_id"] < 2], dict(task.measures)
        if options.series:
            measures[next(iter(measures))] = task.validation_measure
        for name in options.models.split(","):
            forecast(name, few, problem.season, problem.horizon, 1.0)
            values, seconds, note = forecast(
                name, frame, problem.season, problem.horizon, options.limit
            )
            values = values.reshape(problem.actual.shape).astype(float)
            scores = ", ".join(
                f"{what} {measure(problem.actual, values, problem.histories, problem.season):.4g}"
                for what, measure in measures.items()
            )
            cells = (task.name, str(n_series), name, scores, f"{seconds:.1f}", note)
            print(f"| {' | '.join(cells)} |", flush=True)
            print(": ".join(cells), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
