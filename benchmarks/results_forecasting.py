"""Results of `RNNForecaster` on the sets of competitions and papers.

Prints a Markdown table: for each set and measure the library's defaults, their average over the
seeds, the naive forecast and published figures.

    python benchmarks/results_forecasting.py                           # everything: some minutes
    python benchmarks/results_forecasting.py --sets "M4 Weekly" --seeds 1
    python benchmarks/results_forecasting.py --goals --json out.json
    python benchmarks/results_forecasting.py --search                  # and a search of each set
    python benchmarks/results_forecasting.py --smoke                   # seconds, no data
    python benchmarks/results_forecasting.py --check                   # only verify the measures

What is done, the same for all sets and seeds:

*The estimator* is ``RNNForecaster(horizon=h, season_length=m, random_state=seed)`` with the horizon
and the season that the set comes with; where the index has dates not even the season. Nothing else
is set. One model is trained on all series of a set, in float32 (AirPassengers in float64), without
their test parts, and forecasts them once. A figure is the median over the seeds and the range;
*ensemble* is the measure of the mean of the seeds' forecasts.

*Search* (asked for by ``--search``) is a fit with the settings of a small grid that forecast the
end of the training part best (see `forecast_search.py`), with the same seeds.

*Rolling sets* (ETTh1, AirPassengers, the laser) are trained once, before the test part, and
forecast from every origin in it by `RNNForecaster.backtest`, without training again.

*Coverage* is the fraction of the test part inside `predict_interval`, mean over the series.

*Seconds* are processor seconds of `fit`, which runs on one thread and with the defaults trains two
networks: one for the intervals and `skill_`, one for the forecasts. On an idle core they are the
time one waits; a busy machine hardly changes them. Compilation is done before.

The naive forecasts are recomputed first; if a published one differs, the program stops.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from forecast_measures import coverage
from forecast_search import search
from forecast_sets import SMOKE_TASKS, TASKS

from skrnn import RNNForecaster

COVERAGES = (0.80, 0.95)
# Figures were published to three or four digits.
TOLERANCE = 1e-3


@dataclass
class Result:
    """What was measured on one set."""

    name: str
    goals: dict
    published: dict
    naive: dict
    scores: dict = field(default_factory=dict)
    ensemble: dict = field(default_factory=dict)
    seconds: list = field(default_factory=list)
    coverages: list = field(default_factory=list)
    skills: list = field(default_factory=list)
    found: dict = field(default_factory=dict)
    found_scores: dict = field(default_factory=dict)
    found_ensemble: dict = field(default_factory=dict)


def measured(task, problem, forecast):
    """Return every measure of a forecast."""
    return {
        name: measure(problem.actual, forecast, problem.histories, problem.season)
        for name, measure in task.measures.items()
    }


def verify_measures(task, problem):
    """Recompute the published scores of naive forecasts.

    Raises
    ------
    SystemExit
        If one is not what was published.
    """
    for naive, name, expected in task.checks:
        forecast = naive(problem.histories, problem.season, problem.horizon)
        score = task.measures[name](problem.actual, forecast, problem.histories, problem.season)
        report(f"{task.name}: {name} of {naive.__name__}: {score:.6g} (published {expected})")
        if abs(score - expected) > TOLERANCE * expected:
            raise SystemExit(
                f"{task.name}: the {name} of {naive.__name__} is {score:.6g} here, but {expected} "
                "was published. The measure or the data differ."
            )


def measure(task, n_seeds, searches=False):
    """Return the `Result` of one set."""
    problem = task.load()
    verify_measures(task, problem)
    naive = task.naive(problem.histories, problem.season, problem.horizon)
    result = Result(task.name, task.goals, task.published, measured(task, problem, naive))
    forecasts = []
    for seed in range(n_seeds):
        model = make_forecaster(task, problem, seed)
        start = time.process_time()
        model.fit(problem.training)
        result.seconds.append(time.process_time() - start)
        forecasts.append(problem.forecast(model))
        for name, score in measured(task, problem, forecasts[-1]).items():
            result.scores.setdefault(name, []).append(score)
        result.skills.append(float(model.skill_))
        if task.intervals:
            bounds = problem.bounds(model, COVERAGES)
            result.coverages.append([coverage(problem.actual, *pair) for pair in bounds])
        report(f"{task.name}: seed {seed}: {describe(result)}")
    result.ensemble = measured(task, problem, np.mean(forecasts, axis=0))
    if searches and task.searched:
        measure_search(task, problem, n_seeds, result)
    return result


def measure_search(task, problem, n_seeds, result):
    """Search on the training part, and add to the result what was found and what it scores."""
    result.found = search(task, problem)
    forecasts = []
    for seed in range(n_seeds):
        model = make_forecaster(task, problem, seed, calibrate=False, **result.found)
        forecasts.append(problem.forecast(model.fit(problem.training)))
        for name, score in measured(task, problem, forecasts[-1]).items():
            result.found_scores.setdefault(name, []).append(score)
    result.found_ensemble = measured(task, problem, np.mean(forecasts, axis=0))
    report(f"{task.name}: found {result.found}: {result.found_scores}")


def make_forecaster(task, problem, seed, **settings):
    """Return the estimator that every set gets."""
    parameters = {**(task.parameters or {}), **settings}
    return RNNForecaster(horizon=problem.horizon, random_state=seed, **parameters)


def describe(result):
    """Say what the last seed scored."""
    scores = ", ".join(f"{name} {scores[-1]:.5g}" for name, scores in result.scores.items())
    covered = ", ".join(f"{c:.3f}" for c in result.coverages[-1]) if result.coverages else "-"
    return f"{scores}; covered {covered}; {result.seconds[-1]:.1f} CPU s"


def warm_up():
    """Compile the kernels, or load them from the cache, so that no fit below pays for it."""
    start = time.perf_counter()
    for dtype in (np.float32, np.float64):
        series = np.sin(np.arange(60, dtype=dtype)) + 2
        model = RNNForecaster(horizon=2, max_iter=1, random_state=0).fit([series, series[:40]])
        model.predict_interval()
    report(f"kernels ready after {time.perf_counter() - start:.1f} s")


def report(line):
    """Say what is being done, apart from the table on the standard output."""
    print(line, file=sys.stderr, flush=True)


def number(value):
    """Format a figure: four significant digits, or all before the point."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def spread(scores):
    """Format scores as their median and range."""
    return f"{number(np.median(scores))} ({number(min(scores))} to {number(max(scores))})"


def table(results, goals):
    """Return the results as a Markdown table."""
    header = ["set", "measure", "naive", "defaults: median (range)", "ensemble", "published"]
    header += ["fit, CPU s", "covered at 80 %, 95 %"]
    searched = any(result.found for result in results)
    header += ["search", "search, ensemble"] if searched else []
    header += ["goals met"] if goals else []
    lines = [header, ["---"] * len(header)]
    for result in results:
        for position, (name, scores) in enumerate(result.scores.items()):
            first = position == 0
            line = [result.name if first else "", name, number(result.naive[name])]
            line += [spread(scores), number(result.ensemble[name])]
            line += [result.published.get(name, "-")]
            line += [f"{np.median(result.seconds):.1f}" if first else ""]
            line += [covered(result) if first else ""]
            line += found(result, name) if searched else []
            line += [goals_met(result, name)] if goals else []
            lines.append(line)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def covered(result):
    """Format the coverage of intervals, the median over the seeds."""
    if not result.coverages:
        return "-"
    return ", ".join(f"{100 * c:.1f} %" for c in np.median(result.coverages, axis=0))


def found(result, name):
    """Format what the settings found by the search score."""
    if not result.found:
        return ["-", "-"]
    return [spread(result.found_scores[name]), number(result.found_ensemble[name])]


def goals_met(result, name):
    """Say of each goal whether it is reached: by the median; by it, an ensemble or the search."""
    if name not in result.goals:
        return "-"
    reach, better = result.goals[name]
    median = np.median(result.scores[name])
    best = min(median, result.ensemble[name])
    if result.found:
        best = min(best, np.median(result.found_scores[name]), result.found_ensemble[name])
    return ", ".join(
        f"{number(goal)} {'yes' if score <= goal else 'NO'}"
        for goal, score in ((reach, median), (better, best))
    )


def parse_arguments(arguments=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", help="names, separated by semicolons (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (default: 3)")
    parser.add_argument("--goals", action="store_true", help="say which goals are met")
    parser.add_argument("--search", action="store_true", help="search on the training parts too")
    parser.add_argument("--check", action="store_true", help="only verify the measures")
    parser.add_argument("--smoke", action="store_true", help="tiny generated data, no data folder")
    parser.add_argument("--json", type=Path, help="write every score to this file as well")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    tasks = {task.name: task for task in (SMOKE_TASKS if options.smoke else TASKS)}
    names = options.sets.split(";") if options.sets else list(tasks)
    unknown = [name for name in names if name not in tasks]
    if unknown:
        parser.error(f"unknown sets {'; '.join(unknown)}; known: {'; '.join(tasks)}")
    options.tasks = [tasks[name] for name in names]
    if options.smoke:
        options.seeds = min(options.seeds, 2)
    return options


def main(arguments=None):
    """Measure every set asked for and print the table."""
    options = parse_arguments(arguments)
    if options.check:
        for task in options.tasks:
            verify_measures(task, task.load())
        return
    results = []
    warm_up()
    try:
        for task in options.tasks:
            results.append(measure(task, options.seeds, options.search))
            if options.json:
                rows = [asdict(result) for result in results]
                options.json.write_text(json.dumps(rows, indent=1) + "\n")
    except KeyboardInterrupt:
        report("Interrupted: the table holds the sets that were finished.")
    print(table(results, options.goals))


if __name__ == "__main__":
    main()
