"""The networks against PyTorch, ONNX and Keras: outputs, gradients, whole training runs.

The vectors of PyTorch start from given states and end in a loss on every step and on the last
states. A cell of one's own may bring both: the contract lets it fill in the initial states and
add to the gradients, so the network itself runs as it always does. What of the ONNX and Keras
vectors is out of scope, and why, stands in test_oracle.py.
"""

import functools
import re

import networks
import numpy as np
import oracle
import pytest
import vectors

from skrnn import RNNClassifier, torch_layout
from skrnn.cells import Cell
from skrnn.descent import clip_norm
from skrnn.losses import classification_loss
from skrnn.network import DIRECTIONS, NetworkWeights
from skrnn.objective import Objective
from skrnn.solvers import Adam, RMSprop, StochasticGradientDescent
from skrnn.threads import Threads
from skrnn.workspace import Workspace

TORCH = vectors.torch_cases()
TRAJECTORIES = vectors.torch_trajectories()
ONNX = vectors.onnx_cases()
KERAS = vectors.keras_cases()
RELATIVE = 1e-10
EPS32 = float(np.finfo(np.float32).eps)


def assert_relative(actual, expected):
    """To 1e-10 of each array's largest number, which is where cancellation leaves its error."""
    assert np.shape(actual) == np.shape(expected)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=RELATIVE * scale)


class InjectedStates:
    """A built-in cell that starts from the states of a PyTorch case and ends in its loss."""

    def __init__(self, case, inner):
        self.case, self.inner = case, inner
        self.slots = vectors.torch_slots(case)
        self.kinds = ("h", "c")[: len(inner.states)]
        self.batch = None  # the one that runs
        self.n_forward = 0
        last = self.slots[-1][0]
        # The backward pass visits the layers from the top, each in both directions.
        self.pending = sorted(self.slots, key=lambda slot: (last - slot[0], slot[1] != "forward"))
        self.d_initial = {}
        self.cell = Cell(
            inner.name,
            gates=inner.gates,
            states=inner.states,
            inner_gates=inner.inner_gates,
            forward=functools.partial(self.forward),
            backward=functools.partial(self.backward),
        )

    def forward(self, first, last, starts, mask, W_h, b_h, gates, inner, operands, states):
        for s, kind in enumerate(self.kinds):
            initial = self.case[f"{kind}0"][self.n_forward]
            states[s, : starts[1]] = initial[self.batch.order]
        self.n_forward += 1
        self.inner.forward(first, last, starts, mask, W_h, b_h, gates, inner, operands, states)

    def backward(
        self, first, last, starts, mask, W_h, gates, inner, operands, states, d_output, d_state
    ):
        layer, direction = slot = self.pending.pop(0)
        place = self.slots.index(slot)
        for s, kind in enumerate(self.kinds):
            d_state[s] += self.case[f"G_{kind}n"][place][self.batch.order]
        if layer == self.slots[-1][0]:
            d_output += self.d_top(direction, d_output.shape[1])
        self.inner.backward(
            first, last, starts, mask, W_h, gates, inner, operands, states, d_output, d_state
        )
        for s, kind in enumerate(self.kinds):
            self.d_initial[kind, place] = networks.unsort(self.batch, d_state[s])

    def d_top(self, direction, n_units):
        """Gradient of the last layer's outputs, packed in the direction's own order of time."""
        batch, d = self.batch, DIRECTIONS.index(direction)
        packed = np.empty((batch.n_rows, n_units))
        for place, length in enumerate(batch.lengths):
            given = self.case["G_out"][batch.order[place], :length]
            own = given[:, d * n_units : (d + 1) * n_units]
            packed[batch.starts[:length] + place] = own[::-1] if d else own
        return packed


@pytest.fixture(scope="module", params=sorted(TORCH), ids=str)
def torch_run(request):
    """A case, its network, and what the passes of the network leave."""
    case = TORCH[request.param]
    weights = vectors.torch_weights(case)
    n_features = case["out"].shape[2]
    head = {"head.W_hy": np.zeros((n_features, 1)), "head.b_y": np.zeros(1)}
    injected = InjectedStates(case, networks.cell_of(*vectors.torch_cell(request.param)))
    network = networks.network_like(injected.cell, weights | head)
    params = networks.to_params(network, weights | head)
    injected.batch = batch = networks.to_batch(vectors.torch_sequences(case))
    workspace = Workspace()
    trace = network.forward(params, batch, workspace)
    outputs = networks.layer_outputs(trace)
    finals = [
        [
            [rows[-1] for rows in networks.unpack(batch, state[batch.n_sequences :])]
            for state in kept.buffers.states
        ]
        for layer in trace.layers
        for kept in layer
    ]
    d_raw = np.zeros((batch.n_sequences, 1))
    network.backward(params, trace, d_raw, workspace)
    gradient = np.zeros_like(params)
    for task in network.gradient_tasks():
        network.add_weight_gradients(task, trace, d_raw, NetworkWeights(network, gradient))
    return {
        "case": case,
        "outputs": outputs,
        "finals": finals,
        "gradient": networks.from_params(network, gradient, weights),
        "d_initial": injected.d_initial,
        "d_input": input_gradient(network, params, trace),
    }


def input_gradient(network, params, trace):
    """dL/dx, from the gradients of the gates that the backward pass leaves in the trace."""
    batch = trace.batch
    total = None
    for d, kept in enumerate(trace.layers[0]):
        W_x = network.layout.blocks[f"layer_0.{DIRECTIONS[d]}.W_x"].view(params)
        packed = sum(
            gate @ weights.T for gate, weights in zip(kept.buffers.gates, W_x, strict=True)
        )
        rows = networks.unpack(batch, packed)
        if d == 0:
            total = rows
        else:
            total = [a + b[::-1] for a, b in zip(total, rows, strict=True)]
    return total


def test_torch_outputs(torch_run):
    case = torch_run["case"]
    for i, length in enumerate(case["lengths"]):
        assert_relative(torch_run["outputs"][i], case["out"][i, :length])


def test_torch_final_states(torch_run):
    case = torch_run["case"]
    for place, finals in enumerate(torch_run["finals"]):
        for final, kind in zip(finals, ("hn", "cn"), strict=False):
            assert_relative(np.array(final), case[kind][place])


def test_torch_loss(torch_run):
    case = torch_run["case"]
    loss = 0.0
    for i, length in enumerate(case["lengths"]):
        loss += np.sum(torch_run["outputs"][i] * case["G_out"][i, :length])
    for place, finals in enumerate(torch_run["finals"]):
        for final, kind in zip(finals, ("G_hn", "G_cn"), strict=False):
            loss += np.sum(np.array(final) * case[kind][place])
    assert loss == pytest.approx(float(case["loss"]), rel=RELATIVE)


def test_torch_weight_gradients(torch_run):
    expected = vectors.torch_weights(torch_run["case"], "grad")
    assert expected.keys() == torch_run["gradient"].keys()
    for name, value in expected.items():
        assert_relative(torch_run["gradient"][name], value)


def test_torch_input_gradients(torch_run):
    case = torch_run["case"]
    for i, length in enumerate(case["lengths"]):
        assert_relative(torch_run["d_input"][i], case["grad_x"][i, :length])
        assert not case["grad_x"][i, length:].any()


def test_torch_initial_state_gradients(torch_run):
    case = torch_run["case"]
    for (kind, place), value in torch_run["d_initial"].items():
        assert_relative(value, case[f"grad_{kind}0"][place])


# Training runs of PyTorch ------------------------------------------------------------------------

SOLVERS = {
    "sgd_mom": (lambda params: StochasticGradientDescent(params, nesterov=False), 0.1, None),
    "adam": (Adam, 0.01, None),
    "rmsprop": (RMSprop, 0.01, None),
    "adam_clip1": (Adam, 0.01, 1.0),
}


@pytest.mark.parametrize("name", sorted(TRAJECTORIES))
def test_torch_training(name):
    """25 steps on the whole batch: every loss on the way and the weights at the end."""
    run = TRAJECTORIES[name]
    cell = networks.cell_of(*vectors.torch_cell(name))
    make_solver, rate, max_norm = SOLVERS[re.sub("^(rnn_tanh|gru|lstm)_", "", name)]
    initial = vectors.torch_weights(run, "init")
    network = networks.network_like(cell, initial)
    params = networks.to_params(network, initial)
    everything = np.arange(len(run["x"]))
    objective = Objective(
        network,
        classification_loss("log_loss", exclusive=True),
        networks.to_sequences(list(run["x"])),
        run["y"],
        np.ones(len(everything)),
    )
    solver, losses = make_solver(params), []
    with Threads(1) as threads:
        for _ in run["losses"]:
            loss, gradient = objective.gradient(params, everything, threads)
            clip_norm(gradient, max_norm)
            solver.step(params, gradient, rate)
            losses.append(loss)
    assert_relative(losses, run["losses"])
    final = networks.from_params(network, params, initial)
    for key, expected in vectors.torch_weights(run, "final").items():
        assert_relative(final[key], expected)


def test_torch_clipping():
    """The equation of ``clip_grad_norm_``: Adam, which forgets the scale, would not show it."""
    gradient = np.array([3.0, -4.0])
    clip_norm(gradient, 5.1)
    np.testing.assert_array_equal(gradient, [3.0, -4.0])
    clip_norm(gradient, 2.0)
    np.testing.assert_allclose(gradient, np.array([3.0, -4.0]) * 2 / (5 + 1e-6), rtol=1e-15)


# The estimator takes its classes from y: the runs whose y holds all three of them.
WITH_ALL_CLASSES = [name for name, run in TRAJECTORIES.items() if len(set(run["y"])) == 3]
ESTIMATOR_SOLVERS = {
    "sgd_mom": {"solver": "sgd", "learning_rate_init": 0.1, "nesterovs_momentum": False},
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "rmsprop": {"solver": "rmsprop", "learning_rate_init": 0.01},
    "adam_clip1": {"solver": "adam", "learning_rate_init": 0.01, "max_grad_norm": 1.0},
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", sorted(WITH_ALL_CLASSES))
def test_torch_training_through_the_estimator(name):
    """The same runs by the public interface, weights in and out in PyTorch's own layout."""
    run = TRAJECTORIES[name]
    kind = re.sub("^(rnn_tanh|gru|lstm)_", "", name)
    cell, activation = vectors.torch_cell(name)
    start, end = (split_head(vectors.below(run, f"{when}/")) for when in ("init", "final"))
    options = {"max_grad_norm": None} | ESTIMATOR_SOLVERS[kind]
    model = RNNClassifier(
        len(start[0]["bias_hh_l0"]) // oracle.N_GATES[cell],
        cell,
        activation=activation,
        alpha=0.0,
        learning_rate="constant",
        max_iter=1,
        n_iter_no_change=100,
        warm_start=True,
        random_state=0,
        **options,
    )
    model.fit(run["x"], run["y"]).load_torch(*start)
    # A warm start keeps the weights alone: the solver begins anew.
    model.set_params(max_iter=len(run["losses"])).fit(run["x"], run["y"])
    assert_relative(model.loss_curve_[-len(run["losses"]) :], run["losses"])
    state = model.to_torch()
    for actual, expected in zip((state.recurrent, state.head), end, strict=True):
        assert actual.keys() == expected.keys()
        for key, value in expected.items():
            assert_relative(actual[key], value)


def split_head(state):
    """The recurrent module's weights and those of the linear one, under their own names."""
    head = {key.removeprefix("lin."): w for key, w in state.items() if key.startswith("lin.")}
    return {key: w for key, w in state.items() if not key.startswith("lin.")}, head


@pytest.mark.parametrize("name", sorted(TORCH))
def test_torch_layout_of_stacks_and_directions(name):
    case = TORCH[name]
    weights = vectors.torch_weights(case)
    head = {"head.W_hy": np.ones((case["out"].shape[2], 2)), "head.b_y": np.zeros(2)}
    network = networks.network_like(networks.cell_of(*vectors.torch_cell(name)), weights | head)
    params = networks.to_params(network, weights | head)
    recurrent, linear = torch_layout.export(network, params)
    expected = vectors.below(case, "param/")
    assert recurrent.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(recurrent[key], value)
    np.testing.assert_array_equal(linear["weight"], head["head.W_hy"].T)
    back = torch_layout.imported(network, np.zeros_like(params), recurrent, linear)
    np.testing.assert_array_equal(back, params)


# Published forward passes -------------------------------------------------------------------------


def last_states(cell, weights, rows, dtype, *, backward=False):
    """Final hidden states through the network: a head that passes its features on."""
    layers = vectors.rename_layer(weights, 0, "forward")
    if backward:
        layers |= vectors.rename_layer(weights, 0, "backward")
    n_units = weights["W_hh"].shape[0]
    n_features = n_units * (1 + backward)
    layers |= {"head.W_hy": np.eye(n_features), "head.b_y": np.zeros(n_features)}
    network = networks.network_like(networks.cell_of(cell, "tanh"), layers)
    params = networks.to_params(network, layers, dtype)
    last = networks.predict(network, params, networks.to_batch(rows, dtype))
    return last[:, n_units:] if backward else last


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("name", sorted(set(ONNX) - {"lstm_with_peepholes"}))
def test_onnx(name, dtype):
    case = ONNX[name]
    inputs = {key: value[0].astype(dtype) for key, value in case["inputs"].items()}
    weights = vectors.from_onnx(case["cell"], inputs["W"], inputs["R"], inputs.get("B"))
    last = last_states(case["cell"], weights, list(vectors.onnx_sequences(case)), dtype)
    assert last.dtype == dtype
    np.testing.assert_allclose(last, vectors.onnx_last_states(case), rtol=0, atol=2 * EPS32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("name", sorted(KERAS))
def test_keras(name, dtype):
    case = KERAS[name]
    rows = list(case["sequences"])
    if case["mask"] is not None:
        rows = [row[mask] for row, mask in zip(rows, case["mask"], strict=True)]
    last = last_states(
        case["cell"], case["weights"], rows, dtype, backward=case["variant"] == "go_backwards"
    )
    expected = case["expected"] if case["expected"].ndim == 2 else case["expected"][:, -1]
    np.testing.assert_allclose(last, expected, rtol=0, atol=4 * EPS32)
