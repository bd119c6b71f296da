"""Cells by name."""

from __future__ import annotations

import difflib

from skrnn.cells.base import Cell
from skrnn.cells.gru import GRU
from skrnn.cells.lstm import LSTM
from skrnn.cells.rnn import RNN_LOGISTIC, RNN_RELU, RNN_TANH

# One line a cell: by hidden activation where it has a choice, by None where it has none.
CELLS = {
    "rnn": {"tanh": RNN_TANH, "relu": RNN_RELU, "logistic": RNN_LOGISTIC},
    "gru": {None: GRU},
    "lstm": {None: LSTM},
}


def resolve_cell(cell, activation="tanh"):
    """Return the cell that a name stands for, or the cell itself.

    Parameters
    ----------
    cell : str or Cell
        ``"rnn"``, ``"gru"``, ``"lstm"``, or a cell of one's own.
    activation : {"tanh", "relu", "logistic"}, default="tanh"
        Hidden activation of a cell that has a choice.

    Returns
    -------
    cell : Cell
        The cell.

    Raises
    ------
    ValueError
        If the name is unknown; it says which is close.
    TypeError
        If `cell` is neither a name nor a cell.
    """
    if isinstance(cell, Cell):
        return cell
    if not isinstance(cell, str):
        raise TypeError(
            f"cell must be one of {sorted(CELLS)} or a skrnn.Cell, got {cell!r} of type "
            f"{type(cell).__name__}."
        )
    if cell not in CELLS:
        close = difflib.get_close_matches(cell.lower(), CELLS, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"Unknown cell {cell!r}; choose one of {sorted(CELLS)} or pass a skrnn.Cell.{hint}"
        )
    variants = CELLS[cell]
    return variants[None] if None in variants else variants[activation]
