r"""The contract of a recurrent cell.

A cell turns what arrives at step t and the state after step t - 1 into the state after step t.
The network around it owns everything else: it stacks layers, turns sequences around for the
backward direction, forms the input projections of all steps in one product, and derives the
gradients of every weight from what the cell leaves behind. A cell is therefore two kernels and a
few names.

**Symbols.** G gates, S states, H units, n sequences, R rows. A *row* is one step of one sequence.
The sequences of a batch are sorted by length, longest first, so the sequences that are still alive
at step t are the first ``starts[t + 1] - starts[t]`` of them, and their rows are
``starts[t]:starts[t + 1]``; ``n = starts[1]``. Nothing is padded.

**Arguments**, in this order, all C-contiguous and of one float type unless noted:

=============  ==============  ==================================================================
name           shape           meaning
=============  ==============  ==================================================================
``first``      int             the first step to run
``last``       int             one past the last step to run
``starts``     (T + 1,) int64  first row of each step
``mask``       (n, H), (0, H)  recurrent dropout: factors of the previous state, no row if none
``W_h``        (G, H, H)       recurrent weights of each gate; *transposed* in ``backward``
``b_h``        (G, H)          recurrent biases (``forward`` only)
``gates``      (G, R, H)       see below
``inner``      (I, R, H)       see below; I is ``len(inner_gates)``
``operands``   (P, R, H)       what the recurrent products read; P is ``1 + len(own_operands)``
``states``     (S, n + R, H)   the initial states, then the states after each step
``d_output``   (R, H)          loss gradient of the output of each step (``backward`` only)
``d_state``    (S, n, H)       loss gradient of the states, carried backwards (``backward`` only)
=============  ==============  ==================================================================

``forward`` finds in ``gates[g]`` the input's share of the gate, :math:`x_t W_{xg} + b_{xg}`, with
:math:`b_{hg}` already added unless the gate is in ``inner_gates``. It adds the recurrent share,
applies the activation, and leaves the activated gate there. ``inner`` is for gates whose recurrent
share is not simply added, as the candidate of a GRU, where the reset gate scales it: the cell forms
:math:`h W_{hg} + b_{hg}` there itself. States after step t go to ``states[:, n + starts[t] + i]``
for sequence i; what the recurrent products read goes to ``operands``, by default the masked
previous state (:func:`read_state` does both).

``backward`` runs from step ``last - 1`` down to ``first``. It finds what ``forward`` left, and
turns ``gates`` into the loss gradient of each gate before its activation, ``inner`` into that of
the recurrent share. ``d_state`` holds on entry the gradient of the states after step ``last - 1``
that comes from later steps, or from what reads the final states, and on exit that of the states
before step ``first``. Weight gradients are none of its business.

A gate listed in ``own_operands`` has a recurrent product that reads something else than the
previous state; ``operands[1]``, ``operands[2]``, ... belong to these gates in their order.

**Helpers**, all in :mod:`skrnn.cells`: :func:`read_state` and :func:`rows_before` find the
previous state; :func:`add_recurrent_products`, ``add_product`` and ``affine_product`` multiply,
``add_products`` and ``affine_products`` for several gates at a time, which is quicker;
:func:`add_output_gradient` brings the gradient of a step's outputs; :func:`operand_gradient` says
where the gradients of what was read add up, and :func:`add_to_state_gradient` passes them on
through the dropout mask; ``rows`` and ``flat`` view rows of a matrix; :func:`fill_rows` and
:func:`clear` set them. A kernel that calls ``use_widest_vectors()`` has its loops compiled for the
widest vectors of the processor.

Define a cell in a module, not at a prompt or in the script that runs: it is then pickled by name,
and the processes of a parallel search load its machine code instead of compiling it anew.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from skrnn._gemm import add_products
from skrnn._jit import inlined, kernel_part
from skrnn._views import flat, is_same_place, rows

_FORWARD_ARGUMENTS = (
    "first", "last", "starts", "mask", "W_h", "b_h", "gates", "inner", "operands", "states",
)  # fmt: skip
_BACKWARD_ARGUMENTS = (
    "first", "last", "starts", "mask", "W_h", "gates", "inner", "operands", "states",
    "d_output", "d_state",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Cell:
    """A recurrent cell: its names and its two kernels.

    Parameters
    ----------
    name : str
        Short lower-case name, for messages and feature names.
    gates : tuple of str
        Names of the gates. Gate ``"r"`` has the weights ``W_xr`` and ``W_hr`` and the biases
        ``b_xr`` and ``b_hr``.
    forward, backward : callable
        Kernels with the arguments that the module describes, decorated with
        :func:`skrnn.cells.jit`, at the top level of a module.
    states : tuple of str, default=("h",)
        Names of what is carried from step to step. The first is the output.
    inner_gates : tuple of str, default=()
        Gates whose recurrent share, bias included, the cell forms in ``inner``.
    own_operands : tuple of str, default=()
        Gates whose recurrent product reads something else than the previous state.
    initial_bias : mapping of str to float, default={}
        Initial input bias of some gates; the others start at zero.
    memory_gates : tuple of str, default=()
        Gates that keep the old state when they are open. Their input bias starts at
        log U(1, T - 1), a number for each unit, with T the length of the longest training
        sequence: fresh units then remember over all spans up to T ("chrono" initialisation,
        C. Tallec and Y. Ollivier, "Can recurrent neural networks warp time?", ICLR 2018). With
        ``mode="many_to_many"``, where the near past decides most outputs, it starts at zero;
        ``replace(GRU, initial_bias={"z": 5.0})`` remembers for some e**5 steps.
    recurrent_gain : float, default=1.0
        Factor of the orthogonal initial recurrent weights.
    reads_states : bool, default=False
        Whether ``operands[0]`` is what :func:`read_state` writes there and nothing else. Where
        nothing is dropped and all sequences are equally long it is then the states themselves, a
        step earlier, and neither copied nor held twice.
    takes_panels : bool, default=False
        Whether the kernels hand ``W_h``, ``W_h[g]`` or a slice such as ``W_h[:2]`` to functions
        that multiply and do nothing else with it. Where it pays they are then given copies of the
        weights that are cut into panels of a few columns, which only these can read.
    adds_output_gradient : bool, default=False
        Whether `backward` hands ``d_output`` to :func:`add_output_gradient` and does nothing else
        with it. It is then handed an array without rows, instead of zeros, where nothing but the
        last step of sequences of one length is read, whose gradient comes in ``d_state``.

    Raises
    ------
    TypeError
        If a part is missing or of the wrong kind.
    ValueError
        If the names do not fit together.

    See Also
    --------
    check_cell : Verifies a cell's kernels against each other by finite differences.

    Examples
    --------
    >>> from skrnn.cells import GRU
    >>> GRU
    Cell('gru', gates=('r', 'z', 'n'), states=('h',))
    """

    name: str
    gates: tuple[str, ...]
    forward: object
    backward: object
    states: tuple[str, ...] = ("h",)
    inner_gates: tuple[str, ...] = ()
    own_operands: tuple[str, ...] = ()
    initial_bias: Mapping[str, float] = field(default_factory=dict)
    memory_gates: tuple[str, ...] = ()
    recurrent_gain: float = 1.0
    reads_states: bool = False
    takes_panels: bool = False
    adds_output_gradient: bool = False

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise TypeError(f"Cell: name must be a word such as 'mgu', got {self.name!r}.")
        for part in ("gates", "states", "inner_gates", "own_operands", "memory_gates"):
            self._check_names(part)
        for part in ("gates", "states"):
            if not getattr(self, part):
                raise ValueError(f"Cell {self.name!r}: {part} is empty; name at least one.")
        for part in ("inner_gates", "own_operands", "initial_bias", "memory_gates"):
            unknown = [gate for gate in getattr(self, part) if gate not in self.gates]
            if unknown:
                raise ValueError(
                    f"Cell {self.name!r}: {part} names {unknown}, which are not among its gates "
                    f"{list(self.gates)}."
                )
        self._check_kernel("forward", _FORWARD_ARGUMENTS)
        self._check_kernel("backward", _BACKWARD_ARGUMENTS)

    def _check_names(self, part):
        names = getattr(self, part)
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            raise TypeError(
                f"Cell {self.name!r}: {part} must be a tuple of names such as ('f', 'n'), "
                f"got {names!r}."
            )
        if len(set(names)) < len(names):
            raise ValueError(f"Cell {self.name!r}: {part} names one twice: {names!r}.")
        object.__setattr__(self, part, tuple(names))

    def _check_kernel(self, part, expected):
        kernel = getattr(self, part)
        if not callable(kernel):
            raise TypeError(
                f"Cell {self.name!r}: missing `{part}`: pass a function of the arguments "
                f"({', '.join(expected)}), decorated with skrnn.cells.jit; got {kernel!r}."
            )
        try:
            inspect.signature(getattr(kernel, "py_func", kernel)).bind(*expected)
        except TypeError as error:
            raise TypeError(
                f"Cell {self.name!r}: `{part}` does not take the {len(expected)} arguments of the "
                f"contract, ({', '.join(expected)}): {error}."
            ) from None

    def __repr__(self):
        return f"Cell({self.name!r}, gates={self.gates!r}, states={self.states!r})"

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        module = getattr(getattr(self.forward, "py_func", self.forward), "__module__", None)
        for variable, value in vars(sys.modules.get(module, object)).items():
            if value is self and module != "__main__":
                return _import_cell, (module, variable)
        return super().__reduce__()


def _import_cell(module, variable):
    """Find a pickled cell again in the module that defines it."""
    return getattr(__import__(module, fromlist=[variable]), variable)


@inlined
def rows_before(t, starts):
    """Return the first row of `states` that holds the states before step `t`."""
    return 0 if t == 0 else starts[1] + starts[t - 1]


@inlined
def read_state(t, starts, mask, states, operand):
    """Copy the previous outputs, times the dropout mask if there is one, to the rows of step `t`.

    Parameters
    ----------
    t : int
        The step.
    starts : ndarray of shape (T + 1,)
        First row of each step.
    mask : ndarray of shape (n, H) or (0, H)
        Recurrent dropout.
    states : ndarray of shape (S, n + R, H)
        Initial states, then the states after each step.
    operand : ndarray of shape (R, H)
        Receives what the recurrent product of each step reads.
    """
    before, low, high = rows_before(t, starts), starts[t], starts[t + 1]
    source = flat(states[0], before, before + high - low)
    target = flat(operand, low, high)
    if is_same_place(source, target):
        return
    if mask.shape[0] == 0:
        for k in range(target.size):
            target[k] = source[k]
    else:
        factor = flat(mask, 0, high - low)
        for k in range(target.size):
            target[k] = source[k] * factor[k]


@inlined
def clear(values):
    """Set all elements of a line to zero."""
    for k in range(values.size):
        values[k] = 0


@kernel_part
def fill_rows(row, matrix):
    """Set every row of a matrix to the same."""
    for i in range(matrix.shape[0]):
        for k in range(row.size):
            matrix[i, k] = row[k]


@inlined
def add_output_gradient(d_output, low, high, d_h):
    """Add the gradient of a step's outputs to what comes from later steps.

    Parameters
    ----------
    d_output : ndarray of shape (R, H) or (0, H)
        Loss gradient of the outputs, no row if they have none.
    low, high : int
        The rows of the step.
    d_h : ndarray of shape (n, H)
        Gradient of the outputs from all else.
    """
    if d_output.shape[0] == 0:
        return
    source, target = flat(d_output, low, high), flat(d_h, 0, high - low)
    for k in range(target.size):
        target[k] += source[k]


@inlined
def operand_gradient(mask, count, d_h, scratch):
    """Return where the gradients of what :func:`read_state` read are to be added up.

    Parameters
    ----------
    mask : ndarray of shape (n, H) or (0, H)
        Recurrent dropout.
    count : int
        Sequences alive at the step.
    d_h : ndarray of shape (n, H)
        Gradient of the outputs of the previous step, as far as it is known.
    scratch : ndarray of shape (n, H)
        Working memory of the caller.

    Returns
    -------
    total : ndarray of shape (count, H)
        Rows of `d_h` itself without dropout; cleared rows of `scratch` with it.
    """
    if mask.shape[0] == 0:
        return rows(d_h, 0, count)
    clear(flat(scratch, 0, count))
    return rows(scratch, 0, count)


@inlined
def add_to_state_gradient(mask, total, d_h):
    """Bring what :func:`operand_gradient` collected to the gradient of the previous outputs.

    Parameters
    ----------
    mask : ndarray of shape (n, H) or (0, H)
        Recurrent dropout.
    total : ndarray of shape (count, H)
        The sum of the gradients.
    d_h : ndarray of shape (n, H)
        Gradient of the outputs of the previous step.
    """
    if mask.shape[0] == 0:
        return
    count = total.shape[0]
    source, factor, target = flat(total, 0, count), flat(mask, 0, count), flat(d_h, 0, count)
    for k in range(source.size):
        target[k] += source[k] * factor[k]


@inlined
def add_recurrent_products(operand, W_h, gates, low, high):
    """Add ``operand @ W_h[g]`` to the rows of each gate.

    Parameters
    ----------
    operand : ndarray of shape (R, H)
        What the products read.
    W_h : ndarray of shape (G, H, H)
        Recurrent weights.
    gates : ndarray of shape (G, R, H)
        The gates.
    low, high : int
        The rows of one step.
    """
    add_products(rows(operand, low, high), W_h, rows(gates, low, high))
