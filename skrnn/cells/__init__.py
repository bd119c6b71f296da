"""Recurrent cells: the contract and the three that come with the library."""

from skrnn._gemm import add_product, add_products, affine_product, affine_products
from skrnn._jit import jit
from skrnn._math import exp, logistic, tanh, use_widest_vectors
from skrnn._views import flat, rows
from skrnn.cells.base import (
    Cell,
    add_output_gradient,
    add_recurrent_products,
    add_to_state_gradient,
    clear,
    fill_rows,
    operand_gradient,
    read_state,
    rows_before,
)
from skrnn.cells.gru import GRU
from skrnn.cells.lstm import LSTM
from skrnn.cells.registry import resolve_cell
from skrnn.cells.rnn import RNN_LOGISTIC, RNN_RELU, RNN_TANH

__all__ = [
    "GRU",
    "LSTM",
    "RNN_LOGISTIC",
    "RNN_RELU",
    "RNN_TANH",
    "Cell",
    "add_output_gradient",
    "add_product",
    "add_products",
    "add_recurrent_products",
    "add_to_state_gradient",
    "affine_product",
    "affine_products",
    "clear",
    "exp",
    "fill_rows",
    "flat",
    "jit",
    "logistic",
    "operand_gradient",
    "read_state",
    "resolve_cell",
    "rows",
    "rows_before",
    "tanh",
    "use_widest_vectors",
]
