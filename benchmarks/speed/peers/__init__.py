"""One module a peer. Each has ``make(case, threads)``, which returns :class:`Operations`.

A peer imports its library inside `make`, so that the names here load nothing, and starts from the
weights of :func:`speed.cases.make_weights`. All follow one recipe: Adam with the defaults of its
paper at the rate `RATE`, gradient norm clipped at 1, mean cross-entropy of the final state's class
scores, shuffled batches.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Operations:
    """What a peer can do; None where it cannot.

    train : an epoch over all data; called with the number of the epoch
    infer : class probabilities of all sequences, as a NumPy array
    one : those of one sequence (1, steps, channels), from NumPy to NumPy
    step : those after one more step (1, channels) of a stream
    """

    train: Callable | None = None
    infer: Callable | None = None
    one: Callable | None = None
    step: Callable | None = None


@dataclass(frozen=True)
class Peer:
    """Where a peer is found and what it needs to be there."""

    title: str
    module: str
    requires: tuple
    variant: str = ""
    supports: Callable = lambda case: True

    def make(self, case, threads):
        module = import_module(f"speed.peers.{self.module}")
        return module.make(case, threads, **({"variant": self.variant} if self.variant else {}))


def _one_layer_read_forwards(case):
    return case.n_layers == 1 and not case.bidirectional and not case.ragged


PEERS = {
    "skrnn": Peer("skrnn", "this_library", ("skrnn",)),
    "torch": Peer("PyTorch", "pytorch", ("torch",), "plain"),
    "torch_tuned": Peer("PyTorch, tuned", "pytorch", ("torch",), "tuned"),
    "torch_packed": Peer(
        "PyTorch, packed", "pytorch", ("torch",), "packed", lambda case: case.ragged
    ),
    "torch_cell": Peer(
        "PyTorch's cell module", "pytorch_cell", ("torch",), supports=_one_layer_read_forwards
    ),
    "jax": Peer("JAX, lax.scan", "jax_scan", ("jax", "optax"), "plain"),
    "jax_tuned": Peer("JAX, own VJP", "jax_scan", ("jax", "optax"), "tuned"),
    "keras_jax": Peer("Keras on JAX", "keras_jax", ("keras", "jax")),
    "onnx": Peer("ONNX Runtime", "onnx_runtime", ("onnxruntime", "onnx")),
}
