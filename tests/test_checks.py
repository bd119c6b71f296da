"""A cell of one's own: what the check accepts, and what it says about each kind of mistake."""

import copy
import pickle
from dataclasses import replace

import joblib
import minimal_gated_unit
import networks
import numpy as np
import pytest
from elman_by_hand import ELMAN
from minimal_gated_unit import MGU
from sklearn.base import clone

from skrnn import Cell, RNNClassifier, RNNRegressor, check_cell
from skrnn._jit import JIT_DISABLED
from skrnn.cells import GRU, LSTM, read_state

FORWARD, BACKWARD = minimal_gated_unit.forward, minimal_gated_unit.backward


@pytest.mark.parametrize(("cell", "activation"), networks.CELLS, ids=networks.CELL_IDS)
def test_the_cells_of_the_library_pass(cell, activation):
    check_cell(networks.cell_of(cell, activation))


@pytest.mark.parametrize("options", [{}, {"n_units": 9, "n_channels": 1, "random_state": 3}])
def test_a_cell_of_ones_own_passes(options):
    check_cell(MGU, **options)


def test_a_cell_that_reads_single_weights_gets_them_as_they_are():
    check_cell(ELMAN, n_units=20)


def test_what_cells_call_works_from_python_too():
    starts, states, operand = (
        np.array([0, 2, 4]),
        np.arange(18.0).reshape(1, 6, 3),
        np.zeros((4, 3)),
    )
    read_state(1, starts, np.empty((0, 3)), states, operand)
    np.testing.assert_array_equal(operand[2:], states[0, 2:4])


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
def test_a_kernel_without_its_decorator_is_told():
    with pytest.raises(TypeError, match=r"'mgu'.*not compiled; decorate it with skrnn\.cells\.jit"):
        check_cell(replace(MGU, forward=FORWARD.py_func))


# Mistakes in the kernels --------------------------------------------------------------------------


def broken(forward=None, backward=None):
    """The minimal gated unit with other kernels, which call its own."""
    return replace(MGU, forward=forward or FORWARD, backward=backward or BACKWARD)


def forward_forgetting_to_write(first, last, starts, *others):
    FORWARD(first, min(last, len(starts) - 2), starts, *others)


def forward_heeding_no_range(first, last, starts, *others):
    FORWARD(0, len(starts) - 1, starts, *others)


def forward_heeding_no_first(first, last, *others):
    FORWARD(0, last, *others)


def forward_mixing_rows(first, last, starts, mask, W_h, b_h, gates, inner, operands, states):
    FORWARD(first, last, starts, mask, W_h, b_h, gates, inner, operands, states)
    states[0, starts[1] :] += 0.01 * states[0, starts[1]]


def forward_in_low_precision(first, last, starts, mask, W_h, b_h, gates, inner, operands, states):
    FORWARD(first, last, starts, mask, W_h, b_h, gates, inner, operands, states)
    if states.dtype == np.float32:
        states[...] = states.astype(np.float16)
        states *= np.float32(1.01)


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (forward_forgetting_to_write, "`forward` gives NaN or infinity.*every row of `states`"),
        (forward_heeding_no_range, "`forward`.*step by step.*from `first` to `last`"),
        (forward_heeding_no_first, "`forward`.*step by step.*from `first` to `last`"),
        (forward_mixing_rows, "sequence 1 gives .* alone but .* among others"),
        (forward_in_low_precision, "other results in float32"),
    ],
)
def test_what_is_wrong_with_forward_is_said(forward, message):
    with pytest.raises(AssertionError, match=f"(?s)Cell 'mgu'.*{message}"):
        check_cell(broken(forward=forward))


def backward_heeding_no_range(first, last, starts, *others):
    # It does all the work in the first call and none later.
    if last == len(starts) - 1:
        BACKWARD(0, len(starts) - 1, starts, *others)


def backward_carrying_nothing_in(first, last, *others):
    others[-1][...] = 0
    BACKWARD(first, last, *others)


def backward_with_a_wrong_gate(first, last, starts, mask, W_h, gates, *others):
    BACKWARD(first, last, starts, mask, W_h, gates, *others)
    gates[1] *= 1.001


def backward_without_the_mask(first, last, starts, mask, *others):
    BACKWARD(first, last, starts, mask[:0], *others)


def backward_without_transposing(first, last, starts, mask, W_h, *others):
    transposed = np.ascontiguousarray(W_h.transpose(0, 2, 1))
    BACKWARD(first, last, starts, mask, transposed, *others)


def backward_doing_nothing(first, last, *others):
    pass


@pytest.mark.parametrize(
    ("backward", "message"),
    [
        (backward_with_a_wrong_gate, r"gradient of layer_1.forward.W_xn is wrong"),
        (backward_without_the_mask, r"is wrong: .*\(with recurrent dropout\)"),
        (backward_without_transposing, "gradient of .* finite differences give"),
        (backward_doing_nothing, "gradient of .* is wrong"),
        (backward_heeding_no_range, "`backward`.*step 3 alone.*of other steps.*down to `first`"),
        (backward_carrying_nothing_in, "`backward`.*step by step.*`d_state`"),
    ],
)
def test_what_is_wrong_with_backward_is_said(backward, message):
    with pytest.raises(AssertionError, match=f"(?s)Cell 'mgu'.*{message}"):
        check_cell(broken(backward=backward))


def test_operands_that_the_cell_forgot_show_in_a_gradient():
    with pytest.raises(AssertionError, match=r"gradient of layer_1.forward.W_h. is wrong"):
        check_cell(replace(MGU, own_operands=(), forward=forward_of_two_operands))


def forward_of_two_operands(first, last, starts, mask, W_h, b_h, gates, inner, operands, states):
    both = np.concatenate([operands, operands])
    FORWARD(first, last, starts, mask, W_h, b_h, gates, inner, both, states)
    operands[0] = both[0]


# Mistakes in the description ----------------------------------------------------------------------


@pytest.mark.parametrize("part", ["forward", "backward"])
def test_a_missing_kernel_is_named(part):
    parts = {"name": "mgu", "gates": ("f", "n"), "forward": FORWARD, "backward": BACKWARD}
    with pytest.raises(TypeError, match=f"'mgu': missing `{part}`: pass a function of .*first"):
        Cell(**(parts | {part: None}))
    del parts[part]
    with pytest.raises(TypeError, match=part):
        Cell(**parts)


def test_a_wrong_number_of_arguments_is_refused():
    def short(first, last, starts):
        """Three arguments."""

    with pytest.raises(
        TypeError, match=r"`forward` does not take the 10 .*\(first, last.*too many"
    ):
        broken(forward=short)
    with pytest.raises(
        TypeError, match=r"`backward` does not take the 11 .*\(first, last.*too many"
    ):
        broken(backward=FORWARD)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"name": "two words"}, TypeError, "name must be a word"),
        ({"gates": ()}, ValueError, "gates is empty"),
        ({"states": ()}, ValueError, "states is empty"),
        ({"gates": "fn"}, TypeError, "gates must be a tuple of names"),
        ({"gates": ("f", "f", "n")}, ValueError, "names one twice"),
        ({"inner_gates": ("q",)}, ValueError, r"inner_gates names \['q'\].*\['f', 'n'\]"),
        ({"own_operands": ("q",)}, ValueError, "own_operands names"),
        ({"initial_bias": {"q": 1.0}}, ValueError, "initial_bias names"),
    ],
)
def test_names_that_do_not_fit_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        replace(MGU, **change)


@pytest.mark.parametrize("cell", ["gru", None, FORWARD, Cell])
def test_what_is_no_cell_is_refused(cell):
    with pytest.raises(TypeError, match=r"check_cell checks a skrnn\.Cell, got"):
        check_cell(cell)


# In use -------------------------------------------------------------------------------------------


def data():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in rng.integers(3, 8, size=60)]
    return X, np.array([x[-1, 0] + x[-2, 0] > 0 for x in X])


def test_an_own_cell_learns():
    X, y = data()
    model = RNNClassifier(8, cell=MGU, max_iter=60, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.cell_ is MGU
    assert {"layer_0.forward.W_xf", "layer_0.forward.W_hn"} <= model.weights_.keys()


def round_trips(tmp_path):
    def by_joblib(model):
        joblib.dump(model, tmp_path / "model")
        return joblib.load(tmp_path / "model", mmap_mode="r")

    return [lambda model: pickle.loads(pickle.dumps(model)), copy.deepcopy, copy.copy, by_joblib]


@pytest.mark.parametrize("make", [RNNClassifier, RNNRegressor])
def test_an_estimator_with_an_own_cell_can_be_copied(make, tmp_path):
    X, y = data()
    model = make(4, cell=MGU, max_iter=2, random_state=0).fit(X, y)
    for round_trip in round_trips(tmp_path):
        other = round_trip(model)
        assert other.cell is MGU
        assert other.cell_ is MGU
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        np.testing.assert_array_equal(other.transform(X), model.transform(X))
    fresh = clone(model)
    assert fresh.cell is MGU
    np.testing.assert_array_equal(fresh.fit(X, y).transform(X), model.transform(X))


@pytest.mark.parametrize("cell", [GRU, LSTM, MGU], ids=lambda cell: cell.name)
def test_a_cell_of_a_module_is_itself_after_pickling(cell):
    assert pickle.loads(pickle.dumps(cell)) is cell
    assert copy.deepcopy(cell) is cell
    assert len(pickle.dumps(cell)) < 200


@pytest.mark.skipif(JIT_DISABLED, reason="functions without a name of their own do not pickle")
def test_a_cell_without_a_name_in_its_module_goes_along_in_the_pickle():
    other = pickle.loads(pickle.dumps(replace(MGU, name="other")))
    assert other.name == "other"
    check_cell(other, n_units=2, n_channels=1)


def test_another_cell_is_another_network():
    X, y = data()
    model = RNNClassifier(4, cell=MGU, max_iter=2, warm_start=True, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="network or its loss changed"):
        model.set_params(cell="gru").fit(X, y)
