"""Resident memory of this process and its peak, in bytes."""

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def _status(key):
    for line in STATUS.read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def reset_peak():
    """Let the peak begin at what is resident now, where the system can; return that."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return peak()
    return _status("VmRSS")


def now():
    """Return what is resident; the peak so far where the system does not tell."""
    return _status("VmRSS") if STATUS.exists() else peak()


def peak():
    """Return the highest that was resident."""
    if STATUS.exists():
        return _status("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
