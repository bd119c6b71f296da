"""Memory that is kept from batch to batch, because fresh memory is slow memory."""

from __future__ import annotations

from math import prod
from threading import Lock, get_ident

import numpy as np

# A vector that crosses the line between two cache lines costs two loads.
CACHE_LINE = 64
# Bytes below which the call that finds the address costs more than it saves.
ALIGNED_FROM = 32768


def aligned_empty(shape, dtype):
    """Return an array with undefined content; a large one begins a cache line.

    Parameters
    ----------
    shape : int or tuple of int
        Shape of the array.
    dtype : numpy dtype
        Its type.
    """
    size = (prod(shape) if isinstance(shape, tuple) else shape) * np.dtype(dtype).itemsize
    if size < ALIGNED_FROM:
        return np.empty(shape, dtype=dtype)
    memory = np.empty(size + CACHE_LINE, dtype=np.uint8)
    first = -memory.ctypes.data % CACHE_LINE
    return memory[first : first + size].view(dtype).reshape(shape)


def aligned(array, dtype=None):
    """Return a contiguous, writable copy of an array that begins a cache line."""
    copy = aligned_empty(array.shape, array.dtype if dtype is None else dtype)
    copy[...] = array
    return copy


class Arrays:
    """Arrays by name, each handed out until the same is asked for again."""

    def __init__(self):
        self._buffers = {}
        self._views = {}
        self._n_outgrown = 0

    @property
    def n_bytes(self):
        """Bytes of all arrays, and of those that were too small in the end: some may use them."""
        return self._n_outgrown + sum(buffer.nbytes for buffer in self._buffers.values())

    def take(self, key, shape, dtype):
        """Return an array with undefined content.

        Parameters
        ----------
        key : hashable
            Name of the buffer; it grows as needed.
        shape : tuple of int
            Shape of the array.
        dtype : numpy dtype
            Its type.
        """
        view = self._views.get(key)
        if view is None or view.shape != shape or view.dtype != dtype:
            view = self._views[key] = self._make_view(key, shape, dtype)
        return view

    def _make_view(self, key, shape, dtype):
        size = prod(shape)
        buffer = self._buffers.get(key)
        if buffer is None or buffer.size < size or buffer.dtype != dtype:
            self._n_outgrown += 0 if buffer is None else buffer.nbytes
            buffer = self._buffers[key] = aligned_empty(size, dtype)
        return buffer[:size].reshape(shape)


class Workspace:
    """Buffers by name, and what was made of them.

    A workspace belongs to one thread at a time. What it hands out is valid until the same is asked
    for again.

    Attributes
    ----------
    arrays : Arrays
        The buffers. What is kept may refer to them, but to the workspace only in a cycle, which
        would wait for the garbage collector.
    """

    def __init__(self):
        self.arrays = Arrays()
        self._kept = {}
        self._parts = {}

    @property
    def n_bytes(self):
        """Bytes of all buffers, those of parts included."""
        return self.arrays.n_bytes + sum(part.n_bytes for part in self._parts.values())

    def part(self, key):
        """Return a workspace of its own for a part of the work; the same for the same key."""
        if key not in self._parts:
            self._parts[key] = Workspace()
        return self._parts[key]

    def take(self, key, shape, dtype):
        """Return an array with undefined content, as :meth:`Arrays.take` does."""
        return self.arrays.take(key, shape, dtype)

    def keep(self, key, condition, make):
        """Return what `make` made the last time, unless the condition has changed.

        Parameters
        ----------
        key : hashable
            Name of the thing.
        condition : tuple
            Compared with that of the last time.
        make : callable
            ``make()`` makes it anew.
        """
        kept = self._kept.get(key)
        if kept is None or kept[0] != condition:
            kept = self._kept[key] = (condition, make())
        return kept[1]


class _Loan:
    """A workspace for the length of a ``with`` block; a generator would take twice as long."""

    def __init__(self, workspaces):
        self._workspaces = workspaces

    def __enter__(self):
        self._workspace = self._workspaces.take()
        return self._workspace

    def __exit__(self, *exception):
        self._workspaces.put_back(self._workspace)


class Workspaces:
    """Workspaces that threads borrow; there are as many as were ever borrowed at once.

    A thread is lent what it had before, if that is free: it is in the caches of its processor.
    """

    def __init__(self):
        self._free = []
        self._lock = Lock()

    def __len__(self):
        return len(self._free)

    @property
    def n_bytes(self):
        """Bytes of all buffers, while none is lent."""
        return sum(workspace.n_bytes for _, workspace in self._free)

    def borrow(self):
        """Lend a workspace for the length of a ``with`` block."""
        return _Loan(self)

    def take(self):
        """Return a workspace that is nobody else's until it is put back."""
        thread = get_ident()
        with self._lock:
            for i, (last, workspace) in enumerate(self._free):
                if last == thread:
                    del self._free[i]
                    return workspace
            return self._free.pop()[1] if self._free else Workspace()

    def put_back(self, workspace):
        """Take a workspace back from the calling thread."""
        with self._lock:
            self._free.append((get_ident(), workspace))
