"""Reading and setting weights, PyTorch's layout, and gradients flowing through a fitted model."""

import networks
import numpy as np
import oracle
import pytest

from skrnn import RNNClassifier, RNNRegressor

GATES = {"rnn": "h", "gru": "rzn", "lstm": "ifgo"}
each_cell = pytest.mark.parametrize("cell", GATES)
HIDDEN = (4, 3)


def data(n=12, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(1 + i % 5, 2)) for i in range(n)], np.arange(n) % 3


X, Y = data()


def fitted(cell="gru", make=RNNClassifier, y=Y, **options):
    options = {"max_iter": 2, "bidirectional": True, "random_state": 0} | options
    return make(HIDDEN, cell=cell, **options).fit(X, y)


def oracle_weights(model):
    """By the oracle's names: the gates side by side."""
    stacked = {}
    for name, weight in model.weights_.items():
        if name.startswith("head."):
            stacked[name] = [weight]
        else:
            prefix, _, short = name.rpartition(".")
            stacked.setdefault(f"{prefix}.{short[:3]}h", []).append(weight)
    return {name: np.concatenate(parts, axis=-1) for name, parts in stacked.items()}


# By name ------------------------------------------------------------------------------------------


@each_cell
def test_weights_have_the_names_of_the_field(cell):
    weights = fitted(cell).weights_
    shapes = {}
    n_inputs = 2
    for layer, n_units in enumerate(HIDDEN):
        for direction in ("forward", "backward"):
            for gate in GATES[cell]:
                prefix = f"layer_{layer}.{direction}."
                shapes[f"{prefix}W_x{gate}"] = (n_inputs, n_units)
                shapes[f"{prefix}W_h{gate}"] = (n_units, n_units)
                shapes[f"{prefix}b_x{gate}"] = shapes[f"{prefix}b_h{gate}"] = (n_units,)
        n_inputs = 2 * n_units
    shapes |= {"head.W_hy": (n_inputs, 3), "head.b_y": (3,)}
    assert {name: weight.shape for name, weight in weights.items()} == shapes


@each_cell
def test_the_equations_with_these_weights_give_the_predictions(cell):
    # Targets of mean 0 and deviation 1 are their own scale.
    model = fitted(cell, make=RNNRegressor, y=np.tile([1.0, -1.0], 6))
    raw = oracle.raw_predictions(cell, X, oracle_weights(model))
    np.testing.assert_allclose(model.predict(X), raw[:, 0], rtol=0, atol=1e-13)


@each_cell
def test_weights_go_round(cell):
    model, other = fitted(cell), fitted(cell, random_state=1)
    assert not np.array_equal(other.predict_proba(X), model.predict_proba(X))
    assert other.set_weights(model.weights_) is other
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_weights_are_views_and_the_mapping_is_read_only():
    model = fitted()
    model.weights_["head.b_y"][...] = [100, 0, 0]
    assert (model.predict(X) == 0).all()
    with pytest.raises(TypeError):
        model.weights_["head.b_y"] = np.zeros(3)
    model.set_weights({"head.b_y": [0, 0, 100]})
    assert (model.predict(X) == 2).all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("layer_0.forward.W_xq", 0.0, "Unknown weight 'layer_0.forward.W_xq'; there are"),
        ("head.b_y", np.zeros(4), r"head.b_y has shape \(3,\), got an array of shape \(4,\)"),
        ("head.b_y", [0, np.nan, 0], "head.b_y holds NaN"),
    ],
)
def test_one_bad_weight_sets_none(name, value, message):
    model = fitted()
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        model.set_weights({"head.W_hy": np.zeros((6, 3)), name: value})
    np.testing.assert_array_equal(model.predict_proba(X), before)
    with pytest.raises(TypeError, match="must map names"):
        model.set_weights([np.zeros(3)])


# PyTorch ------------------------------------------------------------------------------------------


@each_cell
def test_the_layout_of_pytorch_goes_round(cell):
    model, other = fitted(cell), fitted(cell, random_state=1)
    state = model.to_torch()
    n_gates = len(GATES[cell])
    assert state.recurrent["weight_ih_l0"].shape == (n_gates * 4, 2)
    assert state.recurrent["weight_hh_l1_reverse"].shape == (n_gates * 3, 3)
    assert state.recurrent["weight_ih_l1"].shape == (n_gates * 3, 8)
    assert state.recurrent["bias_ih_l1"].shape == (n_gates * 3,)
    assert state.head["weight"].shape == (3, 6)
    other.load_torch(state.recurrent, state.head)
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    for name, weight in model.weights_.items():
        np.testing.assert_array_equal(other.weights_[name], weight)


def test_what_was_exported_is_a_copy_and_the_head_may_stay():
    model, other = fitted(), fitted(random_state=1)
    before = model.predict_proba(X)
    state = model.to_torch()
    head = other.weights_["head.W_hy"].copy()
    other.load_torch(state.recurrent)
    np.testing.assert_array_equal(other.weights_["head.W_hy"], head)
    np.testing.assert_array_equal(other.transform(X), model.transform(X))
    for part in (state.recurrent, state.head):
        for array in part.values():
            array[...] = 0
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.recurrent.pop("bias_hh_l0"), r"missing \['bias_hh_l0'\]"),
        (lambda state: state.recurrent.update(extra=0), r"unknown \['extra'\]"),
        (lambda state: state.head.pop("bias"), r"`head`.*missing \['bias'\]"),
        (
            lambda state: state.recurrent.update(bias_hh_l0=np.zeros(5)),
            "bias_hh_l0 must have shape",
        ),
        (lambda state: state.recurrent["bias_hh_l0"].fill(np.nan), "bias_hh_l0.*NaN"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_whole(change, message):
    model = fitted()
    before, state = model.predict_proba(X), fitted(random_state=1).to_torch()
    change(state)
    with pytest.raises(ValueError, match=message):
        model.load_torch(state.recurrent, state.head)
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("cell", "activation"), [*networks.CELLS[:2], *networks.CELLS[3:]])
def test_torch_itself_agrees(cell, activation, bidirectional):
    torch = pytest.importorskip("torch")
    kinds = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
    options = {"nonlinearity": activation} if cell == "rnn" else {}
    torch.manual_seed(0)
    module = kinds[cell](
        2, 4, num_layers=2, batch_first=True, bidirectional=bidirectional, **options
    ).double()
    linear = torch.nn.Linear(8 if bidirectional else 4, 3).double()
    model = RNNClassifier(
        (4, 4), cell=cell, activation=activation, bidirectional=bidirectional, max_iter=1
    ).fit(X, Y)
    model.load_torch(module.state_dict(), linear.state_dict())
    for x in X[:5]:
        _, final = module(torch.tensor(x)[None])
        final = final[0] if cell == "lstm" else final
        read = torch.cat(list(final[-2:] if bidirectional else final[-1:]), dim=1)
        expected = torch.softmax(linear(read), dim=1).detach().numpy()
        np.testing.assert_allclose(model.predict_proba([x]), expected, rtol=0, atol=1e-13)
    # And back.
    module.load_state_dict({k: torch.tensor(v) for k, v in model.to_torch().recurrent.items()})


# The flow of gradients ----------------------------------------------------------------------------


def raw_with_a_nudge(cell, sequence, weights, place, nudge):
    """The oracle's network, with a number added to one state, for all that reads it later."""
    final = {}
    for layer in range(len(HIDDEN)):
        outputs = []
        for direction in oracle.directions_of(weights, layer):
            own = oracle.weights_of(weights, layer, direction)
            state = oracle.zero_state(cell, HIDDEN[layer], np.complex128)
            order = range(len(sequence))
            output = [None] * len(sequence)
            for t in reversed(order) if direction == "backward" else order:
                state = oracle.STEPS[cell](sequence[t], state, own)
                if (layer, direction, t) == place:
                    state = (state[0] + nudge, *state[1:])
                output[t] = state[0]
            final[layer, direction] = state
            outputs.append(np.array(output))
        sequence = np.concatenate(outputs, axis=1)
    pooled = oracle.pool(sequence, final, "last")
    return pooled @ weights["head.W_hy"] + weights["head.b_y"]


@each_cell
def test_gradient_flow_is_the_derivative_by_each_state(cell):
    model = fitted(cell, make=RNNRegressor, y=np.tile([1.0, -1.0], 6))
    rows, targets = X[:5], np.array([1.0, -1.0, 0.5, 2.0, 0.0])
    weights, tiny = oracle_weights(model), 1e-30
    flow = model.gradient_flow(rows, targets)
    assert flow.norms.shape == (2, 2, 5)
    for layer, n_units in enumerate(HIDDEN):
        for d, direction in enumerate(("forward", "backward")):
            assert flow.layer_names[2 * layer + d] == f"layer_{layer}.{direction}"
            norms = np.full((5, 5), np.nan)
            for i, row in enumerate(rows):
                for t in range(len(row)):
                    slopes = []
                    for unit in range(n_units):
                        nudge = np.zeros(n_units, complex)
                        nudge[unit] = 1j * tiny
                        place = layer, direction, t
                        raw = raw_with_a_nudge(cell, row, weights, place, nudge)[0]
                        slopes.append(((raw - targets[i]) ** 2 / 2).imag / tiny)
                    norms[i, t] = np.linalg.norm(slopes)
            np.testing.assert_allclose(
                flow.norms[layer, d], np.nanmean(norms, axis=0), rtol=1e-9, atol=1e-12
            )


def test_gradient_flow_looks_at_all_sequences_and_all_steps():
    many, labels = data(80)
    model = fitted(bidirectional=False)
    whole = model.gradient_flow(many, labels).norms
    parts = [model.gradient_flow([x], labels[i : i + 1]).norms for i, x in enumerate(many)]
    total, count = np.zeros((2, 1, 5)), np.zeros(5)
    for part in parts:
        total[..., : part.shape[2]] += part
        count[: part.shape[2]] += 1
    np.testing.assert_allclose(whole, total / count, rtol=1e-12)
    assert model.set_params(bptt_steps=1).gradient_flow(many, labels).norms[0, 0, 0] > 0
