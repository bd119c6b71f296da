"""Encoder-decoder networks against a slow oracle, finite differences and PyTorch's autograd."""

import itertools

import decoder_oracle
import networks
import numpy as np
import oracle
import pytest
from decoder_oracle import NUMPY
from hypothesis import given
from hypothesis import strategies as st

from skrnn import bptt
from skrnn.batching import PackedBatch
from skrnn.cells import resolve_cell
from skrnn.encoder_decoder import EncoderDecoder
from skrnn.losses import classification_loss
from skrnn.outputs import Outputs, token_outputs
from skrnn.teaching import TeachingObjective
from skrnn.threads import Threads
from skrnn.workspace import Workspace

LENGTHS, OUTPUT_LENGTHS = [3, 1, 5, 4], [2, 4, 1, 4]
N_CHANNELS, N_TOKENS, N_VALUES, N_OUTPUTS = 3, 5, 2, 4
KINDS = {
    "plain": {},
    "additive": {"attention": "additive"},
    "multiplicative": {"attention": "multiplicative"},
    "both_ways": {"bidirectional": True},
    "both_ways_additive": {"bidirectional": True, "attention": "additive"},
    "both_ways_multiplicative": {"bidirectional": True, "attention": "multiplicative"},
    "vector": {"reads_vectors": True},
    "vector_fed": {"reads_vectors": True, "feeds_vector": True},
}


class Setting:
    """A network with random weights and data."""

    def __init__(self, cell, kind, sizes, tokens, dtype=np.float64):
        rng = self.rng = np.random.default_rng(3)
        self.cell, self.sizes, self.options = cell, sizes, KINDS[kind]
        self.network = EncoderDecoder(
            resolve_cell(cell, "tanh"),
            N_CHANNELS,
            sizes,
            N_OUTPUTS,
            n_tokens=N_TOKENS if tokens else None,
            n_values=N_VALUES,
            **self.options,
        )
        self.params = 0.5 * rng.standard_normal(self.network.layout.size)
        self.params = self.params.astype(dtype)
        self.tokens, self.dtype = tokens, dtype
        self.use([1] * 4 if "reads_vectors" in self.options else LENGTHS, OUTPUT_LENGTHS)

    def use(self, lengths, output_lengths):
        """Draw data of these lengths."""
        rng, n_rows = self.rng, sum(output_lengths)
        self.rows = [rng.standard_normal((n, N_CHANNELS)) for n in lengths]
        read = rng.integers(N_TOKENS, size=n_rows)
        if not self.tokens:
            read = rng.standard_normal((n_rows, N_VALUES)).astype(self.dtype)
        offsets = np.concatenate([[0], np.cumsum(output_lengths)])
        self.outputs = Outputs(read, read, np.ones(n_rows), offsets)
        self.sequences = networks.to_sequences(self.rows, self.dtype)
        self.d_raw = rng.standard_normal((n_rows, N_OUTPUTS))

    def forward(self, params=None):
        """Raw outputs, in the rows of `outputs`, and the trace."""
        indices = np.arange(len(self.rows))
        batch = PackedBatch(self.sequences, indices)
        self.workspace = Workspace()
        params = self.params if params is None else params
        trace = self.network.forward(params, batch, self.outputs, indices, self.workspace)
        raw = np.empty_like(trace.raw)
        raw[trace.output.rows] = trace.raw
        return raw, trace

    def gradient(self, walk=bptt.full):
        _, trace = self.forward()
        d_raw = np.ascontiguousarray(self.d_raw[trace.output.rows], dtype=self.params.dtype)
        self.network.backward(self.params, trace, d_raw, self.workspace, walk)
        total = np.zeros_like(self.params)
        views = type(self.network.bind(self.params))(self.network, total)
        for task in self.network.gradient_tasks():
            self.network.add_weight_gradients(task, trace, d_raw, views)
        return total

    def oracle(self, xp, vector, convert=lambda array: array):
        """The oracle's raw outputs of each sequence, and attention weights."""
        blocks = self.network.layout.blocks
        weights = {n: vector[b.start : b.stop].reshape(b.shape) for n, b in blocks.items()}
        read, offsets = self.outputs.inputs, self.outputs.offsets
        is_vector = "reads_vectors" in self.options
        options = {n: v for n, v in self.options.items() if n != "reads_vectors"}
        for i, row in enumerate(self.rows):
            own = read[offsets[i] : offsets[i + 1]]
            own = own if own.dtype.kind == "i" else [convert(values) for values in own]
            x = convert(row[0]) if is_vector else [convert(values) for values in row]
            yield decoder_oracle.raw_outputs(
                xp, self.cell, weights, self.sizes, x, own, vectors=is_vector, **options
            )

    def oracle_objective(self, xp, vector, convert=lambda array: array):
        total, d_raw = 0, iter(self.d_raw)
        for raw, _ in self.oracle(xp, vector, convert):
            total = total + sum((row * convert(next(d_raw))).sum() for row in raw)
        return total


def relative_error(actual, expected):
    return np.abs(actual - expected).max() / np.abs(expected).max()


each_network = pytest.mark.parametrize(
    ("cell", "kind", "sizes", "tokens"),
    [
        *itertools.product(["gru"], KINDS, [(4,), (4, 3)], [True, False]),
        *itertools.product(["rnn"], KINDS, [(4,)], [True]),
        *itertools.product(["lstm"], KINDS, [(4, 3)], [True]),
    ],
    ids=lambda value: {True: "tokens", False: "values"}.get(value, str(value)),
)


@each_network
def test_outputs_are_the_oracles(cell, kind, sizes, tokens):
    setting = Setting(cell, kind, sizes, tokens)
    raw, trace = setting.forward()
    found = list(setting.oracle(NUMPY, setting.params))
    expected = np.concatenate([np.array(rows) for rows, _ in found])
    assert relative_error(raw, expected) < 1e-12
    if trace.decoder.look is not None:
        look, shape = trace.decoder.look, trace.output.shape
        for r, (place, t) in enumerate(zip(shape.positions, shape.steps, strict=True)):
            alpha = look.alpha[look.places[r] : look.places[r + 1], 0]
            np.testing.assert_allclose(alpha, found[trace.output.order[place]][1][t], rtol=1e-11)


@each_network
def test_gradient_is_autograds(cell, kind, sizes, tokens):
    torch = pytest.importorskip("torch")
    setting = Setting(cell, kind, sizes, tokens)
    vector = torch.tensor(setting.params, requires_grad=True)
    setting.oracle_objective(decoder_oracle.torch_namespace(), vector, torch.tensor).backward()
    assert relative_error(setting.gradient(), vector.grad.numpy()) < 1e-12


@each_network
def test_gradient_is_the_derivative_of_the_oracle(cell, kind, sizes, tokens):
    """Along a random direction in each block of weights, by the complex step."""
    setting, tiny = Setting(cell, kind, sizes, tokens), 1e-30
    gradient = setting.gradient()
    for name, block in setting.network.layout.blocks.items():
        direction = np.zeros_like(setting.params)
        direction[block.start : block.stop] = setting.rng.normal(size=block.stop - block.start)
        moved = setting.params + 1j * tiny * direction
        slope = setting.oracle_objective(NUMPY, moved).imag / tiny
        assert gradient @ direction == pytest.approx(slope, rel=1e-10, abs=1e-10), name


@pytest.mark.parametrize("kind", ["additive", "both_ways_multiplicative", "vector_fed"])
def test_gradient_is_the_slope_of_the_kernels_own_outputs(kind):
    """Every single weight, by finite differences."""
    setting = Setting("gru", kind, (2,), True)
    expected = oracle.numerical_gradient(
        lambda params: float(np.sum(setting.forward(params)[0] * setting.d_raw)), setting.params
    )
    assert relative_error(setting.gradient(), expected) < 1e-9


@pytest.mark.parametrize("kind", ["additive", "vector"])
def test_the_objective_weighs_every_step(kind):
    """Its value is the weighted mean of the steps' losses, its gradient the slope of that."""
    setting = Setting("gru", kind, (2,), True)
    weight = setting.rng.uniform(0.0, 2.0, size=sum(OUTPUT_LENGTHS))
    weight[2] = 0.0
    codes = setting.rng.integers(N_OUTPUTS - 1, size=weight.size)
    outputs = token_outputs(
        codes, weight, setting.outputs.offsets, start=N_TOKENS - 1, end=N_OUTPUTS - 1
    )
    loss = classification_loss("log_loss", exclusive=True)
    objective = TeachingObjective(setting.network, loss, setting.sequences, outputs)

    def run(params):
        return objective.gradient(params, np.arange(4), Threads(1))

    setting.outputs = outputs
    log_p = np.concatenate([np.array(raw) for raw, _ in setting.oracle(NUMPY, setting.params)])
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    surprise = -log_p[np.arange(len(log_p)), outputs.target]
    value, gradient = run(setting.params)
    assert value == pytest.approx(np.average(surprise, weights=outputs.weight), rel=1e-12)
    gradient = gradient.copy()
    expected = oracle.numerical_gradient(lambda params: run(params)[0], setting.params)
    assert relative_error(gradient, expected) < 1e-8


@pytest.mark.parametrize("kind", ["plain", "additive", "both_ways_multiplicative", "vector"])
def test_single_precision_stays_single(kind):
    setting = Setting("lstm", kind, (4, 3), True, np.float32)
    double = Setting("lstm", kind, (4, 3), True)
    raw, gradient = setting.forward()[0], setting.gradient()
    assert raw.dtype == gradient.dtype == np.float32
    assert relative_error(raw, double.forward()[0]) < 1e-5
    assert relative_error(gradient, double.gradient()) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_steps_have_the_bits_of_the_whole(kind, dtype):
    """One source and one step at a time, against all of them at once."""
    setting = Setting("gru", kind, (4, 3), True, dtype)
    raw, _ = setting.forward()
    network, offsets = setting.network, setting.outputs.offsets
    for i in range(4):
        batch = PackedBatch(setting.sequences, np.array([i]))
        encoded = network.encode(setting.params, batch, Workspace())
        states = encoded.initial
        for row in range(offsets[i], offsets[i + 1]):
            token = setting.outputs.inputs[row : row + 1]
            states, own = network.step(setting.params, encoded, token, states, np.zeros(1, int))
            np.testing.assert_array_equal(own[0], raw[row])


@pytest.mark.parametrize("kind", ["plain", "additive", "multiplicative"])
def test_truncated_walk_cuts_and_a_long_one_does_not(kind):
    setting = Setting("gru", kind, (4, 3), True)
    full = setting.gradient()
    np.testing.assert_array_equal(setting.gradient(bptt.Truncated(5)), full)
    assert relative_error(setting.gradient(bptt.Truncated(1)), full) > 1e-3


def test_description_and_names():
    network = Setting("gru", "both_ways_additive", (4, 3), True).network
    assert repr(network) == (
        "3 channels, gru(4, 3), bidirectional, decoded with additive attention, 4 outputs"
    )
    names = network.named_weights(np.zeros(network.layout.size))
    assert names["encoder.layer_0.backward.W_xr"].shape == (3, 4)
    assert names["decoder.layer_1.forward.W_hn"].shape == (3, 3)
    assert names["decoder.embedding"].shape == (N_TOKENS, N_VALUES)
    assert names["bridge.layer_1.W_h"].shape == (6, 3)
    assert names["attention.W_m"].shape == (6, 4)


@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)), n=st.integers(1, 6))
def test_a_batch_is_the_sum_of_its_sequences(data, kind, n):
    """Outputs of each to the last bit, gradients to rounding, whatever the lengths."""
    setting = Setting("gru", kind, (4, 3), True)
    sizes = st.lists(st.integers(1, 7), min_size=n, max_size=n)
    lengths = [1] * n if "reads_vectors" in setting.options else data.draw(sizes, "inputs")
    setting.use(lengths, data.draw(sizes, "outputs"))
    raw, total = setting.forward()[0], setting.gradient()
    whole, offsets, summed = setting.outputs, setting.outputs.offsets, 0
    rows, d_raw = setting.rows, setting.d_raw
    for i in range(n):
        own = slice(offsets[i], offsets[i + 1])
        setting.rows, setting.sequences = rows[i : i + 1], networks.to_sequences(rows[i : i + 1])
        given_tokens = whole.inputs[own]
        ones = np.ones(given_tokens.size)
        setting.outputs = Outputs(given_tokens, given_tokens, ones, np.array([0, ones.size]))
        setting.d_raw = d_raw[own]
        np.testing.assert_array_equal(setting.forward()[0], raw[own])
        summed = summed + setting.gradient()
    np.testing.assert_allclose(total, summed, rtol=1e-9, atol=1e-11)
