"""Gradients of small batches: all kernel calls for batches of one shape, made ready once.

Between two batches of a small network, what surrounds the kernels takes as long as they do. Where
all sequences are equally long and nothing is dropped, each batch makes the same calls with the same
buffers, which are those of :mod:`skrnn.network`: the bits are the same.
"""

from __future__ import annotations

import numpy as np

from skrnn._calls import CallList
from skrnn.batching import add_rows
from skrnn.prepared import PreparedRun


class PreparedGradient:
    """Loss and gradient of batches of sequences of one length.

    Parameters
    ----------
    network : Network
        A network with an output for each sequence, whose inputs are no ids.
    weights, gradient : NetworkWeights
        Views of the weights and of the flat gradient.
    n_sequences, n_steps : int
        How many sequences, and their length.
    workspace : Workspace
        Where the buffers live.
    """

    def __init__(self, network, weights, gradient, n_sequences, n_steps, workspace):
        self._network, self._weights, self._gradient = network, weights, gradient
        self._workspace = workspace
        self._run = PreparedRun(network, weights, n_sequences, n_steps, workspace)
        self._run.prepare_reading()
        trace = self._run.trace
        self._d_raw = workspace.take("d_raw", trace.raw.shape, trace.raw.dtype)
        self._first, self._back = [], []
        self._add(network.head.prepare_back(
            weights.head, trace, self._d_raw, workspace, gradient.head
        ))  # fmt: skip
        for i in range(len(network.layers) - 1, -1, -1):
            self._add_layer(i)
        self._first, self._back = CallList(self._first), CallList(self._back)

    def _add(self, prepared):
        first, calls = prepared
        self._first += first
        self._back += calls

    def _add_layer(self, i):
        """Add what goes back through both directions of a layer, and down to the one below."""
        layers, weights = self._network.layers[i], self._weights.layers[i]
        kept, shape, found = self._run.trace.layers[i], self._run.shape, []
        for d, layer in enumerate(layers):
            self._add(
                layer.prepare_back(
                    weights[d], kept[d], shape, self._workspace, self._gradient.layers[i][d]
                )
            )
        if i == 0:
            return
        for d, layer in enumerate(layers):
            d_x, *prepared = layer.prepare_down(weights[d], kept[d], self._workspace)
            self._add(prepared)
            found.append(d_x)
        if len(found) == 2:
            self._back.append((add_rows, (found[1], shape.reversal, found[0])))
        self._share(found[0], self._run.trace.layers[i - 1])

    def _share(self, d_outputs, below):
        """Add what gives each direction of the layer below its part of the gradient."""
        for d, kept in enumerate(below):
            target = kept.buffers.d_output
            source = d_outputs[:, d * target.shape[1] : (d + 1) * target.shape[1]]
            if d == 1:
                by_step = (self._run.shape.n_steps, self._run.shape.n_sequences, -1)
                source, target = source.reshape(by_step)[::-1], target.reshape(by_step)
            self._back.append((np.copyto, (target, source)))

    def evaluate(self, loss, sequences, positions, target, weight):
        """Return the loss of a batch, and add its gradient to the flat one.

        Parameters
        ----------
        loss : Loss
            The loss.
        sequences : Sequences
            Where the steps come from.
        positions : ndarray of int64 of shape (n_sequences,)
            Which sequences.
        target, weight : ndarray of shape (n_sequences, ...)
            As the loss takes them.
        """
        run = self._run
        run.read_weights()
        sequences.pack(positions, run.starts, run.trace.steps)
        run.advance_and_read()
        value = self._network.head.value_and_gradient(
            loss, self._weights.head, run.trace, target, weight, self._d_raw
        )
        self._first.run()
        self._back.run()
        return value
