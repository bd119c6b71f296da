"""Many sequences of one length, some at a time, without Python between them.

Of a piece of the sequences a prepared run takes a few steps at a time, so that its buffers stay in
the cache: a stretch, again and again, and at the end what is left and the head. All of these are
lists of kernel calls, and once they are in tables, one kernel goes through pieces and stretches.
Threads take their pieces from a board (:mod:`skrnn._atomics`).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from skrnn._atomics import board_of, take, withdraw
from skrnn._calls import CallList, run_rows_at
from skrnn._copies import address_of, fill_with_zeros
from skrnn._jit import JIT_DISABLED, jit
from skrnn.batching import EqualBatch
from skrnn.prepared import PreparedRun, borrow, give_back

# Lists to be run from which tables, which take a while to be made, pay.
WORTH_TABLES = 16
# Steps times weights that are run before Python may look whether it is interrupted.
MOST_WORK = 2_000_000_000
# What a run of pieces returns when some are left, and when none is.
_MORE, _NO_MORE = -1, -2


@jit
def _move_on(rows, n_steps):
    for i in range(rows.size):
        rows[i] += n_steps[0]


@jit
def _run_pieces(board, most, parts, offsets, rows, found, target):
    """Run so many pieces, or all that are left; return the number of one that did not end well.

    A part is an address of a table, its length, and how many times it is run. Numbers are copied
    from `found` to `target` as words of four bytes.
    """
    for _ in range(most):
        piece = take(board, 0)
        if piece < 0:
            return _NO_MORE
        first = min(piece * rows.size, offsets.size - 1 - rows.size)
        for i in range(rows.size):
            rows[i] = offsets[first + i]
        for k in range(parts.shape[0]):
            for _ in range(parts[k, 2]):
                if run_rows_at(parts[k, 0], parts[k, 1]) < parts[k, 1]:
                    return piece
        begin = first * (found.size // rows.size)
        for i in range(found.size):
            target[begin + i] = found[i]
    return _MORE


@cache
def compile_sets():
    """Compile what threads would otherwise compile at the same time, waiting for each other."""
    rows, words = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint32)
    _move_on(rows, np.ones(1, dtype=np.int64))
    if not JIT_DISABLED:
        _run_pieces(board_of(0, 0), 0, np.zeros((0, 3), dtype=np.int64), rows, rows, words, words)


class PreparedSet:
    """All kernel calls of a network for pieces of many sequences of one length.

    Parameters
    ----------
    network : Network
        A network with an output for each sequence.
    weights : NetworkWeights
        Views of its weights.
    n_sequences, n_steps : int
        How many sequences a piece has, and their length.
    length : int
        Steps in a stretch; as many as `n_steps` where the network reads both ways.

    Attributes
    ----------
    size : tuple of int
        `n_sequences`, `n_steps` and `length`.
    work : int
        Steps of a piece times weights.
    """

    def __init__(self, network, weights, n_sequences, n_steps, length):
        self.size = n_sequences, n_steps, length
        common, n_whole = (network, weights, n_sequences), (n_steps - 1) // length
        self.work = n_sequences * n_steps * network.n_dense
        self._rows, self._parts = np.empty(n_sequences, dtype=np.int64), []
        self._last = last = PreparedRun(*common, n_steps - n_whole * length, first=n_whole * length)
        calls = last.calls_to_read()
        self._stretch = stretch = PreparedRun(*common, length) if n_whole else None
        for first, times in ((0, 1), (length, n_whole - 1)) if n_whole else ():
            batch = EqualBatch(n_sequences, length, first, n_steps)
            pool = network.head.prepare_stretch(stretch.trace.layers[-1], batch, last.trace)
            before = stretch.final if first else None
            self._add(stretch, before, [*stretch.calls, *pool], times)
        self._add(last, stretch.final if n_whole else None, calls, 1)

    def _add(self, run, before, calls, times):
        """Add a list of calls behind the states `before`, to be run so many times."""
        if times == 0:
            return
        if before is None:
            begin = [(fill_with_zeros, (states,)) for states in run.initial]
        else:
            begin = [(np.copyto, pair) for pair in zip(run.initial, before, strict=True)]
        move_on = _move_on, (self._rows, np.array([run.shape.n_steps]))
        # What reads the steps is known only later.
        self._parts.append((run, CallList([None, *begin, *calls, move_on]), times))

    @property
    def is_small(self):
        """Whether the buffers are small enough to be kept."""
        return self._last.is_small and (self._stretch is None or self._stretch.is_small)

    @property
    def is_in_tables(self):
        """Whether all calls are in tables."""
        return all(calls.rows is not None for _, calls, _ in self._parts)

    def make_tables(self):
        """Put all calls in tables whose kernels have been compiled by now."""
        for _, calls, _ in self._parts:
            calls.make_tables()

    def read_weights(self):
        """Copy the weights as they are now where :meth:`run_pieces` reads copies."""
        for run in filter(None, (self._stretch, self._last)):
            run.read_weights()

    def read_from(self, sequences):
        """Read steps from here on from some sequences, or hold on to none: None."""
        for run, calls, _ in self._parts:
            pack = None
            if sequences is not None:
                pack = sequences.prepare_pack(self._rows, run.shape.starts, run.trace.steps)
            calls.exchange_first([pack])

    def found(self, what):
        """Return where the numbers of a piece are left, an array of a row for each sequence."""
        return self._last.reading(what)

    def run_piece(self, number, offsets, what, values):
        """Run a piece from Python, which compiles what is to be compiled.

        Parameters
        ----------
        number : int
            Which piece.
        offsets : ndarray of int64 of shape (n + 1,)
            First rows of all sequences, of which the last piece may run some once more.
        what : str
            Which numbers of the trace are wanted.
        values : ndarray of shape (n, ...)
            Receives a row of them for each sequence.
        """
        n = self._rows.size
        first = min(number * n, offsets.size - 1 - n)
        self._rows[...] = offsets[first : first + n]
        for _, calls, times in self._parts:
            for _ in range(times):
                calls.run()
        values[first : first + n] = self.found(what)

    def run_pieces(self, board, offsets, what, values):
        """Run pieces from a board until none is left, by calls in tables.

        Parameters
        ----------
        board : ndarray of int64
            What :func:`skrnn._atomics.board_of` returned.
        offsets, what, values
            As for :meth:`run_piece`; `values` is contiguous.
        """
        parts = [
            (address_of(calls.rows), len(calls.rows), times) for _, calls, times in self._parts
        ]
        n_at_once = max(1, MOST_WORK // self.work)
        found, target = (_words(array) for array in (self.found(what), values))
        arguments = board, n_at_once, np.array(parts), offsets, self._rows, found, target
        try:
            while (result := _run_pieces(*arguments)) != _NO_MORE:
                if result != _MORE:
                    self.run_piece(result, offsets, what, values)
        except BaseException:
            withdraw(board)  # other threads need not go on
            raise


def _words(array):
    return array.reshape(-1).view(np.uint32)


def _are_in_tables(sets):
    return all(one.is_in_tables for one in sets)


def _share(pieces, sets, threads, offsets, what, values):
    """Run pieces, each by the set that comes to it first."""
    if _are_in_tables(sets) and sets[0].work <= MOST_WORK:
        compile_sets()
        left, run = board_of(pieces.start, pieces.stop), PreparedSet.run_pieces
    else:
        left, run = iter(pieces), _run_from_python
    threads.map(lambda one: run(one, left, offsets, what, values), sets)


def _run_from_python(one, left, offsets, what, values):
    """Run pieces as long as some are left."""
    try:
        while (number := next(left, None)) is not None:
            one.run_piece(number, offsets, what, values)
    except BaseException:
        for _ in left:  # other threads need not go on
            pass
        raise


def run_alike(network, params, sequences, places, size, length, threads, what):
    """Run neighbouring sequences of one length, of which nothing is kept but a row each.

    Parameters
    ----------
    network : Network
        A network with an output for each sequence.
    params : ndarray of shape (layout.size,)
        Its weights.
    sequences : Sequences
        Where they are, of the type of the weights.
    places : range
        Which of them.
    size, length : int
        How many sequences to run at a time, and how many of their steps.
    threads : Threads
        Who runs them.
    what : str
        What to return: ``"raw"`` or ``"features"``.

    Returns
    -------
    values : ndarray of shape (len(places), ...)
        A row for each sequence.
    """
    offsets = sequences.offsets[places.start : places.stop + 1]
    n_steps, n_pieces = int(offsets[1] - offsets[0]), -(-len(places) // size)
    shape, n_sets = (size, n_steps, length), min(threads.count, n_pieces)
    sets = [borrow(PreparedSet, network, params, shape) for _ in range(n_sets)]
    found = sets[0].found(what)
    values = np.empty((len(places), *found.shape[1:]), dtype=found.dtype)
    for one in sets:
        one.read_from(sequences)
    pieces = range(n_pieces)
    if n_pieces * n_steps > WORTH_TABLES * length and not _are_in_tables(sets):
        sets[0].run_piece(0, offsets, what, values)
        pieces = pieces[1:]
        for one in sets:
            one.make_tables()
    _share(pieces, sets, threads, offsets, what, values)
    for one in sets:
        one.read_from(None)
        give_back(network, params, one)
    return values


__all__ = ["PreparedSet", "compile_sets", "run_alike"]
