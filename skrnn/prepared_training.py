"""Gradients of batches of one shape: all kernel calls, made ready once.

Between two batches of a small network, what surrounds the kernels takes as long as they do. Where
all sequences are equally long and nothing is dropped, each batch makes the same calls with the same
buffers, which are those of :mod:`skrnn.network`: the bits are the same. Only which sequences are
meant, and their sample weights, is said anew; other data may take the place of all sequences.
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from skrnn._calls import CallList
from skrnn._copies import fill_with_zeros, gather_rows
from skrnn.batching import add_rows
from skrnn.gradients import empty_gradient
from skrnn.network import NetworkWeights
from skrnn.prepared import PreparedRun


class BatchSource:
    """Where batches of sequences of one length come from.

    Parameters
    ----------
    sequences : Sequences
        All sequences.
    target : ndarray of shape (len(sequences), ...)
        Their targets.
    weight : ndarray of shape (len(sequences),)
        Their weights.

    Attributes
    ----------
    n_steps : int
        The length.
    kind : tuple
        What differs between sources whose batches need buffers of their own.
    """

    def __init__(self, sequences, target, weight):
        self._sequences, self._target, self._weight = sequences, target, weight
        self._first_rows = sequences.offsets[:-1]
        self.n_steps = int(sequences.offsets[1])
        self.kind = self.n_steps, target.dtype.str, target.shape[1:]
        self._total, self._scaled = None, np.empty(weight.shape, sequences.dtype)

    def divide_weights(self, total):
        """Have weights of the sequences from here on in shares of a total."""
        if self._total != total:
            self._total = total
            self._scaled[...] = self._weight / total

    def make_places(self, n_sequences):
        """Return where the first rows, the targets and the weights of a batch will be."""
        return tuple(np.empty((n_sequences, *a.shape[1:]), a.dtype) for a in self._read)

    @property
    def _read(self):
        return self._first_rows, self._target, self._scaled

    def prepare_read(self, positions, places, starts, steps):
        """Return the calls that write a batch to its places and its steps to theirs.

        Parameters
        ----------
        positions : ndarray of int64 of shape (n_sequences,)
            Where it will say which sequences.
        places : tuple of ndarray
            What :meth:`make_places` returned.
        starts : ndarray of int64
            The first row of each step.
        steps : ndarray of shape (R, n_channels)
            The place of the steps.

        Returns
        -------
        calls : list of (callable, tuple)
            Functions with their arguments; how many does not depend on the source.
        """
        pack = self._sequences.prepare_pack(places[0], starts, steps)
        return [(gather_rows, (self._read, positions, places)), pack]


class PreparedGradient:
    """Loss and gradient of batches of sequences of one length.

    Parameters
    ----------
    network : Network
        A network with an output for each sequence, whose inputs are no ids.
    loss : Loss
        The loss.
    weights : NetworkWeights
        Views of the weights.
    gradient : PieceGradient
        Where the gradient will be.
    n_sequences : int
        How many sequences a batch has.
    source : BatchSource
        Where they come from.
    workspace : Workspace
        Where the buffers live.
    is_shared : bool
        Whether other threads run other batches beside this one.

    Attributes
    ----------
    positions : ndarray of int64 of shape (n_sequences,)
        Where the sequences are named.
    gradient : PieceGradient
        Where the gradient is, until the workspace is used again.
    value : ndarray of shape (1,)
        Where the loss is.
    """

    def __init__(self, network, loss, weights, gradient, n_sequences, source, workspace, is_shared):
        self._network, self._weights, self.gradient = network, weights, gradient
        self._workspace, self._n_batches = workspace, None
        self._run = run = PreparedRun(network, weights, n_sequences, source.n_steps, workspace)
        trace = run.trace
        self.positions = np.empty(n_sequences, dtype=np.int64)
        self._places = source.make_places(n_sequences)
        self._calls, self._copies = run.calls_to_read(), [*run.copies_of_weights]
        d_raw = workspace.take("d_raw", trace.raw.shape, trace.raw.dtype)
        self.value, call = loss.prepare(trace.raw, *self._places[1:], d_raw)
        self._calls.append(call)
        head = network.head.prepare_back(weights.head, trace, d_raw, workspace, gradient.views.head)
        self._add(*head)
        for i in range(len(network.layers) - 1, -1, -1):
            self._add_layer(i)
        # What is at zero is known only now.
        read, zeros = self._read(source), [(fill_with_zeros, (array,)) for array in self._zeros()]
        self._n_read = len(read)
        self._calls = CallList([*read, *zeros, *self._calls], is_shared)
        self._copies = CallList([(np.copyto, copy) for copy in self._copies], is_shared)

    def _read(self, source):
        run = self._run
        return source.prepare_read(self.positions, self._places, run.starts, run.trace.steps)

    def _zeros(self):
        """Return what begins at zero."""
        kept = chain.from_iterable(self._run.trace.layers)
        cleared = chain.from_iterable(one.buffers.cleared for one in kept)
        return [self.gradient.vector, *self._run.initial, *(a for a in cleared if a.size > 0)]

    def _add(self, copies, calls):
        self._copies += copies
        self._calls += calls

    def _add_layer(self, i):
        """Add what goes back through both directions of a layer, and down to the one below."""
        layers, weights = self._network.layers[i], self._weights.layers[i]
        kept, shape, found = self._run.trace.layers[i], self._run.shape, []
        for d, layer in enumerate(layers):
            gradient = self.gradient.views.layers[i][d]
            self._add(*layer.prepare_back(weights[d], kept[d], shape, self._workspace, gradient))
        if i == 0:
            return
        for d, layer in enumerate(layers):
            d_x, *prepared = layer.prepare_down(weights[d], kept[d], self._workspace)
            self._add(*prepared)
            found.append(d_x)
        if len(found) == 2:
            self._calls.append((add_rows, (found[1], shape.reversal, found[0])))
        self._share(found[0], self._run.trace.layers[i - 1])

    def _share(self, d_outputs, below):
        """Add what gives each direction of the layer below its part of the gradient."""
        for d, kept in enumerate(below):
            target = kept.buffers.d_output
            source = d_outputs[:, d * target.shape[1] : (d + 1) * target.shape[1]]
            if d == 1:
                by_step = (self._run.shape.n_steps, self._run.shape.n_sequences, -1)
                source, target = source.reshape(by_step)[::-1], target.reshape(by_step)
            self._calls.append((np.copyto, (target, source)))

    def read_from(self, source):
        """Read batches from here on from a source, or hold on to no data: None."""
        calls = [None] * self._n_read if source is None else self._read(source)
        self._calls.exchange_first(calls)

    def read_weights(self, n_batches):
        """Copy the weights where :meth:`evaluate` reads copies, at the first call for a batch."""
        if self._n_batches != n_batches:
            self._n_batches = n_batches
            self._copies.run()

    def make_tables(self):
        """Put all calls in tables whose kernels have been compiled by now."""
        self._copies.make_tables()
        self._calls.make_tables()

    @property
    def tables(self):
        """The rows of all copies of weights and of all other calls; None where some need Python."""
        return self._copies.rows, self._calls.rows

    def evaluate(self, positions):
        """Return the loss of a batch, and write its gradient.

        Parameters
        ----------
        positions : ndarray of int64 of shape (n_sequences,)
            Which sequences.
        """
        self.positions[...] = positions
        self._calls.run()
        return float(self.value[0])


class PreparedGradients:
    """Prepared gradients of a network, each made when it is first needed.

    Parameters
    ----------
    network, loss
        As for :class:`PreparedGradient`.

    Attributes
    ----------
    n_batches : int
        Number of the batch, another one each time the weights may have changed.
    """

    def __init__(self, network, loss):
        self._network, self._loss = network, loss
        self._source, self._most = None, 0
        self._made, self.n_batches = {}, 0
        # The vector that came first, kept so that no other can be taken for it.
        self._params = None

    def read_from(self, source, most):
        """Read batches from here on from some data.

        Parameters
        ----------
        source : BatchSource or None
            Where they are; None where there is nothing that these could run.
        most : int
            How many sequences may be run at a time.
        """
        self._source, self._most = source, most
        for (_, kind, _), prepared in self._made.items():
            prepared.read_from(source if source is not None and source.kind == kind else None)

    @property
    def kind(self):
        """What differs between data that cannot be run by the same."""
        return self._source.kind

    def __len__(self):
        return len(self._made)

    def own(self, params):
        """Return the vector of weights in use, with these numbers; the first to come is that."""
        if self._params is None:
            self._params = params
        elif self._params is not params:
            self._params[...] = params
        return self._params

    def begin(self, params, total_weight):
        """Begin a batch.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The weights.
        total_weight : float
            What the weights of the sequences are divided by.

        Returns
        -------
        most : int
            How many of its sequences may be run at a time; 0 for none.
        """
        if self._params is None:
            self._params = params
        # A line search comes with another vector each time, for which nothing would be ready.
        if self._most == 0 or params is not self._params:
            return 0
        self.n_batches += 1
        self._source.divide_weights(total_weight)
        return self._most

    def make(self, n_sequences, workspace, *, is_shared=False):
        """Make what runs so many sequences in a workspace, if it is not there yet.

        Parameters
        ----------
        n_sequences : int
            How many.
        workspace : Workspace
            Where the buffers live; it lives as long as this.
        is_shared : bool, default=False
            Whether other threads run other sequences at the same time.

        Returns
        -------
        prepared : PreparedGradient
            What runs them.
        """
        source = self._source
        key = n_sequences, source.kind, id(workspace)
        if key not in self._made:
            network, dtype = self._network, self._params.dtype
            gradient = workspace.keep(
                "gradient", dtype, lambda: empty_gradient(network, NetworkWeights, dtype)
            )
            self._made[key] = PreparedGradient(
                network, self._loss, network.bind(self._params), gradient, n_sequences, source,
                workspace, is_shared,
            )  # fmt: skip
        return self._made[key]

    def evaluate(self, positions, workspace):
        """Return the loss of some sequences of the batch, and its gradient.

        Parameters
        ----------
        positions : ndarray of int64
            Which sequences.
        workspace : Workspace
            As for :meth:`make`.

        Returns
        -------
        loss : float
            Their part of the loss.
        gradient : PieceGradient
            Its gradient, until the workspace is used again.
        """
        prepared = self.make(positions.size, workspace)
        prepared.read_weights(self.n_batches)
        return prepared.evaluate(positions), prepared.gradient
