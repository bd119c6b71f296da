"""Series over time in a picture: their lines, the bands around them, and readable dates."""

import numpy as np
import pandas as pd

from skrnn._drawing import PALETTE, isolated_markers, make_label

HISTORY = "0.25"
FORECAST, ACTUAL = PALETTE[:2]


def draw_series(ax, series, style):
    """Draw a Series as a line and return the line."""
    values = series.to_numpy(dtype=np.float64)
    # A value between missing ones, or a forecast of one step, is a dot and not a line.
    style = {**isolated_markers(np.isfinite(values)), **style}
    (line,) = ax.plot(place_times(series.index), values, **style)
    return line


def draw_fan(ax, index, bounds, color, name, labelled=True):
    """Draw intervals, the widest first and palest; of each what no narrower one covers."""
    positions = place_times(index)
    drawn = []
    for i, (coverage, lower, upper) in enumerate(bounds):
        label = make_label(name, f"{100 * coverage:g} % interval") if labelled else "_nolegend_"
        style = {"color": color, "alpha": 0.18 + 0.42 * i / len(bounds), "label": label}
        x, bottom, top = positions, lower, upper
        if i + 1 < len(bounds):
            _, inner_lower, inner_upper = bounds[i + 1]
            x = np.concatenate([positions, positions[-1:], positions])
            bottom = np.concatenate([lower, [np.nan], inner_upper])
            top = np.concatenate([inner_lower, [np.nan], upper])
        if len(positions) == 1:
            drawn.append(ax.vlines(x, bottom, top, linewidth=7, **style))
        else:
            drawn.append(ax.fill_between(x, bottom, top, linewidth=0, **style))
    return drawn


def place_times(index):
    """Return the times as matplotlib can place them: time stamps by their local clock."""
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    elif isinstance(index, pd.DatetimeIndex) and index.tz is not None:
        index = index.tz_localize(None)
    return index.to_numpy()


def format_times(ax, index):
    """Label the time axis: dates in as few words as possible, or whole numbers."""
    if not isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)):
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        return
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=8)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def time_label(index):
    """Return what the time axis is called."""
    if index.name is not None:
        return str(index.name)
    return "" if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)) else "Time step"


def value_label(name, default="Value"):
    """Return what the axis of values is called."""
    return default if name is None else str(name)
