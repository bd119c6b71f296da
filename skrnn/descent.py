"""Steps along the gradients of one batch after another, in machine code.

Between two batches of a small network Python takes a tenth of the time that the kernels take. Where
a batch is a table of calls, so are penalty, clipping and the solver's step, and one kernel goes
through all of that for many batches; the bits are the same.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from skrnn._calls import CallList, run_rows_at
from skrnn._copies import address_of, fill_with_zeros
from skrnn._jit import JIT_DISABLED, jit
from skrnn._programs import SIZE, loss_of, program_of, run_program
from skrnn._subnormals import begin, end
from skrnn._sums import squared_norm
from skrnn.solvers import gradient_parts

# Steps times weights that are run before Python may look whether it is interrupted.
MOST_WORK = 100_000_000


@jit
def add_penalty(params, strength, gradient, value):
    """Add the gradient of the L2 penalty of some weights, and the sum of their squares.

    Parameters
    ----------
    params, gradient : ndarray of shape (n,)
        The weights and their gradient.
    strength : ndarray of float64 of shape (1,)
        Factor of the penalty, which is half of it for each square.
    value : ndarray of float64 of shape (1,)
        To which the sum is added.
    """
    value[0] += squared_norm(params)
    factor = params.dtype.type(strength[0])
    for k in range(params.size):
        gradient[k] += factor * params[k]


@jit
def _add_squares(values, total):
    total[0] += squared_norm(values)


@jit
def _clip(gradient, max_norm):
    norm = np.sqrt(squared_norm(gradient))
    if max_norm[0] < norm and norm < np.inf:
        factor = gradient.dtype.type(max_norm[0] / (norm + 1e-6))
        for k in range(gradient.size):
            gradient[k] *= factor


def clip_norm(gradient, max_norm):
    """Scale a gradient down to a norm, in place.

    Parameters
    ----------
    gradient : ndarray or SparseGradient
        The flat gradient.
    max_norm : float or None
        The largest norm to leave alone.

    References
    ----------
    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural
    networks", ICML 2013.
    """
    if max_norm is None:
        return
    if isinstance(gradient, np.ndarray):
        _clip(gradient, np.array([max_norm], dtype=np.float64))
        return
    parts, squares = gradient_parts(gradient), np.zeros(1)
    for part in parts:
        _add_squares(part, squares)
    norm = sqrt(squares[0])
    if max_norm < norm < np.inf:
        for part in parts:
            part *= part.dtype.type(max_norm / (norm + 1e-6))


@jit
def _descend(orders, numbers, program, steps, place, strength, squares, losses, n_made):
    """Make a step for each batch, until a kernel does not end well, and count them."""
    for i in range(orders.shape[0]):
        if not run_program(program, i, orders[i], 0, orders.shape[1]):
            return
        for k in range(place.size):
            place[k] = numbers[i, k]
        run_rows_at(steps[0], steps[1])
        losses[i] = loss_of(program) + 0.5 * strength[0] * squares[0]
        n_made[0] += 1


def compile_descent(dtype):
    """Compile what makes many steps for weights of a type, which happens late otherwise."""
    numbers, line = np.zeros((0, 1), dtype=dtype), np.zeros(SIZE, dtype=np.int64)
    place, one = np.zeros(1, dtype=dtype), np.zeros(1)
    if not JIT_DISABLED:
        orders = np.zeros((0, 0), dtype=np.int64)
        _descend(orders, numbers, line, line, place, one, one, one, line)


class Descent:
    """Steps for batches of one size, each the gradient's and the solver's.

    Parameters
    ----------
    prepared : PreparedGradient
        What forms the gradient, by calls in tables.
    params : ndarray of shape (layout.size,)
        The weights, which it reads and the solver moves.
    solver : Solver
        The solver.
    penalty : tuple of (float, list of slice)
        Strength of the L2 penalty, and of which weights.
    max_norm : float or None
        The largest norm of a gradient.
    n_at_once : int
        How many batches to run before Python goes on.
    """

    def __init__(self, prepared, params, solver, penalty, max_norm, n_at_once):
        gradient = prepared.gradient.vector
        self.n_at_once, self._prepared, self._solver = n_at_once, prepared, solver
        self._strength, self._squares = np.array([penalty[0]]), np.zeros(1)
        self._place = np.empty_like(params, shape=solver.n_numbers)
        calls = [(fill_with_zeros, (self._squares,))]
        calls += [
            (add_penalty, (params[part], self._strength, gradient[part], self._squares))
            for part in (penalty[1] if penalty[0] > 0 else ())
        ]
        if max_norm is not None:
            calls.append((_clip, (gradient, np.array([max_norm], dtype=np.float64))))
        calls.append((solver.kernel, (params, gradient, *solver.states, self._place)))
        self._steps = CallList(calls, is_shared=True)

    def is_ready(self):
        """Tell whether all calls are in tables by now."""
        return self._steps.rows is not None

    def run(self, batches, rates):
        """Make a step for each of some batches.

        Parameters
        ----------
        batches : list of ndarray of int64
            The sequences of each.
        rates : list of float
            The step size of each.

        Returns
        -------
        losses : list of float
            The loss of each, before its step; fewer if a kernel did not end well.
        """
        solver, rows = self._solver, self._steps.rows
        losses, n_before = np.empty(len(batches)), solver.n_steps
        n_made, flags = np.zeros(1, dtype=np.int64), begin()
        try:
            numbers = np.array([solver.begin_step(rate) for rate in rates], dtype=self._place.dtype)
            _descend(
                np.stack(batches), numbers, np.array(program_of(self._prepared)),
                np.array([address_of(rows), len(rows)]), self._place, self._strength,
                self._squares, losses, n_made,
            )  # fmt: skip
        finally:  # an interrupt is raised only when the kernel has ended
            solver.n_steps = n_before + int(n_made[0])
            end(flags)
        return losses[: n_made[0]].tolist()


__all__ = ["Descent", "add_penalty", "clip_norm", "compile_descent"]
