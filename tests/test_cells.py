"""Every built-in cell against the oracle: all steps, all shapes, both float types."""

import networks
import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn._jit import JIT_DISABLED
from skrnn.network import DropoutMasks
from skrnn.workspace import Workspace

each_cell = pytest.mark.parametrize(("cell", "activation"), networks.CELLS, ids=networks.CELL_IDS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
# The worst of thousands of random networks lies twenty times lower.
TOLERANCE = {np.float32: 1e-5, np.float64: 2e-14}

# Around the widths of vector registers and of the tiles of the matrix product.
units = st.sampled_from([1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 37])
channels = st.sampled_from([1, 2, 3, 5, 11, 19])
seeds = st.integers(0, 2**32 - 1)
lengths = st.one_of(
    st.tuples(st.integers(1, 9), st.integers(1, 9)).map(lambda pair: [pair[0]] * pair[1]),
    st.lists(st.integers(1, 9), min_size=1, max_size=9, unique=True),
    st.lists(st.integers(1, 9), min_size=0, max_size=8).map(lambda some: [*some, 1]),
)


def make(cell, activation, n_channels, hidden, lengths, seed, dtype, *, bidirectional=False):
    """Weights and sequences of moderate size, exactly representable in the dtype."""
    rng = np.random.default_rng(seed)
    scale = 1 / np.sqrt(n_channels + max(hidden))
    weights = oracle.random_weights(
        cell, n_channels, hidden, 3, bidirectional=bidirectional, rng=rng, scale=scale
    )
    weights = {name: w.astype(dtype).astype(np.float64) for name, w in weights.items()}
    rows = [rng.normal(size=(n, n_channels)).astype(dtype).astype(np.float64) for n in lengths]
    return weights, rows


def assert_close(actual, expected, dtype):
    assert actual.dtype == dtype
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE[dtype] * scale)


@each_dtype
@each_cell
@given(n_channels=channels, n_units=units, lengths=lengths, seed=seeds)
def test_every_step_is_the_oracles(cell, activation, dtype, n_channels, n_units, lengths, seed):
    weights, rows = make(cell, activation, n_channels, (n_units,), lengths, seed, dtype)
    network = networks.network_like(networks.cell_of(cell, activation), weights)
    params = networks.to_params(network, weights, dtype)
    batch = networks.to_batch(rows, dtype)
    trace = network.forward(params, batch, Workspace())
    outputs = networks.layer_outputs(trace)
    states = [networks.unpack(batch, state) for state in after_each_step(trace)]
    raw = networks.unsort(batch, trace.raw)
    for i, row in enumerate(rows):
        expected, final = oracle.run_network(cell, row, weights, activation=activation)
        assert_close(outputs[i], expected, dtype)
        for state, last in zip(states, final[0, "forward"], strict=True):
            assert_close(state[i][-1], last, dtype)
    expected = oracle.raw_predictions(cell, rows, weights, activation=activation)
    assert_close(raw, expected, dtype)


def after_each_step(trace):
    (kept,) = trace.layers[0]
    return kept.buffers.states[:, trace.batch.n_sequences :]


@pytest.mark.skipif(JIT_DISABLED, reason="without the compiler NumPy's product sets the order")
@each_dtype
@each_cell
@given(n_channels=channels, n_units=units, lengths=lengths, seed=seeds)
def test_a_row_has_the_same_bits_alone(cell, activation, dtype, n_channels, n_units, lengths, seed):
    weights, rows = make(cell, activation, n_channels, (n_units,), lengths, seed, dtype)
    network = networks.network_like(networks.cell_of(cell, activation), weights)
    params = networks.to_params(network, weights, dtype)
    together = networks.predict(network, params, networks.to_batch(rows, dtype))
    for i in {0, len(rows) // 2, len(rows) - 1}:
        alone = networks.predict(network, params, networks.to_batch(rows[i : i + 1], dtype))
        np.testing.assert_array_equal(alone[0], together[i])


@each_dtype
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["uni", "bi"])
@each_cell
@given(
    hidden=st.lists(units.filter(lambda n: n < 10), min_size=1, max_size=3),
    lengths=lengths,
    seed=seeds,
)
def test_stacks_directions_and_poolings_are_the_oracles(
    cell, activation, bidirectional, pooling, dtype, hidden, lengths, seed
):
    weights, rows = make(
        cell, activation, 3, hidden, lengths, seed, dtype, bidirectional=bidirectional
    )
    network = networks.network_like(networks.cell_of(cell, activation), weights, pooling=pooling)
    params = networks.to_params(network, weights, dtype)
    raw = networks.predict(network, params, networks.to_batch(rows, dtype))
    options = {"activation": activation, "pooling": pooling}
    assert_close(raw, oracle.raw_predictions(cell, rows, weights, **options), dtype)


@each_dtype
@each_cell
def test_dropout_masks_scale_what_each_product_reads(cell, activation, dtype):
    lengths, hidden = [4, 2, 5, 5, 1], (4, 3)
    weights, rows = make(cell, activation, 3, hidden, lengths, 0, dtype, bidirectional=True)
    network = networks.network_like(networks.cell_of(cell, activation), weights)
    batch = networks.to_batch(rows, dtype)
    rng = np.random.default_rng(1)

    def draw(n_columns):
        return rng.choice([0.0, 1.0, 2.0], size=(len(rows), n_columns)).astype(dtype)

    # In the order of the sequences here, in that of the batch for the network.
    masks = DropoutMasks(
        {(layer, d): draw(n_units) for layer, n_units in enumerate(hidden) for d in range(2)},
        [draw(2 * n_units) for n_units in hidden],
    )
    params = networks.to_params(network, weights, dtype)
    raw = networks.predict(network, params, batch, masks.take(batch.order))
    for i, row in enumerate(rows):
        own = networks.masked_weights(weights, masks, i)
        assert_close(
            raw[i], oracle.raw_predictions(cell, [row], own, activation=activation)[0], dtype
        )


@each_dtype
@pytest.mark.parametrize("size", [1e2, 1e6, 1e30])
@each_cell
def test_huge_inputs_saturate_and_stay_finite(cell, activation, size, dtype):
    if activation == "relu":  # it has no upper end: stay within the float type
        size = min(size, 1e6)
    weights, rows = make(cell, activation, 3, (5,), [4, 1, 6], 0, dtype)
    rows = [(size * row).astype(dtype).astype(np.float64) for row in rows]
    network = networks.network_like(networks.cell_of(cell, activation), weights)
    params = networks.to_params(network, weights, dtype)
    raw = networks.predict(network, params, networks.to_batch(rows, dtype))
    assert np.isfinite(raw).all()
    if dtype == np.float64:  # float32 does not know a sum of millions to one
        with np.errstate(under="ignore"):
            expected = oracle.raw_predictions(cell, rows, weights, activation=activation)
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(raw, expected, rtol=0, atol=1e-8 * scale)


@each_cell
@given(lengths=lengths, cut=st.integers(0, 9), seed=seeds)
def test_a_run_in_two_parts_has_the_bits_of_one(cell, activation, lengths, cut, seed):
    """The contract's ``first`` and ``last``, forwards and backwards, for streaming and BPTT."""
    one = networks.cell_of(cell, activation)
    rng = np.random.default_rng(seed)
    batch = networks.to_batch([np.empty((n, 1)) for n in lengths])
    cut = min(cut, batch.n_steps)
    whole, parts = (KernelArguments(one, batch, seed) for _ in range(2))
    one.forward(0, batch.n_steps, *whole.forward)
    one.forward(0, cut, *parts.forward)
    one.forward(cut, batch.n_steps, *parts.forward)
    assert_same_bits(whole, parts)

    d_output = rng.normal(size=whole.gates.shape[1:])
    d_state = rng.normal(size=(len(one.states), batch.n_sequences, d_output.shape[1]))
    d_whole, d_parts = d_state.copy(), d_state.copy()
    one.backward(0, batch.n_steps, *whole.backward, d_output, d_whole)
    one.backward(cut, batch.n_steps, *parts.backward, d_output, d_parts)
    one.backward(0, cut, *parts.backward, d_output, d_parts)
    assert_same_bits(whole, parts)
    np.testing.assert_array_equal(d_whole, d_parts)


class KernelArguments:
    """Arrays for a cell's kernels, as the contract lists them."""

    def __init__(self, cell, batch, seed, n_units=5):
        rng = np.random.default_rng(seed)
        n_rows, n = batch.n_rows, batch.n_sequences
        self.starts, self.mask = batch.starts, np.empty((0, n_units))
        self.W_h = rng.normal(size=(len(cell.gates), n_units, n_units)) / 2
        self.b_h = rng.normal(size=(len(cell.gates), n_units))
        self.gates = rng.normal(size=(len(cell.gates), n_rows, n_units))
        self.inner = np.zeros((len(cell.inner_gates), n_rows, n_units))
        self.operands = np.zeros((1 + len(cell.own_operands), n_rows, n_units))
        self.states = np.zeros((len(cell.states), n + n_rows, n_units))
        self.states[:, :n] = rng.normal(size=(len(cell.states), n, n_units))

    @property
    def kept(self):
        return self.gates, self.inner, self.operands, self.states

    @property
    def forward(self):
        return self.starts, self.mask, self.W_h, self.b_h, *self.kept

    @property
    def backward(self):
        transposed = np.ascontiguousarray(self.W_h.transpose(0, 2, 1))
        return self.starts, self.mask, transposed, *self.kept


def assert_same_bits(left, right):
    for a, b in zip(left.kept, right.kept, strict=True):
        np.testing.assert_array_equal(a, b)
