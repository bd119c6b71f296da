"""Targets with one value a step, in every layout, as lists of arrays of the true steps."""

from __future__ import annotations

import numpy as np
import pandas as pd


def read_sequences(y, name, n_columns_of_step=None):
    """Return one array a sequence.

    Parameters
    ----------
    y : array-like of shape (n_sequences, n_steps[, n_columns]), list of array-like, or Series or \
DataFrame with a (sequence, time) MultiIndex
        The targets or predictions. Trailing all-NaN steps of a 3-D array are padding.
    name : str
        What to call it in errors.
    n_columns_of_step : {0, 1} or None, default=None
        Whether a step is a single value (0) or a row (1); None takes both.

    Returns
    -------
    list of ndarray of shape (n_steps,) or (n_steps, n_columns)
    """
    if isinstance(y, (pd.Series, pd.DataFrame)):
        sequences = _read_pandas(y, name)
    else:
        sequences = _read_list(y, name)
    wanted = (1, 2) if n_columns_of_step is None else (n_columns_of_step + 1,)
    for i, sequence in enumerate(sequences):
        if sequence.ndim not in wanted:
            expected = " or ".join(("(steps,)", "(steps, columns)")[k - 1] for k in wanted)
            raise ValueError(
                f"Sequence {i} of {name} has shape {sequence.shape}; expected {expected}."
            )
        if len(sequence) == 0:
            raise ValueError(f"Sequence {i} of {name} is empty.")
    return sequences


def _read_pandas(y, name):
    if y.index.nlevels == 1:
        if isinstance(y, pd.DataFrame):
            return _read_list(y.to_numpy(), name)
        return _read_list(list(y), name)
    codes, ids = pd.factorize(y.index.get_level_values(0))
    order = np.argsort(codes, kind="stable")
    values = y.to_numpy()[order]
    ends = np.cumsum(np.bincount(codes, minlength=len(ids)))
    return np.split(values, ends[:-1])


def _read_list(y, name):
    if isinstance(y, str) or not hasattr(y, "__len__"):
        raise TypeError(f"{name} must hold one sequence a sample, got {y!r:.60}.")
    if len(y) == 0:
        raise ValueError(f"{name} holds no sequences.")
    sequences = []
    for i, sequence in enumerate(y):
        if isinstance(sequence, (str, bytes)) or not hasattr(sequence, "__len__"):
            raise ValueError(
                f"{name} must hold one sequence a sample, with a value for each step, but sample "
                f"{i} is {sequence!r:.60}. For one value a sample use scikit-learn's metrics."
            )
        array = np.asarray(sequence)
        if array.ndim == 2 and array.dtype.kind == "f":
            array = _without_padding(array)
        sequences.append(array)
    return sequences


def _without_padding(steps):
    kept = np.flatnonzero(~np.isnan(steps).all(axis=1))
    return steps[: kept[-1] + 1] if kept.size else steps[:0]


def check_aligned(y_true, y_pred, names=("y_true", "y_pred")):
    """Check that two lists of sequences have the same lengths.

    Raises
    ------
    ValueError
        That names the first sequence which differs, and both lengths.
    """
    if len(y_true) != len(y_pred):
        raise ValueError(
            f"{names[0]} holds {len(y_true)} sequences, but {names[1]} holds {len(y_pred)}."
        )
    for i, (true, pred) in enumerate(zip(y_true, y_pred, strict=True)):
        if len(true) != len(pred):
            raise ValueError(
                f"Sequence {i} has {len(true)} steps in {names[0]}, but {len(pred)} in {names[1]}."
            )


def is_missing(steps, ignore_label):
    """Tell which steps of a sequence are to be ignored: NaN, None, or the label that means it."""
    missing = pd.isna(steps)
    if missing.ndim == 2:
        missing = missing.any(axis=1)
    if ignore_label is not None and steps.ndim == 1:
        missing = missing | (steps == ignore_label)
    return missing


def read_pair(y_true, y_pred, ignore_label, n_columns_of_step=None):
    """Return two aligned lists of sequences without the steps to be ignored."""
    y_true = read_sequences(y_true, "y_true", n_columns_of_step)
    y_pred = read_sequences(y_pred, "y_pred", n_columns_of_step)
    check_aligned(y_true, y_pred)
    kept = [~is_missing(steps, ignore_label) for steps in y_true]
    return (
        [steps[keep] for steps, keep in zip(y_true, kept, strict=True)],
        [steps[keep] for steps, keep in zip(y_pred, kept, strict=True)],
    )


def step_weights(sample_weight, lengths, kept=None):
    """Return the weight of every step, end to end.

    Parameters
    ----------
    sample_weight : array-like of shape (n_sequences,), list of array-like, or None
        One weight a sequence, or one a step.
    lengths : list of int
        Steps of each sequence.
    kept : list of ndarray of bool, or None
        Which steps to return the weights of; None is all.
    """
    if sample_weight is None:
        weights = [np.ones(n) for n in lengths]
    elif np.ndim(sample_weight[0]) == 0:
        if len(sample_weight) != len(lengths):
            raise ValueError(
                f"sample_weight holds {len(sample_weight)} weights for {len(lengths)} sequences."
            )
        weights = [np.full(n, float(w)) for n, w in zip(lengths, sample_weight, strict=True)]
    else:
        weights = [np.asarray(w, dtype=float) for w in sample_weight]
        check_aligned([range(n) for n in lengths], weights, ("y_true", "sample_weight"))
    if kept is not None:
        weights = [w[keep] for w, keep in zip(weights, kept, strict=True)]
    return np.concatenate(weights)
