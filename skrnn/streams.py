"""Truncated backpropagation along long sequences: a few steps at a time, the state carried on.

A long sequence, such as a text of a million characters, is cut into streams that are read side by
side, and every stream into stretches. There is a step of the solver after each stretch; the state
at its end is where the next begins, and its gradient ends there. This is how language models are
trained.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from skrnn.batching import even_batches
from skrnn.objective import Objective
from skrnn.sequences import Sequences


def cut_streams(offsets, n_streams, n_steps):
    """Cut long sequences so that there are enough to be read side by side.

    Parameters
    ----------
    offsets : ndarray of int64 of shape (n_sequences + 1,)
        Sequence i is steps ``offsets[i]`` to ``offsets[i + 1]``.
    n_streams : int
        Streams wanted.
    n_steps : int
        Steps that a stream has at least, if its sequence has as many.

    Returns
    -------
    offsets : ndarray of int64
        Those of the streams, about `n_streams` of similar lengths; of the sequences themselves
        if they are enough.
    """
    if offsets.size - 1 >= n_streams:
        return offsets
    parts = []
    for first, last in pairwise(offsets):
        length = int(last - first)
        n_parts = max(1, min(length // n_steps, n_streams * length // int(offsets[-1])))
        parts.append(np.linspace(first, last, n_parts + 1).astype(np.int64)[:-1])
    return np.append(np.concatenate(parts), offsets[-1])


class StreamObjective(Objective):
    """Loss and gradient of stretches, each of which begins with the state that the last one left.

    Its length is the number of streams.

    Parameters
    ----------
    network : Network
        A network of one direction with an output for each step.
    loss : Loss
        The loss.
    sequences : Sequences
        The inputs.
    target, weight : ndarray of shape (n_steps_total, ...)
        Of each step.
    n_streams : int
        Streams to be read side by side.
    n_steps : int
        Steps of a stretch.
    mean_weight : float or None, default=None
        Weight of a sequence's steps by which to normalise; None is the mean over all data.
    **options
        Those of :class:`~skrnn.objective.Objective`.
    """

    def __init__(
        self, network, loss, sequences, target, weight, *, n_streams, n_steps, mean_weight=None,
        **options,
    ):  # fmt: skip
        streams = cut_streams(sequences.offsets, n_streams, n_steps)
        self.n_stretches = -(-np.diff(streams) // n_steps)
        self.first_stretch = np.cumsum(self.n_stretches) - self.n_stretches
        self.stream_of = np.repeat(np.arange(self.n_stretches.size), self.n_stretches)
        number = np.arange(self.stream_of.size) - self.first_stretch[self.stream_of]
        self.begins = number == 0
        offsets = np.append(streams[self.stream_of] + number * n_steps, streams[-1])
        if mean_weight is not None:
            mean_weight *= len(sequences) / self.stream_of.size
        super().__init__(
            network,
            loss,
            Sequences(sequences.values, offsets),
            target,
            weight,
            mean_weight=mean_weight,
            **options,
        )
        n_states = len(network.cell.states)
        self._carried = [
            np.zeros((n_states, len(self), n_units), dtype=sequences.values.dtype)
            for n_units in network.hidden_layer_sizes
        ]

    def __len__(self):
        return self.n_stretches.size

    def batches(self, order, size):
        """Return the stretches of each batch: of some streams the first, then the second, ..."""
        batches = []
        for streams in even_batches(order, size):
            for number in range(self.n_stretches[streams].max()):
                alive = streams[self.n_stretches[streams] > number]
                batches.append(self.first_stretch[alive] + number)
        return batches

    def _way(self, params, batch, masks, workspace, gradient):
        return None  # a stretch is short already, and begins with states that were carried on

    def _forward(self, params, batch, indices, masks, workspace):
        streams, fresh = self.stream_of[indices], self.begins[indices]
        initial = [states[:, streams] for states in self._carried]
        for states in initial:
            states[:, fresh] = 0
        trace = self.network.forward(params, batch, workspace, masks, initial)
        for kept, states in zip(self._carried, self.network.final_states(trace), strict=True):
            kept[:, streams] = states
        return trace
