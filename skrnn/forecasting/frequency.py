"""The frequency of an index: given, carried by the index, or inferred by pandas."""

import warnings

import numpy as np
import pandas as pd

from skrnn.sequences import label

_WINDOW = 12
_N_WINDOWS = 40
_HOW_TO_SET = (
    "Set it with freq=, for example freq='D', 'B', 'W-SUN', 'ME', 'QS' or '15min', or give the "
    "index one with X.asfreq(...)."
)


def as_offset(freq):
    """Return the pandas offset that `freq` names.

    Parameters
    ----------
    freq : str, DateOffset, Timedelta
        A frequency of pandas.

    Returns
    -------
    DateOffset
    """
    try:
        offset = pd.tseries.frequencies.to_offset(freq)
    except (ValueError, TypeError) as error:
        raise ValueError(f"freq={freq!r} is no frequency of pandas: {error}") from error
    if offset is None or not offset.n > 0:
        raise ValueError(f"freq={freq!r} must lead forward in time. {_HOW_TO_SET}")
    return offset


def infer_frequency(index, offsets):
    """Infer the frequency of time stamps from the longest series.

    Parameters
    ----------
    index : DatetimeIndex
        The times of all series, end to end, rising in each.
    offsets : ndarray of shape (n_series + 1,)
        Where each series starts.

    Returns
    -------
    DateOffset
        That of most of its parts, where a gap hides that of the whole.
    """
    lengths = np.diff(offsets)
    longest = int(lengths.argmax())
    times = index[offsets[longest] : offsets[longest + 1]]
    if len(times) < 3:
        raise ValueError(
            f"The frequency of the time index cannot be inferred from {len(times)} row(s), three "
            f"are needed. {_HOW_TO_SET}"
        )
    offset = _infer(times)
    if offset is None:
        offset = _infer_from_parts(times)
    if offset is None:
        shown = ", ".join(str(time) for time in times[:4])
        raise ValueError(
            f"The frequency of the time index cannot be inferred: it begins with {shown}. "
            f"{_HOW_TO_SET} Times of any other kind can be numbered with "
            "X.reset_index(drop=True), or summed to a regular grid with X.resample(...)."
        )
    return offset


def _infer(times):
    steps = np.diff(times.asi8)
    if (steps == steps[0]).all():
        step = pd.Timedelta(int(steps[0]), unit=times.unit)
        if step < pd.Timedelta(days=1):
            return pd.tseries.frequencies.to_offset(step)
    with warnings.catch_warnings():  # that a later pandas will return an offset, not its name
        warnings.simplefilter("ignore")
        inferred = pd.infer_freq(times)
    if inferred is None:
        if (steps == steps[0]).all():  # days of 24 hours in a zone with summer time
            return pd.tseries.frequencies.to_offset(pd.Timedelta(int(steps[0]), unit=times.unit))
        return None
    return as_offset(inferred)


def _infer_from_parts(times):
    """Return the frequency that most parts of a gappy index have."""
    last_start = max(len(times) - _WINDOW, 0)
    starts = np.unique(np.linspace(0, last_start, _N_WINDOWS).astype(int))
    votes = [_infer(times[start : start + _WINDOW]) for start in starts]
    votes = [vote for vote in votes if vote is not None]
    if not votes:  # short, or full of gaps: the smallest parts that show a frequency
        votes = [_infer(times[i : i + 3]) for i in range(min(len(times) - 2, 4 * _N_WINDOWS))]
        votes = [vote for vote in votes if vote is not None]
    return max(votes, key=votes.count) if votes else None


def integer_step(index, offsets):
    """Return the step of an index of integers.

    Parameters
    ----------
    index : Index of integers
        The times of all series, end to end, rising in each.
    offsets : ndarray of shape (n_series + 1,)
        Where each series starts.

    Returns
    -------
    int
        The most frequent difference of neighbours, or that of a RangeIndex; 1 for single rows.
    """
    if isinstance(index, pd.RangeIndex) and len(index) > 1:
        return int(index.step)
    longest = int(np.diff(offsets).argmax())
    steps = np.diff(index.to_numpy()[offsets[longest] : offsets[longest + 1]])
    if steps.size == 0:
        return 1
    values, counts = np.unique(steps, return_counts=True)
    return int(values[counts.argmax()])


def check_index_kind(index, where="The index of X"):
    """Check that an index holds times that can be continued.

    Parameters
    ----------
    index : Index
    where : str
        What it is, for messages.
    """
    is_time = isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex))
    if is_time or pd.api.types.is_integer_dtype(index.dtype):
        missing = np.asarray(index.isna())
        if missing.any():
            raise ValueError(f"{where} has no time in row {int(missing.argmax())}. Drop the row.")
        return
    first = f", for example {label(index[0])}" if len(index) else ""
    fixes = "Set a DatetimeIndex, a PeriodIndex or whole numbers, or X.reset_index(drop=True)."
    if pd.api.types.is_object_dtype(index.dtype) or pd.api.types.is_string_dtype(index.dtype):
        fixes = "Convert the times with pd.to_datetime(...), and set them as the index."
    elif pd.api.types.is_float_dtype(index.dtype):
        fixes = "Make them whole numbers with .astype(int), or X.reset_index(drop=True)."
    raise TypeError(f"{where} holds no times (dtype {index.dtype}{first}). {fixes}")
