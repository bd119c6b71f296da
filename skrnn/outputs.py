"""Output sequences of their own length: what a decoder reads, what it is to say, and in batches.

At step t a decoder reads what came out at step t - 1, in training the truth ("teacher forcing"),
and at the first step a start token or zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn.batching import Shape, longest_first
from skrnn.sequences import lengths_to_offsets


@dataclass(frozen=True, eq=False)
class Outputs:
    """Many output sequences, end to end.

    Attributes
    ----------
    inputs : ndarray of int64 of shape (N,) or of float of shape (N, K)
        What the decoder reads at each step: tokens or values.
    target : ndarray of int64 of shape (N,) or of float of shape (N, K)
        What it is to say, as the loss takes it.
    share : ndarray of float64 of shape (N,)
        Weight of each step as a part of its sequence's.
    offsets : ndarray of int64 of shape (n + 1,)
        Sequence i is rows ``offsets[i]:offsets[i + 1]``.
    """

    inputs: np.ndarray
    target: np.ndarray
    share: np.ndarray
    offsets: np.ndarray

    def __len__(self):
        return self.offsets.size - 1

    @property
    def dtype(self):
        """Type of the targets."""
        return self.target.dtype

    @property
    def lengths(self):
        """Steps of each sequence."""
        return np.diff(self.offsets)

    def __getitem__(self, index):
        """Return some of the sequences."""
        index = np.asarray(index)
        lengths = self.lengths[index]
        offsets = lengths_to_offsets(lengths)
        rows = np.repeat(self.offsets[index] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Outputs(self.inputs[rows], self.target[rows], self.share[rows], offsets)

    def astype(self, dtype):
        """Return the same with its values, not its tokens, in another float type."""
        return Outputs(
            *(a.astype(dtype) if a.dtype.kind == "f" else a for a in (self.inputs, self.target)),
            self.share,
            self.offsets,
        )


class OutputBatch:
    """Some output sequences, time-major and longest first.

    Parameters
    ----------
    outputs : Outputs
        Where they come from.
    indices : ndarray of int64
        Which.

    Attributes
    ----------
    order : ndarray of int64 of shape (n,)
        Position in `indices` of the sequence in each place of the batch.
    shape : Shape
        Lengths and rows.
    rows : ndarray of int64 of shape (R,)
        Row of `outputs` that each row of the batch is.
    """

    def __init__(self, outputs, indices):
        lengths = outputs.lengths[indices]
        self.order = longest_first(lengths)
        self.shape = Shape(lengths[self.order])
        first_rows = outputs.offsets[indices[self.order]]
        self.rows = first_rows[self.shape.positions] + self.shape.steps
        self.starts, self.lengths = self.shape.starts, self.shape.lengths
        self.n_sequences, self.n_steps = self.shape.n_sequences, self.shape.n_steps
