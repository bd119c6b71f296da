"""The estimators."""

from skrnn.estimators.classifier import RNNClassifier
from skrnn.estimators.regressor import RNNRegressor

__all__ = ["RNNClassifier", "RNNRegressor"]
