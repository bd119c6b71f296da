"""Compile before the first fit, for images of containers and other places that start cold.

Numba compiles a kernel when it is first called with numbers of a type, and keeps the machine code
in a cache on disk. :func:`warmup` fills that cache, as ``python -m skrnn.warmup`` does from a
shell.
"""

from __future__ import annotations

# A package and not a module, so that ``skrnn.warmup`` can be the function and ``python -m
# skrnn.warmup`` the command. It imports nothing heavy, so that ``import skrnn`` does not.


def warmup(cells=None, dtypes=("float32", "float64")):
    """Compile what the estimators need, whatever their parameters, by fitting tiny data.

    Every kernel that ``fit``, ``partial_fit``, ``predict``, ``predict_proba``, ``transform`` and
    ``step`` of :class:`~skrnn.RNNClassifier` and :class:`~skrnn.RNNRegressor` use for the cells and
    types, and those of a :class:`~skrnn.RNNForecaster` with squared errors, is compiled and kept in
    Numba's cache: in the folder that ``NUMBA_CACHE_DIR`` names, else beside the sources of skrnn,
    else in the user's cache folder. Later processes of the same user on the same kind of processor
    then load machine code in place of compiling it.

    Parameters
    ----------
    cells : str, Cell, sequence of them, or None, default=None
        Cells to compile, as the estimators take them; ``"rnn"`` stands for all its activations.
        None compiles every cell of the library.
    dtypes : dtype or sequence of dtype, default=("float32", "float64")
        Types of X to compile for. ``solver="lbfgs"`` computes in float64, whatever the type of X.

    Raises
    ------
    ValueError
        If a cell is unknown, or a type neither float32 nor float64.
    TypeError
        If a cell is neither a name nor a :class:`~skrnn.Cell`, or a type is none.

    Examples
    --------
    >>> import skrnn
    >>> skrnn.warmup(cells="gru", dtypes="float32")
    """
    from skrnn.warmup._fits import compile_everything

    compile_everything(cells, dtypes)
