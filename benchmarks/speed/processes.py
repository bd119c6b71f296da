"""What is measured in processes of its own: cold starts, memory, subnormal numbers, searches.

Each measurement is a small script in `speed/scripts`, which prints one line of JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from speed.sections import say
from speed.worker import limit_threads

SCRIPTS = Path(__file__).with_name("scripts")


def run_script(name, *arguments, interpreter=sys.executable, **variables):
    """Run a script with one thread a pool and return what it prints, or the error."""
    environment = dict(os.environ)
    limit_threads(1, environment)
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, str(SCRIPTS), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    environment |= variables
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # no user compiles sources at every start
    command = [interpreter, str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        return {"error": done.stderr[-500:]}
    return json.loads(done.stdout.splitlines()[-1])


IMPORTS = {
    "python": "pass",
    "scikit-learn and numba": "import sklearn.base, numba",
    "the same and sklearn.callback": "import sklearn.base, sklearn.callback, numba",
    "import skrnn": "import skrnn",
    "from skrnn import RNNClassifier": "from skrnn import RNNClassifier",
}


def cold_start(plan):
    """Import; the first fit there ever was; the first of a later process; predict alone."""
    rounds = 0 if plan.smoke else 9
    codes = dict(list(IMPORTS.items())[-2:]) if plan.smoke else IMPORTS
    imports = {label: [] for label in codes}
    for number in range(rounds + 1):
        for label, code in codes.items():
            seconds = run_script("import_time", code)["seconds"]
            if number or plan.smoke:  # the first fills caches
                imports[label].append(seconds)
    result = {"import": {label: median(values) for label, values in imports.items()}}
    say(f"imports: {result['import']}")
    result["fits"] = {cell: _cold_fits(cell, plan.smoke) for cell in plan.cells}
    return result


def _cold_fits(cell, smoke):
    """Return what first fits take; a smoke test, for which compiling takes too long, once."""
    rounds = 1 if smoke else 3
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "model.pickle")
        ever, later, predict = [], [], []
        for number in range(rounds):
            cache, alone = (str(Path(folder) / f"{name}-{number}") for name in ("fit", "predict"))
            used = {} if smoke else {"NUMBA_CACHE_DIR": cache}
            ever.append(run_script("first_fit", cell, model, **used))
            size = _folder_bytes(cache)
            later += [run_script("first_fit", cell, model, **used) for _ in range(rounds)]
            grown = _folder_bytes(cache) - size
            used = {} if smoke else {"NUMBA_CACHE_DIR": alone}
            predict.append(run_script("first_predict", model, **used))
        result = {
            "first ever": _medians(ever),
            "later process": _medians(later),
            "predict alone, first ever": _medians(predict),
            "cache_bytes": size,
            "cache_growth_bytes": grown,
        }
    say(f"cold start of {cell}: {result}")
    return result


def _medians(results):
    return {key: median(result[key] for result in results) for key in results[0]}


def _folder_bytes(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


MEMORY_CASES = (
    {"n_units": 64, "n_steps": 500, "batch_size": 128},
    {"n_units": 256, "n_steps": 200, "batch_size": 64},
    {"n_units": 64, "n_steps": 10_000, "batch_size": 4},
)


def memory(plan):
    """Peak of training against what BPTT must hold; resident size over many fits and predicts."""
    rows = []
    cases = [{"n_units": 4, "n_steps": 50, "batch_size": 8}] if plan.smoke else MEMORY_CASES
    for cell in plan.cells:
        for case in cases:
            found = run_script("training_memory", json.dumps({"cell": cell, **case}))
            rows.append({"cell": cell, **case, **found})
            say(f"memory: {rows[-1]}")
    counts = (3, 30) if plan.smoke else (1000, 100_000)
    flat = run_script("flat_memory", *counts)
    say(f"memory of {counts[0]} fits and {counts[1]} predictions: {flat}")
    return {"training": rows, "flat": flat}


def checkpoints(plan):
    """Peak of training and its time over the steps T: at once, and with checkpoints."""
    rows = []
    lengths = (20, 50) if plan.smoke else (100, 300, 1000, 3000, 10_000, 30_000)
    for cell in plan.cells:
        for n_steps in lengths:
            case = {"cell": cell, "n_units": 8 if plan.smoke else 64, "n_steps": n_steps}
            row = {**case, "batch_size": 1}
            for name, option in (("at once", None), ("checkpoints", "auto")):
                options = {"checkpoint_steps": option}
                row[name] = run_script("training_memory", json.dumps({**row, "options": options}))
            rows.append(row)
            say(f"checkpoints: {row}")
    return rows


def subnormals(plan):
    """Training and predicting where states or gradients become subnormal, against where not."""
    rows = [run_script("subnormal_numbers", cell, int(plan.smoke)) for cell in plan.cells]
    for cell, row in zip(plan.cells, rows, strict=True):
        row["cell"] = cell
        say(f"subnormal numbers: {row}")
    return rows


def larger_than_memory(plan):
    """Fit a file that does not fit into the memory that the process may have."""
    megabytes, limit = (8, 0) if plan.smoke else (2000, 1000)
    found = run_script("fit_a_file", megabytes, limit)
    say(f"a file larger than memory: {found}")
    return found


def search(plan):
    """`GridSearchCV` of eight fits: one job, two processes, two threads; skorch if installed.

    A search ten times as long is this library's alone: how much of the other was starting?
    """
    rounds, n_sequences = (1, 32) if plan.smoke else (3, 1024)
    short, long = (1, 2) if plan.smoke else (20, 200)
    kinds = [("skrnn", short), ("skrnn", long)]
    skorch = plan.interpreters.get("skorch", sys.executable)
    code = "import skorch, torch"
    if not subprocess.run([skorch, "-c", code], capture_output=True).returncode:
        kinds.append(("skorch", short))
    ways = {"n_jobs=1": (1, "loky"), "two processes": (2, "loky"), "two threads": (2, "threading")}
    times = {}
    for _ in range(rounds):
        for stack, epochs in kinds:
            interpreter = skorch if stack == "skorch" else sys.executable
            for way, (jobs, backend) in ways.items():
                arguments = (stack, jobs, backend, epochs, n_sequences)
                found = run_script("grid_search", *arguments, interpreter=interpreter)
                if "error" in found:
                    return found
                name = f"{stack}, {epochs} epochs a fit, {way}"
                times.setdefault(name, []).append(found["seconds"])
    say(f"search: {times}")
    return times
