"""Output sequences of their own length: what a decoder reads, what it is to say, and in batches.

At step t a decoder reads what came out at step t - 1, in training the truth ("teacher forcing"),
and at the first step a start token or zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn.batching import Shape, longest_first


@dataclass(frozen=True, eq=False)
class Outputs:
    """Many output sequences, end to end.

    Attributes
    ----------
    inputs : ndarray of int64 of shape (N,) or of float of shape (N, K)
        What the decoder reads at each step: tokens or values.
    target : ndarray of int64 of shape (N,) or of float of shape (N, K)
        What it is to say, as the loss takes it.
    weight : ndarray of float64 of shape (N,)
        Weight of each step in the loss.
    offsets : ndarray of int64 of shape (n + 1,)
        Sequence i is rows ``offsets[i]:offsets[i + 1]``.
    """

    inputs: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    offsets: np.ndarray

    def __len__(self):
        return self.offsets.size - 1

    @property
    def lengths(self):
        """Steps of each sequence."""
        return np.diff(self.offsets)


def token_outputs(codes, weight, offsets, *, start, end):
    """Return sequences of tokens as a decoder reads and says them.

    Parameters
    ----------
    codes : ndarray of int64 of shape (N,)
        The tokens, end to end.
    weight : ndarray of float64 of shape (N,)
        Weight of each.
    offsets : ndarray of int64 of shape (n + 1,)
        Sequence i is ``codes[offsets[i]:offsets[i + 1]]``.
    start : int
        What is read first.
    end : int or None
        What is said last, with the mean weight of the sequence; None if lengths are given.

    Returns
    -------
    outputs : Outputs
        One step more for each sequence that says its end.
    """
    if end is not None:
        means = np.add.reduceat(weight, offsets[:-1]) / np.diff(offsets)
        codes = np.insert(codes, offsets[1:], end)
        weight = np.insert(weight, offsets[1:], means)
        offsets = offsets + np.arange(offsets.size)
    return Outputs(_shifted(codes, offsets, start), codes, weight, offsets)


def value_outputs(values, weight, offsets, *, ends):
    """Return sequences of numbers as a decoder reads and says them.

    Parameters
    ----------
    values : ndarray of shape (N, K)
        The numbers, end to end, as a decoder reads them.
    weight : ndarray of float64 of shape (N,)
        Weight of each step.
    offsets : ndarray of int64 of shape (n + 1,)
        Sequence i is ``values[offsets[i]:offsets[i + 1]]``.
    ends : bool
        Whether each step also says if it is the last, in one more column of the target.

    Returns
    -------
    outputs : Outputs
        The first step reads zeros.
    """
    target = values
    if ends:
        is_last = np.zeros((len(values), 1), dtype=values.dtype)
        is_last[offsets[1:] - 1] = 1
        target = np.concatenate([values, is_last], axis=1)
    return Outputs(_shifted(values, offsets, 0), target, weight, offsets)


def _shifted(rows, offsets, first):
    """Return what came out one step before."""
    before = np.empty_like(rows)
    before[1:] = rows[:-1]
    before[offsets[:-1]] = first
    return before


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
        self.n_rows = self.shape.n_rows
