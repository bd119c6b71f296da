"""Forecasting: series in, their continuation out."""

from skrnn.forecasting.backtest import backtest_scores
from skrnn.forecasting.displays import BacktestDisplay, ForecastDisplay, HorizonErrorDisplay
from skrnn.forecasting.forecaster import RNNForecaster

__all__ = [
    "BacktestDisplay",
    "ForecastDisplay",
    "HorizonErrorDisplay",
    "RNNForecaster",
    "backtest_scores",
]
