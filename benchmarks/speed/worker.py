"""One peer in a process of its own: reads a request a line, answers a line, both JSON.

    python worker.py PEER THREADS

The limits of threads are set before anything is imported.
"""

import json
import os
import sys
import time
from pathlib import Path

LIMITS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",  # the size of XLA's pool
)


def limit_threads(threads, environment=os.environ):
    """Hold every pool of threads that is known to this number."""
    for name in LIMITS:
        environment[name] = str(threads)
    if threads == 1:
        flags = environment.get("XLA_FLAGS", "")
        environment["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen=false {flags}".strip()


class Server:
    """Holds the operations of one case and times them."""

    def __init__(self, peer, threads):
        self.peer = peer
        self.threads = threads
        self.case = self.operations = None
        self.epoch = 0

    def load(self, case):
        from speed.cases import Case
        from speed.peers import PEERS

        self.operations = None  # the memory of the last case
        self.case = Case(**case)
        self.operations = PEERS[self.peer].make(self.case, self.threads)
        return {"can": [name for name, value in vars(self.operations).items() if value]}

    def train(self, times):
        def run():
            self.epoch += 1
            self.operations.train(self.epoch)

        return self._time(run, times)

    def infer(self, times):
        return self._time(self.operations.infer, times)

    def one(self, times):
        return self._latencies(self.operations.one, (1, self.case.n_steps), times)

    def step(self, times):
        return self._latencies(self.operations.step, (1,), times)

    def probabilities(self):
        return {"probabilities": self.operations.infer()[:64].tolist()}

    @staticmethod
    def _time(run, times):
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(times):
            run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return {"wall": wall / times, "cpu": cpu / times}

    def _latencies(self, run, shape, times):
        import numpy as np

        rng = np.random.default_rng(5)
        shape = (*shape, self.case.n_channels)
        inputs = [rng.standard_normal(shape).astype(self.case.dtype) for _ in range(16)]
        found = []
        for i in range(times):
            x = inputs[i % len(inputs)]
            started = time.perf_counter()
            run(x)
            found.append(time.perf_counter() - started)
        return {"seconds": found}


def serve(peer, threads):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is not an answer
    server = Server(peer, threads)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(server, request.pop("operation"))(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder.parent)  # as the command has it, and not this folder
    limit_threads(int(sys.argv[2]))
    serve(sys.argv[1], int(sys.argv[2]))
