"""Gradients of whole networks: every cell, stack, direction, pooling, loss, ragged or not.

Two independent judges. The complex step differentiates the oracle to rounding, so the network must
agree to 1e-11; finite differences differentiate the kernels' own forward pass, to 1e-6. Both go
along one random direction in each block of weights: an error in any single weight shows there.
A last test visits every weight one by one.
"""

import itertools

import networks
import numpy as np
import oracle
import pytest

from skrnn import bptt
from skrnn.losses import classification_loss, regression_loss
from skrnn.network import DropoutMasks
from skrnn.objective import Objective
from skrnn.threads import Threads
from skrnn.workspace import Workspace

N_OUTPUTS = 3
LENGTHS = {"full": [4, 4, 4, 4], "ragged": [3, 1, 5, 4]}
HIDDEN = {"one": (3,), "stacked": (4, 3)}
REGRESSION = {"huber_delta": 0.4, "quantile": 0.7}
LOSSES = {
    "multiclass_log_loss": classification_loss("log_loss", exclusive=True),
    "multilabel_log_loss": classification_loss("log_loss", exclusive=False),
    "multiclass_hinge": classification_loss("hinge", exclusive=True),
    "multilabel_hinge": classification_loss("hinge", exclusive=False),
    "squared_error": regression_loss("squared_error", **REGRESSION),
    "absolute_error": regression_loss("absolute_error", **REGRESSION),
    "huber": regression_loss("huber", **REGRESSION),
    "quantile": regression_loss("quantile", **REGRESSION),
    "poisson": regression_loss("poisson", **REGRESSION),
}

each_cell = pytest.mark.parametrize(("cell", "activation"), networks.CELLS, ids=networks.CELL_IDS)
each_shape = pytest.mark.parametrize(
    ("stack", "bidirectional", "pooling", "kind"),
    list(itertools.product(HIDDEN, [False, True], ["last", "mean", "max"], LENGTHS)),
    ids=lambda value: {True: "bi", False: "uni"}.get(value, value),
)


class Setting:
    """A network with weights and data, and directions in which to differentiate."""

    def __init__(self, cell, activation, stack, bidirectional, pooling, kind):
        self.rng = rng = np.random.default_rng(7)
        self.cell = cell
        self.options = {"activation": activation, "pooling": pooling}
        self.weights = oracle.random_weights(
            cell, 3, HIDDEN[stack], N_OUTPUTS, bidirectional=bidirectional, rng=rng
        )
        self.rows = [rng.normal(size=(n, 3)) for n in LENGTHS[kind]]
        self.network = networks.network_like(
            networks.cell_of(cell, activation), self.weights, pooling=pooling
        )
        self.params = networks.to_params(self.network, self.weights)
        self.batch = networks.to_batch(self.rows)
        self.d_raw = rng.normal(size=(len(self.rows), N_OUTPUTS))

    def directions(self):
        """Name and random direction (by the oracle's names) in each block of weights."""
        zeros = {name: np.zeros_like(w) for name, w in self.weights.items()}
        for name, weight in self.weights.items():
            yield name, zeros | {name: self.rng.normal(size=weight.shape)}

    def oracle_slope(self, direction, weigh=None, **options):
        """Derivative of ``sum(d_raw * raw)`` along a direction, by the complex step."""
        tiny = 1e-30
        weights = {name: w + 1j * tiny * direction[name] for name, w in self.weights.items()}
        total = 0
        for i, row in enumerate(self.rows):
            own = weights if weigh is None else weigh(weights, i)
            raw = oracle.raw_predictions(self.cell, [row], own, **self.options, **options)[0]
            total += np.sum(self.d_raw[i] * raw.imag) / tiny
        return total

    def kernel_slopes(self, **options):
        """The same derivative by the network's backward pass, as a function of the direction."""
        total = networks.gradient(self.network, self.params, self.batch, self.d_raw, **options)
        total = networks.from_params(self.network, total, self.weights)

        def slope(direction):
            return sum(np.sum(total[name] * d) for name, d in direction.items())

        return slope


def assert_same_slope(actual, expected, name, relative=1e-11):
    assert actual == pytest.approx(expected, rel=relative, abs=relative), name


@each_shape
@each_cell
def test_backward_is_the_derivative_of_the_oracle(
    cell, activation, stack, bidirectional, pooling, kind
):
    setting = Setting(cell, activation, stack, bidirectional, pooling, kind)
    slope = setting.kernel_slopes()
    for name, direction in setting.directions():
        assert_same_slope(slope(direction), setting.oracle_slope(direction), name)


@pytest.mark.parametrize("stretch", [1, 2, 3, 5])
@pytest.mark.parametrize(("stack", "bidirectional"), [("one", False), ("stacked", True)])
@pytest.mark.parametrize("pooling", ["last", "mean"])
@each_cell
def test_truncated_backward_takes_the_carried_state_as_constant(
    cell, activation, stack, bidirectional, pooling, stretch
):
    setting = Setting(cell, activation, stack, bidirectional, pooling, "ragged")
    slope = setting.kernel_slopes(walk=bptt.Truncated(stretch))
    for name, direction in setting.directions():
        expected = setting.oracle_slope(direction, stretch=stretch)
        assert_same_slope(slope(direction), expected, name)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@each_cell
def test_backward_through_dropout(cell, activation, pooling):
    setting = Setting(cell, activation, "stacked", True, pooling, "ragged")

    def draw(n_columns):
        return setting.rng.choice([0.0, 1.0, 2.0], size=(len(setting.rows), n_columns))

    masks = DropoutMasks(
        {(layer, d): draw(n) for layer, n in enumerate(HIDDEN["stacked"]) for d in range(2)},
        [draw(2 * n) for n in HIDDEN["stacked"]],
    )
    slope = setting.kernel_slopes(masks=masks.take(setting.batch.order))
    for name, direction in setting.directions():
        expected = setting.oracle_slope(
            direction, weigh=lambda weights, i: networks.masked_weights(weights, masks, i)
        )
        assert_same_slope(slope(direction), expected, name)


@pytest.mark.parametrize("activation", ["tanh", "relu", "logistic"])
def test_steps_that_tie_for_the_maximum_share_one_gradient(activation):
    setting = Setting("rnn", activation, "one", True, "max", "ragged")
    for direction in ("forward", "backward"):
        setting.weights[f"layer_0.{direction}.W_hh"][:] = 0
        setting.weights[f"layer_0.{direction}.b_xh"] += 1.0  # so that no rectifier is at rest
    setting.params = networks.to_params(setting.network, setting.weights)
    setting.rows = [np.repeat(row[:1], len(row), axis=0) for row in setting.rows]
    setting.batch = networks.to_batch(setting.rows)
    slope = setting.kernel_slopes()
    for name, direction in setting.directions():
        if name.endswith("W_hh"):
            continue  # here the tied steps part: any of their derivatives is as good
        assert_same_slope(slope(direction), setting.oracle_slope(direction), name)


# Finite differences -------------------------------------------------------------------------------


def targets_for(loss, raw, rng):
    if loss.takes_codes:
        return rng.integers(0, N_OUTPUTS, size=len(raw))
    if loss.activation == "exponential":
        return rng.poisson(2.0, size=raw.shape).astype(np.float64)
    if loss.activation == "logistic" or loss.link_inverse is None:
        return rng.integers(0, 2, size=raw.shape).astype(np.float64)
    return raw + rng.normal(size=raw.shape)


def central_slopes(function, step=1e-3, *, max_quarterings=8, rtol=1e-8):
    """Derivative at zero of a function of one number that returns an array.

    By differences of fourth order, with a step that shrinks until no kink lies within it.
    """

    def slopes(step):
        far_left, left, right, far_right = (function(k * step) for k in (-2, -1, 1, 2))
        return (far_left - 8 * left + 8 * right - far_right) / (12 * step)

    scale = np.abs(function(0.0)).max() + 1
    settled = slopes(step)
    for _ in range(max_quarterings):
        step /= 4
        finer = slopes(step)
        noise = 64 * np.finfo(np.float64).eps * scale / step
        near = np.abs(finer - settled) <= rtol * np.abs(finer) + noise
        if near.all():
            return settled
        settled = np.where(near, settled, finer)
    raise ArithmeticError("the differences do not settle")


@each_shape
@each_cell
def test_finite_differences_of_every_loss(cell, activation, stack, bidirectional, pooling, kind):
    setting = Setting(cell, activation, stack, bidirectional, pooling, kind)
    network, params, batch, rng = setting.network, setting.params, setting.batch, setting.rng
    raw = networks.predict(network, params, batch)
    weight = rng.uniform(0.5, 1.5, size=len(raw))
    weight /= weight.sum()
    targets = {name: targets_for(loss, raw, rng) for name, loss in LOSSES.items()}
    gradients = {}
    for name, loss in LOSSES.items():
        d_raw = np.full_like(raw, np.nan)
        loss.value_and_gradient(raw, targets[name], weight, d_raw)
        total = networks.gradient(network, params, batch, d_raw)
        gradients[name] = networks.from_params(network, total, setting.weights)

    for block, direction in setting.directions():
        vector = networks.to_params(network, direction)

        def values(step, vector=vector):
            moved = networks.predict(network, params + step * vector, batch)
            unused = np.empty_like(moved)
            return np.array(
                [
                    loss.value_and_gradient(moved, targets[name], weight, unused)
                    for name, loss in LOSSES.items()
                ]
            )

        expected = central_slopes(values)
        for name, slope in zip(LOSSES, expected, strict=True):
            actual = np.sum(gradients[name][block] * direction[block])
            assert actual == pytest.approx(slope, rel=1e-6, abs=1e-8), (name, block)


@pytest.mark.parametrize("name", sorted(LOSSES))
@each_cell
def test_every_single_weight_of_the_objective(cell, activation, name):
    """Loss, sample weights and penalty as training sees them, weight by weight."""
    setting = Setting(cell, activation, "one", True, "mean", "ragged")
    loss, rng = LOSSES[name], setting.rng
    raw = networks.predict(setting.network, setting.params, setting.batch)
    objective = Objective(
        setting.network,
        loss,
        networks.to_sequences(setting.rows),
        targets_for(loss, raw, rng),
        rng.uniform(0.5, 1.5, size=len(raw)),
        alpha=0.3,
    )
    everything = np.arange(len(raw))
    with Threads(1) as threads:
        actual = objective.gradient(setting.params, everything, threads)[1].copy()
        expected = oracle.numerical_gradient(
            lambda params: objective.gradient(params, everything, threads)[0], setting.params
        )
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-8)


@each_cell
def test_the_observed_walk_changes_nothing_and_sees_the_gradient(cell, activation):
    setting = Setting(cell, activation, "stacked", True, "last", "ragged")
    arguments = (setting.network, setting.params, setting.batch, setting.d_raw)
    observed = {(layer, d): bptt.Observed() for layer in range(2) for d in range(2)}
    np.testing.assert_array_equal(
        networks.gradient(*arguments, walk=observed), networks.gradient(*arguments)
    )
    # At the last step of the last layer the gradient is what the head hands down.
    d_features = setting.d_raw @ setting.weights["head.W_hy"].T
    n_units = HIDDEN["stacked"][-1]
    for d in range(2):
        norms = networks.unsort(setting.batch, observed[1, d].norms)
        own = np.linalg.norm(d_features[:, d * n_units : (d + 1) * n_units], axis=1)
        for i, row in enumerate(setting.rows):
            assert norms[i, len(row) - 1] == pytest.approx(own[i], rel=1e-13)
            assert np.isfinite(norms[i, : len(row)]).all()
            assert np.isnan(norms[i, len(row) :]).all()


def test_float32_gradients_are_those_of_float64_to_its_precision():
    for cell, activation in networks.CELLS:
        setting = Setting(cell, activation, "stacked", True, "mean", "ragged")
        double = networks.gradient(setting.network, setting.params, setting.batch, setting.d_raw)
        single = networks.gradient(
            setting.network,
            setting.params.astype(np.float32),
            networks.to_batch(setting.rows, np.float32),
            setting.d_raw,
        )
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=0, atol=1e-5 * np.abs(double).max())


def test_the_workspace_carries_nothing_from_batch_to_batch():
    setting = Setting("lstm", "tanh", "stacked", True, "max", "ragged")
    workspace = Workspace()
    fresh = networks.predict(setting.network, setting.params, setting.batch)
    other = networks.to_batch([np.full((6, 3), np.nan), np.full((2, 3), np.nan)])
    setting.network.forward(setting.params, other, workspace)
    again = setting.network.forward(setting.params, setting.batch, workspace).raw
    np.testing.assert_array_equal(networks.unsort(setting.batch, again), fresh)
