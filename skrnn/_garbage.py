"""Putting off garbage collection where a great many objects are made, few of which are garbage."""

from __future__ import annotations

import gc
from contextlib import contextmanager


@contextmanager
def without_garbage_collection():
    """Put off collections, each of which looks at all objects that there are."""
    was_enabled = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if was_enabled:
            gc.enable()


__all__ = ["without_garbage_collection"]
