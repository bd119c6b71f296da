"""What the command measures, part by part; each returns what goes into the JSON."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from speed.cases import (
    CELLS,
    SHAPES,
    Case,
    inference_flops,
    make_cases,
    training_flops,
)
from speed.measure import Contestant, Effort, Race, compare

FLOPS = {"train": training_flops, "infer": inference_flops}
OWN = "skrnn"


@dataclass(frozen=True)
class Plan:
    """What to measure and how thoroughly."""

    peers: tuple = (OWN,)
    interpreters: dict = field(default_factory=dict)
    cells: tuple = CELLS
    shapes: tuple = tuple(SHAPES)
    threads: tuple = (1,)
    operations: tuple = ("train", "infer", "one", "step")
    effort: Effort = field(default_factory=Effort)
    changes: dict = field(default_factory=dict)
    smoke: bool = False
    keep: Callable = lambda found: None  # is given what a long part has found so far

    def race(self, contestants):
        return Race(contestants, self.interpreters)


def say(text):
    print(text, file=sys.stderr, flush=True)


def grid(plan):
    """All peers on all cases, for each number of threads."""
    rows = []
    cases = make_cases(plan.cells, plan.shapes, **plan.changes)
    for threads in plan.threads:
        contestants = [Contestant(peer, peer, threads) for peer in plan.peers]
        with plan.race(contestants) as race:
            for case in cases:
                rows += _race_on(race, case, threads, plan)
                plan.keep(rows)
    return rows


def _race_on(race, case, threads, plan):
    can, errors = race.load(case)
    rows = []
    for operation in plan.operations:
        labels = [label for label in can if operation in can[label]]
        # One sequence and one step look the same whatever the batch; a stream has no length.
        repeated = case.name.endswith("/B128") or (case.ragged and operation == "one")
        if not labels or (operation in ("one", "step") and repeated):
            continue
        times = race.measure(operation, labels, plan.effort)
        row = {
            "case": case.name,
            "threads": threads,
            "operation": operation,
            "settings": case.as_dict(),
            "times": times,
            "errors": errors,
        }
        if operation in FLOPS:
            row["flops"] = FLOPS[operation](case)
        rows.append(row)
        say(f"{case.name}, {operation}, {threads} thread(s): {_medians(times)}")
    return rows


def _medians(times):
    shown = []
    for label, result in times.items():
        value = result.get("error") or f"{median(result['wall']) * 1e3:.3g} ms"
        shown.append(f"{label} {value}")
    return ", ".join(shown)


def agreement(plan):
    """Whether the peers compute the same: probabilities before training and after an epoch."""
    rows = []
    cases = make_cases(plan.cells, ("H16",), n_sequences=64, shuffle=False)
    with plan.race([Contestant(peer, peer) for peer in plan.peers]) as race:
        for case in cases:
            can, errors = race.load(case)
            labels = [label for label in can if "infer" in can[label]]
            found = {label: {"before": _probabilities(race, label)} for label in labels}
            for label in labels:
                if "train" in can[label]:
                    race.workers[label].ask("train", times=1)
                    found[label]["after"] = _probabilities(race, label)
            rows.append({"case": case.name, "errors": errors, "peers": _distances(found)})
    return rows


def _probabilities(race, label):
    return np.array(race.workers[label].ask("probabilities")["probabilities"])


def _distances(found):
    """Return how far the probabilities of each peer are from this library's."""
    reference = found[OWN]
    return {
        label: {when: float(abs(p - reference[when]).max()) for when, p in result.items()}
        for label, result in found.items()
    }


def threads(plan):
    """This library with one and with two threads, at once alive."""
    shapes = {name: SHAPES[name] for name in plan.shapes}
    shapes |= {f"H{n}B128": {"n_units": n, "batch_size": 128} for n in (16, 128, 256)}
    cases = [
        Case(f"{cell}/{name}", cell, **{**shape, **plan.changes})
        for cell in plan.cells
        for name, shape in shapes.items()
    ]
    return _against_itself(
        plan, cases, [Contestant("1", OWN, 1), Contestant("2", OWN, 2)], ("train", "infer")
    )


def float64(plan):
    """This library in double precision against single."""
    cases = make_cases(plan.cells, plan.shapes, **plan.changes)
    doubles = Contestant("float64", OWN, changes={"dtype": "float64"})
    return _against_itself(plan, cases, [Contestant("float32", OWN), doubles], ("train", "infer"))


def _against_itself(plan, cases, contestants, operations):
    base, other = (contestant.label for contestant in contestants)
    rows = []
    with plan.race(contestants) as race:
        for case in cases:
            race.load(case)
            for operation in operations:
                times = race.measure(operation, [base, other], plan.effort)
                speedup = compare(times[base], times[other])
                rows.append(
                    {"case": case.name, "operation": operation, "speed": speedup, "times": times}
                )
                plan.keep(rows)
                say(f"{case.name}, {operation}: {other} is {speedup['ratio']:.2f} times {base}")
    return rows


def sweep(plan):
    """Cost of an operation over the units H = 1, 2, ..., 300 in training: is there a step?

    An epoch of 64 sequences of 20 steps in batches of 32, the least time of the rounds; of sizes
    beside each other, so that whatever else the machine does hits neighbours alike. What stands
    out is measured again together with its neighbours.
    """
    highest, rounds = (8, 1) if plan.smoke else (300, 5)
    rows = []
    with plan.race([Contestant(OWN, OWN)]) as race:
        for cell in plan.cells:
            cases = [
                Case(f"{cell}/{units}", cell, n_sequences=64, n_steps=20, n_units=units)
                for units in range(1, highest + 1)
            ]
            cost = np.full(highest, np.inf)
            for start in range(0, highest, 10):
                block = range(start, min(start + 10, highest))
                _lower(cost, race.workers[OWN], cases, block, rounds)
            above_neighbours = np.flatnonzero(cost[1:-1] > 1.1 * np.minimum(cost[:-2], cost[2:]))
            for i in above_neighbours:
                _lower(cost, race.workers[OWN], cases, range(i, i + 3), rounds)
            rows.append({"cell": cell, "seconds_a_flop": cost.tolist(), "worst": worst_step(cost)})
            say(f"sweep of {cell}: worst step above H=16 {rows[-1]['worst']}")
    return rows


def _lower(cost, worker, cases, block, rounds):
    """Measure a block of cases in turn, and keep the least seconds an operation of each."""
    for _ in range(rounds):
        for i in block:
            worker.ask("load", case=cases[i].as_dict())
            worker.ask("train", times=1)
            seconds = worker.ask("train", times=3)["cpu"]
            cost[i] = min(cost[i], seconds / training_flops(cases[i]))


def worst_step(cost, above=16):
    """Return the size whose cost a flop is highest beside its cheaper neighbour's, and by what."""
    ratios = {
        i + 1: cost[i] / min(cost[i - 1], cost[i + 1]) for i in range(max(above, 1), len(cost) - 1)
    }
    if not ratios:
        return None
    size = max(ratios, key=ratios.get)
    return {"units": size, "factor": float(ratios[size])}


def _least_epoch(worker):
    """Return the least CPU time of five epochs, or of as many as take two seconds."""
    found = []
    while len(found) < 5 and sum(found) < 2:
        found.append(worker.ask("train", times=1)["cpu"])
    return min(found)


def growth(plan):
    """Time of an epoch over N and over T, two decades each, and the exponent of its growth."""
    decades = (10, 20) if plan.smoke else (100, 200, 500, 1000, 2000, 5000, 10_000)
    ranges = [
        ("n_sequences", {"n_steps": 50}, decades),
        # Without the smallest sets, of which the call itself is a large part.
        ("n_sequences", {"n_steps": 50}, tuple(10 * size for size in decades)),
        ("n_steps", {"n_sequences": 32}, decades),
    ]
    rows = []
    with plan.race([Contestant(OWN, OWN)]) as race:
        worker = race.workers[OWN]
        for cell in plan.cells:
            for axis, fixed, sizes in ranges:
                seconds = []
                for size in sizes:
                    case = Case(f"{cell}/{size}", cell, **fixed, **{axis: size})
                    worker.ask("load", case=case.as_dict())
                    worker.ask("train", times=1)
                    seconds.append(_least_epoch(worker))
                exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
                row = {"cell": cell, "axis": axis, "sizes": sizes, "seconds": seconds}
                rows.append({**row, "exponent": exponent})
                say(f"growth of {cell} in {axis}: exponent {exponent:.3f}")
    return rows


def curves(plan):
    """Peers over N and over T, for the plots; over H the grid has them."""
    n_values, t_values = ((16, 32), (4, 8)) if plan.smoke else ((64, 256, 1024), (10, 50, 200, 500))
    rows = []
    with plan.race([Contestant(peer, peer) for peer in plan.peers]) as race:
        for cell in plan.cells:
            cases = [Case(f"{cell}/N{n}", cell, n_sequences=n) for n in n_values]
            cases += [Case(f"{cell}/T{t}", cell, n_sequences=128, n_steps=t) for t in t_values]
            for case in cases:
                can, _ = race.load(case)
                labels = [label for label in can if "train" in can[label]]
                times = race.measure("train", labels, plan.effort)
                rows.append(
                    {
                        "case": case.name,
                        "settings": case.as_dict(),
                        "flops": training_flops(case),
                        "times": times,
                    }
                )
                say(f"{case.name}: {_medians(times)}")
    return rows


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))
