"""Where one direction of one layer works on a batch, and what its forward pass leaves there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass
class Buffers:
    """Arrays of one direction of one layer; `output` is a view of `states`.

    Attributes
    ----------
    gates, inner, operands, states, d_state : ndarray
        What a cell reads and writes, as :mod:`skrnn.cells.base` has it.
    output : ndarray of shape (R, H)
        The outputs of all steps.
    make_d_output : callable
        ``make_d_output()`` returns memory for the loss gradient of the outputs.
    may_lack_d_output : bool
        Whether the cell can do without it.
    cleared : tuple of ndarray
        Gradients that begin at zero: what nobody writes before a batch goes back stays so.
    """

    gates: np.ndarray
    inner: np.ndarray
    operands: np.ndarray
    states: np.ndarray
    d_state: np.ndarray
    output: np.ndarray
    make_d_output: object
    may_lack_d_output: bool

    def __post_init__(self):
        self.cleared = (self.d_state,)

    @property
    def forward(self):
        """What a cell reads and writes on the way forward, in the order of its arguments."""
        return self.gates, self.inner, self.operands, self.states

    @property
    def backward(self):
        """The same on the way back."""
        return *self.forward, self.d_output, self.d_state

    @cached_property
    def d_output(self):
        """Loss gradient of the outputs: made when it is needed, unless somebody set it."""
        return self.make_d_output()

    def leave_out_d_output(self):
        """Have no gradient of outputs from here on but that of the final states."""
        if self.may_lack_d_output:
            self.d_output = np.empty((0, self.output.shape[1]), dtype=self.output.dtype)
        self.cleared = self.d_state, self.d_output


@dataclass
class Kept:
    """What the forward pass of one direction leaves for its backward pass."""

    x: np.ndarray
    mask: np.ndarray
    buffers: Buffers

    @property
    def output(self):
        """Outputs of all steps, in this direction's own order of time."""
        return self.buffers.output
