"""A fully connected layer: ``out = x W + b``, its activation, and their gradients."""

from __future__ import annotations

import numpy as np

from skrnn._gemm import accumulate_product, add_transposed_product, affine_product
from skrnn._jit import jit
from skrnn._math import tanh
from skrnn._sums import add_column_sums
from skrnn._views import flat
from skrnn.params import glorot_uniform


@jit
def _affine(x, W, b, out):
    affine_product(x, W, b, out)


@jit
def _squash(values):
    line = flat(values, 0, values.shape[0])
    for k in range(line.size):
        line[k] = tanh(line[k])


@jit
def _add_gradient(x, d_out, d_W, d_b):
    add_transposed_product(x, d_out, d_W)
    add_column_sums(d_out, d_b)


class Dense:
    """A fully connected layer.

    Parameters
    ----------
    names : tuple of (str, str)
        Names of its matrix and its bias.
    n_inputs, n_outputs : int
        Numbers that come in and go out.
    layout : ParameterLayout
        Where its weights are added.
    squashed : bool, default=False
        Whether the hyperbolic tangent follows.
    """

    def __init__(self, names, n_inputs, n_outputs, layout, *, squashed=False):
        self.n_outputs = n_outputs
        self.squashed = squashed
        self.blocks = (
            layout.add(names[0], (n_inputs, n_outputs)),
            layout.add(names[1], (n_outputs,), is_bias=True),
        )

    def initialise(self, params, rng):
        """Draw fresh weights into a flat vector of zeros."""
        W = self.blocks[0].view(params)
        W[...] = glorot_uniform(W.shape, rng)

    def bind(self, vector):
        """Return views of matrix and bias in a flat vector."""
        return tuple(block.view(vector) for block in self.blocks)

    def forward(self, weights, x):
        """Return the outputs.

        Parameters
        ----------
        weights : tuple of ndarray
            What `bind` returned.
        x : ndarray of shape (n, n_inputs)
            What comes in, C-contiguous.

        Returns
        -------
        out : ndarray of shape (n, n_outputs)
            What goes out.
        """
        out = np.empty((x.shape[0], self.n_outputs), dtype=x.dtype)
        _affine(x, *weights, out)
        if self.squashed:
            _squash(out)
        return out

    def backward(self, weights, out, d_out):
        """Return the loss gradient of the inputs; `d_out` becomes that before the activation.

        Parameters
        ----------
        weights : tuple of ndarray
            What `bind` returned.
        out : ndarray of shape (n, n_outputs)
            What `forward` returned.
        d_out : ndarray of shape (n, n_outputs)
            Its loss gradient; overwritten.

        Returns
        -------
        d_x : ndarray of shape (n, n_inputs)
            Loss gradient of what came in.
        """
        if self.squashed:
            d_out *= 1 - out * out
        turned = np.ascontiguousarray(weights[0].T)
        d_x = np.zeros((d_out.shape[0], turned.shape[1]), dtype=d_out.dtype)
        accumulate_product(d_out, turned, d_x)
        return d_x

    def add_gradient(self, views, x, d_out):
        """Add the gradient of the weights, after `backward`.

        Parameters
        ----------
        views : tuple of ndarray
            Matrix and bias in the flat gradient.
        x : ndarray of shape (n, n_inputs)
            What came in.
        d_out : ndarray of shape (n, n_outputs)
            What `backward` left there.
        """
        _add_gradient(x, d_out, *views)
