r"""The bridge from what an encoder ends with to the states with which a decoder begins.

Where both have the same shape the states themselves cross it. Else, for an encoder that reads in
both directions and for a vector, a layer :math:`\tanh(x W + b)` makes each state of each layer.
"""

from __future__ import annotations

import numpy as np

from skrnn.dense import Dense


class Bridge:
    """A layer for each state of each layer of a decoder.

    Parameters
    ----------
    cell : Cell
        The recurrent cell of the decoder.
    n_inputs : sequence of int
        Numbers that are read for each layer.
    hidden_layer_sizes : sequence of int
        Units of each layer.
    layout : ParameterLayout
        Where the weights are added.
    """

    def __init__(self, cell, n_inputs, hidden_layer_sizes, layout):
        self.layers = [
            [
                Dense(
                    (f"bridge.layer_{i}.W_{state}", f"bridge.layer_{i}.b_{state}"),
                    n_read,
                    n_units,
                    layout,
                    squashed=True,
                )
                for state in cell.states
            ]
            for i, (n_read, n_units) in enumerate(zip(n_inputs, hidden_layer_sizes, strict=True))
        ]

    def initialise(self, params, rng):
        """Draw fresh weights into a flat vector of zeros."""
        for layer in self.layers:
            for dense in layer:
                dense.initialise(params, rng)

    def bind(self, vector):
        """Return views of the weights of each layer and state in a flat vector."""
        return [[dense.bind(vector) for dense in layer] for layer in self.layers]

    def forward(self, weights, ends):
        """Return the initial states.

        Parameters
        ----------
        weights : list of list
            What `bind` returned.
        ends : list of list of ndarray of shape (n, n_read)
            What is read, for each layer and state.

        Returns
        -------
        initial : list of ndarray of shape (S, n, H)
            Of each layer.
        """
        return [
            np.stack([dense.forward(w, end) for dense, w, end in zip(*parts, strict=True)])
            for parts in zip(self.layers, weights, ends, strict=True)
        ]

    def backward(self, weights, initial, d_initial):
        """Return the loss gradient of what was read; `d_initial` becomes that before the tanh.

        Parameters
        ----------
        weights : list of list
            What `bind` returned.
        initial, d_initial : list of ndarray of shape (S, n, H)
            What `forward` returned, and its loss gradient, which is overwritten.

        Returns
        -------
        d_ends : list of ndarray of shape (S, n, n_read)
            Of each layer.
        """
        return [
            np.stack([dense.backward(*rest) for dense, *rest in zip(*parts, strict=True)])
            for parts in zip(self.layers, weights, initial, d_initial, strict=True)
        ]

    def add_weight_gradient(self, i, ends, d_initial, gradient):
        """Add the gradient of the weights of layer `i`, after `backward`."""
        for parts in zip(self.layers[i], gradient[i], ends[i], d_initial[i], strict=True):
            dense, views, end, d_state = parts
            dense.add_gradient(views, end, d_state)
