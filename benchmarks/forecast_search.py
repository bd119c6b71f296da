"""A small search on the training part of a set, as a user would do it before the last fit.

`results_forecasting.py --search` shows what it gives beside the defaults.
"""

import itertools
import sys

from skrnn import RNNForecaster

GRID = {
    "hidden_layer_sizes": [(64,), (128,), (64, 64)],
    "baseline": ["level", "seasonal_naive"],
    "loss": ["absolute_error", "squared_error"],
}


def candidates():
    """Return the settings of the grid, the defaults first."""
    return [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]


def search(task, problem):
    """Return the settings that forecast the end of the training part best.

    Parameters
    ----------
    task : ForecastTask
        The set, with the measure that decides.
    problem : Problem
        Its data, of which the test part is not read.

    Returns
    -------
    best : dict
        Parameters of the forecaster.
    """
    earlier = problem.earlier()
    scored = []
    for settings in candidates():
        parameters = {**(task.parameters or {}), **settings}
        model = RNNForecaster(
            horizon=earlier.horizon, calibrate=False, random_state=0, **parameters
        )
        forecast = earlier.forecast(model.fit(earlier.training))
        score = task.validation_measure(earlier.actual, forecast, earlier.histories, earlier.season)
        scored.append((score, settings))
        print(f"{task.name}: {settings}: {score:.5g} on the training part", file=sys.stderr)
    return min(scored, key=lambda pair: pair[0])[1]
