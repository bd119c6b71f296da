"""Losses against scikit-learn's metrics and plain formulas, their gradients against differences."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax
from sklearn import metrics
from sklearn._loss import HalfPoissonLoss

from skrnn.losses import classification_loss, regression_loss

OPTIONS = {"huber_delta": 0.8, "quantile": 0.3}
N, K = 40, 3


def regression(name, **options):
    return regression_loss(name, **(OPTIONS | options))


LOSSES = {
    "multiclass_log_loss": classification_loss("log_loss", exclusive=True),
    "binary_log_loss": classification_loss("log_loss", exclusive=False),
    "multilabel_log_loss": classification_loss("log_loss", exclusive=False),
    "multiclass_hinge": classification_loss("hinge", exclusive=True),
    "binary_hinge": classification_loss("hinge", exclusive=False),
    "multilabel_hinge": classification_loss("hinge", exclusive=False),
    **{
        name: regression(name)
        for name in ("squared_error", "absolute_error", "huber", "quantile", "poisson")
    },
}
each_loss = pytest.mark.parametrize("name", LOSSES)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


def draw(name, dtype=np.float64, seed=0):
    """Raw outputs, targets as the loss takes them, and weights that sum to one."""
    rng = np.random.default_rng(seed)
    n_outputs = 1 if name.startswith("binary") else K
    raw = 2 * rng.normal(size=(N, n_outputs))
    if LOSSES[name].takes_codes:
        target = rng.integers(0, K, size=N)
    elif "log_loss" in name or "hinge" in name:
        target = rng.integers(0, 2, size=raw.shape).astype(dtype)
    elif name == "poisson":
        target = rng.poisson(2.0, size=raw.shape).astype(dtype)
    else:
        target = rng.normal(size=raw.shape).astype(dtype)
    weight = rng.uniform(0.5, 1.5, size=N)
    return raw.astype(dtype), target, (weight / weight.sum()).astype(dtype)


def value_and_gradient(name, raw, target, weight):
    gradient = np.full_like(raw, np.nan)
    value = LOSSES[name].value_and_gradient(raw, target, weight, gradient)
    return value, gradient


def expected_value(name, raw, target, weight):
    """What scikit-learn, or a formula on one line, makes of it."""
    signs = 2 * target - 1
    error = np.abs(raw - target) if raw.shape == target.shape else None
    if name == "multiclass_log_loss":
        return metrics.log_loss(target, softmax(raw, axis=1), sample_weight=weight)
    if name == "binary_log_loss":
        return metrics.log_loss(target, expit(raw), sample_weight=weight)
    if name == "multilabel_log_loss":
        return sum(
            metrics.log_loss(target[:, k], expit(raw[:, k]), sample_weight=weight)
            for k in range(raw.shape[1])
        )
    if name == "multiclass_hinge":
        return metrics.hinge_loss(target, raw, sample_weight=weight)
    if name == "binary_hinge":
        return metrics.hinge_loss(target[:, 0], raw[:, 0], sample_weight=weight)
    if name == "multilabel_hinge":
        return weight @ np.maximum(0, 1 - signs * raw).sum(axis=1)
    if name == "squared_error":
        return metrics.mean_squared_error(target, raw, sample_weight=weight) / 2
    if name == "absolute_error":
        return metrics.mean_absolute_error(target, raw, sample_weight=weight)
    if name == "quantile":
        return metrics.mean_pinball_loss(
            target, raw, sample_weight=weight, alpha=OPTIONS["quantile"]
        )
    if name == "huber":
        delta = OPTIONS["huber_delta"]
        loss = np.where(error <= delta, error**2 / 2, delta * (error - delta / 2))
        return weight @ loss.mean(axis=1)
    loss = HalfPoissonLoss().loss(target.ravel(), raw.ravel()).reshape(raw.shape)
    return weight @ loss.mean(axis=1)


@each_loss
def test_value(name):
    raw, target, weight = draw(name)
    value, _ = value_and_gradient(name, raw, target, weight)
    assert value == pytest.approx(expected_value(name, raw, target, weight), rel=1e-12)


@each_loss
def test_gradient_is_the_difference_quotient(name):
    raw, target, weight = draw(name)
    _, gradient = value_and_gradient(name, raw, target, weight)
    step = 1e-6

    def at(place, shift):
        moved = raw.copy()
        moved[place] += shift
        return value_and_gradient(name, moved, target, weight)[0]

    for place in np.ndindex(raw.shape):
        expected = (at(place, step) - at(place, -step)) / (2 * step)
        assert gradient[place] == pytest.approx(expected, rel=1e-6, abs=1e-9), place


@each_loss
def test_a_weight_of_two_is_a_repetition(name):
    raw, target, weight = draw(name)
    twice = weight.copy()
    twice[:7] *= 2
    value, gradient = value_and_gradient(name, raw, target, twice)
    index = np.concatenate([np.arange(N), np.arange(7)])
    repeated, parts = value_and_gradient(name, raw[index], target[index], weight[index])
    assert value == pytest.approx(repeated, rel=1e-14)
    parts[:7] += parts[N:]
    np.testing.assert_allclose(gradient, parts[:N], rtol=1e-14)


@each_loss
def test_without_weight_a_row_counts_for_nothing(name):
    raw, target, weight = draw(name)
    weight[5] = 0
    value, gradient = value_and_gradient(name, raw, target, weight)
    assert not gradient[5].any()
    kept = np.arange(N) != 5
    without, _ = value_and_gradient(name, raw[kept], target[kept], weight[kept])
    assert value == pytest.approx(without, rel=1e-14)


@each_dtype
@each_loss
def test_a_nan_anywhere_reaches_the_total(name, dtype):
    """It must: training looks at the total alone to stop."""
    raw, target, weight = draw(name, dtype)
    for row in range(6):
        for k in range(raw.shape[1]):
            broken = raw.copy()
            broken[row, k] = np.nan
            assert np.isnan(value_and_gradient(name, broken, target, weight)[0]), (row, k)


@each_loss
def test_float32_agrees_with_float64(name):
    raw, target, weight = draw(name, np.float32)
    value, gradient = value_and_gradient(name, raw, target, weight)
    wide = target if LOSSES[name].takes_codes else target.astype(np.float64)
    exact, d_exact = value_and_gradient(
        name, raw.astype(np.float64), wide, weight.astype(np.float64)
    )
    assert isinstance(value, float)
    assert gradient.dtype == np.float32
    assert value == pytest.approx(exact, rel=1e-6)
    np.testing.assert_allclose(gradient, d_exact, rtol=1e-5, atol=1e-8)


@each_dtype
@pytest.mark.parametrize("name", [name for name in LOSSES if name != "poisson"])
def test_large_outputs_do_not_overflow(name, dtype):
    raw, target, weight = draw(name, dtype)
    raw *= 1e4
    with np.errstate(all="raise"):
        value, gradient = value_and_gradient(name, raw, target, weight)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    if name == "multiclass_log_loss":
        wrong = -log_softmax(raw.astype(np.float64), axis=1)[np.arange(N), target]
        assert value == pytest.approx(weight @ wrong, rel=1e-5)


def test_two_classes_by_softmax_are_those_by_logistic():
    raw, target, weight = draw("binary_log_loss")
    codes = target[:, 0].astype(np.int64)
    both = np.column_stack([np.zeros(N), raw[:, 0]])
    one, d_one = value_and_gradient("binary_log_loss", raw, target, weight)
    two, d_two = value_and_gradient("multiclass_log_loss", both, codes, weight)
    assert one == pytest.approx(two, rel=1e-13)
    np.testing.assert_allclose(d_one[:, 0], d_two[:, 1], rtol=1e-12)


def test_the_constant_that_minimises_each_regression_loss():
    """Mean, median, quantile, and the mean under a logarithm."""
    rng = np.random.default_rng(1)
    target = rng.exponential(size=(2001, 1))
    weight = np.full(2001, 1 / 2001)

    def slope(loss, constant):
        raw, gradient = np.full_like(target, constant), np.empty_like(target)
        loss.value_and_gradient(raw, target, weight, gradient)
        return gradient.sum()

    for loss, constant in [
        (regression("squared_error"), target.mean()),
        (regression("absolute_error"), np.median(target)),
        (regression("quantile", quantile=0.9), np.quantile(target, 0.9)),
        (regression("poisson"), np.log(target.mean())),
        (regression("huber", huber_delta=1e6), target.mean()),
    ]:
        assert slope(loss, constant) == pytest.approx(0, abs=2e-3)
        assert slope(loss, constant - 0.1) < -0.005
        assert slope(loss, constant + 0.1) > 0.005


@pytest.mark.parametrize("quantile", [0.1, 0.5])
def test_at_a_kink_the_gradient_is_zero_or_between_both_sides(quantile):
    target = np.ones((1, 1))
    for loss in (regression("absolute_error"), regression("quantile", quantile=quantile)):
        gradient = np.empty((1, 1))
        assert loss.value_and_gradient(target.copy(), target, np.ones(1), gradient) == 0
        assert -quantile <= gradient[0, 0] <= 1 - quantile


def test_links_are_the_inverse_of_what_the_losses_assume():
    raw = np.random.default_rng(0).normal(size=(5, 3))
    log_loss = LOSSES["multiclass_log_loss"]
    assert log_loss.activation == "softmax"
    np.testing.assert_allclose(log_loss.link_inverse(raw).sum(axis=1), 1, rtol=1e-15)
    assert LOSSES["binary_log_loss"].activation == "logistic"
    np.testing.assert_allclose(LOSSES["binary_log_loss"].link_inverse(raw), expit(raw), rtol=1e-15)
    assert LOSSES["poisson"].activation == "exponential"
    np.testing.assert_array_equal(LOSSES["poisson"].link_inverse(raw), np.exp(raw))
    np.testing.assert_array_equal(LOSSES["huber"].link_inverse(raw), raw)
    assert LOSSES["binary_hinge"].link_inverse is None
