"""Threads that share the pieces of a batch in machine code, without the interpreter.

Between Python's threads each call of a kernel ends with a wait for the interpreter, and to wake a
thread takes as long as a small piece does. A team meets at a board instead: one line of numbers on
which the leader offers pieces and everybody takes the next. For a moment after a batch its members
look out for another one, then they leave and their threads go to sleep.
"""

from __future__ import annotations

import os
from concurrent.futures import wait
from contextlib import suppress
from functools import cache
from itertools import chain
from time import perf_counter, sleep

import numpy as np

from skrnn._atomics import add, are_left, offer, pause, read, take, write
from skrnn._copies import pointer
from skrnn._jit import JIT_DISABLED, jit, kernel_part
from skrnn._programs import GRADIENT, SIZE, loss_of, program_of, run_program

# Places on the board, each in a cache line of its own.
_PIECES, _OFFERED, _DONE, _LEAVE, _FAILED, _BATCH = range(0, 48, 8)
_BOARD_SIZE = 48
# What is known of a piece: its first place in the batch, its length and its program.
_FIRST, _LENGTH, _PROGRAM = range(3)
# Looks at the board before a thread leaves: a fraction of a millisecond on some processors, on
# others some of them.
_LOOKS = 100_000
# So many times that while another thread is still at work on a piece, whoever waits for it.
_PATIENCE = 100
# Batches that one thread runs alone, at most, once sharing them has not paid.
_LONGEST_PAUSE = 255
# Batches that sharing may have saved before, as far as that is remembered.
_MOST_SAVED = 4


@kernel_part
def _run_piece(board, piece, program, order, gradient, loss):
    """Run a piece; what it leaves is copied to `gradient`, as words of four bytes, and `loss`."""
    if not run_program(program, board[_BATCH], order, piece[_FIRST], piece[_LENGTH]):
        write(board, _FAILED, 1)
    if program[GRADIENT] != gradient.ctypes.data:
        own = pointer(program[GRADIENT], np.uint32)
        for i in range(gradient.size):
            gradient[i] = own[i]
    loss[0] = loss_of(program)


@kernel_part
def _take_pieces(board, pieces, programs, order, gradients, losses):
    """Run pieces until none is left; return how many it were."""
    count = 0
    while True:
        i = take(board, _PIECES)
        if i < 0:
            return count
        program = programs[pieces[i, _PROGRAM]]
        gradient = gradients[i % gradients.shape[0]]
        _run_piece(board, pieces[i], program, order, gradient, losses[i : i + 1])
        add(board, _DONE, 1)
        count += 1


@jit
def _lead(first, last, board, pieces, programs, order, gradients, losses):
    """Offer some pieces and run what nobody else does; return how many these were."""
    write(board, _DONE, 0)
    write(board, _OFFERED, last - first)
    offer(board, _PIECES, first, last)
    return _take_pieces(board, pieces, programs, order, gradients, losses)


@jit
def _is_done(board):
    """Tell whether all pieces are done, after a while if need be."""
    for _ in range(_LOOKS):
        if read(board, _DONE) == read(board, _OFFERED):
            return True
        pause()
    return False


@jit
def _help(board, pieces, programs, order, gradients, losses):
    """Run pieces as long as some are offered, or soon will be."""
    looks = 0
    while looks < _LOOKS * _PATIENCE and read(board, _LEAVE) == 0:
        if are_left(board, _PIECES):
            looks = 0
            _take_pieces(board, pieces, programs, order, gradients, losses)
            continue
        looks += 1 if read(board, _DONE) < read(board, _OFFERED) else _PATIENCE
        pause()


@cache
def compile_teams():
    """Compile what threads would otherwise compile at the same time, waiting for each other."""
    if JIT_DISABLED:
        return
    board, line = np.zeros(_BOARD_SIZE, dtype=np.int64), np.zeros(0, dtype=np.int64)
    board[_LEAVE] = 1
    table, words = np.zeros((1, SIZE), dtype=np.int64), np.zeros((1, 0), dtype=np.uint32)
    arguments = board, table, table, line, words, np.zeros(0)
    _help(*arguments)
    _lead(0, 0, *arguments)
    _is_done(board)


class _Account:
    """Tells by what was saved lately whether more than one thread pays, and when to try again.

    Where other programs need the processors, a thread that has to wait for one keeps its piece from
    being done, or waits in turn for one that only looks out for pieces.
    """

    def __init__(self):
        self._piece = np.inf  # seconds that a piece takes a thread that is not kept from it
        self._saved, self._pause, self._left = 0.0, 0, 0

    def begin_batch(self):
        """Count a batch and tell whether it is to be shared."""
        self._left -= self._left > 0
        return self._left == 0

    def note_own(self, seconds, n_pieces):
        """Note how long one thread took for some pieces."""
        # Slowly more, should the processor have become slower.
        self._piece = min(1.01 * self._piece, seconds / n_pieces)

    def note(self, seconds, n_pieces):
        """Note how long several threads took for some pieces."""
        alone = n_pieces * self._piece
        self._saved += alone - seconds
        if self._saved < 0:
            self._pause = min(2 * self._pause + 2, _LONGEST_PAUSE)
            self._saved, self._left = 0.0, self._pause
        elif self._saved > _MOST_SAVED * alone:
            self._saved, self._pause = _MOST_SAVED * alone, 0


class Team:
    """Some threads for batches of one size.

    Parameters
    ----------
    pieces : list of ndarray of int64
        The places of each piece in a batch.
    members : list of dict
        For each thread what runs its pieces, by their size: a PreparedGradient.
    gradients : ndarray of shape (n_at_once, layout.size)
        Where those of pieces wait to be added up, so many at once; one thread needs none.
    """

    def __init__(self, pieces, members, gradients):
        sizes, lengths = sorted(members[0]), [piece.size for piece in pieces]
        firsts = np.cumsum([0, *lengths[:-1]])
        programs = [sizes.index(length) for length in lengths]
        self._pieces = np.array([firsts, lengths, programs], dtype=np.int64).T.copy()
        self._places = np.concatenate(pieces)
        self._order = np.empty_like(self._places)
        self._board = np.zeros(_BOARD_SIZE, dtype=np.int64)
        vector = members[0][sizes[0]].gradient.vector
        # One thread adds its own up before the next piece.
        self._gradients = gradients if len(members) > 1 else vector[np.newaxis]
        self._losses = np.empty(len(pieces))
        self._members = [[member[size] for size in sizes] for member in members]
        self._arguments, self._is_ready = None, False
        self._helpers, self._account = [None] * (len(members) - 1), _Account()
        self._process = os.getpid()  # no helper lives on in a forked one

    def forget_tables(self):
        """Have :meth:`is_ready` look for tables anew: calls have been exchanged."""
        self._is_ready = False

    def is_ready(self):
        """Tell whether all calls are in tables by now."""
        if not self._is_ready and not JIT_DISABLED:
            if self._helpers:  # which may never have run anything
                for prepared in chain.from_iterable(self._members):
                    prepared.make_tables()
            programs = [[program_of(prepared) for prepared in member] for member in self._members]
            self._is_ready = all(program is not None for member in programs for program in member)
            if self._is_ready:
                self._keep(programs)
        return self._is_ready

    def _keep(self, programs):
        """Write programs where helpers, some of whom may look at the board, read them."""
        if self._arguments is None:
            compile_teams()
            words = self._gradients.view(np.uint32)
            self._arguments = [
                (self._board, self._pieces, np.array(member), self._order, words, self._losses)
                for member in programs
            ]
        for (_, _, kept, *_), member in zip(self._arguments, programs, strict=True):
            kept[...] = member

    def run(self, indices, number, threads, total):
        """Run a batch.

        Parameters
        ----------
        indices : ndarray of int64
            Its sequences.
        number : int
            Its number, another one each time the weights have changed.
        threads : Threads
            Who runs it.
        total : ndarray of shape (layout.size,)
            Receives the sum of the gradients, in the order of the pieces.

        Returns
        -------
        loss : float or None
            The sum of the losses; None if a call did not end well.
        """
        indices.take(self._places, out=self._order, mode="clip")
        self._board[_BATCH], self._board[_FAILED] = number, 0
        n_pieces, n_at_once = len(self._pieces), len(self._gradients)
        is_shared = len(self._helpers) > 0 and self._account.begin_batch()
        self._board[_LEAVE] = not is_shared
        try:
            n_started = self._call_together(threads) if is_shared else 0
        except BaseException:
            self._leave_board()
            raise
        for first in range(0, n_pieces, n_at_once):
            last = min(first + n_at_once, n_pieces)
            seconds = self._share(first, last)
            # To come back takes a while, which says nothing of the next batch.
            if is_shared and n_started == 0:
                self._account.note(seconds, last - first)
            self._add_up(first, last - first, total)
        if self._board[_FAILED]:
            return None
        loss = 0.0
        for part in self._losses.tolist():  # `sum` would add them in another way
            loss += part
        return loss

    def _call_together(self, threads):
        """Have those come back who have left; return how many these were."""
        if self._process != os.getpid():
            self._process, self._helpers = os.getpid(), [None] * len(self._helpers)
        n_started = 0
        for i, helper in enumerate(self._helpers, 1):
            if helper is None or helper.done():
                if helper is not None and not helper.cancelled():
                    helper.result()  # which raises what it has raised
                self._helpers[i - 1] = threads.start(_help, *self._arguments[i])
                n_started += 1
        return n_started

    def _leave_board(self):
        """Begin with another board: a helper that nobody knows of may have come to this one."""
        self._board[_LEAVE] = 1
        self._board = np.zeros(_BOARD_SIZE, dtype=np.int64)
        self._helpers = [None] * len(self._helpers)
        self._arguments, self._is_ready = None, False

    def _share(self, first, last):
        """Run some pieces; return the seconds that took."""
        started = perf_counter()
        try:
            n_own = _lead(first, last, *self._arguments[0])
            ended = perf_counter()
            if n_own > 0:
                self._account.note_own(ended - started, n_own)
            if n_own < last - first:
                self._wait()
                ended = perf_counter()
        except BaseException:
            self._dismiss()  # what they work on may be gone soon
            raise
        return ended - started

    def _wait(self):
        """Wait until all is done, even if pieces are long or threads do not get to run."""
        for _ in range(_PATIENCE):
            if _is_done(self._board):
                return
            sleep(0)
        self._dismiss()

    def _dismiss(self):
        """Wait until all helpers have left, whoever interrupts."""
        self._board[_LEAVE] = 1
        while not all(helper is None or helper.done() for helper in self._helpers):
            with suppress(KeyboardInterrupt):
                wait([helper for helper in self._helpers if helper is not None])

    def _add_up(self, first, count, total):
        if first == 0:
            total[...] = self._gradients[0]
        for gradient in self._gradients[int(first == 0) : count]:
            total += gradient


__all__ = ["Team", "compile_teams"]
