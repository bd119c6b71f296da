"""What is measured: shapes, data, the weights that all begin with, and what it costs.

Needs NumPy alone, so that the process of every peer can import it.
"""

from dataclasses import asdict, dataclass

import numpy as np

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
STATES = {"rnn": 1, "gru": 1, "lstm": 2}
CELLS = tuple(GATES)
RATE = 1e-3  # of Adam, with a gradient norm of at most 1
INFERENCE_BATCH = 256  # sequences a call, where a peer leaves that to its user
SHORTEST = 5


@dataclass(frozen=True)
class Case:
    """One network and the data it is trained on; lengths are SHORTEST to n_steps if ragged."""

    name: str
    cell: str
    n_sequences: int = 1024
    n_steps: int = 50
    n_channels: int = 8
    n_units: int = 64
    batch_size: int = 32
    n_classes: int = 5
    n_layers: int = 1
    bidirectional: bool = False
    ragged: bool = False
    dtype: str = "float32"
    shuffle: bool = True

    as_dict = asdict

    @property
    def n_directions(self):
        return 2 if self.bidirectional else 1

    @property
    def lengths(self):
        if not self.ragged:
            return np.full(self.n_sequences, self.n_steps)
        rng = np.random.default_rng(1)
        return rng.integers(SHORTEST, self.n_steps + 1, self.n_sequences)

    def n_inputs(self, layer):
        return self.n_channels if layer == 0 else self.n_units * self.n_directions


SHAPES = {
    "H16": {"n_units": 16},
    "H32": {"n_units": 32},
    "H64": {"n_units": 64},
    "H128": {"n_units": 128},
    "H256": {"n_units": 256},
    "B128": {"batch_size": 128},
    "T500": {"n_sequences": 256, "n_steps": 500},
    "L2": {"n_layers": 2},
    "BI": {"bidirectional": True},
    "VAR": {"n_sequences": 512, "n_steps": 200, "ragged": True},
}


def make_cases(cells=CELLS, shapes=tuple(SHAPES), **changes):
    """Return a case for each cell and shape."""
    return [
        Case(**{"name": f"{cell}/{shape}", "cell": cell, **SHAPES[shape], **changes})
        for shape in shapes
        for cell in cells
    ]


def make_data(case):
    """Return X (sequences, steps, channels), zero behind each end, and classes y."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, case.n_classes, case.n_sequences)
    shape = (case.n_sequences, case.n_steps, case.n_channels)
    X = rng.standard_normal(shape, dtype=np.float32)
    X[:, :, 0] += (0.25 * (y - 2))[:, np.newaxis]
    if case.ragged:
        X[np.arange(case.n_steps) >= case.lengths[:, np.newaxis]] = 0
    return X.astype(case.dtype), y


def make_order(case, epoch):
    """Return the order of the sequences in an epoch."""
    if not case.shuffle:
        return np.arange(case.n_sequences)
    return np.random.default_rng(1000 + epoch).permutation(case.n_sequences)


def make_weights(case):
    """Return the weights of the recurrent module and of the head, named as PyTorch does."""
    rng = np.random.default_rng(0)
    bound = case.n_units**-0.5

    def draw(*shape):
        return rng.uniform(-bound, bound, shape).astype(case.dtype)

    recurrent, rows = {}, GATES[case.cell] * case.n_units
    for layer in range(case.n_layers):
        for suffix in ("", "_reverse")[: case.n_directions]:
            tag = f"l{layer}{suffix}"
            recurrent[f"weight_ih_{tag}"] = draw(rows, case.n_inputs(layer))
            recurrent[f"weight_hh_{tag}"] = draw(rows, case.n_units)
            recurrent[f"bias_ih_{tag}"] = draw(rows)
            recurrent[f"bias_hh_{tag}"] = draw(rows)
    n_features = case.n_units * case.n_directions
    return recurrent, {"weight": draw(case.n_classes, n_features), "bias": draw(case.n_classes)}


def training_flops(case):
    """Return the operations of an epoch's products, two for each multiply-add.

    Each step of a direction multiplies with the recurrent matrices three times (forward, its
    gradient, the state's gradient) and with the input matrices twice, or three times above the
    first layer. Gate arithmetic, head and solver are not counted; steps that are not there neither,
    so padding shows as speed that is lost.
    """
    return _flops(case, recurrent=3, first_inputs=2, later_inputs=3)


def inference_flops(case):
    """Return the operations of the products of running all sequences once."""
    return _flops(case, recurrent=1, first_inputs=1, later_inputs=1)


def _flops(case, recurrent, first_inputs, later_inputs):
    units = case.n_units
    a_step = sum(
        recurrent * units * units
        + (first_inputs if layer == 0 else later_inputs) * case.n_inputs(layer) * units
        for layer in range(case.n_layers)
    )
    n_steps = int(case.lengths.sum())
    return 2 * n_steps * GATES[case.cell] * a_step * case.n_directions
