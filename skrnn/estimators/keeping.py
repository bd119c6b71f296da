"""Objectives that wait for the next `partial_fit`: those of the last few estimators, no more.

Estimators only refer to theirs weakly, so thousands of models that learn now and then hold no more
memory than a few; what waits may outlive its estimator until others have taken its place.
"""

from __future__ import annotations

import weakref
from collections import deque

# How many are kept.
MOST_WAITING = 4

_waiting = deque(maxlen=MOST_WAITING)


def keep(objective):
    """Keep an objective until others have taken its place.

    Parameters
    ----------
    objective : Objective
        The objective, which nobody else uses until somebody takes it.

    Returns
    -------
    reference : weakref.ref
        What :func:`take` needs.
    """
    _waiting.append(objective)
    return weakref.ref(objective)


def take(reference):
    """Return an objective for the caller alone, or None if it is gone.

    Parameters
    ----------
    reference : weakref.ref or None
        What :func:`keep` returned.
    """
    objective = None if reference is None else reference()
    try:
        _waiting.remove(objective)
    except ValueError:  # others have taken its place, or somebody was first
        return None
    return objective
