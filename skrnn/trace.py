"""What the forward pass of a batch leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Trace:
    """What the forward pass of a batch leaves for the backward pass.

    Attributes
    ----------
    batch : PackedBatch
        The sequences.
    masks : DropoutMasks
        Dropout, in the batch's order.
    layers : list of list of Kept
        For each layer and direction.
    pooled, features : ndarray of shape (rows, n_features)
        What the head reads, and what is left of it after dropout; a row a sequence or a step.
    raw : ndarray of shape (rows, n_outputs)
        The raw outputs.
    steps : ndarray of shape (R, n_channels)
        The steps as they were packed.
    reached : list of ndarray of int64, or None
        For each direction, what the head's pooling keeps for its gradient.
    d_head : tuple of ndarray, or None
        Gradient of those weights of the head that its loss depends on directly.
    d_inputs : ndarray of shape (R, n_inputs) or None
        Loss gradient of what the bottom layer reads, where `backward` needed it.
    """

    batch: object
    masks: object
    layers: list
    pooled: np.ndarray
    features: np.ndarray
    raw: np.ndarray
    steps: np.ndarray
    reached: list | None = None
    d_head: tuple | None = None
    d_inputs: np.ndarray | None = None
