"""Forecasting: series in, their continuation out."""

from skrnn.forecasting.backtest import backtest_scores
from skrnn.forecasting.displays import BacktestDisplay, ForecastDisplay, HorizonErrorDisplay

__all__ = ["BacktestDisplay", "ForecastDisplay", "HorizonErrorDisplay", "backtest_scores"]
