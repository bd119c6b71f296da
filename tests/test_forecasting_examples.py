"""The examples in the docstrings of everything that forecasts or measures forecasts."""

import doctest
from importlib import import_module

import pytest

MODULES = [
    "skrnn.forecasting.backtest",
    "skrnn.forecasting.backtest_displays",
    "skrnn.forecasting.backtesting",
    "skrnn.forecasting.displays",
    "skrnn.forecasting.forecaster",
    "skrnn.metrics.forecasting",
    "skrnn.metrics.scorers",
    "skrnn.nixtla",
]


# Networks this small have no skill, and say so.
@pytest.mark.filterwarnings("ignore:On the rows held out")
@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    if "display" in name:
        pytest.importorskip("matplotlib")
    result = doctest.testmod(import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
