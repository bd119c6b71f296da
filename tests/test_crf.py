"""The conditional random field against the sum over all paths, differences and PyTorch."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, logsumexp

from skrnn import crf
from skrnn.batching import Shape

NAMES = ("raw", "transitions", "start", "end")


@dataclass
class Field:
    """A batch with its parameters; `shape` says which rows belong to whom."""

    shape: Shape
    raw: np.ndarray
    transitions: np.ndarray
    start: np.ndarray
    end: np.ndarray
    target: np.ndarray
    weight: np.ndarray

    def rows(self, sequence):
        return self.shape.starts[: self.shape.lengths[sequence]] + sequence

    def loss(self):
        gradient = {name: np.full_like(getattr(self, name), np.nan) for name in NAMES}
        value = crf.log_loss(
            self.raw,
            self.shape.starts,
            self.shape.lengths,
            self.target,
            self.weight,
            self.transitions,
            self.start,
            self.end,
            *gradient.values(),
        )
        return value, gradient

    def run(self, kernel, out):
        parameters = (self.transitions, self.start, self.end)
        kernel(self.raw, self.shape.starts, self.shape.lengths, *parameters, out)
        return out

    def probabilities(self):
        return np.exp(self.run(crf.log_probabilities, np.full_like(self.raw, np.nan)))

    def best_tags(self):
        return self.run(crf.best_tags, np.full(self.shape.n_rows, -9))

    def score(self, sequence, tags):
        rows = self.rows(sequence)
        total = self.start[tags[0]] + self.end[tags[-1]] + self.raw[rows, tags].sum()
        return total + sum(self.transitions[i, j] for i, j in itertools.pairwise(tags))

    def paths(self, sequence):
        n_tags = self.raw.shape[1]
        paths = list(itertools.product(range(n_tags), repeat=self.rows(sequence).size))
        return paths, np.array([self.score(sequence, list(path)) for path in paths])


def draw(lengths, n_tags, *, unknown=0.0, scale=1.5, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    shape = Shape(np.sort(np.array(lengths))[::-1].copy())
    sizes = ((shape.n_rows, n_tags), (n_tags, n_tags), n_tags, n_tags)
    parameters = [(scale * rng.normal(size=size)).astype(dtype) for size in sizes]
    target = rng.integers(0, n_tags, size=shape.n_rows)
    target[rng.uniform(size=target.size) < unknown] = crf.UNKNOWN
    weight = rng.uniform(0.5, 2, size=shape.n_sequences).astype(dtype)
    return Field(shape, *parameters, target, weight)


fields = st.builds(
    draw,
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    n_tags=st.integers(1, 3),
    unknown=st.sampled_from([0.0, 0.4, 1.0]),
    seed=st.integers(0, 10_000),
)


# Against all paths --------------------------------------------------------------------------------


@given(fields)
def test_loss_is_that_of_all_paths(field):
    expected = 0.0
    for i, weight in enumerate(field.weight):
        paths, scores = field.paths(i)
        known = field.target[field.rows(i)]
        agree = [all(k in (crf.UNKNOWN, t) for k, t in zip(known, p)) for p in paths]
        expected += weight * (logsumexp(scores) - logsumexp(scores[agree]))
    assert field.loss()[0] == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(fields)
def test_probabilities_are_those_of_all_paths(field):
    expected = np.zeros_like(field.raw)
    for i in range(field.weight.size):
        paths, scores = field.paths(i)
        for path, probability in zip(paths, np.exp(scores - logsumexp(scores)), strict=True):
            expected[field.rows(i), path] += probability
    np.testing.assert_allclose(field.probabilities(), expected, atol=1e-13)


@given(fields)
def test_best_tags_are_the_best_of_all_paths(field):
    tags = field.best_tags()
    for i in range(field.weight.size):
        _, scores = field.paths(i)
        found = field.score(i, tags[field.rows(i)])
        assert found == pytest.approx(scores.max(), rel=1e-12)


def test_without_transitions_it_is_a_softmax_at_each_step():
    field = draw([5, 3], 4)
    field.transitions[:] = field.start[:] = field.end[:] = 0
    field.weight[:] = 1
    expected = log_softmax(field.raw, axis=1)
    picked = expected[np.arange(field.target.size), field.target]
    assert field.loss()[0] == pytest.approx(-picked.sum(), rel=1e-12)
    np.testing.assert_allclose(field.probabilities(), np.exp(expected), rtol=1e-12)
    assert (field.best_tags() == field.raw.argmax(axis=1)).all()


def test_equally_good_tags_give_the_first():
    field = draw([3], 3, scale=0.0)
    assert field.best_tags().tolist() == [0, 0, 0]


# Gradients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("unknown", [0.0, 0.5])
@pytest.mark.parametrize("lengths", [[1], [4, 2, 1], [6, 6]], ids=str)
def test_gradients_agree_with_differences(lengths, unknown):
    field = draw(lengths, 3, unknown=unknown)
    _, gradient = field.loss()
    step = 1e-6
    for name in NAMES:
        values, differences = getattr(field, name), np.empty_like(gradient[name])
        for index in np.ndindex(values.shape):
            before = values[index]
            values[index] = before + step
            above = field.loss()[0]
            values[index] = before - step
            differences[index] = (above - field.loss()[0]) / (2 * step)
            values[index] = before
        np.testing.assert_allclose(gradient[name], differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("unknown", [0.0, 0.5])
def test_gradients_agree_with_pytorch(unknown):
    torch = pytest.importorskip("torch")
    field = draw([30, 17, 17, 4, 1], 7, unknown=unknown)
    values = {name: torch.tensor(getattr(field, name), requires_grad=True) for name in NAMES}

    def log_z(scores):
        alpha = values["start"] + scores[0]
        for of_step in scores[1:]:
            alpha = torch.logsumexp(alpha[:, None] + values["transitions"], dim=0) + of_step
        return torch.logsumexp(alpha + values["end"], dim=0)

    loss = 0
    for i, weight in enumerate(field.weight):
        rows = field.rows(i)
        scores, known = values["raw"][rows], torch.tensor(field.target[rows])
        other = (known[:, None] >= 0) & (known[:, None] != torch.arange(7))
        loss = loss + weight * (log_z(scores) - log_z(scores.masked_fill(other, -torch.inf)))
    loss.backward()
    value, gradient = field.loss()
    assert value == pytest.approx(loss.item(), rel=1e-12)
    for name in NAMES:
        expected = values[name].grad.numpy()
        np.testing.assert_allclose(gradient[name], expected, rtol=1e-10, atol=1e-10)


def test_gradients_of_nothing_known_are_zero():
    value, gradient = draw([3, 2], 3, unknown=1.0).loss()
    assert value == 0
    assert all((part == 0).all() for part in gradient.values())


# Promises -----------------------------------------------------------------------------------------


def test_a_sequence_does_not_depend_on_the_others():
    field = draw([6, 4, 4, 1], 5)
    alone = draw([4], 5)
    for name in NAMES[1:]:
        setattr(alone, name, getattr(field, name))
    rows = field.rows(2)
    alone.raw = np.ascontiguousarray(field.raw[rows])
    assert (alone.probabilities() == field.probabilities()[rows]).all()
    assert (alone.best_tags() == field.best_tags()[rows]).all()


def test_single_precision_holds_on_long_sequences():
    field = draw([3000], 6)
    small = draw([3000], 6, dtype=np.float32)
    value, gradient = small.loss()
    expected, wide = field.loss()
    assert gradient["raw"].dtype == small.probabilities().dtype == np.float32
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient["raw"], wide["raw"], atol=1e-4)
    assert (small.best_tags() == field.best_tags()).mean() > 0.999


def test_extreme_scores_stay_finite():
    field = draw([8, 5], 4, scale=1000.0, unknown=0.3)
    value, gradient = field.loss()
    assert np.isfinite(value) and value > 0
    assert all(np.isfinite(part).all() for part in gradient.values())
    np.testing.assert_allclose(field.probabilities().sum(axis=1), 1)


def test_a_nan_reaches_the_loss():
    field = draw([4, 2], 3)
    field.raw[3, 1] = np.nan
    assert np.isnan(field.loss()[0])


def test_probabilities_sum_to_one():
    np.testing.assert_allclose(draw([9, 3], 5).probabilities().sum(axis=1), 1, rtol=1e-12)
