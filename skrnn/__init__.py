"""Recurrent neural networks as scikit-learn estimators."""

from skrnn.attention_display import AttentionDisplay
from skrnn.cells import Cell
from skrnn.checks import check_cell
from skrnn.estimators import RNNClassifier, RNNRegressor
from skrnn.plotting import GradientFlowDisplay, LossCurveDisplay
from skrnn.preprocessing import SequenceScaler
from skrnn.text import SequenceTokenizer

__version__ = "0.1.0"

__all__ = [
    "AttentionDisplay",
    "Cell",
    "GradientFlowDisplay",
    "LossCurveDisplay",
    "RNNClassifier",
    "RNNRegressor",
    "SequenceScaler",
    "SequenceTokenizer",
    "check_cell",
]
