"""Recurrent neural networks as scikit-learn estimators.

Public names are imported when they are first used: ``import skrnn`` alone loads neither
scikit-learn nor Numba.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from skrnn._garbage import without_garbage_collection
from skrnn.warmup import warmup

if TYPE_CHECKING:
    from skrnn.attention_display import AttentionDisplay
    from skrnn.cells import Cell
    from skrnn.checks import check_cell
    from skrnn.estimators import RNNClassifier, RNNRegressor
    from skrnn.forecasting import RNNForecaster
    from skrnn.padding import strip_padding
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
    "RNNForecaster",
    "RNNRegressor",
    "SequenceScaler",
    "SequenceTokenizer",
    "check_cell",
    "strip_padding",
    "warmup",
]

_MODULES = {
    "AttentionDisplay": "attention_display",
    "Cell": "cells",
    "GradientFlowDisplay": "plotting",
    "LossCurveDisplay": "plotting",
    "RNNClassifier": "estimators",
    "RNNForecaster": "forecasting",
    "RNNRegressor": "estimators",
    "SequenceScaler": "preprocessing",
    "SequenceTokenizer": "text",
    "check_cell": "checks",
    "strip_padding": "padding",
}


def __getattr__(name):
    """Import a public name, or the module of some, at its first use."""
    if name not in _MODULES and name not in _MODULES.values():
        raise AttributeError(f"module 'skrnn' has no attribute {name!r}")
    with without_garbage_collection():
        module = import_module(f"skrnn.{_MODULES.get(name, name)}")
    value = getattr(module, name) if name in _MODULES else module
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
