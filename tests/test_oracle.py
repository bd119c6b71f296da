"""The slow oracle against published vectors, so that it may judge the fast kernels.

What of the vectors lies outside of the equations that this library has:

=========================================  =====================================================
attribute                                  how it is treated
=========================================  =====================================================
ONNX peepholes (P)                         out of scope: this LSTM has none. The one case is
                                           reproduced by the equation with peepholes below, so
                                           that nothing else hides in the difference.
ONNX linear_before_reset=0                 the reset before the product is out of scope, but the
                                           four cases agree: three have one step from a zero
                                           state, and in gru_seq_length, of two steps, the gates
                                           are saturated. ``Rb`` is added outside of the reset
                                           product and therefore joins the input's bias.
ONNX layout=1, sequence_lens               transposed; sequence_lens only in the peephole case
Keras reset_after=False                    out of scope in general; the case agrees because its
                                           constant weights give every unit the same value,
                                           and then ``(r * h) W == r * (h W)``
Keras mask                                 the masked steps are dropped: a shorter sequence; with
                                           return_sequences Keras repeats the last output there
Keras go_backwards                         the sequence reversed, or the backward direction
Keras use_bias=False, unit_forget_bias     zero biases; a forget bias of one
PyTorch                                    everything is in scope
=========================================  =====================================================
"""

import numpy as np
import oracle
import pytest
import vectors

ONNX = vectors.onnx_cases()
KERAS = vectors.keras_cases()
TORCH = vectors.torch_cases()
EPS32 = float(np.finfo(np.float32).eps)


def onnx_weights(case, dtype):
    inputs = {name: value[0].astype(dtype) for name, value in case["inputs"].items()}
    return vectors.from_onnx(case["cell"], inputs["W"], inputs["R"], inputs.get("B"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("name", sorted(set(ONNX) - {"lstm_with_peepholes"}))
def test_oracle_reproduces_onnx(name, dtype):
    case = ONNX[name]
    sequences = vectors.onnx_sequences(case).astype(dtype)
    weights = vectors.rename_layer(onnx_weights(case, dtype), 0, "forward")
    last = oracle.features(case["cell"], sequences, weights)
    assert last.dtype == dtype
    np.testing.assert_allclose(last, vectors.onnx_last_states(case), rtol=0, atol=2 * EPS32)


def test_the_onnx_case_left_out_differs_by_its_peepholes_alone():
    case = ONNX["lstm_with_peepholes"]
    weights = onnx_weights(case, np.float64)
    peep_i, peep_o, peep_f = np.split(case["inputs"]["P"][0].astype(np.float64), 3)
    expected = vectors.onnx_last_states(case)
    for sequence, last in zip(vectors.onnx_sequences(case), expected, strict=True):
        h, c = np.zeros(3), np.zeros(3)
        for x in sequence:
            pre = x @ weights["W_xh"] + weights["b_xh"] + h @ weights["W_hh"] + weights["b_hh"]
            i, f, g, o = np.split(pre, 4)
            c_before = c
            c = oracle.logistic(f + peep_f * c) * c
            c = c + oracle.logistic(i + peep_i * c_before) * np.tanh(g)
            h = oracle.logistic(o + peep_o * c) * np.tanh(c)
        np.testing.assert_allclose(h, last, rtol=0, atol=2 * EPS32)


@pytest.mark.parametrize("name", sorted(KERAS))
def test_oracle_reproduces_keras(name):
    case = KERAS[name]
    sequences = list(case["sequences"])
    if case["variant"] == "go_backwards":
        sequences = [sequence[::-1] for sequence in sequences]
    if case["mask"] is not None:
        sequences = [x[mask] for x, mask in zip(sequences, case["mask"], strict=True)]
    weights = vectors.rename_layer(case["weights"], 0, "forward")
    if "return_sequences" not in name:
        last = oracle.features(case["cell"], sequences, weights)
        np.testing.assert_allclose(last, case["expected"], rtol=0, atol=2 * EPS32)
        return
    for sequence, mask, expected in zip(sequences, case["mask"], case["expected"], strict=True):
        outputs, _ = oracle.run_network(case["cell"], sequence, weights)
        repeated = outputs[np.cumsum(mask) - 1]
        np.testing.assert_allclose(repeated, expected, rtol=0, atol=2 * EPS32)


@pytest.mark.parametrize("name", [name for name in sorted(KERAS) if "go_backwards" in name])
def test_keras_go_backwards_is_the_backward_direction(name):
    case = KERAS[name]
    both = vectors.rename_layer(case["weights"], 0, "forward")
    both |= vectors.rename_layer(case["weights"], 0, "backward")
    last = oracle.features(case["cell"], case["sequences"], both, pooling="last")
    backward = last[:, last.shape[1] // 2 :]
    np.testing.assert_allclose(backward, case["expected"], rtol=0, atol=2 * EPS32)


@pytest.mark.parametrize("name", sorted(TORCH))
def test_oracle_reproduces_torch(name):
    case = TORCH[name]
    cell, activation = vectors.torch_cell(name)
    weights = vectors.torch_weights(case)
    for row, sequence in enumerate(vectors.torch_sequences(case)):
        outputs, final = oracle.run_network(
            cell,
            sequence,
            weights,
            activation=activation,
            initial=vectors.torch_initial(case, row),
        )
        expected = case["out"][row]
        np.testing.assert_allclose(outputs, expected[: len(sequence)], rtol=1e-13, atol=1e-14)
        assert not expected[len(sequence) :].any()
        for i, slot in enumerate(vectors.torch_slots(case)):
            for state, kind in zip(final[slot], ("hn", "cn"), strict=False):
                np.testing.assert_allclose(state, case[kind][i, row], rtol=1e-13, atol=1e-14)


def torch_loss(name, weights):
    """The loss of a PyTorch case from its definition, through the oracle."""
    case = TORCH[name]
    cell, activation = vectors.torch_cell(name)
    loss = 0
    for row, sequence in enumerate(vectors.torch_sequences(case)):
        outputs, final = oracle.run_network(
            cell,
            sequence,
            weights,
            activation=activation,
            initial=vectors.torch_initial(case, row),
        )
        loss = loss + np.sum(outputs * case["G_out"][row, : len(sequence)])
        for i, slot in enumerate(vectors.torch_slots(case)):
            for state, kind in zip(final[slot], ("G_hn", "G_cn"), strict=False):
                loss = loss + np.sum(state * case[kind][i, row])
    return loss


@pytest.mark.parametrize("name", ["rnn_relu/L1_bi_ragged", "gru/L1_uni_ragged", "lstm/L1_uni_full"])
def test_differentiating_the_oracle_reproduces_the_gradients_of_torch(name):
    case = TORCH[name]
    weights = vectors.torch_weights(case)
    expected = oracle.flatten(vectors.torch_weights(case, "grad"))
    assert torch_loss(name, weights) == pytest.approx(case["loss"], rel=1e-13)

    def loss(vector):
        return torch_loss(name, oracle.unflatten(vector, weights))

    exact = oracle.complex_step_gradient(loss, oracle.flatten(weights))
    np.testing.assert_allclose(exact, expected, rtol=1e-12, atol=1e-13)


def test_pooling_reads_what_it_says():
    outputs = np.array([[1.0, 5.0], [3.0, -1.0], [2.0, 2.0]])
    final = {
        (0, "forward"): (np.array([9.0]),),
        (1, "forward"): (np.array([2.0]),),
        (1, "backward"): (np.array([5.0]),),
    }
    np.testing.assert_array_equal(oracle.pool(outputs, final, "last"), [2, 5])
    np.testing.assert_array_equal(oracle.pool(outputs, final, "mean"), [2, 2])
    np.testing.assert_array_equal(oracle.pool(outputs, final, "max"), [3, 5])


def test_numerical_gradient_is_exact_to_the_bar_of_the_gradient_tests():
    vector = np.array([0.3, -1.2, 2.0])

    def smooth(v):
        return np.exp(v[0]) * np.sin(v[1]) + np.tanh(v[2]) * v[0]

    expected = [
        np.exp(0.3) * np.sin(-1.2) + np.tanh(2.0),
        np.exp(0.3) * np.cos(-1.2),
        0.3 / np.cosh(2.0) ** 2,
    ]
    np.testing.assert_allclose(oracle.numerical_gradient(smooth, vector), expected, rtol=1e-9)
    np.testing.assert_allclose(oracle.complex_step_gradient(smooth, vector), expected, rtol=1e-14)


def test_numerical_gradient_steps_around_a_kink_and_reports_a_jump():
    near = oracle.numerical_gradient(lambda v: abs(v[0]) + v[0] ** 2, [1e-5])
    np.testing.assert_allclose(near, [1 + 2e-5], rtol=1e-8)
    with pytest.raises(ArithmeticError, match="coordinate 0"):
        oracle.numerical_gradient(lambda v: float(v[0] > 0), [0.0])
