"""Channels that hold ids: which they are, how many ids each has, and whether X holds valid ones."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval

from skrnn.embedding import first_invalid_id
from skrnn.layouts import is_scalar, layout_of, plain_input
from skrnn.sequences import is_pandas, label
from skrnn.targets import place_of
from skrnn.validation import check_sequences

CONSTRAINTS = {
    "embedding_dim": [Interval(Integral, 1, None, closed="left"), dict, None],
    "vocabulary_size": [Interval(Integral, 1, None, closed="left"), dict, None],
    "embeddings": ["array-like", dict, None],
    "train_embeddings": ["boolean"],
}

# Every whole number up to this has a float32 of its own.
MOST_IDS = 2**24


def read_inputs(estimator, X, *, reset, dtype=None, lazy=False):
    """Read X in any layout; its ids too, if the estimator has vectors for them.

    Parameters
    ----------
    estimator : estimator instance
        With the parameters that `CONSTRAINTS` names.
    X : array-like, list of array-like or DataFrame
        The sequences.
    reset : bool
        Whether to set the attributes that describe X, or to compare with them.
    dtype : dtype, default=None
        float32 or float64; None keeps float32, makes ids alone float32, and the rest float64.
    lazy : bool, default=False
        Whether X without ids may be read batch by batch.

    Returns
    -------
    sequences : Sequences
        The steps, ids among them as whole numbers.
    """
    asked = estimator.embedding_dim is not None or estimator.embeddings is not None
    if reset and not asked and estimator.vocabulary_size is not None:
        raise ValueError(
            f"vocabulary_size={estimator.vocabulary_size!r} counts ids, but without embedding_dim "
            "X is read as values. Set embedding_dim, or vocabulary_size=None."
        )
    _refuse_text(X, "" if asked else " with embedding_dim")
    if not (asked if reset else estimator._tables):
        sequences = check_sequences(estimator, X, reset=reset, dtype=dtype, lazy=lazy)
        if reset:
            estimator._tables = None
        return sequences
    _refuse_single(X)
    if dtype is None and _are_integers(X):
        dtype = np.float32
    sequences = check_sequences(estimator, X, reset=reset, dtype=dtype)
    tables = getattr(estimator, "_tables", None)
    if reset and not (estimator._goes_on() and tables):
        tables = _make_tables(estimator, sequences)
    for channel, (n_ids, _) in tables.items():
        _check_ids(sequences, channel, n_ids)
    estimator._tables = tables
    return sequences


def _refuse_text(X, addition):
    """Refuse texts and words, where a tokenizer is missing."""
    if is_pandas(X) and X.ndim == 1 and X.index.nlevels == 1:
        X = X.to_numpy()
    listed = isinstance(X, (list, tuple)) or (isinstance(X, np.ndarray) and X.ndim == 1)
    if isinstance(X, str) or (listed and any(map(_is_text, X))):
        raise ValueError(
            "X holds strings, but numbers are expected. Put a skrnn.SequenceTokenizer, which takes "
            f"texts and lists of words, before the estimator{addition}: "
            "make_pipeline(SequenceTokenizer(), ...)."
        )


def _is_text(x):
    """Tell whether something is a string, or a list that begins with one."""
    if isinstance(x, (list, tuple)) and x:
        x = x[0]
    return isinstance(x, str)


def _refuse_single(X):
    """Refuse one sequence of ids where a list of them is expected."""
    X = plain_input(X)
    flat = isinstance(X, (list, tuple)) and len(X) and all(map(is_scalar, X))
    if flat or (isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype != object):
        raise ValueError(
            f"X holds single ids, the first {label(X[0]) if len(X) else 'missing'}, not sequences "
            "of them. One sequence alone goes in a list: [X]."
        )


def _are_integers(X):
    """Tell whether all numbers in X are of an integer type."""
    X = plain_input(X)
    if is_pandas(X) and layout_of(X) != "list":
        dtypes = list(X.dtypes) if X.ndim == 2 else [X.dtype]
        return all(getattr(dtype, "kind", "O") in "iu" for dtype in dtypes)
    if isinstance(X, np.ndarray) and X.dtype != object:
        return X.dtype.kind in "iu"
    if not hasattr(X, "__len__"):
        return False
    return all(not is_scalar(x) and np.asarray(x).dtype.kind in "iu" for x in X)


def _by_channel(value, estimator, n_channels, name):
    """Return a parameter as a dict from channel numbers; a single value is that of all."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        return dict.fromkeys(range(n_channels), value)
    names = list(getattr(estimator, "feature_names_in_", ()))
    if len(names) != n_channels:
        names = []
    result = {}
    for key, one in value.items():
        channel = names.index(key) if key in names else key
        if not isinstance(channel, Integral) or not 0 <= channel < n_channels:
            raise ValueError(
                f"{name} names the channel {key!r}, but X has the channels "
                f"{names or list(range(n_channels))}."
            )
        result[int(channel)] = one
    return result


def _given_vectors(estimator, n_channels):
    """Return the vectors that are given, as float arrays by channel."""
    vectors = estimator.embeddings
    if vectors is not None and not isinstance(vectors, Mapping) and n_channels > 1:
        raise ValueError(
            f"X has {n_channels} channels, so embeddings must be a dict that says to which of them "
            "each array belongs, such as {0: array}."
        )
    checked = {}
    for channel, table in _by_channel(vectors, estimator, n_channels, "embeddings").items():
        table = np.asarray(table, dtype=np.float64)
        if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
            raise ValueError(
                f"embeddings of channel {channel} must be finite and of shape (n_ids, dim), got "
                f"shape {table.shape}."
            )
        checked[channel] = table
    return checked


def _make_tables(estimator, sequences):
    """Return number of ids and length of a vector for each channel of ids."""
    n_channels = sequences.n_channels
    vectors = _given_vectors(estimator, n_channels)
    dims = _by_channel(estimator.embedding_dim, estimator, n_channels, "embedding_dim")
    sizes = _by_channel(estimator.vocabulary_size, estimator, n_channels, "vocabulary_size")
    tables = {}
    for channel in sorted({*dims, *vectors}):
        values = sequences.values[:, channel]
        _check_ids(sequences, channel, MOST_IDS)
        n_ids, dim = sizes.get(channel, int(values.max()) + 1), dims.get(channel)
        if channel in vectors:
            shape = vectors[channel].shape
            if dim not in (None, shape[1]) or sizes.get(channel) not in (None, shape[0]):
                raise ValueError(
                    f"embeddings of channel {channel} have shape {shape}, but vocabulary_size and "
                    f"embedding_dim ask for ({sizes.get(channel)}, {dim}). Leave them None."
                )
            n_ids, dim = shape
        for name, number in (("vocabulary_size", n_ids), ("embedding_dim", dim)):
            is_whole = isinstance(number, Integral) and not isinstance(number, bool)
            if not is_whole or number < 1 or (name == "vocabulary_size" and number > MOST_IDS):
                raise ValueError(
                    f"{name} of channel {channel} must be a positive integer, got {number!r}."
                )
        tables[channel] = (int(n_ids), int(dim))
    return tables


def _check_ids(sequences, channel, n_ids):
    row = first_invalid_id(sequences.values[:, channel], n_ids)
    if row is None:
        return
    value, (i, step) = sequences.values[row, channel], place_of(row, sequences.offsets)
    place = f"Sequence {i}, step {step}, channel {channel} of X"
    if value != np.floor(value) or value < 0:
        hint = ""
        if value < 0 and value == np.floor(value):
            hint = (
                " If it fills up shorter sequences, take it off: skrnn.strip_padding(X, "
                f"padding_id={value:.0f})."
            )
        raise ValueError(
            f"{place} is {value:g}, but ids are whole numbers from 0. If the channel holds values, "
            f"name only the channels of ids, as in embedding_dim={{0: 64}}.{hint}"
        )
    if n_ids == MOST_IDS:
        raise ValueError(
            f"{place} is the id {value:.0f}, but at most {MOST_IDS} ids are told apart, 0 to "
            f"{MOST_IDS - 1}. Number the ids that occur, as skrnn.SequenceTokenizer does."
        )
    raise ValueError(
        f"{place} is the id {value:.0f}, which is not in the vocabulary of {n_ids} ids, 0 to "
        f"{n_ids - 1}. Map unknown tokens to an id that fit has seen, as skrnn.SequenceTokenizer "
        "does, or fit with a larger vocabulary_size."
    )


def give_vectors(estimator, network, params):
    """Write the vectors that were given into fresh weights."""
    for channel, table in _given_vectors(estimator, network.n_channels).items():
        network.inputs.blocks[channel].view(params)[...] = table
