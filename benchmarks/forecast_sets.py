"""The sets of the forecasting table: data, measures, goals and published figures.

The files are in ``forecast/`` of the development data folder (see `datasets.py`). A set is either a
*competition* set, whose series all end at one test part each, or a *rolling* one, whose forecasts
start at many origins of a test part.
"""

import gzip
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from datasets import data_folder
from forecast_measures import (
    OverallWeightedAverage,
    mape,
    mape_of_last_step,
    mase,
    mean_absolute_error,
    mean_squared_error,
    normalised_mean_squared_error,
    relative_to_last_value,
    repeat_last,
    repeat_season,
    smape,
)


@dataclass(frozen=True, eq=False)
class Problem:
    """Series to train on, and what is to be forecast.

    Attributes
    ----------
    training : object
        What `fit` gets.
    actual : ndarray of shape (n_rows, horizon)
        What happened.
    histories : list of ndarray
        What came before each row, or before the first origin of each series.
    season, horizon : int
    whole : object or None
        What `backtest` gets: training and test part together. None for a competition set.
    """

    training: object
    actual: np.ndarray
    histories: list
    season: int
    horizon: int
    whole: object = None

    def forecast(self, model):
        """Return the forecasts of a fitted model, in rows as `actual`."""
        if self.whole is None:
            return np.asarray(model.predict(), dtype=float).reshape(self.actual.shape)
        frame = model.backtest(self.whole, n_windows=self.n_origins, step=1)
        return self._rows(frame["forecast"].to_numpy(dtype=float), frame)

    def bounds(self, model, coverages):
        """Return lower and upper bounds in rows as `actual`, for each coverage."""
        if self.whole is None:
            intervals = np.asarray(model.predict_interval(coverage=list(coverages)), dtype=float)
            intervals = intervals.reshape(*self.actual.shape, len(coverages), 2)
            return [np.moveaxis(intervals[:, :, k], -1, 0) for k in range(len(coverages))]
        frame = model.backtest(
            self.whole, n_windows=self.n_origins, step=1, coverage=list(coverages)
        )
        return [
            [
                self._rows(frame[f"{side}_{100 * c:g}"].to_numpy(dtype=float), frame)
                for side in ("lower", "upper")
            ]
            for c in coverages
        ]

    def earlier(self):
        """Return the problem on the training part alone.

        Of a competition set the last horizon of each series is to be forecast, of a rolling set
        every origin in the last two seasons (or horizons, if these are longer).
        """
        if self.whole is None:
            cut = self.horizon
            return replace(
                self,
                training=[series[:-cut] for series in self.training],
                actual=np.stack([series[-cut:] for series in self.histories]),
                histories=[series[:-cut] for series in self.histories],
            )
        first = len(self.training) - 2 * max(self.season, self.horizon)
        return _rolling(self.training, first, first, self.season, self.horizon)

    @property
    def n_origins(self):
        """Origins of a rolling set."""
        n_series = 1 if np.ndim(self.whole) == 1 else self.whole.shape[1]
        return len(self.actual) // n_series

    def _rows(self, values, frame):
        """Return a column of a backtest, which lists cutoff, step, target, series after series."""
        n_targets = frame["target"].nunique() if "target" in frame else 1
        cube = values.reshape(-1, self.horizon, n_targets)
        return np.moveaxis(cube, 2, 0).reshape(self.actual.shape)


@dataclass(frozen=True)
class ForecastTask:
    """A row of the table, or several: one a measure.

    Attributes
    ----------
    name : str
    load : callable
        ``load()`` returns the `Problem`.
    measures : dict of str to callable
    goals : dict of str to tuple of float
        What the project holds itself to: with defaults, with an ensemble.
    published : dict of str to str
        Figures of others with their sources.
    checks : tuple of (callable, str, float)
        Naive forecasts whose score is published: the forecast, the measure, the figure.
    parameters : dict
        What is set besides the defaults: what the user knows of the data.
    naive : callable
        The naive forecast beside the figures.
    intervals : bool
        Whether the coverage of intervals is measured.
    searched : bool
        Whether a search on the training part is worth its time.
    """

    name: str
    load: Callable
    measures: dict
    goals: dict
    published: dict
    checks: tuple = ()
    parameters: dict = None
    naive: Callable = repeat_season
    intervals: bool = False
    searched: bool = True

    @property
    def validation_measure(self):
        """The first measure, as it is on the training part."""
        first = next(iter(self.measures.values()))
        if not isinstance(first, OverallWeightedAverage):
            return first
        return relative_to_last_value

    @property
    def season_given(self):
        """Whether this is a competition set: the user says its season, there are no dates."""
        return bool(self.parameters)


def _file(name):
    path = data_folder() / "forecast" / name
    if not path.is_file():
        raise FileNotFoundError(f"No data at {path}.")
    return path


def load_competition(name):
    """Load a set of series, each with the values that were held out."""
    with np.load(_file(f"{name}.npz"), allow_pickle=False) as arrays:
        season, horizon = int(arrays["season"][0]), int(arrays["horizon"][0])
        parts = {
            part: [
                arrays[part][start:stop]
                for start, stop in itertools.pairwise(arrays[f"{part}_offset"])
            ]
            for part in ("train", "test")
        }
    with np.errstate(invalid="ignore"):  # the missing values of NN5 are signalling NaN
        parts = {part: [series + 0.0 for series in parts[part]] for part in parts}
    training = [series.astype(np.float32) for series in parts["train"]]
    return Problem(training, np.stack(parts["test"]), parts["train"], season, horizon)


def load_transformer_temperature():
    """Load ETTh1, standardised by its first 8640 hours, on which it is also trained.

    The protocol of Zhou et al. (2021): rows 8640 to 11519 are for validation, of which nothing is
    used here; every window of 96 hours of rows 11520 to 14399 is forecast.
    """
    with gzip.open(_file("ETTh1.csv.gz"), "rt") as file:
        frame = pd.read_csv(file, index_col="date", parse_dates=True)[:14400]
    frame.index.freq = "h"
    training = frame[:8640]
    frame = ((frame - training.mean()) / training.std(ddof=0)).astype(np.float32)
    return _rolling(frame, 8640, 11520, season=24, horizon=96)


def load_airline():
    """Load AirPassengers to December 1958, with six-month forecasts from each month after."""
    frame = pd.read_csv(_file("airline_passengers.csv"))
    months = pd.PeriodIndex(frame["Month"], freq="M")
    series = pd.Series(frame["Passengers"].to_numpy(dtype=np.float64), months)
    return _rolling(series, 120, 120, season=12, horizon=6)


def load_laser():
    """Load the Santa Fe laser: the first 5000 values for training, the others one by one."""
    with np.load(_file("santafe_laser.npz"), allow_pickle=False) as arrays:
        values = arrays["y"].ravel().astype(np.float32)
    return _rolling(values, 5000, 5000, season=1, horizon=1)


def _rolling(whole, n_training, first, season, horizon):
    """Return the problem of forecasting from every origin from `first` on."""
    columns = np.asarray(whole, dtype=float).reshape(len(whole), -1).T
    origins = np.arange(first, len(whole) - horizon + 1)
    actual = columns[:, origins[:, np.newaxis] + np.arange(horizon)].reshape(-1, horizon)
    histories = [column[:origin] for column in columns for origin in origins]
    return Problem(whole[:n_training], actual, histories, season, horizon, whole)


def load_smoke(rolling):
    """Generate a small set: noisy seasons on a trend, all positive."""
    rng = np.random.default_rng(0)
    time = np.arange(72)
    series = [
        rng.uniform(5, 50) * (1 + 0.01 * time + 0.3 * np.sin(np.pi * time / 2 + phase))
        + rng.normal(size=72)
        for phase in rng.uniform(0, 6, size=6)
    ]
    if rolling:
        return _rolling(np.abs(series[0]), 60, 60, season=4, horizon=3)
    actual = np.stack([values[-8:] for values in series])
    training = [values[:-8].astype(np.float32) for values in series]
    return Problem(training, actual, [values[:-8] for values in series], 4, 8)


MONASH = "Godahewa et al. 2021"

TASKS = (
    ForecastTask(
        "M4 Weekly",
        lambda: load_competition("m4_weekly"),
        {"OWA": OverallWeightedAverage(9.161, 2.777), "sMAPE": smape, "MASE": mase},
        {"OWA": (0.85, 0.80)},
        {
            "OWA": "ES-RNN 0.851, LSTM combination of Bandara et al. 0.833, Theta 0.971, "
            "organisers' RNN 1.755, best of all 0.739 (Makridakis et al. 2020)",
            "sMAPE": "ES-RNN 7.817, Theta 9.093",
            "MASE": "ES-RNN 2.356, Theta 2.637",
        },
        ((repeat_last, "sMAPE", 9.161), (repeat_last, "MASE", 2.777)),
        {"season_length": 1},
        repeat_last,
        intervals=True,
    ),
    ForecastTask(
        "M3 Monthly",
        lambda: load_competition("m3_monthly"),
        {"sMAPE": smape, "MAE": mean_absolute_error},
        {"sMAPE": (14.1, 13.5)},
        {
            "sMAPE": "Theta 13.89, ForecastPro 13.90, Auto-ANN 15.03, Naive2 16.89 (Makridakis & "
            "Hibon 2000), N-BEATS 13.24 (Oreshkin et al. 2020)",
            "MAE": f"Theta 623.71, N-BEATS 648.60, DeepAR 728.81 ({MONASH})",
        },
        ((repeat_last, "MAE", 837.14),),
        {"season_length": 12},
    ),
    ForecastTask(
        "M3 Quarterly",
        lambda: load_competition("m3_quarterly"),
        {"sMAPE": smape},
        {"sMAPE": (9.7, 9.2)},
        {
            "sMAPE": "Theta 8.96, ForecastPro 9.82, Auto-ANN 10.20, Naive2 9.95 (Makridakis & "
            "Hibon 2000), N-BEATS 8.80 (Oreshkin et al. 2020)"
        },
        parameters={"season_length": 4},
    ),
    ForecastTask(
        "M1 Monthly",
        lambda: load_competition("m1_monthly"),
        {"MAE": mean_absolute_error},
        {"MAE": (1900, 1830)},
        {"MAE": f"DeepAR 1860.81, N-BEATS 1820.37, ETS 1905.28, Theta 2166.18 ({MONASH})"},
        ((repeat_last, "MAE", 2707.75),),
        {"season_length": 12},
    ),
    ForecastTask(
        "Tourism Quarterly",
        lambda: load_competition("tourism_quarterly"),
        {"MAPE": mape, "MAE": mean_absolute_error},
        {"MAPE": (16.0, 15.0), "MAE": (8700, 8300)},
        {
            "MAPE": "seasonal naive 16.46 (Athanasopoulos et al. 2011), N-BEATS 14.95 (Oreshkin et "
            "al. 2020)",
            "MAE": f"Theta 7656.49, N-BEATS 8640.56, DeepAR 9511.37 ({MONASH})",
        },
        ((repeat_season, "MAPE", 16.46), (repeat_last, "MAE", 15845.1)),
        {"season_length": 4},
        intervals=True,
    ),
    ForecastTask(
        "NN5 Daily",
        lambda: load_competition("nn5_daily"),
        {"sMAPE": smape, "MAE": mean_absolute_error},
        {"sMAPE": (22.0, 21.5), "MAE": (3.70, 3.62)},
        {
            "sMAPE": "LSTM 23.76 as an ensemble (Hewamalage et al. 2021), seasonal naive 26.44",
            "MAE": f"TBATS 3.70, Theta 3.80, DeepAR 3.94 ({MONASH})",
        },
        ((repeat_last, "MAE", 8.26), (repeat_season, "sMAPE", 26.44)),
        {"season_length": 7},
        intervals=True,
    ),
    ForecastTask(
        "ETTh1, 96 steps",
        load_transformer_temperature,
        {"MSE": mean_squared_error, "MAE": mean_absolute_error},
        {"MSE": (0.385, 0.360)},
        {
            "MSE": "SegRNN 0.351, GRU 1.135, DeepAR 1.097 (Lin et al. 2023), NLinear 0.374, "
            "repeat last 1.295 (Zeng et al. 2023)",
            "MAE": "SegRNN 0.392, GRU 0.844, NLinear 0.394",
        },
        # Published to three decimals as 1.295, from every window but those that a last incomplete
        # batch of 32 left out.
        ((repeat_last, "MSE", 1.294), (repeat_last, "MAE", 0.713)),
        naive=repeat_season,
        searched=False,
    ),
    ForecastTask(
        "AirPassengers, 6 months",
        load_airline,
        {"MAPE of month 6": mape_of_last_step, "MAPE": mape},
        {"MAPE of month 6": (3.5, 2.7)},
        {
            "MAPE of month 6": "LSTM with month and year 2.71 (Darts, example 04; trained on one "
            "month more)"
        },
    ),
    ForecastTask(
        "Santa Fe laser, 1 step",
        load_laser,
        {"NMSE": normalised_mean_squared_error},
        {"NMSE": (0.02, 0.01)},
        {"NMSE": "about 0.01 for good networks, on other splits (quoted, not checked)"},
        naive=repeat_last,
        searched=False,
    ),
)

SMOKE_TASKS = (
    ForecastTask(
        "four seasons",
        lambda: load_smoke(False),
        {"sMAPE": smape, "MASE": mase},
        {},
        {},
        parameters={"season_length": 4, "max_iter": 20},
        intervals=True,
    ),
    ForecastTask(
        "one of them, rolling",
        lambda: load_smoke(True),
        {"MAPE": mape},
        {},
        {},
        parameters={"season_length": 4, "max_iter": 20},
        intervals=True,
    ),
)
