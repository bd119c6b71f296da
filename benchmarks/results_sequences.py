"""Results with outputs at every step, output sequences, and tokens: music, text, tags, captions.

Prints a Markdown table: for each task the score on its test part, published figures, training time,
and where there is one, the same model in PyTorch.

    python benchmarks/results_sequences.py                               # everything: hours
    python benchmarks/results_sequences.py --sets jsb_chorales,names --json out.json
    python benchmarks/results_sequences.py --no-torch --seeds 1
    python benchmarks/results_sequences.py --smoke                       # a minute, generated data

What is done, the same for all tasks:

*The choice.* Each task has a few settings, fixed beforehand (`sequence_tasks.py`). With seed 0 each
is trained on the training part and scored on the validation part; the best is kept. Test parts
are no part of this.

*The figure.* The chosen settings are trained anew with seeds 0, 1 and 2 and scored on the test
part, once each. The table has the median and the range.

*PyTorch.* The same model with the same training, in turns with ours, seed by seed, on one thread
each. Times are seconds of processor time in training, compilation excluded.
"""

import argparse
import json
import sys
import time
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from sequence_tasks import SMOKE_TASKS, TASKS
from sklearn.exceptions import ConvergenceWarning


@dataclass
class Result:
    """What was measured on one task: a row of the table."""

    name: str
    measure: str
    goals: tuple
    published: str
    greater_is_better: bool
    validation_scores: list = field(default_factory=list)
    chosen: dict = field(default_factory=dict)
    scores: list = field(default_factory=list)
    seconds: list = field(default_factory=list)
    extra: dict = field(default_factory=dict)
    torch_scores: list = field(default_factory=list)
    torch_seconds: list = field(default_factory=list)


def report(line):
    """Say what is being done, apart from the table on the standard output."""
    print(line, file=sys.stderr, flush=True)


def fit_timed(estimator, X, y):
    """Fit, and return the seconds of processor time."""
    started = time.process_time()
    estimator.fit(X, y)
    return time.process_time() - started


def choose(task, result):
    """Return the settings that score best on the validation part."""
    if len(task.settings) == 1:
        return task.settings[0]
    split = task.splits(0)[0]
    for settings in task.settings:
        estimator = task.build(settings, 0, split)
        seconds = fit_timed(estimator, *split.train)
        score = task.score(estimator, *split.valid)
        result.validation_scores.append([settings, score])
        report(f"{task.name}: {settings}: validation {score:.4f} ({seconds:.0f} s)")
    best = max if task.greater_is_better else min
    return best(result.validation_scores, key=lambda pair: pair[1])[0]


def joined(first, second):
    """Put two parts of a split together."""
    return [[*a, *b] for a, b in zip(first, second, strict=True)]


def measure(task, options):
    """Return the `Result` of one task."""
    result = Result(task.name, task.measure, task.goals, task.published, task.greater_is_better)
    result.chosen = choose(task, result)
    warm_up(task, result.chosen)
    for seed in range(options.seeds):
        scores, seconds, torch_scores, torch_seconds = [], [], [], []
        for split in task.splits(seed):
            train = joined(split.train, split.valid) if task.with_validation else split.train
            estimator = task.build(result.chosen, seed, split)
            seconds.append(fit_timed(estimator, *train))
            scores.append(task.score(estimator, *split.test))
            for name, function in task.extra.items():
                value = function(estimator, *split.test)
                result.extra.setdefault(name, []).append(value)
            report(f"{task.name}, seed {seed}: {scores[-1]:.4f} ({seconds[-1]:.0f} s)")
            if options.torch and task.torch is not None and len(torch_scores) < task.torch_folds:
                score, spent = task.torch(result.chosen, seed, train, split.test)
                torch_scores.append(score)
                torch_seconds.append(spent)
                report(f"{task.name}, seed {seed}, PyTorch: {score:.4f} ({spent:.0f} s)")
        result.scores.append(float(np.mean(scores)))
        result.seconds.append(float(np.mean(seconds)))
        if torch_scores:
            result.torch_scores.append(float(np.mean(torch_scores)))
            result.torch_seconds.append(float(np.mean(torch_seconds)))
    return result


def warm_up(task, settings):
    """Compile the kernels, or load them from the cache, so that no fit below pays for it."""
    split = task.splits(0)[0]
    X, y = (part[:40] if len(part) > 1 else [part[0][:4000]] for part in split.train)
    task.build({**settings, "max_iter": 1}, 0, split).fit(X, y)


def spread(values, digits):
    """Format values as their median and range."""
    if not values:
        return "-"
    shown = [f"{x:.{digits}f}" for x in (np.median(values), min(values), max(values))]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def table(results):
    """Return the results as a Markdown table."""
    header = ["task", "measure", "median (range)", "reach", "pass", "published", "training, s"]
    header += ["PyTorch: median (range)", "PyTorch, s", "chosen"]
    lines = [header, ["---"] * len(header)]
    for result in results:
        digits = 4 if result.greater_is_better or np.median(result.scores) < 1 else 3
        line = [result.name, result.measure, spread(result.scores, digits)]
        line += ["-" if goal is None else f"{goal:g}" for goal in result.goals]
        line += [result.published or "-", f"{np.median(result.seconds):.0f}"]
        line += [spread(result.torch_scores, digits)]
        line += [f"{np.median(result.torch_seconds):.0f}" if result.torch_seconds else "-"]
        line += [", ".join(f"{name}={value}" for name, value in result.chosen.items())]
        lines.append(line)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def extras(results):
    """Return what else was measured, one line a task."""
    return "\n".join(
        f"{result.name}: {name} {spread(values, 4)}"
        for result in results
        for name, values in result.extra.items()
    )


def parse_arguments(arguments=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", help="names, separated by commas (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (default: 3)")
    parser.add_argument(
        "--torch",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also train the same models in PyTorch, where it is installed (default: yes)",
    )
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
    options.seeds = min(options.seeds, 1) if options.smoke else options.seeds
    options.torch = options.torch and has_torch()
    return options


def has_torch():
    """Tell whether PyTorch can be imported."""
    try:
        import torch  # noqa: F401
    except ImportError:
        report("PyTorch is not installed: its columns stay empty.")
        return False
    return True


def main(arguments=None):
    """Measure every task asked for and print the table."""
    options = parse_arguments(arguments)
    results = []
    try:
        for task in options.tasks:
            results.append(measure(task, options))
            if options.json:
                rows = [asdict(result) for result in results]
                options.json.write_text(json.dumps(rows, indent=1) + "\n")
    except KeyboardInterrupt:
        report("Interrupted: the table holds the tasks that were finished.")
    print(table(results))
    print(extras(results))


if __name__ == "__main__":
    # The number of epochs is part of what is measured, not a mishap to warn of.
    warnings.simplefilter("ignore", ConvergenceWarning)
    main()
