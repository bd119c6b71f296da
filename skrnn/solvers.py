"""Solvers that step along a gradient, and schedules of their step size.

All work on the flat parameter vector, in place.
"""

from __future__ import annotations

from copy import copy as copy_of
from math import sqrt

import numpy as np

from skrnn._jit import jit


@jit
def _adam_step(params, gradient, mean, square, numbers):
    rate, beta_1, beta_2 = numbers[0], numbers[1], numbers[2]
    epsilon, correction = numbers[3], numbers[4]
    one = params.dtype.type(1)
    for k in range(params.size):
        mean[k] = beta_1 * mean[k] + (one - beta_1) * gradient[k]
        square[k] = beta_2 * square[k] + (one - beta_2) * (gradient[k] * gradient[k])
        params[k] -= rate * mean[k] / (np.sqrt(square[k]) * correction + epsilon)


@jit
def _momentum_step(params, gradient, velocity, numbers):
    rate, momentum = numbers[0], numbers[1]
    for k in range(params.size):
        velocity[k] = momentum * velocity[k] - rate * gradient[k]
        params[k] += velocity[k]


@jit
def _nesterov_step(params, gradient, velocity, numbers):
    rate, momentum = numbers[0], numbers[1]
    for k in range(params.size):
        velocity[k] = momentum * velocity[k] - rate * gradient[k]
        params[k] += momentum * velocity[k] - rate * gradient[k]


@jit
def _rmsprop_step(params, gradient, square, numbers):
    rate, rho, epsilon = numbers[0], numbers[1], numbers[2]
    one = params.dtype.type(1)
    for k in range(params.size):
        square[k] = rho * square[k] + (one - rho) * (gradient[k] * gradient[k])
        params[k] -= rate * gradient[k] / (np.sqrt(square[k]) + epsilon)


def gradient_parts(gradient):
    """Return the flat arrays that a gradient consists of: itself, or parts of a sparse one."""
    return [gradient] if isinstance(gradient, np.ndarray) else gradient.parts


class Solver:
    """Steps along gradients, dense or sparse.

    Of tables with a sparse gradient only the rows that it names are moved, and only their running
    means go on.

    Parameters
    ----------
    params : ndarray
        The flat vector that will be stepped; only its size and type are kept.
    n_states : int
        Numbers kept for each of its elements.

    Attributes
    ----------
    kernel : callable
        ``kernel(params, gradient, *states, numbers)`` makes a step.
    n_numbers : int
        How many numbers a step needs beside the states.
    states : tuple of ndarray
        What is kept for each element of the vector.
    n_steps : int
        Steps begun.
    """

    def __init__(self, params, n_states):
        self.n_steps = 0
        self.states = tuple(np.zeros_like(params) for _ in range(n_states))

    def copy(self):
        """Return a solver that goes on from here without this one noticing."""
        copy = copy_of(self)
        copy.states = tuple(state.copy() for state in self.states)
        return copy

    def begin_step(self, rate):
        """Count a step of size `rate` and return its numbers, a list."""
        self.n_steps += 1
        return self._numbers(rate)

    def step(self, params, gradient, rate):
        """Move `params` one step of size `rate` along an ndarray or a SparseGradient."""
        numbers = np.array(self.begin_step(rate), dtype=params.dtype)
        if isinstance(gradient, np.ndarray):
            self.kernel(params, gradient, *self.states, numbers)
            return
        dense = slice(gradient.dense.size)
        own_states = [state[dense] for state in self.states]
        self.kernel(params[dense], gradient.dense, *own_states, numbers)
        for table in gradient.tables:
            views = [table.block.view(vector) for vector in (params, *self.states)]
            own, *states = (view[table.rows] for view in views)
            lines = [state.reshape(-1) for state in states]
            self.kernel(own.reshape(-1), table.values.reshape(-1), *lines, numbers)
            for view, moved in zip(views, (own, *states), strict=True):
                view[table.rows] = moved


class Adam(Solver):
    """Adam of D. P. Kingma and J. Ba (ICLR 2015), Algorithm 1.

    Parameters
    ----------
    params : ndarray
        The flat vector that will be stepped; only its size and type are kept.
    beta_1, beta_2 : float
        Decay of the running mean and of the running square of the gradient.
    epsilon : float
        Keeps the division finite.
    """

    n_numbers = 5

    def __init__(self, params, *, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        super().__init__(params, 2)
        self._beta_1, self._beta_2, self._epsilon = beta_1, beta_2, epsilon

    @property
    def kernel(self):
        """What makes a step."""
        return _adam_step

    def _numbers(self, rate):
        decayed_1, decayed_2 = self._beta_1**self.n_steps, self._beta_2**self.n_steps
        correction = 1 / sqrt(1 - decayed_2)
        return [rate / (1 - decayed_1), self._beta_1, self._beta_2, self._epsilon, correction]


class StochasticGradientDescent(Solver):
    """Gradient descent with momentum, plain or of Nesterov.

    Parameters
    ----------
    params : ndarray
        The flat vector that will be stepped; only its size and type are kept.
    momentum : float
        Share of the last step that is made again.
    nesterov : bool
        Whether to look ahead along the momentum.
    """

    n_numbers = 2

    def __init__(self, params, *, momentum=0.9, nesterov=True):
        super().__init__(params, 1)
        self._momentum = momentum
        self._nesterov = nesterov

    @property
    def kernel(self):
        """What makes a step."""
        return _nesterov_step if self._nesterov and self._momentum > 0 else _momentum_step

    def _numbers(self, rate):
        return [rate, self._momentum]


class RMSprop(Solver):
    """RMSprop of T. Tieleman and G. Hinton (lecture 6.5 of "Neural Networks", 2012).

    Parameters
    ----------
    params : ndarray
        The flat vector that will be stepped; only its size and type are kept.
    rho : float
        Decay of the running square of the gradient.
    epsilon : float
        Keeps the division finite.
    """

    n_numbers = 3

    def __init__(self, params, *, rho=0.9, epsilon=1e-8):
        super().__init__(params, 1)
        self._rho, self._epsilon = rho, epsilon

    @property
    def kernel(self):
        """What makes a step."""
        return _rmsprop_step

    def _numbers(self, rate):
        return [rate, self._rho, self._epsilon]


class Constant:
    """The same rate throughout.

    Parameters
    ----------
    initial : float
        The rate.
    """

    # Whether training that no longer improves may end before the last epoch.
    stops_on_plateau = True

    def __init__(self, initial):
        self.initial = initial

    def rate(self, progress, n_seen):
        """Return the step size.

        Parameters
        ----------
        progress : float
            Share of all updates that has been made, from 0 to 1.
        n_seen : int
            Sequences seen so far.
        """
        return self.initial

    def on_plateau(self):
        """React to training that no longer improves; return whether to stop it."""
        return self.stops_on_plateau


class InverseScaling(Constant):
    """The rate falls with a power of the number of sequences seen.

    Parameters
    ----------
    initial : float
        The first rate.
    power : float
        The power.
    """

    def __init__(self, initial, power):
        super().__init__(initial)
        self.power = power

    def rate(self, progress, n_seen):
        """Return the step size after `n_seen` sequences."""
        return self.initial / (n_seen + 1) ** self.power


class Adaptive(Constant):
    """The rate is divided by five each time training no longer improves, down to 1e-6."""

    def rate(self, progress, n_seen):
        """Return the current step size."""
        return self.initial

    def on_plateau(self):
        """Lower the rate; stop once it is negligible."""
        if self.initial <= 1e-6:
            return True
        self.initial /= 5
        return False


class Cosine(Constant):
    """The rate falls along half a cosine to zero over the whole training.

    I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
    ICLR 2017, equation 5, without restarts.
    """

    stops_on_plateau = False

    def rate(self, progress, n_seen):
        """Return the step size at a share of the training."""
        return 0.5 * self.initial * (1 + np.cos(np.pi * progress))


class OneCycle(Constant):
    """The rate climbs for three tenths of the training, then falls along a cosine to zero.

    After L. N. Smith and N. Topin, "Super-Convergence: Very Fast Training of Neural Networks
    Using Large Learning Rates", 2019.
    """

    stops_on_plateau = False

    def rate(self, progress, n_seen):
        """Return the step size at a share of the training."""
        if progress < 0.3:
            return self.initial * (0.04 + 0.96 * progress / 0.3)
        return 0.5 * self.initial * (1 + np.cos(np.pi * (progress - 0.3) / 0.7))
