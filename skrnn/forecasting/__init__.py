"""Forecasting: series in, their continuation out."""

from skrnn.forecasting.backtest import backtest_scores
from skrnn.forecasting.backtest_displays import BacktestDisplay, HorizonErrorDisplay
from skrnn.forecasting.displays import ForecastDisplay
from skrnn.forecasting.forecaster import RNNForecaster

__all__ = [
    "BacktestDisplay",
    "ForecastDisplay",
    "HorizonErrorDisplay",
    "RNNForecaster",
    "backtest_scores",
]
