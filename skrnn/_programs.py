"""Prepared gradients as a few numbers each, for kernels that run many of them without Python.

A program is one line: the addresses of its tables of calls and of the places to read and write.
What these are must live as long as the program is in use.
"""

from __future__ import annotations

import numpy as np

from skrnn._calls import run_rows_at
from skrnn._copies import address_of, pointer
from skrnn._jit import kernel_part

# A table for copies of weights, the batch for which it was run last, the table of all else, and
# where the sequences are named and gradient and loss are left.
_COPIES, _N_COPIES, _COPIED_FOR, _CALLS, _N_CALLS, _POSITIONS, GRADIENT, _LOSS = range(8)
SIZE = 8


def program_of(prepared):
    """Return the program of a prepared gradient as a list.

    Parameters
    ----------
    prepared : PreparedGradient
        The prepared gradient.

    Returns
    -------
    program : list of int or None
        Its numbers; None as long as some of its calls need Python.
    """
    copies, calls = prepared.tables
    if copies is None or calls is None:
        return None
    places = prepared.positions, prepared.gradient.vector, prepared.value
    tables = address_of(copies), len(copies), -1, address_of(calls), len(calls)
    return [*tables, *map(address_of, places)]


@kernel_part
def run_program(program, batch, order, first, length):
    """Form the gradient of some sequences of a batch.

    Parameters
    ----------
    program : ndarray of int64 of shape (SIZE,)
        The program.
    batch : int
        Number of the batch, another one each time the weights have changed.
    order : ndarray of int64
        All sequences of the batch.
    first, length : int
        Which of them.

    Returns
    -------
    is_done : bool
        Whether all kernels ended well.
    """
    if program[_COPIED_FOR] != batch:
        program[_COPIED_FOR] = batch
        if run_rows_at(program[_COPIES], program[_N_COPIES]) < program[_N_COPIES]:
            return False
    positions = pointer(program[_POSITIONS], np.int64)
    for i in range(length):
        positions[i] = order[first + i]
    return run_rows_at(program[_CALLS], program[_N_CALLS]) == program[_N_CALLS]


@kernel_part
def loss_of(program):
    """Return the loss that a program has left."""
    return pointer(program[_LOSS], np.float64)[0]


__all__ = ["GRADIENT", "SIZE", "loss_of", "program_of", "run_program"]
