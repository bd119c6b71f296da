"""The training objective of encoder-decoder networks: the loss of given output sequences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn import inference
from skrnn.batching import PackedBatch, longest_first
from skrnn.encoder_decoder import PairOfMasks, PairWeights
from skrnn.network import NO_DROPOUT
from skrnn.objective import Dropout, Objective
from skrnn.workspace import Workspace


class PairDropout(Dropout):
    """Draws the dropout masks of encoder and decoder."""

    def draw(self, network, n_sequences, rng, dtype):
        """Return the masks of a batch, rows in its given order."""
        encoder = NO_DROPOUT
        if network.encoder is not None:
            encoder = super().draw(network.encoder, n_sequences, rng, dtype)
        return PairOfMasks(encoder, super().draw(network.decoder.stack, n_sequences, rng, dtype))


class TeachingObjective(Objective):
    """Loss and gradient of an encoder-decoder network that reads the truth of the step before.

    Parameters are those of :class:`~skrnn.objective.Objective`; the target is an
    :class:`~skrnn.outputs.Outputs`, which brings the weights of all steps.
    """

    _views = PairWeights

    def __init__(self, network, loss, sequences, outputs, **options):
        super().__init__(network, loss, sequences, outputs, outputs.weight, **options)

    def _count_prepared(self):
        return 0  # outputs have lengths of their own

    def _pieces(self, indices, lengths):
        return pieces_of(self.network, self.sequences, self.target, indices)

    def _run_piece(self, params, batch, indices, total_weight, masks, workspace, gradient):
        masks = PairOfMasks() if masks is NO_DROPOUT else masks
        trace = self.network.forward(params, batch, self.target, indices, workspace, masks)
        loss, d_raw = _weighted_loss(self.loss, trace, self.target, total_weight)
        self.network.backward(params, trace, d_raw, workspace, self.walk)
        self._add_weight_gradients(trace, d_raw, gradient)
        return loss


def pieces_of(network, sequences, outputs, indices):
    """Cut sequences into pieces, each sorted by length, whose buffers stay small.

    Parameters
    ----------
    network : EncoderDecoder
        The network.
    sequences : Sequences
        The sources.
    outputs : Outputs
        The outputs.
    indices : ndarray of int64
        Which sequences.

    Returns
    -------
    pieces : list of ndarray of int64
        Positions in `indices`.
    """
    lengths, said = sequences.lengths[indices], outputs.lengths[indices]
    pieces = []
    for piece in inference.cut(longest_first(lengths)):
        most = min(
            inference.PIECE_ROWS // int(lengths[piece].max()),
            inference.PIECE_OUTPUTS // int(network.n_outputs * said[piece].max()),
        )
        pieces += inference.cut(piece, max(1, most))
    return pieces


def _weighted_loss(loss, trace, outputs, total_weight):
    rows = trace.output.rows
    scale = (outputs.weight[rows] / total_weight).astype(trace.raw.dtype)
    d_raw = np.empty_like(trace.raw)
    return loss.value_and_gradient(trace.raw, outputs.target[rows], scale, d_raw), d_raw


def run_given(network, params, sequences, outputs, threads, read):
    """Run all sequences with given outputs, a few at a time.

    Parameters
    ----------
    network : EncoderDecoder
        The network.
    params : ndarray of shape (layout.size,)
        Its weights.
    sequences : Sequences
        The sources.
    outputs : Outputs
        The outputs.
    threads : Threads
        Who runs it.
    read : callable
        ``read(trace, piece)`` returns what to keep of the sequences `piece`.

    Returns
    -------
    kept : list
        What was read of each piece, in an order that the data alone decide.
    """
    pieces = pieces_of(network, sequences, outputs, np.arange(len(sequences)))
    workspaces = [Workspace() for _ in range(min(threads.count, len(pieces)))]

    def run_share(worker):
        return [
            read(
                network.forward(
                    params, PackedBatch(sequences, piece), outputs, piece, workspaces[worker]
                ),
                piece,
            )
            for piece in pieces[worker :: len(workspaces)]
        ]

    shares = threads.map(run_share, range(len(workspaces)))
    return [shares[i % len(shares)][i // len(shares)] for i in range(len(pieces))]


def mean_loss(network, loss, params, sequences, outputs, threads):
    """Return the weighted mean loss of a step, each after the truth of the step before."""
    total = outputs.weight.sum()
    values = run_given(
        network, params, sequences, outputs, threads,
        lambda trace, piece: _weighted_loss(loss, trace, outputs, total)[0],
    )  # fmt: skip
    return float(sum(values))


@dataclass(frozen=True)
class EndingLoss:
    """A loss of numbers, and of one more raw output that says whether a step is the last.

    Attributes
    ----------
    values : Loss
        Of the numbers.
    end : Loss
        Of the last column.
    """

    values: object
    end: object

    @property
    def kernel(self):
        """What tells losses apart."""
        return self.values.kernel

    @property
    def activation(self):
        """Name of the output activation of the numbers."""
        return self.values.activation

    @property
    def link_inverse(self):
        """From raw outputs to numbers."""
        return self.values.link_inverse

    def value_and_gradient(self, raw, target, weight, d_raw):
        """Return the weighted loss of a batch and write its gradient to `d_raw`."""
        total = 0.0
        for loss, part in ((self.values, np.s_[:, :-1]), (self.end, np.s_[:, -1:])):
            own = [np.ascontiguousarray(array[part]) for array in (raw, target)]
            d_own = np.empty_like(own[0])
            total += loss.value_and_gradient(*own, weight, d_own)
            d_raw[part] = d_own
        return total
