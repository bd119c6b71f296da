"""What `"auto"` means: the choices that follow from the data and the frequency."""

from __future__ import annotations

from math import ceil

import numpy as np
import pandas as pd

from skrnn.forecasting.calendar import typical_step
from skrnn.forecasting.model import Plan
from skrnn.forecasting.smoothing import needed_rows

_DAY = pd.Timedelta(days=1)
# Without a season: the shortest and the longest segment, and the shortest window.
_SHORTEST_SEGMENT, _LONGEST_SEGMENT, _SHORTEST_LOOKBACK = 8, 24, 64
# Series of more rows than this teach a network more than smoothing can add.
_SHORT = 200
# Windows in an epoch, at most: with the default `max_iter`, a thousand and some updates.
_EPOCH = 512


def season_of(freq):
    """Return the usual season of a frequency, in rows.

    Years, weeks and numbered rows have none; quarters and months have the year, business days and
    days the week, steps from five minutes up the day, shorter ones the hour or the minute.

    Parameters
    ----------
    freq : DateOffset or int
        The frequency.

    Returns
    -------
    season : int
        Rows of a season; 1 where there is none.
    """
    if isinstance(freq, (int, np.integer)):
        return 1
    step = typical_step(freq)
    days = step / _DAY
    if isinstance(freq, pd.offsets.BusinessDay):
        return 5 if freq.n == 1 else 1
    if days > 25:
        months = round(days / 30.44)
        return 12 // months if 12 % months == 0 else 1
    if days > 1:
        return {7: 1, 15: 24}.get(round(days), 1)
    if days == 1:
        return 7
    for cycle, shortest in (
        (_DAY, "5min"),
        (pd.Timedelta("1h"), "1s"),
        (pd.Timedelta("60s"), "1ms"),
    ):
        if step >= pd.Timedelta(shortest):
            return int(cycle / step) if cycle % step == pd.Timedelta(0) else 1
    return 1


def make_plan(forecaster, series_set):
    """Make all choices for some series.

    Parameters
    ----------
    forecaster : RNNForecaster
        Its parameters are the wishes.
    series_set : SeriesSet
        The series to learn from: their lengths, their frequency, and which columns there are.

    Returns
    -------
    plan : Plan
        The plan.

    Raises
    ------
    ValueError
        If `lookback` or the season is longer than every series, or a segment than `lookback`.
    """
    lengths, freq = series_set.lengths, series_set.freq
    longest = int(lengths.max())
    season = forecaster.season_length
    if season == "auto":
        season = season_of(freq)
        season = season if 2 * season <= longest else 1
    season = 1 if season is None else int(season)
    horizon = 1 if forecaster.strategy == "recursive" else int(forecaster.horizon)
    lookback, segment = forecaster.lookback, forecaster.segment_length
    if segment == "auto":
        segment = season
        if season == 1:
            segment = min(max(int(forecaster.horizon), _SHORTEST_SEGMENT), _LONGEST_SEGMENT)
        room = longest - 1 if lookback == "auto" else int(lookback)
        segment = segment if 2 * segment <= room else 1
    segment = int(segment)
    if lookback == "auto":
        wanted = max(4 * season, 4 * int(forecaster.horizon))
        if season == 1:
            wanted = max(5 * int(forecaster.horizon), _SHORTEST_LOOKBACK)
        most = max(2 * season, int(np.median(lengths)) // 3)
        wanted = segment * ceil(min(wanted, most) / segment)
        lookback = max(1, min(wanted, longest - 1))
    elif longest > 1 and lookback >= longest:
        raise ValueError(
            f"lookback={lookback} is longer than every series: the longest has {longest} rows, and "
            "one must follow to be learned from. Choose a smaller lookback, or 'auto'."
        )
    if longest > 1:
        _check_lengths(season, segment, int(lookback), longest)
    return Plan(
        horizon=horizon,
        lookback=int(lookback),
        season=season,
        scaling="window" if forecaster.scaling == "auto" else forecaster.scaling,
        baseline=forecaster.baseline,
        transform=forecaster.power_transform,
        difference=int(forecaster.difference),
        segment=segment,
        levels=network_levels(forecaster.quantiles),
        smoothing=_is_smoothed(forecaster, series_set, season),
    )


def _check_lengths(season, segment, lookback, longest):
    """Refuse a season or a segment that no window of history can hold."""
    if season > longest:
        raise ValueError(
            f"season_length={season} is longer than every series: the longest has {longest} rows, "
            "in which such a season cannot be seen. Choose a smaller one, None or 'auto'."
        )
    if segment > lookback:
        raise ValueError(
            f"segment_length={segment} is more than the {lookback} rows of history that the "
            "network reads (lookback). Choose a smaller one, or 'auto'."
        )


def _is_smoothed(forecaster, series_set, season):
    """Tell whether the network is averaged with exponential smoothing."""
    if forecaster.smoothing != "auto":
        return bool(forecaster.smoothing)
    others = series_set.past.size + series_set.known.size
    if others or forecaster.calendar is not None or forecaster.multivariate == "joint":
        # What they tell would be halved: smoothing sees the past of one target alone.
        return False
    return bool(needed_rows(season) <= np.median(series_set.lengths) <= _SHORT)


def network_levels(quantiles):
    """Return the quantiles that the network gives, rising and with the median; None for none."""
    if quantiles is None:
        return None
    levels = sorted({float(q) for q in quantiles} | {0.5})
    if not 0 < levels[0] <= levels[-1] < 1:
        raise ValueError(f"quantiles must lie between 0 and 1, got {list(quantiles)}.")
    return tuple(levels)


def windows_in_epoch(forecaster):
    """Return how many windows an epoch draws at most; None is all."""
    return _EPOCH if forecaster.windows_per_epoch == "auto" else forecaster.windows_per_epoch


def rows_to_calibrate(lengths, horizon):
    """Return how many rows at the end of each series show the errors of forecasts.

    Enough for about a hundred errors of each step, all series together, and for sixty of each
    series as long as these are not too many: errors of neighbouring origins, and of series in the
    same weeks, resemble each other. No more than a quarter of a series, or a third where a quarter
    does not hold one horizon.
    """
    n_origins = max(ceil(100 / lengths.size), min(60, 20_000 // lengths.size))
    wanted = horizon + n_origins - 1
    most = np.maximum(lengths // 4, np.minimum(horizon, lengths // 3))
    return np.minimum(wanted, most)
