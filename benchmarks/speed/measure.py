"""Interleaved measurement of contestants that are alive together, each in its own process.

They take turns, one unit of work each, while the others sleep; another one begins each round. A
comparison is the ratio of their medians, with the quartiles of the ratios of single rounds. Times
of different runs say little beside each other on a machine that others use.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

WORKER = Path(__file__).with_name("worker.py")
LATENCIES_A_TURN = 100


@dataclass(frozen=True)
class Contestant:
    """A peer with a number of threads, on the cases as they are or with changes."""

    label: str
    peer: str
    threads: int = 1
    changes: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds, seconds of work a turn, and seconds all turns may take."""

    rounds: int = 7
    turn: float = 0.1
    budget: float = 6.0


def is_installed(interpreter, modules):
    """Tell whether an interpreter finds all modules."""
    code = (
        "import sys; from importlib.util import find_spec;"
        f"sys.exit(any(find_spec(name) is None for name in {list(modules)!r}))"
    )
    return subprocess.run([interpreter, "-c", code], capture_output=True).returncode == 0


class Worker:
    """The process of a contestant."""

    def __init__(self, contestant, interpreter=sys.executable):
        self.contestant = contestant
        command = [interpreter, str(WORKER), contestant.peer, str(contestant.threads)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, operation, **arguments):
        """Return the answer, which has the key ``error`` where something failed."""
        try:
            self._process.stdin.write(json.dumps({"operation": operation, **arguments}) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            return json.loads(answer)
        return {"error": f"the process of {self.contestant.label} ended ({self._process.poll()})"}

    def settle(self, longest=1.0):
        """Wait until its threads sleep: idle pools go on spinning and would tax the next turn."""
        end, before = time.monotonic() + longest, self._cpu_nanoseconds()
        while time.monotonic() < end:
            time.sleep(0.02)
            now = self._cpu_nanoseconds()
            if now - before < 1e6:
                return
            before = now

    def _cpu_nanoseconds(self):
        total = 0
        for path in Path(f"/proc/{self._process.pid}/task").glob("*/schedstat"):
            try:
                total += int(path.read_text().split()[0])
            except (OSError, IndexError):  # the thread has ended
                continue
        return total

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Race:
    """The processes of some contestants, as a context."""

    def __init__(self, contestants, interpreters):
        self._contestants = contestants
        self._interpreters = interpreters
        self.workers = {}

    def __enter__(self):
        for contestant in self._contestants:
            interpreter = self._interpreters.get(contestant.peer, sys.executable)
            self.workers[contestant.label] = Worker(contestant, interpreter)
        return self

    def __exit__(self, *exception):
        for worker in self.workers.values():
            worker.close()

    def load(self, case):
        """Give every contestant the case; return what each can do, and the errors."""
        from speed.cases import Case
        from speed.peers import PEERS

        can, errors = {}, {}
        for label, worker in self.workers.items():
            contestant = worker.contestant
            own = Case(**{**case.as_dict(), **contestant.changes})
            if not PEERS[contestant.peer].supports(own):
                continue
            answer = worker.ask("load", case=own.as_dict())
            if "error" in answer:
                errors[label] = answer["error"]
            else:
                can[label] = answer["can"]
        return can, errors

    def measure(self, operation, labels, effort):
        """Return times of each contestant: of training and inference, or latencies of calls."""
        run = self._time if operation in ("train", "infer") else self._latency
        return run(operation, {label: self.workers[label] for label in labels}, effort)

    def _time(self, operation, workers, effort):
        results, repeats = {}, {}
        for label, worker in workers.items():
            first = worker.ask(operation, times=1)  # compiles
            again = worker.ask(operation, times=1) if "error" not in first else first
            worker.settle()
            if "error" in again:
                results[label] = {"error": again["error"]}
                continue
            repeats[label] = max(1, round(effort.turn / max(again["wall"], 1e-5)))
            results[label] = {"first": first["wall"], "wall": [], "cpu": []}
            cost = repeats[label] * again["wall"]
            results[label]["rounds"] = max(3, min(effort.rounds, int(effort.budget / cost)))
        for label, answer in _turns(workers, repeats, results, effort, operation):
            results[label]["wall"].append(answer["wall"])
            results[label]["cpu"].append(answer["cpu"])
        return results

    def _latency(self, operation, workers, effort):
        results, repeats = {}, {}
        for label, worker in workers.items():
            answer = worker.ask(operation, times=3)
            answer = worker.ask(operation, times=5) if "error" not in answer else answer
            worker.settle()
            if "error" in answer:
                results[label] = {"error": answer["error"]}
                continue
            fits = int(effort.budget / effort.rounds / max(median(answer["seconds"]), 1e-6))
            repeats[label] = max(5, min(LATENCIES_A_TURN, fits))
            results[label] = {"wall": [], "slowest_percent": [], "rounds": effort.rounds}
        for label, answer in _turns(workers, repeats, results, effort, operation):
            found = sorted(answer["seconds"])
            results[label]["wall"].append(median(found))
            results[label]["slowest_percent"].append(found[int(0.99 * len(found))])
        return results


def _turns(workers, repeats, results, effort, operation):
    """Yield a contestant and its answer, turn by turn; who fails drops out."""
    racing = dict(repeats)
    for number in range(effort.rounds):
        for label in _order(list(racing), number):
            if number >= results[label]["rounds"]:
                continue
            answer = workers[label].ask(operation, times=racing[label])
            workers[label].settle()
            if "error" in answer:
                results[label] = {"error": answer["error"]}
                del racing[label]
            else:
                yield label, answer


def _order(labels, number):
    """Let another one begin each round, and go backwards in odd ones."""
    if labels:
        shift = number % len(labels)
        labels = labels[shift:] + labels[:shift]
    return labels[::-1] if number % 2 else labels


def compare(result, reference, clock="wall"):
    """Return by what factor `result` takes longer: ratio of medians, quartiles over the rounds."""
    rounds = [a / b for a, b in zip(result[clock], reference[clock], strict=False)]
    low, _, high = quantiles(rounds, n=4, method="inclusive") if len(rounds) > 1 else rounds * 3
    return {"ratio": median(result[clock]) / median(reference[clock]), "quartiles": [low, high]}


def machine():
    """Describe the machine and what runs on it."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    found = {"processor": model, "cores": os.cpu_count(), "python": platform.python_version()}
    for package in ("numpy", "numba", "scikit-learn", "skrnn"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed: from the source tree"
    return found


def interpreter_versions(interpreter, packages):
    """Return the versions of packages that another interpreter sees."""
    code = (
        "import json; from importlib.metadata import version;"
        f"print(json.dumps({{name: version(name) for name in {list(packages)!r}}}))"
    )
    done = subprocess.run([interpreter, "-c", code], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else {}
