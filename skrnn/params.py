"""All weights of a network in one flat vector, with named views into it.

Clipping, snapshots, solvers, L-BFGS and pickling then handle a single array.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np


@dataclass(frozen=True)
class Block:
    """A named array inside the flat vector."""

    name: str
    shape: tuple[int, ...]
    start: int
    is_bias: bool

    @property
    def stop(self):
        """One past the last place in the flat vector."""
        return self.start + prod(self.shape)

    def view(self, vector):
        """Return the block's part of a flat vector as an array of its shape."""
        return vector[self.start : self.stop].reshape(self.shape)


class ParameterLayout:
    """Where each array lives in the flat parameter vector.

    Attributes
    ----------
    blocks : dict of str to Block
        The arrays in their order.
    size : int
        Length of the flat vector.
    """

    def __init__(self):
        self.blocks = {}
        self.size = 0

    def add(self, name, shape, *, is_bias=False):
        """Append an array and return its block."""
        block = Block(name, tuple(shape), self.size, is_bias)
        self.blocks[name] = block
        self.size = block.stop
        return block

    def weight_slices(self):
        """Return the slices of the flat vector that hold weights, not biases; neighbours joined."""
        slices = []
        for block in self.blocks.values():
            if block.is_bias:
                continue
            if slices and slices[-1].stop == block.start:
                slices[-1] = slice(slices[-1].start, block.stop)
            else:
                slices.append(slice(block.start, block.stop))
        return slices


def glorot_uniform(shape, rng):
    """Draw a weight matrix uniformly, scaled to keep the variance of signals.

    Parameters
    ----------
    shape : tuple of int
        Inputs and outputs.
    rng : numpy.random.RandomState
        Source of the numbers.

    Returns
    -------
    weights : ndarray of float64
        The matrix.

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010.
    """
    bound = np.sqrt(6.0 / sum(shape))
    return rng.uniform(-bound, bound, size=shape)


def chrono_bias(n_units, n_steps, rng):
    """Draw the bias of gates that remember, for memories of all spans up to `n_steps`.

    Parameters
    ----------
    n_units : int
        Numbers to draw.
    n_steps : int
        Length of the longest sequence.
    rng : numpy.random.RandomState
        Source of the numbers.

    Returns
    -------
    bias : ndarray of shape (n_units,)
        Logarithms of numbers uniform between 1 and ``n_steps - 1``.

    References
    ----------
    C. Tallec and Y. Ollivier, "Can recurrent neural networks warp time?", ICLR 2018.
    """
    return np.log(rng.uniform(1.0, max(1.0, n_steps - 1.0), size=n_units))


def orthogonal(n_units, rng):
    """Draw a square orthogonal matrix, uniformly over all rotations and reflections.

    Parameters
    ----------
    n_units : int
        Rows and columns.
    rng : numpy.random.RandomState
        Source of the numbers.

    Returns
    -------
    weights : ndarray of float64
        The matrix.

    References
    ----------
    A. M. Saxe, J. L. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks", ICLR 2014.
    """
    q, r = np.linalg.qr(rng.standard_normal((n_units, n_units)))
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)
