"""Speed of skrnn beside that of PyTorch, JAX, Keras and ONNX Runtime on this machine's CPU.

    python benchmarks/run.py --quick                      # three minutes; uses what is installed
    python benchmarks/run.py --json run.json > run.md     # everything: hours
    python benchmarks/run.py --only grid --cells lstm --shapes H64,H256 --threads 1,2
    python benchmarks/run.py --smoke                      # does it run to its end?
    python benchmarks/run.py --render run.json --into docs/performance.md

A peer whose packages are not installed is left out. One that lives in an environment of its own is
named with its interpreter, ``--python jax=/where/it/is/bin/python``; a name stands for all peers
that begin with it. That interpreter needs NumPy and the peer, nothing of this repository.

What is done is told in `docs/performance.md` and beside the code in `benchmarks/speed`. Markdown
goes to the standard output, progress to the standard error, every time of every round to `--json`.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # skrnn, where it is not installed

from speed import ceiling, plots, processes, profile, sections, tables
from speed.cases import CELLS, SHAPES
from speed.measure import Effort, interpreter_versions, is_installed, machine
from speed.peers import PEERS

MEASURES = {
    "agreement": sections.agreement,
    "grid": sections.grid,
    "profile": profile.profile,
    "threads": sections.threads,
    "float64": sections.float64,
    "sweep": sections.sweep,
    "growth": sections.growth,
    "curves": sections.curves,
    "cold_start": processes.cold_start,
    "memory": processes.memory,
    "checkpoints": processes.checkpoints,
    "subnormals": processes.subnormals,
    "larger_than_memory": processes.larger_than_memory,
    "search": processes.search,
}
QUICK_SHAPES = ("H16", "H32", "H64", "H128", "H256")
QUICK_PEERS = ("skrnn", "torch", "torch_tuned", "torch_cell")


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def names(text):
        return tuple(text.split(","))

    parser.add_argument("--quick", action="store_true", help="the main table only, small data")
    parser.add_argument("--smoke", action="store_true", help="all parts, tiny: seconds")
    parser.add_argument("--only", type=names, default=tuple(MEASURES), help="parts, by comma")
    parser.add_argument("--peers", type=names, help=f"of {', '.join(PEERS)}")
    parser.add_argument("--python", action="append", default=[], metavar="PEER=INTERPRETER")
    parser.add_argument("--cells", type=names, default=CELLS)
    parser.add_argument("--shapes", type=names)
    parser.add_argument("--threads", type=names, default=("1",))
    parser.add_argument("--operations", type=names, default=("train", "infer", "one", "step"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--turn", type=float, default=0.1, help="seconds of work a turn")
    parser.add_argument("--budget", type=float, default=6.0, help="seconds of all turns of a peer")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="time of one thread in the tables; CPU time where others use the machine",
    )
    parser.add_argument("--json", type=Path, help="where every time goes")
    parser.add_argument("--plots", type=Path, help="folder for plots")
    parser.add_argument("--render", type=Path, nargs="+", help="measure nothing, show these JSON")
    parser.add_argument("--into", type=Path, help="file whose marked tables are replaced")
    options = parser.parse_args(arguments)
    unknown = {
        "--only": set(options.only) - set(MEASURES),
        "--peers": set(options.peers or ()) - set(PEERS),
        "--cells": set(options.cells) - set(CELLS),
        "--shapes": set(options.shapes or ()) - set(SHAPES),
    }
    for option, found in unknown.items():
        if found:
            parser.error(f"{option}: unknown {', '.join(sorted(found))}")
    return options


def find_interpreters(options):
    """Return the interpreter of each peer that is installed."""
    given = dict(pair.split("=", 1) for pair in options.python)
    wanted = options.peers or (QUICK_PEERS if options.quick else tuple(PEERS))
    found = {}
    for peer in dict.fromkeys(("skrnn", *wanted)):
        prefix = next((name for name in given if peer.startswith(name)), None)
        interpreter = given.get(peer, given.get(prefix, sys.executable))
        if peer == "skrnn" or is_installed(interpreter, PEERS[peer].requires):
            found[peer] = interpreter
        else:
            sections.say(f"{peer}: not installed, left out")
    found["skorch"] = given.get("skorch", given.get("torch", sys.executable))
    return found


def make_plan(options):
    interpreters = find_interpreters(options)
    plan = sections.Plan(
        peers=tuple(peer for peer in interpreters if peer in PEERS),
        interpreters=interpreters,
        cells=options.cells,
        shapes=options.shapes or (QUICK_SHAPES if options.quick else tuple(SHAPES)),
        threads=tuple(map(int, options.threads)),
        operations=options.operations,
        effort=Effort(options.rounds, options.turn, options.budget),
        smoke=options.smoke,
    )
    if options.quick:
        small = {"n_sequences": 256}
        return replace(plan, changes=small, effort=Effort(rounds=5, turn=0.02, budget=2.0))
    if options.smoke:
        tiny = {"n_sequences": 12, "n_steps": 6, "n_units": 5, "batch_size": 4}
        effort = Effort(rounds=2, turn=0.0, budget=0.1)
        shapes = ("BI", "VAR")
        return replace(plan, changes=tiny, effort=effort, cells=plan.cells[-1:], shapes=shapes)
    return plan


def versions(plan):
    """Return the machine and the versions of what is compared."""
    found = machine()
    for peer in plan.peers:
        if peer != "skrnn":
            interpreter = plan.interpreters[peer]
            found |= interpreter_versions(interpreter, PEERS[peer].requires)
    return found


def measure(options):
    plan = make_plan(options)
    document = {
        "machine": versions(plan),
        "ceiling": ceiling.measure(options.smoke),
        "started": time.strftime("%Y-%m-%d"),
        "sections": {},
    }
    chosen = [name for name in MEASURES if name in options.only]
    if options.quick:
        chosen = [name for name in chosen if name in ("agreement", "grid")]
    started = time.monotonic()
    for name in chosen:
        sections.say(f"== {name}, after {time.monotonic() - started:.0f} s")

        def keep(found, name=name):
            document["sections"][name] = found
            if options.json:  # at once, so that an interrupted run has what was finished
                options.json.write_text(json.dumps(document, indent=1))

        keep(MEASURES[name](replace(plan, keep=keep)))
    return document


def merged(documents):
    """Return one document of several runs on one machine."""
    result = documents[0]
    for document in documents[1:]:
        result["machine"] |= document["machine"]
        for name, found in document["sections"].items():
            if name == "grid" and name in result["sections"]:
                result["sections"][name] += found
            else:
                result["sections"][name] = found
    return result


def main(arguments=None):
    options = parse(arguments)
    if options.render:
        document = merged([json.loads(path.read_text()) for path in options.render])
    else:
        document = measure(options)
    document["clock"] = options.clock
    if options.into:
        options.into.write_text(tables.replaced(options.into.read_text(), document))
    else:
        print(tables.report(document))
    if options.plots:
        for path in plots.draw(document, options.plots):
            sections.say(f"wrote {path}")


if __name__ == "__main__":
    main()
