"""Objectives that wait for the next `partial_fit`: those of the last few estimators, no more.

Estimators only refer to theirs weakly, so thousands of models that learn now and then hold no more
memory than a few; what waits may outlive its estimator until others have taken its place.
"""

from __future__ import annotations

import weakref
from collections import deque
from contextlib import suppress

# How many are kept, and bytes that they hold, all together.
MOST_WAITING = 4
MOST_BYTES = 2**26

# The newest last, each with its bytes.
_waiting = deque(maxlen=MOST_WAITING)


def keep(objective):
    """Keep an objective until others have taken its place, unless it is too large.

    Parameters
    ----------
    objective : Objective
        The objective, which nobody else uses until somebody takes it.

    Returns
    -------
    reference : weakref.ref or None
        What :func:`take` needs; None if it is not kept.
    """
    n_bytes = objective.n_bytes
    if n_bytes > MOST_BYTES:
        return None
    _waiting.append((objective, n_bytes))
    with suppress(IndexError):  # another thread may have taken what was there
        while sum(size for _, size in tuple(_waiting)) > MOST_BYTES:
            _waiting.popleft()
    return weakref.ref(objective)


def take(reference):
    """Return an objective for the caller alone, or None if it is gone.

    Parameters
    ----------
    reference : weakref.ref or None
        What :func:`keep` returned.
    """
    objective = None if reference is None else reference()
    for entry in tuple(_waiting):
        if entry[0] is objective:
            try:
                _waiting.remove(entry)
            except ValueError:  # somebody was first
                return None
            return objective
    return None  # others have taken its place
