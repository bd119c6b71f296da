"""Lists of kernel calls that are run again and again with the same arguments.

When a kernel is called from Python, each of its arguments is looked at anew, which for a small
network takes longer than the kernel itself. A list of calls has that done once: address and
arguments of the kernels stand in a table, as they are handed over in machine code, and one kernel
goes through it. What does not look as expected there is called from Python, as ever.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

from skrnn._copies import address_of, as_kernel, compile_copies
from skrnn._jit import jit, kernel_part

# Words that a kernel may take. All get as many: who takes fewer does not look at the others.
MOST_WORDS = 104
# A row of the table: an address, the words, and where result and error would be left.
_RESULT, _ERROR, _ROW = 1 + MOST_WORDS, 2 + MOST_WORDS, 3 + MOST_WORDS
_WORD = np.dtype(np.intp)
_ROW_BYTES = _ROW * _WORD.itemsize
# Runs from Python before the table is made, which takes as long as some dozens of them save.
RUNS_BEFORE = 50
# What Numba makes of an array, in this order; nothing counts references if the first two are zero.
_ARRAY_PARTS = ("meminfo", "parent", "nitems", "itemsize", "data", "shape", "strides")


@intrinsic
def _call_row(typingctx, row):
    """Call the kernel of a row, given by its address; return its status."""

    def codegen(context, builder, signature, args):
        word = context.get_value_type(types.intp)
        begin = builder.inttoptr(args[0], ir.PointerType(word))
        address, *words = (
            builder.load(builder.gep(begin, [word(i)])) for i in range(1 + MOST_WORDS)
        )
        kind = ir.FunctionType(ir.IntType(32), [word] * MOST_WORDS)
        return builder.call(builder.inttoptr(address, ir.PointerType(kind)), words)

    return types.int32(types.intp), codegen


@kernel_part
def run_rows_at(address, n_rows):
    """Return how many kernels ended well: all, or those before the first that did not."""
    for row in range(n_rows):
        status = _call_row(address + row * _ROW_BYTES)
        if status != 0 and status != -2:  # Numba's codes for a result, and for None
            return row
    return n_rows


@jit
def _run_rows(table):
    return run_rows_at(table.ctypes.data, table.shape[0])


# Compiled kernels and their addresses, by kernel and what its arguments look like; None for those
# that must be called from Python.
_found = {}


def _find(compiled, kinds):
    """Return a compiled kernel, which must live as long as its address is in use, and that."""
    if compiled.signature.return_type != types.none:
        return None
    context, n_words = compiled.target_context, 2
    for kind in kinds:
        if isinstance(kind, types.Integer) and kind.bitwidth == 8 * _WORD.itemsize:
            n_words += 1
        elif isinstance(kind, types.Array):
            if context.data_model_manager[kind]._fields != _ARRAY_PARTS:
                return None
            n_words += 5 + 2 * kind.ndim
        else:
            return None
    native = context.call_conv.get_function_type(types.none, compiled.signature.args)
    word = context.get_value_type(types.intp)
    are_words = all(isinstance(part, ir.PointerType) or part == word for part in native.args)
    if not are_words or native.return_type != ir.IntType(32):
        return None
    if not n_words == len(native.args) <= MOST_WORDS:
        return None
    address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return (compiled, address) if address else None


def _look_of(argument):
    """Return what Numba's type of an argument depends on: the type itself takes long to compare."""
    if not isinstance(argument, np.ndarray):
        return type(argument)
    return argument.dtype, argument.ndim, argument.flags.num


def _words_of(argument):
    """Return an argument, a whole number or an array, as words."""
    if not isinstance(argument, np.ndarray):
        return (int(argument),)
    head = 0, 0, argument.size, argument.itemsize, address_of(argument)
    return (*head, *argument.shape, *argument.strides)


def _bind(function, arguments):
    """Return what must live as long as a kernel is called, its address and arguments as words.

    None stands for all three if it must be called from Python.
    """
    call = function, arguments
    function, arguments = as_kernel(*call)
    if not isinstance(function, Dispatcher):
        return None
    key = function, *[_look_of(argument) for argument in arguments]
    if key not in _found:
        kinds = tuple(map(function.typeof_pyval, arguments))
        if kinds not in function.overloads:
            return None
        _found[key] = _find(function.overloads[kinds], kinds)
    if _found[key] is None:
        return None
    words = [word for argument in arguments for word in _words_of(argument)]
    compiled, address = _found[key]
    # Of what the call itself was given no more than addresses are held.
    own = arguments if arguments is not call[1] else None
    return (compiled, own), address, words


class _Table:
    """Neighbouring calls of a list that need no Python between them, from its call `first` on."""

    def __init__(self, calls, first, bound):
        self._calls, self._first = calls, first
        self._owners = [None] * len(bound)
        self.rows = np.zeros((len(bound), _ROW), dtype=_WORD)
        for i, row in enumerate(self.rows):
            place = row.ctypes.data
            row[1:3] = place + _RESULT * _WORD.itemsize, place + _ERROR * _WORD.itemsize
            self.put(i, bound[i])

    def put(self, i, bound):
        """Write what was bound for a call to its row."""
        self._owners[i], self.rows[i, 0], words = bound
        self.rows[i, 3 : 3 + len(words)] = words

    def run(self):
        done = _run_rows(self.rows)
        if done < len(self.rows):
            self._run_from(done)

    def _run_from(self, i):
        """Run a call that failed, and those behind it, from Python, which raises what it raises."""
        for function, arguments in self._calls[self._first + i : self._first + len(self.rows)]:
            function(*arguments)


def _table_of(part):
    """Return the table that a part of a list runs; None if it is a call of its own."""
    table = getattr(part[0], "__self__", None)
    return table if isinstance(table, _Table) else None


class CallList:
    """Functions and their arguments, to be called in this order many times.

    The first runs call each from Python, which compiles what is to be compiled. The arrays among
    the arguments must stay where they are; what they hold may change.

    Parameters
    ----------
    calls : list of (callable, tuple)
        The functions, kernels or not, each with its arguments.
    is_shared : bool, default=False
        Whether other threads run other lists at the same time, for which one waits at each return
        to Python: the tables are then made as soon as there is machine code.

    Attributes
    ----------
    calls : list of (callable, tuple)
        The calls, each by itself.
    parts : list of (callable, tuple)
        What is called in a run: the calls, or tables of them.
    """

    def __init__(self, calls, is_shared=False):
        self.calls = self.parts = list(calls)
        self._runs_left = RUNS_BEFORE
        if is_shared:
            self.make_tables()

    def run(self):
        """Make all calls."""
        for function, arguments in self.parts:
            function(*arguments)
        if self._runs_left:
            self._runs_left -= 1
            if not self._runs_left:
                self._put_in_tables()

    @property
    def rows(self):
        """All calls as the rows of one table, or None as long as some need Python."""
        table = self._only_table()
        return None if table is None else table.rows

    def _only_table(self):
        return _table_of(self.parts[0]) if len(self.parts) == 1 else None

    def exchange_first(self, calls):
        """Put other calls in the places of the first; None lets go of arguments until then."""
        self.calls[: len(calls)] = calls
        if self.parts is self.calls:
            return
        table = _table_of(self.parts[0])
        is_table = table is not None and len(table.rows) >= len(calls)
        if is_table and None in calls:
            return  # of arguments, a table holds no more than addresses
        bound = [_bind(*call) for call in calls] if is_table else [None]
        if None in bound:  # a kernel may not have been compiled yet
            self.parts, self._runs_left = self.calls, 1
            return
        for i, one in enumerate(bound):
            table.put(i, one)

    def make_tables(self):
        """Put calls in tables before their time, those whose kernels have been compiled by now."""
        if self._runs_left:
            self._put_in_tables()
            self._runs_left = int(any(isinstance(part[0], Dispatcher) for part in self.parts))

    def _put_in_tables(self):
        self.parts = _in_tables(self.calls)


def _in_tables(calls):
    """Return the calls with those that need no Python put together in tables."""
    parts, first = [], 0
    pairs = [(call, _bind(*call)) for call in calls]
    for must_stay, group in groupby(pairs, lambda pair: pair[1] is None):
        neighbours, bound = map(list, zip(*group, strict=True))
        parts += neighbours if must_stay else [(_Table(calls, first, bound).run, ())]
        first += len(neighbours)
    return parts


def compile_tables():
    """Compile what goes through tables, which happens late otherwise."""
    compile_copies()
    _run_rows(np.zeros((0, _ROW), dtype=_WORD))


__all__ = ["CallList", "compile_tables", "run_rows_at"]
