"""Dropout, threads, clipping, penalty and truncation, as an estimator's user meets them."""

import math

import numpy as np
import pytest
from test_training import (
    X,
    Y,
    assert_different,
    assert_same_bits,
    classes_of,
    classifier,
    sequences,
    vector,
)

from skrnn._sums import squared_norm
from skrnn.descent import clip_norm

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("options", [{"dropout": 0.4}, {"recurrent_dropout": 0.4}])
def test_dropout_is_drawn_from_random_state_alone(options):
    many = sequences(90)
    labels = classes_of(many)
    ragged = [x[: 1 + i % 5] for i, x in enumerate(many)]
    options = options | {"batch_size": 70, "hidden_layer_sizes": (4, 3)}
    for data in (many, ragged):
        one = classifier(**options).fit(data, labels)
        for n_jobs in (2, 3):
            np.random.seed(n_jobs)  # noqa: NPY002
            assert_same_bits(one, classifier(n_jobs=n_jobs, **options).fit(data, labels))
        assert_different(
            one, classifier(batch_size=70, hidden_layer_sizes=(4, 3)).fit(data, labels)
        )
    np.testing.assert_array_equal(one.predict_proba(many), one.predict_proba(many))


def test_threads_change_no_bit():
    many = sequences(150)
    for solver in ("adam", "lbfgs"):
        one, two = (
            classifier(solver=solver, n_jobs=n, batch_size=100).fit(many, classes_of(many))
            for n in (1, 2)
        )
        assert_same_bits(one, two)
        np.testing.assert_array_equal(one.predict_proba(many), two.predict_proba(many))


def one_plain_step(**options):
    """What a step of gradient descent of rate one adds to the weights, and from where it starts."""
    plain = {"solver": "sgd", "momentum": 0.0, "max_iter": 1, "batch_size": 500}
    plain = plain | {"max_grad_norm": None} | options
    start = vector(classifier(learning_rate_init=1e-300, **plain).fit(X, Y))
    return vector(classifier(learning_rate_init=1.0, **plain).fit(X, Y)) - start, start


def test_max_grad_norm_shortens_and_does_not_turn():
    free, _ = one_plain_step()
    length = np.linalg.norm(free)
    clipped, _ = one_plain_step(max_grad_norm=length / 10)
    np.testing.assert_allclose(clipped, free / 10, rtol=1e-4, atol=1e-12)
    untouched, _ = one_plain_step(max_grad_norm=2 * length)
    np.testing.assert_array_equal(untouched, free)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 200, 1000])
def test_squares_are_summed_in_double_precision(dtype, size):
    values = np.random.default_rng(size).normal(size=size).astype(dtype)
    exact = math.fsum(float(value) ** 2 for value in values)
    assert squared_norm(values) == pytest.approx(exact, rel=1e-14, abs=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clip_norm(dtype):
    gradient = np.array([3.0, 0.0, -4.0], dtype)
    clip_norm(gradient, 5.1)
    np.testing.assert_array_equal(gradient, [3, 0, -4])
    clip_norm(gradient, 2.5)
    np.testing.assert_allclose(gradient, [1.5, 0, -2], rtol=1e-6)
    assert np.linalg.norm(gradient) <= 2.5
    huge = np.full(4, np.finfo(np.float32).max, dtype)
    clip_norm(huge, 1.0)
    np.testing.assert_allclose(huge, 0.5, rtol=1e-6)


def test_alpha_pulls_at_weights_and_not_at_biases():
    names = classifier().fit(X, Y).weights_
    is_bias = np.concatenate(
        [np.full(w.size, name.split(".")[-1].startswith("b_")) for name, w in names.items()]
    )
    free, start = one_plain_step()
    pulled, _ = one_plain_step(alpha=3.0)
    assert is_bias.any()
    np.testing.assert_array_equal(pulled[is_bias], free[is_bias])
    expected = free - 3.0 / len(X) * start
    np.testing.assert_allclose(pulled[~is_bias], expected[~is_bias], rtol=0, atol=1e-14)
    penalised, plain = (
        classifier(alpha=a, max_iter=1, batch_size=500).fit(X, Y).loss_ for a in (3.0, 0.0)
    )
    penalty = 3.0 / len(X) / 2 * np.sum(start[~is_bias] ** 2)
    assert penalised - plain == pytest.approx(penalty, rel=1e-10)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_stretches_as_long_as_the_sequences_are_full_backpropagation(bidirectional):
    ragged = [x[: 1 + i % 5] for i, x in enumerate(X)]
    options = {"bidirectional": bidirectional, "pooling": "mean"}
    full = classifier(**options).fit(ragged, Y)
    for bptt_steps in (5, 6, 1000):
        assert_same_bits(full, classifier(bptt_steps=bptt_steps, **options).fit(ragged, Y))
    assert_different(full, classifier(bptt_steps=2, **options).fit(ragged, Y))


def test_truncated_training_learns_no_further_back_than_it_looks():
    """The state of one step teaches the last step alone: earlier inputs are just there."""
    early = (X[:, 0, 0] > 0).astype(int)
    options = {"max_iter": 60, "learning_rate_init": 0.05}
    assert classifier(**options).fit(X, early).score(X, early) > 0.9
    assert classifier(bptt_steps=1, **options).fit(X, early).loss_ > 0.3
