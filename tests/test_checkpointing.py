"""Gradient checkpointing: the same bits as the gradient at once, in a fraction of the memory."""

import tracemalloc
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minimal_gated_unit import MGU

from skrnn import RNNClassifier, RNNForecaster, RNNRegressor, checkpointing, inference, objective
from skrnn.batching import PackedBatch
from skrnn.cells import resolve_cell
from skrnn.checkpointing import cut_steps
from skrnn.losses import classification_loss
from skrnn.network import Network
from skrnn.objective import Dropout, Objective
from skrnn.sequences import Sequences
from skrnn.threads import Threads

CELLS = {
    "rnn": resolve_cell("rnn", "tanh"),
    "gru": resolve_cell("gru", "tanh"),
    "lstm": resolve_cell("lstm", "tanh"),
    "own": MGU,
}
LOG_LOSS = classification_loss("log_loss", exclusive=True)
N_IDS, N_OUTPUTS = 5, 3

ends = st.sampled_from([("last", "linear"), ("mean", "linear"), ("max", "linear")])
step_ends = st.sampled_from([(None, "linear"), (None, "crf")])


class Setting:
    """A network with weights, ragged data and targets; the first channel may hold ids."""

    def __init__(self, lengths, cell, sizes, bidirectional, end, has_ids, dtype=np.float64):
        rng = np.random.default_rng(3)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        values = rng.normal(size=(offsets[-1], 2)).astype(dtype)
        if has_ids:
            values[:, 0] = rng.integers(0, N_IDS, offsets[-1])
        pooling, head = end
        self.network = Network(
            CELLS[cell], 2, sizes, N_OUTPUTS, bidirectional=bidirectional, pooling=pooling,
            head=head, tables={0: (N_IDS, 3)} if has_ids else None,
        )  # fmt: skip
        params = self.network.initial_parameters(np.random.RandomState(0), dtype, max(lengths))
        self.params = params + (0.3 * rng.normal(size=params.size)).astype(dtype)
        self.sequences = Sequences(values, offsets)
        n_rows = len(lengths) if pooling is not None else offsets[-1]
        self.target = rng.integers(0, N_OUTPUTS, n_rows)

    def gradient(self, dropout=None, **options):
        objective = Objective(
            self.network, LOG_LOSS, self.sequences, self.target, np.ones(len(self.target)),
            alpha=0.1, dropout=dropout, **options,
        )  # fmt: skip
        order = np.random.default_rng(1).permutation(len(self.sequences))
        loss, gradient = objective.gradient(
            self.params, order, Threads(1), np.random.RandomState(2)
        )
        return loss, gradient.astype(self.params.dtype)

    def assert_same_bits(self, steps, **options):
        loss, gradient = self.gradient(**options)
        assert np.abs(gradient).max() > 0
        actual_loss, actual = self.gradient(checkpoint_steps=steps, **options)
        assert actual_loss == loss
        np.testing.assert_array_equal(actual, gradient)


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    steps=st.one_of(st.just("auto"), st.integers(1, 13)),
    cell=st.sampled_from(sorted(CELLS)),
    sizes=st.sampled_from([(3,), (4, 3)]),
    bidirectional=st.booleans(),
    end=st.one_of(ends, step_ends),
    has_ids=st.booleans(),
    drops=st.booleans(),
)
def test_the_gradient_has_the_same_bits(
    lengths, steps, cell, sizes, bidirectional, end, has_ids, drops
):
    setting = Setting(lengths, cell, sizes, bidirectional, end, has_ids)
    setting.assert_same_bits(steps, dropout=Dropout(0.3, 0.4) if drops else None)


@pytest.mark.parametrize("lengths", [[12] * 6, [12, 9, 9, 7, 3]], ids=["equal", "ragged"])
def test_batches_of_many_steps_are_cut_alike(lengths, monkeypatch):
    setting = Setting(lengths, "gru", (3,), False, ("last", "linear"), False, np.float32)
    whole = setting.gradient()
    monkeypatch.setattr(inference, "PIECE_ROWS", 30)
    setting.assert_same_bits("auto")
    assert (setting.gradient()[1] != whole[1]).any()


@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    n_rows=st.integers(1, 20),
    cell=st.sampled_from(sorted(CELLS)),
    sizes=st.sampled_from([(3,), (4, 3)]),
    end=st.one_of(ends, step_ends),
    has_ids=st.booleans(),
    drops=st.booleans(),
)
def test_long_batches_have_the_same_bits(lengths, n_rows, cell, sizes, end, has_ids, drops):
    """Too large to run at once, they run a stretch at a time, each of which is held."""
    setting = Setting(lengths, cell, sizes, False, end, has_ids)
    options = {"dropout": Dropout(0.3, 0.4) if drops else None}
    loss, gradient = setting.gradient(**options)
    with (
        patch.multiple(objective, STRETCH_ROWS=n_rows, AT_ONCE_BYTES=0),
        patch.object(checkpointing, "OneWay", wraps=checkpointing.OneWay) as way,
    ):
        actual_loss, actual = setting.gradient(**options)
    assert way.called == (sum(lengths) > 2 * n_rows)
    assert actual_loss == loss
    np.testing.assert_array_equal(actual, gradient)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_ten_thousand_steps(cell, bidirectional):
    setting = Setting([10_000, 9_000], cell, (3,), bidirectional, ("mean", "linear"), False)
    setting.assert_same_bits("auto")


def test_single_precision():
    setting = Setting([9, 7, 7, 2], "gru", (17,), False, ("max", "linear"), False, np.float32)
    setting.assert_same_bits(4)


@pytest.mark.parametrize(("n_steps", "expected"), [(1, 1), (2, 2), (4, 2), (5, 3), (100, 10)])
def test_auto_is_the_square_root_rounded_up(n_steps, expected):
    sequences = Sequences(np.zeros((n_steps, 1)), np.array([0, n_steps]))
    stretches = cut_steps(PackedBatch(sequences, np.zeros(1, np.int64)), "auto")
    assert stretches[0].n_steps == expected
    assert sum(stretch.n_steps for stretch in stretches) == n_steps


def peak_of_gradient(n_steps, bidirectional=False, **options):
    end = ("last", "linear")
    setting = Setting([n_steps] * 3, "gru", (8,), bidirectional, end, False, np.float32)
    setting.gradient(**options)  # compiles
    tracemalloc.start()
    setting.gradient(**options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_grows_with_the_square_root_of_the_steps():
    assert peak_of_gradient(6400, checkpoint_steps="auto") < peak_of_gradient(6400) / 8
    short, long = (peak_of_gradient(n, checkpoint_steps="auto") for n in (1600, 6400))
    assert long < 3 * short
    both = peak_of_gradient(6400, True, checkpoint_steps="auto")
    assert both < peak_of_gradient(6400, True) / 2


def data(n_sequences=70, n_steps=9):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in rng.integers(2, n_steps + 1, n_sequences)]
    return X, np.array([int(x.sum() > 0) for x in X])


def assert_same_fit(model, X, y):
    expected = model.set_params(checkpoint_steps=None).fit(X, y)
    params, curve = expected._params.copy(), expected.loss_curve_
    for steps, n_jobs in (("auto", None), (4, 2)):
        model.set_params(checkpoint_steps=steps, n_jobs=n_jobs).fit(X, y)
        assert model.loss_curve_ == curve
        np.testing.assert_array_equal(model._params, params)


@pytest.mark.filterwarnings("ignore:lbfgs stopped before it converged")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_fits_have_the_same_bits(solver):
    X, y = data()
    options = {"solver": solver, "max_iter": 3, "batch_size": 70, "random_state": 0}
    assert_same_fit(RNNClassifier((5, 4), cell="lstm", **options), X, y)
    assert_same_fit(RNNRegressor(5, bidirectional=True, pooling="mean", **options), X, y)
    steps = [x[:, 0] for x in X]
    assert_same_fit(RNNRegressor(5, mode="many_to_many", **options), X, steps)


def test_a_forecaster_passes_it_on():
    series = np.sin(np.arange(120.0))
    model = RNNForecaster(2, lookback=20, hidden_layer_sizes=4, max_iter=3, random_state=0)
    expected = model.fit(series).predict()
    actual = model.set_params(checkpoint_steps=3).fit(series).predict()
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bptt_steps": 5}, "checkpoint_steps=3 computes the full gradient, which bptt_steps=5"),
        ({"mode": "encoder_decoder"}, "got mode='encoder_decoder': set checkpoint_steps=None"),
    ],
)
def test_what_does_not_go_together(options, message):
    X, y = data(8)
    target = [x[:2] for x in X] if "mode" in options else y
    with pytest.raises(ValueError, match=message):
        RNNRegressor(4, checkpoint_steps=3, max_iter=1, **options).fit(X, target)
