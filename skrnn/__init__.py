"""Recurrent neural networks as scikit-learn estimators."""

from skrnn.cells import Cell
from skrnn.checks import check_cell
from skrnn.estimators import RNNClassifier, RNNRegressor
from skrnn.forecasting import RNNForecaster
from skrnn.plotting import GradientFlowDisplay, LossCurveDisplay
from skrnn.preprocessing import SequenceScaler

__version__ = "0.1.0"

__all__ = [
    "Cell",
    "GradientFlowDisplay",
    "LossCurveDisplay",
    "RNNClassifier",
    "RNNForecaster",
    "RNNRegressor",
    "SequenceScaler",
    "check_cell",
]
