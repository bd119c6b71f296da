"""How the defaults of `RNNForecaster` compare with other choices, on training parts alone.

    python benchmarks/choose_forecast_defaults.py
    python benchmarks/choose_forecast_defaults.py --sets "M3 Quarterly" --seeds 1

The last horizon of every training series of the competition sets is held out; each candidate is
trained on what precedes it and forecasts it once. Test parts are not read. Prints a Markdown table
with a row a candidate and a column a set: the mean over the seeds of the set's first measure (for
M4 Weekly OWA relative to repeating the last value on the same rows), and the processor seconds.
"""

import argparse
import sys
import time

import numpy as np
from forecast_sets import TASKS

from skrnn import RNNForecaster

CANDIDATES = {
    "defaults": {},
    "one value a step": {"segment_length": 1},
    "seasonal naive base": {"baseline": "seasonal_naive"},
    "no smoothing": {"smoothing": False},
    "no logarithm": {"power_transform": None},
    "squared error": {"loss": "squared_error"},
    "Huber": {"loss": "huber"},
    "LSTM": {"cell": "lstm"},
    "vanilla cell": {"cell": "rnn"},
    "32 units": {"hidden_layer_sizes": 32},
    "128 units": {"hidden_layer_sizes": 128},
    "two layers of 64": {"hidden_layer_sizes": (64, 64)},
    "rate 0.002": {"learning_rate_init": 0.002},
    "rate 0.01": {"learning_rate_init": 0.01},
    "100 epochs": {"max_iter": 100},
    "400 epochs": {"max_iter": 400},
    "dropout 0.2": {"dropout": 0.2},
}


def evaluate(task, problem, parameters, n_seeds):
    """Return the mean score over seeds and the processor seconds of a fit."""
    measure = task.validation_measure
    scores, start = [], time.process_time()
    for seed in range(n_seeds):
        model = RNNForecaster(
            horizon=problem.horizon,
            calibrate=False,
            random_state=seed,
            **{**(task.parameters or {}), **parameters},
        )
        forecast = problem.forecast(model.fit(problem.training))
        scores.append(measure(problem.actual, forecast, problem.histories, problem.season))
    return np.mean(scores), (time.process_time() - start) / n_seeds


def main(arguments=None):
    """Evaluate the candidates and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", help="names, separated by semicolons (default: all)")
    parser.add_argument("--candidates", help="names, separated by semicolons (default: all)")
    parser.add_argument("--seeds", type=int, default=2, help="number of seeds (default: 2)")
    options = parser.parse_args(arguments)
    tasks = [task for task in TASKS if task.season_given]
    if options.sets:
        tasks = [task for task in tasks if task.name in options.sets.split(";")]
    names = options.candidates.split(";") if options.candidates else list(CANDIDATES)
    problems = [task.load().earlier() for task in tasks]
    header = [f"{task.name} {next(iter(task.measures))}" for task in tasks]
    lines = [["candidate", *header], ["---"] * (len(tasks) + 1)]
    for name in names:
        cells = []
        for task, problem in zip(tasks, problems, strict=True):
            score, seconds = evaluate(task, problem, CANDIDATES[name], options.seeds)
            cells.append(f"{score:.4g} ({seconds:.0f} s)")
            print(f"{name}: {task.name}: {cells[-1]}", file=sys.stderr, flush=True)
        lines.append([name, *cells])
    print("\n".join("| " + " | ".join(line) + " |" for line in lines))


if __name__ == "__main__":
    main()
