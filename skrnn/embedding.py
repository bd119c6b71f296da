"""What a network begins with: steps as they are, or vectors that stand for ids.

A channel of ids has a table with one row an id. Only the rows that a batch touches have a gradient
and are moved, so a step of training costs what its batch holds, not what the vocabulary does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn._jit import jit
from skrnn.params import Block
from skrnn.sequences import rows_of


@jit
def _look_up(steps, channel, table, first, out):
    """Write the row of each id to the columns from `first` on."""
    for row in range(steps.shape[0]):
        place = np.int64(steps[row, channel])
        for k in range(table.shape[1]):
            out[row, first + k] = table[place, k]


@jit
def _copy_channel(steps, channel, first, out):
    for row in range(steps.shape[0]):
        out[row, first] = steps[row, channel]


@jit
def _add_to_rows(steps, channel, slots, d_out, first, values):
    """Add the gradient of each vector to that of its id, from the last step to the first."""
    for row in range(steps.shape[0] - 1, -1, -1):
        place = slots[np.int64(steps[row, channel])]
        for k in range(values.shape[1]):
            values[place, k] += d_out[row, first + k]


@dataclass(frozen=True)
class TableGradient:
    """The gradient of the rows of a table that a batch touches.

    Attributes
    ----------
    block : Block
        Where the table lives.
    rows : ndarray of int64 of shape (n_touched,)
        The ids, ascending.
    values : ndarray of shape (n_touched, dim)
        Their gradients.
    slots : ndarray of int64 of shape (n_ids,)
        Place in `rows` of each id that is among them.
    """

    block: Block
    rows: np.ndarray
    values: np.ndarray
    slots: np.ndarray


@dataclass(frozen=True)
class SparseGradient:
    """A gradient that is zero in most rows of the tables at the end of the flat vector.

    Attributes
    ----------
    dense : ndarray of shape (n_dense,)
        Of everything before the tables.
    tables : list of TableGradient
        Of the touched rows.
    size : int
        Length of the flat vector.
    """

    dense: np.ndarray
    tables: list
    size: int

    @property
    def parts(self):
        """All numbers that may differ from zero, in flat arrays."""
        return [self.dense, *(table.values.reshape(-1) for table in self.tables)]

    def astype(self, dtype):
        """Return the whole flat gradient, zeros and all."""
        vector = np.zeros(self.size, dtype=dtype)
        vector[: self.dense.size] = self.dense
        for table in self.tables:
            table.block.view(vector)[table.rows] = table.values
        return vector


def first_invalid_id(values, n_ids):
    """Return where the first value is that is no whole number from 0 to ``n_ids - 1``, or None."""
    wrong = (values < 0) | (values >= n_ids) | (values != np.floor(values))
    return int(wrong.argmax()) if wrong.any() else None


class PlainInputs:
    """Steps as they are.

    Parameters
    ----------
    n_channels : int
        Numbers that a step brings.
    """

    # Whether it has weights that are learned.
    learns = False
    tables = None

    def __init__(self, n_channels):
        self.n_outputs = n_channels
        self.description = f"{n_channels} channels"

    def add_to(self, layout):
        """Add the weights to a layout; there are none."""

    def initialise(self, params, rng):
        """Draw fresh weights; there are none."""

    def bind(self, vector):
        """Return views of the weights in a flat vector."""
        return ()

    def read(self, weights, steps, workspace):
        """Return what the bottom layer reads: the steps themselves."""
        return steps

    def first_invalid(self, steps):
        """Return row and channel of the first id that is none; None if all are valid."""
        return None

    def begin_gradient(self, sequences, indices):
        """Return the gradients of tables; there are none."""
        return []


class Embedding(PlainInputs):
    """A vector for each id; channels that hold no ids stay as they are.

    Parameters
    ----------
    n_channels : int
        Numbers that a step brings.
    tables : dict of int to tuple of (int, int)
        For each channel that holds ids, how many there are and the length of a vector.
    learns : bool
        Whether the vectors are learned.
    """

    def __init__(self, n_channels, tables, learns):
        self.tables = dict(sorted(tables.items()))
        self.learns = learns
        self.n_channels = n_channels
        self.starts, self.n_outputs = [], 0
        for channel in range(n_channels):
            self.starts.append(self.n_outputs)
            self.n_outputs += self.tables[channel][1] if channel in self.tables else 1
        sizes = ", ".join(f"{n} ids as {dim} numbers" for n, dim in self.tables.values())
        self.description = f"{n_channels} channels ({sizes})"
        self.blocks = {}

    def add_to(self, layout):
        """Add the tables to a layout, after everything else."""
        for channel, shape in self.tables.items():
            # As biases, they are spared the penalty: it would move every row at every step.
            name = f"embedding.{channel}"
            self.blocks[channel] = layout.add(name, shape, is_bias=True)

    def initialise(self, params, rng):
        """Draw vectors with normal numbers, of length one on average."""
        for block in self.blocks.values():
            table = block.view(params)
            table[...] = rng.standard_normal(size=table.shape) / np.sqrt(table.shape[1])

    def bind(self, vector):
        """Return views of the tables in a flat vector, by channel."""
        return {channel: block.view(vector) for channel, block in self.blocks.items()}

    def read(self, weights, steps, workspace):
        """Return what the bottom layer reads: vectors and values side by side.

        Parameters
        ----------
        weights : dict of int to ndarray
            What `bind` returned.
        steps : ndarray of shape (R, n_channels)
            Ids, which must be valid, and values.
        workspace : Workspace
            Where the result lives.

        Returns
        -------
        x : ndarray of shape (R, n_outputs)
            The vectors and values.
        """
        x = workspace.take("embedded", (steps.shape[0], self.n_outputs), steps.dtype)
        for channel, first in enumerate(self.starts):
            if channel in weights:
                _look_up(steps, channel, weights[channel], first, x)
            else:
                _copy_channel(steps, channel, first, x)
        return x

    def first_invalid(self, steps):
        """Return row and channel of the first id that is none; None if all are valid."""
        for channel, (n_ids, _) in self.tables.items():
            row = first_invalid_id(steps[:, channel], n_ids)
            if row is not None:
                return row, channel
        return None

    def begin_gradient(self, sequences, indices):
        """Return gradients, all zero, of the rows that a batch touches.

        Parameters
        ----------
        sequences : Sequences
            Where the steps come from.
        indices : ndarray of int64
            The sequences of the batch.

        Returns
        -------
        tables : list of TableGradient
            One a table; none if they are not learned.
        """
        if not self.learns:
            return []
        rows = rows_of(sequences.offsets, indices)[0]
        tables = []
        for channel, block in self.blocks.items():
            touched = np.unique(sequences.values[rows, channel]).astype(np.int64)
            slots = np.empty(block.shape[0], dtype=np.int64)
            slots[touched] = np.arange(touched.size)
            values = np.zeros((touched.size, block.shape[1]), dtype=sequences.values.dtype)
            tables.append(TableGradient(block, touched, values, slots))
        return tables

    def add_gradient(self, trace, tables):
        """Add the gradient of the tables for the steps of a piece of the batch."""
        for channel, table in zip(self.blocks, tables, strict=True):
            first = self.starts[channel]
            _add_to_rows(trace.steps, channel, table.slots, trace.d_inputs, first, table.values)


def make_inputs(n_channels, tables, learns):
    """Return what a network begins with: tables where there are ids.

    Parameters
    ----------
    n_channels : int
        Numbers that a step brings.
    tables : dict of int to tuple of (int, int), or None
        For each channel that holds ids, how many there are and the length of a vector.
    learns : bool
        Whether the vectors are learned.

    Returns
    -------
    inputs : PlainInputs or Embedding
        The first stage.
    """
    return Embedding(n_channels, tables, learns) if tables else PlainInputs(n_channels)
