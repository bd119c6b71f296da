"""Ways to walk back through time.

A cell's backward kernel runs over any range of steps, with the gradient of the state as what it
carries. Full, truncated and observed backpropagation are three ways to choose these ranges; a walk
forward chooses the ranges of the forward kernel likewise.
"""

from __future__ import annotations

import numpy as np


def at_once(run, batch, gates, states):
    """Run forward from the first step to the last in one go.

    Parameters
    ----------
    run : callable
        ``run(first, last)`` runs the cell over these steps.
    batch : PackedBatch
        The sequences.
    gates : ndarray of shape (G, R, H)
        The input's share of the gates of each step that has not run yet.
    states : ndarray of shape (S, n + R, H)
        The initial states, then the states after each step that has run.
    """
    run(0, batch.n_steps)


def full(run, batch, d_output, d_state):
    """Run from the last step to the first in one go.

    Parameters
    ----------
    run : callable
        ``run(first, last)`` runs the cell backwards over these steps.
    batch : PackedBatch
        The sequences.
    d_output : ndarray of shape (R, H)
        Loss gradient of the output of each step.
    d_state : ndarray of shape (S, n, H)
        What is carried.
    """
    run(0, batch.n_steps)


class Truncated:
    """Cut the carried gradient every few steps, counted from each sequence's end.

    Each sequence is divided into stretches of `n_steps`, the last of which ends with the
    sequence. The state is carried over from stretch to stretch, its gradient is not: the loss
    reaches a weight only through the steps of the stretch in which it touches the output. With
    ``pooling="last"`` that is the last stretch alone. This is the epochwise form BPTT(h; h) of
    Williams and Peng (1990), aligned to the end so that no stretch with a loss is short.

    Parameters
    ----------
    n_steps : int
        Steps in a stretch.
    """

    def __init__(self, n_steps):
        self.n_steps = n_steps

    def __call__(self, run, batch, d_output, d_state):
        """Run from stretch to stretch."""
        last = batch.n_steps
        for t in range(batch.n_steps - 1, 0, -1):
            alive = batch.starts[t + 1] - batch.starts[t]
            cut = np.flatnonzero((batch.lengths[:alive] - t) % self.n_steps == 0)
            if cut.size:
                run(t, last)
                d_state[:, cut] = 0
                last = t
        run(0, last)


class Observed:
    """Note the norm of the loss gradient of the output at each step.

    Attributes
    ----------
    norms : ndarray of shape (n, T)
        Euclidean norm of dL/dh_t of each sequence of the batch, in the batch's order; NaN past
        a sequence's end.
    """

    def __call__(self, run, batch, d_output, d_state):
        """Run step by step."""
        self.norms = np.full((batch.n_sequences, batch.n_steps), np.nan)
        for t in range(batch.n_steps - 1, -1, -1):
            low, high = batch.starts[t], batch.starts[t + 1]
            gradient = d_output[low:high] + d_state[0, : high - low]
            self.norms[: high - low, t] = np.linalg.norm(gradient.astype(np.float64), axis=1)
            run(t, t + 1)
