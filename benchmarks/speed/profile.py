"""Where the time of an epoch goes: the parts of the public call, timed inside it.

Functions of the library are wrapped while `partial_fit` runs on one thread. Each counts with the
least time of its calls, times their number: what else the machine does only ever adds to it. What
the kernels of a cell spend in products cannot be seen from outside: the same products are run
alone, on memory of the same size, and the rest is what the kernels do element by element.
"""

import time
from collections import Counter, defaultdict
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np

from speed import ceiling
from speed.cases import make_cases, training_flops
from speed.peers import this_library

SHAPES = ("H16", "H32", "H64", "H128", "H256")
# Parts of the kernels in lists of calls, by how their modules' names begin.
_MODULES = {
    "skrnn._copies": "copies",
    "skrnn.cells": "recurrence",
    "skrnn.heads": "output and loss",
    "skrnn.losses": "output and loss",
    "skrnn.pooling": "output and loss",
    "skrnn.sequences": "copies",
}
# Others by their own names: lists may have been made before anything was wrapped.
_FUNCTIONS = {"_project": "input's share", "_add_gate_gradient": "weight gradients"}


class Clock:
    """Times of calls by part and function, without what is timed inside a call by itself."""

    def __init__(self):
        self.calls = defaultdict(list)
        self._inside = []

    @contextmanager
    def call(self, part, function):
        """Time what runs inside as one call."""
        started = time.perf_counter()
        self._inside.append(0.0)
        try:
            yield
        finally:
            passed = time.perf_counter() - started
            self.calls[part, function].append(passed - self._inside.pop())
            if self._inside:
                self._inside[-1] += passed

    def timed(self, part, name, function):
        """Return a function that does the same under the clock."""

        def call(*args, **keywords):
            with self.call(part, name):
                return function(*args, **keywords)

        return call

    def parts(self, n_epochs):
        """Return the seconds of each part of an epoch."""
        seconds = Counter()
        for (part, _), times in self.calls.items():
            seconds[part] += min(times) * len(times) / n_epochs
        return dict(seconds)


def _watched():
    """Return the part, owner and name of every function to be timed."""
    from skrnn import layer, objective, prepared_training, solvers, training

    return [
        ("input's share", layer, "_project"),
        ("weight gradients", layer, "_add_gate_gradient"),
        ("copies", layer.Layer, "factors"),
        ("copies", layer.Layer, "transposed"),
        ("copies", prepared_training.PreparedGradient, "read_weights"),
        ("solver", training, "clip_norm"),
        ("solver", solvers.Adam, "step"),
        ("Python", objective.Objective, "gradient"),
        ("Python", training.StochasticTraining, "_run_epoch"),
    ]


def _part_of(function):
    """Return the part of a function in a list of calls."""
    if function is np.copyto:
        return "copies"
    if getattr(function, "__name__", "") in _FUNCTIONS:
        return _FUNCTIONS[function.__name__]
    module = getattr(function, "__module__", None) or ""
    return next((part for start, part in _MODULES.items() if module.startswith(start)), "Python")


def _shape_of_forward(first, n_steps, starts, mask, W_h, b_h, gates, *_):
    """Return gates, units, sequences and steps from what a cell's `forward` is called with."""
    n_gates, n_units = b_h.shape
    return n_gates, n_units, gates.shape[1] // n_steps, n_steps


def _epochs(train, n_epochs):
    """Return the seconds of each part of an epoch, and how often each shape was run."""
    from skrnn._calls import CallList
    from skrnn.objective import Objective
    from skrnn.teams import Team

    clock, runs = Clock(), Counter()

    def run_timed(calls):
        for function, args in calls.calls:
            if "forward" in getattr(function, "__name__", ""):
                runs[_shape_of_forward(*args)] += 1
            with clock.call(_part_of(function), function):
                function(*args)

    with ExitStack() as stack:
        stack.enter_context(patch.object(CallList, "run", run_timed))
        # Which would run all pieces of a batch, or many batches, in machine code.
        stack.enter_context(patch.object(Team, "is_ready", lambda team: False))
        stack.enter_context(patch.object(Objective, "descent", lambda *_: None))
        for part, owner, name in _watched():
            function = clock.timed(part, (owner, name), getattr(owner, name))
            stack.enter_context(patch.object(owner, name, function))
        for number in range(n_epochs):
            with clock.call("Python", "partial_fit"):
                train(1 + number)
    return clock.parts(n_epochs), {shape: count / n_epochs for shape, count in runs.items()}


def _recurrent_products(n_gates, n_units, n_sequences, n_steps, repeats):
    """Return the least seconds of the recurrent products of all steps of a batch, alone."""
    from skrnn.cells import add_recurrent_products, jit

    @jit
    def run(starts, operand, W_h, gates):
        for t in range(starts.size - 1):
            add_recurrent_products(operand, W_h, gates, starts[t], starts[t + 1])

    n_rows = n_sequences * n_steps
    starts = np.arange(0, n_rows + 1, n_sequences)
    operand = np.zeros((n_rows, n_units), dtype=np.float32)
    W_h = np.zeros((n_gates, n_units, n_units), dtype=np.float32)
    gates = np.zeros((n_gates, n_rows, n_units), dtype=np.float32)
    run(starts, operand, W_h, gates)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        run(starts, operand, W_h, gates)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def profile(plan):
    """Seconds of each part of an epoch, of networks of one layer."""
    changes = {**plan.changes, "bidirectional": False, "ragged": False}
    chosen = [shape for shape in SHAPES if shape in plan.shapes] or SHAPES[:1]
    peak = ceiling.measure(plan.smoke)["float32"]
    rows = []
    for case in make_cases(plan.cells, chosen, **changes):
        train = this_library.make(case, 1).train
        train(0)
        parts, runs = _epochs(train, plan.effort.rounds)
        alone = sum(
            2 * count * _recurrent_products(*shape, repeats=5 * plan.effort.rounds)
            for shape, count in runs.items()
        )
        recurrence = parts.pop("recurrence")
        parts["recurrent products"] = min(alone, recurrence)
        parts["element-wise"] = recurrence - parts["recurrent products"]
        rows.append({"case": case.name, "parts": parts, "limit": training_flops(case) / peak / 1e9})
        plan.keep(rows)
    return rows
