"""Dropout masks of the sequences of a batch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DropoutMasks:
    """Factors by which units are multiplied, one row a sequence; None where nothing is dropped.

    Attributes
    ----------
    recurrent : dict of (int, int) to ndarray, or None
        For each layer and direction, of shape (n, H): applied to what recurrent products read.
    inputs : list of ndarray, or None
        For each layer but the first, then for the head: applied to what it reads.
    """

    recurrent: dict | None = None
    inputs: list | None = None

    def take(self, index):
        """Return the masks of some sequences."""
        if self is NO_DROPOUT:
            return self
        recurrent, inputs = self.recurrent, self.inputs
        if recurrent is not None:
            recurrent = {key: mask[index] for key, mask in recurrent.items()}
        if inputs is not None:
            inputs = [mask[index] for mask in inputs]
        return DropoutMasks(recurrent, inputs)


NO_DROPOUT = DropoutMasks()
