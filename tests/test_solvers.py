"""Solvers and schedules against scikit-learn's own and against the formulas of their papers."""

import pickle

import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from skrnn import solvers

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-13}
RATE = 0.05


def gradients(n_steps=12, n_params=23, seed=0):
    """Some large, some tiny, some zero."""
    rng = np.random.default_rng(seed)
    scale = np.logspace(-4, 2, n_params)
    scale[::7] = 0
    return rng.normal(size=(n_steps, n_params)) * scale


def start(dtype=np.float64):
    return np.linspace(-1, 1, 23).astype(dtype)


def run(solver, dtype=np.float64, rates=None):
    params = start(dtype)
    for i, gradient in enumerate(gradients()):
        solver.step(params, gradient.astype(dtype), RATE if rates is None else rates[i])
    assert params.dtype == dtype
    return params


@each_dtype
def test_adam_is_algorithm_1_of_its_paper(dtype):
    beta_1, beta_2, epsilon = 0.8, 0.95, 1e-3
    expected, mean, square = start(), 0, 0
    for t, g in enumerate(gradients(), start=1):
        g = g.astype(dtype).astype(np.float64)
        mean = beta_1 * mean + (1 - beta_1) * g
        square = beta_2 * square + (1 - beta_2) * g**2
        corrected_mean, corrected_square = mean / (1 - beta_1**t), square / (1 - beta_2**t)
        expected = expected - RATE * corrected_mean / (np.sqrt(corrected_square) + epsilon)
    solver = solvers.Adam(start(dtype), beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
    np.testing.assert_allclose(run(solver, dtype), expected, rtol=0, atol=TOLERANCE[dtype])


def test_adam_is_scikit_learns():
    """But for epsilon, which scikit-learn does not scale along with the correction."""
    theirs = [start()]
    optimizer = AdamOptimizer(theirs, learning_rate_init=RATE, epsilon=1e-30)
    for gradient in gradients():
        optimizer.update_params(theirs, [gradient])
    ours = run(solvers.Adam(start(), epsilon=1e-30))
    np.testing.assert_allclose(ours, theirs[0], rtol=0, atol=1e-12)


@each_dtype
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_gradient_descent_is_scikit_learns(momentum, nesterov, dtype):
    theirs = [start()]
    optimizer = SGDOptimizer(theirs, learning_rate_init=RATE, momentum=momentum, nesterov=nesterov)
    for gradient in gradients():
        optimizer.update_params(theirs, [gradient.astype(dtype).astype(np.float64)])
    solver = solvers.StochasticGradientDescent(start(dtype), momentum=momentum, nesterov=nesterov)
    scale = np.abs(theirs[0]).max()
    np.testing.assert_allclose(run(solver, dtype), theirs[0], rtol=0, atol=TOLERANCE[dtype] * scale)


def test_plain_gradient_descent():
    solver = solvers.StochasticGradientDescent(start(), momentum=0.0)
    expected = start() - RATE * gradients().sum(axis=0)
    np.testing.assert_allclose(run(solver), expected, rtol=0, atol=1e-12)


def test_nesterov_is_plain_momentum_seen_from_ahead():
    """Sutskever et al. (2013): the gradient is taken where the momentum leads."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    matrix, momentum, rate = root @ root.T, 0.9, 0.01
    here, velocity = np.ones(4), np.zeros(4)
    ours = here.copy()
    solver = solvers.StochasticGradientDescent(ours, momentum=momentum, nesterov=True)
    for _ in range(10):
        solver.step(ours, matrix @ ours, rate)
        velocity = momentum * velocity - rate * (matrix @ (here + momentum * velocity))
        here = here + velocity
        np.testing.assert_allclose(ours, here + momentum * velocity, rtol=1e-12)


@each_dtype
def test_rmsprop_divides_by_the_running_root_mean_square(dtype):
    expected, square = start(), 0
    for g in gradients():
        g = g.astype(dtype).astype(np.float64)
        square = 0.8 * square + 0.2 * g**2
        expected = expected - RATE * g / (np.sqrt(square) + 1e-3)
    solver = solvers.RMSprop(start(dtype), rho=0.8, epsilon=1e-3)
    np.testing.assert_allclose(run(solver, dtype), expected, rtol=0, atol=TOLERANCE[dtype])


def all_solvers(params):
    return [
        solvers.Adam(params),
        solvers.StochasticGradientDescent(params),
        solvers.StochasticGradientDescent(params, nesterov=False),
        solvers.RMSprop(params),
    ]


@each_dtype
def test_nothing_moves_without_a_gradient(dtype):
    for solver in all_solvers(start(dtype)):
        params = start(dtype)
        for _ in range(3):
            solver.step(params, np.zeros_like(params), RATE)
        np.testing.assert_array_equal(params, start(dtype))


def test_a_gradient_is_left_as_it_is_and_a_nan_is_not_hidden():
    for solver in all_solvers(start()):
        params, gradient = start(), gradients()[0]
        gradient[3] = np.nan
        kept = gradient.copy()
        solver.step(params, gradient, RATE)
        np.testing.assert_array_equal(gradient, kept)
        assert np.isnan(params[3])
        assert np.isfinite(np.delete(params, 3)).all()


def test_a_pickled_solver_goes_on_where_it_was():
    for solver in all_solvers(start()):
        params = run(solver)
        copy, again = pickle.loads(pickle.dumps(solver)), params.copy()
        solver.step(params, gradients()[0], RATE)
        copy.step(again, gradients()[0], RATE)
        np.testing.assert_array_equal(params, again)


# Schedules ----------------------------------------------------------------------------------------

PROGRESS = np.linspace(0, 1, 101)


def rates(schedule):
    return np.array([schedule.rate(progress, 0) for progress in PROGRESS])


def test_constant():
    schedule = solvers.Constant(0.3)
    assert (rates(schedule) == 0.3).all()
    assert schedule.on_plateau()


def test_inverse_scaling_is_scikit_learns():
    optimizer = SGDOptimizer([], learning_rate_init=0.3, lr_schedule="invscaling", power_t=0.7)
    schedule = solvers.InverseScaling(0.3, 0.7)
    for n_seen in (1, 50, 1000):
        optimizer.iteration_ends(n_seen)
        assert schedule.rate(0.5, n_seen) == pytest.approx(optimizer.learning_rate, rel=1e-15)
    assert schedule.rate(0.0, 0) == 0.3
    assert schedule.on_plateau()


def test_adaptive_is_scikit_learns():
    optimizer = SGDOptimizer([], learning_rate_init=0.3, lr_schedule="adaptive")
    schedule = solvers.Adaptive(0.3)
    for _ in range(30):
        stop = optimizer.trigger_stopping("", verbose=False)
        assert schedule.on_plateau() == stop
        assert schedule.rate(0.5, 10) == pytest.approx(optimizer.learning_rate, rel=1e-15)
        if stop:
            break
    assert stop


def test_cosine_falls_from_the_initial_rate_to_zero():
    values = rates(solvers.Cosine(0.3))
    assert values[0] == 0.3
    assert values[50] == pytest.approx(0.15)
    assert values[-1] == pytest.approx(0, abs=1e-15)
    assert (np.diff(values) < 0).all()


def test_one_cycle_climbs_and_falls():
    values = rates(solvers.OneCycle(0.3))
    assert values[0] == pytest.approx(0.3 / 25)
    assert values.argmax() == 30
    assert values.max() == pytest.approx(0.3)
    assert (np.diff(values)[:30] > 0).all()
    assert (np.diff(values)[30:] < 0).all()
    assert values[-1] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("kind", [solvers.Cosine, solvers.OneCycle])
def test_schedules_of_a_whole_training_do_not_end_it_early(kind):
    assert not kind(0.3).on_plateau()
