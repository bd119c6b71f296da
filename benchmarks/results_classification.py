"""Results of `RNNClassifier` and `RNNRegressor` on real data and on long-memory tasks.

Prints a Markdown table: for each set the library's defaults, then one search that a user would
run, beside a trivial predictor, 1NN-DTW, TWIESN and published figures.

    python benchmarks/results_classification.py                        # everything: hours
    python benchmarks/results_classification.py --no-search            # the defaults only
    python benchmarks/results_classification.py --sets GunPoint,CBF --seeds 3 --json out.json
    python benchmarks/results_classification.py --smoke                # half a minute, no data

What is done, the same for all sets and seeds:

*The estimator* is ``make_pipeline(SequenceScaler(), RNNClassifier(random_state=seed))``, or
with `RNNRegressor`: every channel is standardised by the true steps of the training part,
nothing else is set. Training on a real set is on the archive's whole training part, scoring
once on its test part. A figure is the median over the seeds, followed by the range.

*The search* is one `GridSearchCV` over one small grid (`tasks.SEARCH_GRID`, the same for all
sets) by 3-fold cross-validation on the training part only, with seed 0; its best parameters
are then fitted on the whole training part once a seed. Its time is that of the whole grid.

*The average* is a `VotingClassifier` (soft) or `VotingRegressor` of five networks with what the
search chose, which differ in their seeds: 0 to 4 for the first figure, 5 to 9 for the second.

*Generated tasks* have a budget of sequences seen. A training set of budget / epochs sequences
is drawn once a seed and `fit` passes over it `max_iter` = epochs times, so a sequence that is
seen twice counts twice. That number of epochs is the only parameter set besides the defaults.
The test sequences are fresh: 2,560 of them, 10,000 for the adding problem of Le et al. For the
search the budget is that of the published figure; the grid is evaluated on three folds of the
training set, and the budget counts the final fit only.
"""

import argparse
import json
import sys
import time
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from baselines import majority_accuracy, nearest_neighbour_dtw
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from tasks import (
    SEARCH_FOLDS,
    SEARCH_GRID,
    SMOKE_GRID,
    SMOKE_TASKS,
    TASKS,
    published_figures,
    read_published,
)

from skrnn import RNNClassifier, RNNRegressor, SequenceScaler

N_AVERAGED = 5


@dataclass
class Result:
    """What was measured on one task: a row of the table."""

    name: str
    metric: str
    greater_is_better: bool
    goals: tuple
    trivial: float = None
    neighbour: float = None
    echo_state: float = None
    others: str = ""
    default_scores: list = field(default_factory=list)
    default_seconds: list = field(default_factory=list)
    search_scores: list = field(default_factory=list)
    search_seconds: float = None
    best_parameters: dict = field(default_factory=dict)
    average_scores: list = field(default_factory=list)


def make_estimator(kind, seed, parameters):
    """Return the pipeline that every set gets."""
    estimator = {"classification": RNNClassifier, "regression": RNNRegressor}[kind]
    return Pipeline(
        [("scale", SequenceScaler()), ("rnn", estimator(random_state=seed, **parameters))]
    )


def make_average(kind, seed, parameters):
    """Return the average of several such pipelines, no seed of which any other average has."""
    seeds = range(seed * N_AVERAGED, (seed + 1) * N_AVERAGED)
    members = [(f"seed{own}", make_estimator(kind, own, parameters)) for own in seeds]
    if kind == "regression":
        return VotingRegressor(members)
    return VotingClassifier(members, voting="soft")


def fit_and_score(estimator, dataset, metric):
    """Return the test score and the seconds that `fit` took."""
    start = time.perf_counter()
    estimator.fit(dataset.X_train, dataset.y_train)
    seconds = time.perf_counter() - start
    return metric(dataset.y_test, estimator.predict(dataset.X_test)), seconds


def measure_baselines(task, published, result):
    """Fill in what the networks are compared with."""
    dataset = task.load(0, False)
    if dataset.task == "classification":
        result.trivial = majority_accuracy(dataset.y_train, dataset.y_test)
    else:
        # A constant has no better use than the training mean, whatever the metric.
        constant = np.full(len(dataset.y_test), dataset.y_train.mean())
        result.trivial = task.metric(dataset.y_test, constant)
    result.neighbour, result.echo_state, result.others = published_figures(task, published)
    if result.neighbour is None and task.neighbours:
        predicted = nearest_neighbour_dtw(dataset.X_train, dataset.y_train, dataset.X_test)
        result.neighbour = task.metric(dataset.y_test, predicted)


def measure_defaults(task, n_seeds, result):
    """Fit the defaults once a seed."""
    for seed in range(n_seeds):
        dataset = task.load(seed, False)
        estimator = make_estimator(dataset.task, seed, task.parameters)
        score, seconds = fit_and_score(estimator, dataset, task.metric)
        result.default_scores.append(score)
        result.default_seconds.append(seconds)
        report(f"{task.name}: defaults, seed {seed}: {score:.4g} ({seconds:.1f} s)")


def measure_search(task, grid, n_seeds, n_jobs, result):
    """Search by cross-validation on the training part, then fit what won once a seed."""
    dataset = task.load(0, True)
    search = GridSearchCV(
        make_estimator(dataset.task, 0, task.parameters),
        grid,
        cv=SEARCH_FOLDS,
        n_jobs=n_jobs,
        refit=False,
    )
    start = time.perf_counter()
    search.fit(dataset.X_train, dataset.y_train)
    result.search_seconds = time.perf_counter() - start
    result.best_parameters = {
        name.removeprefix("rnn__"): value for name, value in search.best_params_.items()
    }
    report(f"{task.name}: search chose {result.best_parameters} ({result.search_seconds:.0f} s)")
    for seed in range(n_seeds):
        dataset = task.load(seed, True)
        estimator = make_estimator(dataset.task, seed, task.parameters)
        estimator.set_params(**search.best_params_)
        score, seconds = fit_and_score(estimator, dataset, task.metric)
        result.search_scores.append(score)
        report(f"{task.name}: searched, seed {seed}: {score:.4g} ({seconds:.1f} s)")


def measure_average(task, n_seeds, result):
    """Average networks with what the search chose."""
    parameters = {**task.parameters, **result.best_parameters}
    for seed in range(n_seeds):
        dataset = task.load(seed, True)
        estimator = make_average(dataset.task, seed, parameters)
        score, seconds = fit_and_score(estimator, dataset, task.metric)
        result.average_scores.append(score)
        report(f"{task.name}: average, seed {seed}: {score:.4g} ({seconds:.1f} s)")


def measure(task, published, options):
    """Return the `Result` of one task."""
    result = Result(task.name, task.metric_name, task.greater_is_better, task.goals)
    measure_baselines(task, published, result)
    measure_defaults(task, options.seeds, result)
    if options.search:
        grid = SMOKE_GRID if options.smoke else SEARCH_GRID
        measure_search(task, grid, options.seeds, options.jobs, result)
    if options.search and options.average:
        measure_average(task, options.seeds, result)
    return result


def warm_up():
    """Compile the kernels, or load them from the cache, so that no fit below pays for it."""
    start = time.perf_counter()
    for kind in ("classification", "regression"):
        sequences = [np.zeros((length, 1), dtype=np.float32) for length in (2, 3)]
        make_estimator(kind, 0, {"max_iter": 1}).fit(sequences, np.arange(2)).predict(sequences)
    report(f"kernels ready after {time.perf_counter() - start:.1f} s")


def report(line):
    """Say what is being done, apart from the table on the standard output."""
    print(line, file=sys.stderr, flush=True)


def number(value):
    """Format a figure: three significant digits where it is small, else three decimals."""
    if value is None:
        return "-"
    return f"{value:.3f}" if value >= 0.1 or value == 0 else f"{value:.3g}"


def spread(scores):
    """Format scores as their median and range."""
    if not scores:
        return "-"
    return f"{number(np.median(scores))} ({number(min(scores))} to {number(max(scores))})"


def table(results, goals):
    """Return the results as a Markdown table."""
    header = ["set", "metric", "constant", "1NN-DTW", "TWIESN", "published"]
    header += [
        "defaults: median (range)",
        "fit, s",
        "searched: median (range)",
        "search, s",
        "chosen",
        "average of five: median (range)",
    ]
    header += ["goals met"] if goals else []
    lines = [header, ["---"] * len(header)]
    for result in results:
        line = [result.name, result.metric, number(result.trivial), number(result.neighbour)]
        line += [number(result.echo_state), result.others or "-", spread(result.default_scores)]
        line += [f"{np.median(result.default_seconds):.1f}", spread(result.search_scores)]
        line += ["-" if result.search_seconds is None else f"{result.search_seconds:.0f}"]
        line += [", ".join(f"{k}={v}" for k, v in result.best_parameters.items()) or "-"]
        line += [spread(result.average_scores)]
        line += [goals_met(result)] if goals else []
        lines.append(line)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def goals_met(result):
    """Say of each goal whether the median reaches it; the average has the goal of the search."""
    first, second = result.goals
    said = []
    for what, goal, scores in (
        ("defaults", first, result.default_scores),
        ("search", second, result.search_scores),
        ("average", second, result.average_scores),
    ):
        if goal is None or not scores:
            continue
        median = np.median(scores)
        met = median >= goal if result.greater_is_better else median <= goal
        said.append(f"{what} {number(goal)} {'yes' if met else 'NO'}")
    return ", ".join(said) or "-"


def parse_arguments(arguments=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", help="names, separated by commas (default: all)")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds (default: 5)")
    parser.add_argument(
        "--search",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also run the grid search (default: yes)",
    )
    parser.add_argument(
        "--average",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="after the search also average five networks (default: yes)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="n_jobs of the search (default: 1)")
    parser.add_argument("--goals", action="store_true", help="say which goals are met")
    parser.add_argument("--smoke", action="store_true", help="tiny generated data, no data folder")
    parser.add_argument("--json", type=Path, help="write every score to this file as well")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    tasks = {task.name: task for task in (SMOKE_TASKS if options.smoke else TASKS)}
    names = options.sets.split(",") if options.sets else list(tasks)
    unknown = [name for name in names if name not in tasks]
    if unknown:
        parser.error(f"unknown sets {', '.join(unknown)}; known: {', '.join(tasks)}")
    options.tasks = [tasks[name] for name in names]
    if options.smoke:
        options.seeds = min(options.seeds, 2)
    return options


def main(arguments=None):
    """Measure every task asked for and print the table."""
    options = parse_arguments(arguments)
    published = {} if options.smoke else read_published()
    results = []
    warm_up()
    try:
        for task in options.tasks:
            results.append(measure(task, published, options))
            if options.json:
                rows = [asdict(result) for result in results]
                options.json.write_text(json.dumps(rows, indent=1) + "\n")
    except KeyboardInterrupt:
        report("Interrupted: the table holds the sets that were finished.")
    print(table(results, options.goals))


if __name__ == "__main__":
    # The number of epochs is part of what is measured, not a mishap to warn of.
    warnings.simplefilter("ignore", ConvergenceWarning)
    main()
