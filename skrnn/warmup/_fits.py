"""The tiny fits that make Numba compile every kernel there is."""

from __future__ import annotations

import warnings

import numpy as np

from skrnn._calls import compile_tables
from skrnn._gemm import LARGE, add_transposed_product
from skrnn.cells import Cell, resolve_cell
from skrnn.cells.registry import CELLS
from skrnn.descent import compile_descent
from skrnn.estimators import RNNClassifier, RNNRegressor
from skrnn.forecasting import RNNForecaster
from skrnn.prepared_sets import compile_sets
from skrnn.sequences import FLOAT32, FLOAT64
from skrnn.teams import compile_teams

# What selects kernels of its own, apart from cell and type.
_CLASSIFIERS = (
    {"pooling": "max", "dropout": 0.5, "solver": "adam"},
    {"pooling": "mean", "loss": "hinge", "solver": "rmsprop"},
)
_REGRESSORS = (
    {"loss": "squared_error", "solver": "sgd", "nesterovs_momentum": True},
    {"loss": "absolute_error", "solver": "sgd", "nesterovs_momentum": False},
    {"loss": "huber"},
    {"loss": "quantile"},
    {"loss": "poisson"},
)
_DECODERS = ({"attention": None}, {"attention": "additive"}, {"attention": "multiplicative"})
_LENGTHS = (3, 1, 2, 3, 2, 3)


def compile_everything(cells, dtypes):
    """Fit and use small networks of the cells for each type."""
    cells, dtypes = _to_cells(cells), _to_dtypes(dtypes)
    compile_tables()
    compile_teams()
    compile_sets()
    for dtype in dtypes:
        compile_descent(dtype)
        for cell in cells:
            _run_network(cell, dtype)
        _run_everything_else(cells[0], dtype)
        _run_forecaster(cells[0], dtype)
        _multiply_large(dtype)


def _to_cells(cells):
    if cells is None:
        cells = tuple(CELLS)
    elif isinstance(cells, (str, Cell)):
        cells = (cells,)
    found = []
    for cell in cells:
        resolve_cell(cell)  # an error for what is no cell
        found += [cell] if isinstance(cell, Cell) else CELLS[cell].values()
    if not found:
        raise ValueError("cells is empty: name at least one cell, or pass None for all.")
    return found


def _to_dtypes(dtypes):
    if isinstance(dtypes, (str, type, np.dtype)):
        dtypes = (dtypes,)
    dtypes = [np.dtype(dtype) for dtype in dtypes]
    for dtype in dtypes:
        if dtype not in (FLOAT32, FLOAT64):
            raise ValueError(f"dtypes must be float32 or float64, got {dtype}.")
    if not dtypes:
        raise ValueError("dtypes is empty: name float32, float64, or both.")
    return dtypes


def _sequences(dtype):
    rng = np.random.default_rng(0)
    return [rng.uniform(size=(length, 2)).astype(dtype) for length in _LENGTHS]


def _run_network(cell, dtype):
    """Train, predict and stream with all that a cell takes part in."""
    X, y = _sequences(dtype), np.arange(len(_LENGTHS)) % 3
    settings = {"cell": cell, "hidden_layer_sizes": (2, 2), "recurrent_dropout": 0.5}
    model = _fitted(RNNClassifier(bidirectional=True, **settings), X, y)
    model.predict(X)
    stream = _fitted(RNNClassifier(**settings), X, y)
    stream.step(X[0][:1], stream.init_state())


def _run_everything_else(cell, dtype):
    """Train with each loss, pooling and solver; none of them depends on the cell."""
    X, classes = _sequences(dtype), np.arange(len(_LENGTHS)) % 3
    both = np.stack([classes > 0, classes > 1], axis=1).astype(int)
    for settings in _CLASSIFIERS:
        for y in (classes, classes > 0, both):
            model = _fitted(RNNClassifier(cell=cell, **settings), X, y)
            (model.predict if settings.get("loss") == "hinge" else model.predict_proba)(X)
            model.step(X[0][:1], model.init_state())
    for settings in _REGRESSORS:
        _fitted(RNNRegressor(cell=cell, **settings), X, classes + 1.0).predict(X)
    steps = [np.arange(length) % 3 for length in _LENGTHS]
    _fitted(RNNClassifier(cell=cell, mode="many_to_many", dropout=0.5), X, steps).predict(X)
    tagger = _fitted(RNNClassifier(cell=cell, mode="many_to_many", head="crf"), X, steps)
    tagger.predict(X)
    tagger.predict_proba(X)
    ids = [np.floor(3 * x[:, :1]) for x in X]
    _fitted(RNNClassifier(cell=cell, embedding_dim=2), ids, classes).predict(ids)
    for settings in _DECODERS:
        model = RNNClassifier(cell=cell, mode="encoder_decoder", **settings)
        _fitted(model, X, steps).predict(X)


def _multiply_large(dtype):
    """Form the product that only large networks need."""
    rows = np.zeros((1, LARGE), dtype=dtype)
    add_transposed_product(rows, rows, np.zeros((LARGE, LARGE), dtype=dtype))


def _run_forecaster(cell, dtype):
    """Forecast, with intervals and new values."""
    series = (10 + np.sin(np.arange(60.0))).astype(dtype)
    forecaster = RNNForecaster(2, lookback=4, cell=cell, hidden_layer_sizes=2, max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        forecaster.fit(series[:55]).predict()
        forecaster.predict_interval(coverage=0.8)
        forecaster.update(series[55:]).predict()


def _fitted(model, X, y):
    model.set_params(max_iter=1, batch_size=3, max_grad_norm=1e-3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch does not converge
        return model.fit(X, y)
