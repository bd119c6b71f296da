import copy
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils import assert_all_finite
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from skrnn.layouts import layout_of
from skrnn.sequences import Sequences, lengths_to_offsets
from skrnn.validation import check_sequences, check_target_length


class Reader(BaseEstimator):
    """Does nothing but check its input."""

    def __init__(self, n_timesteps=None):
        self.n_timesteps = n_timesteps

    def fit(self, X, y=None):
        self.sequences_ = check_sequences(self, X, reset=True)
        return self


class StepsClassifier(ClassifierMixin, BaseEstimator):
    """The smallest classifier over check_sequences, for scikit-learn's checks."""

    def __init__(self, n_timesteps=None):
        self.n_timesteps = n_timesteps

    def fit(self, X, y):
        sequences = check_sequences(self, X, reset=True)
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        check_target_length(sequences, y, X)
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y", estimator_name=type(self).__name__)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError("y holds one class only")
        self.model_ = LogisticRegression(C=100.0).fit(self._rows(sequences), y)
        return self

    def _rows(self, sequences):
        return sequences.values.reshape(len(sequences), -1)

    def predict(self, X):
        sequences = check_sequences(self, X, reset=False)
        return self.classes_[
            np.searchsorted(self.classes_, self.model_.predict(self._rows(sequences)))
        ]


@parametrize_with_checks([StepsClassifier(), StepsClassifier(n_timesteps=1)])
def test_scikit_learn_sees_its_own_errors(estimator, check):
    check(estimator)


def read(X, n_timesteps=None, dtype=None):
    return check_sequences(Reader(n_timesteps), X, reset=True, dtype=dtype)


def equal(a, b):
    return (
        a.values.dtype == b.values.dtype
        and np.array_equal(a.values, b.values)
        and np.array_equal(a.offsets, b.offsets)
    )


def assert_internal_form(sequences):
    assert sequences.values.dtype in (np.float32, np.float64)
    assert sequences.values.dtype.isnative
    assert sequences.values.flags.c_contiguous
    assert sequences.values.ndim == 2
    assert sequences.offsets.dtype == np.int64
    assert sequences.offsets[0] == 0
    assert sequences.offsets[-1] == len(sequences.values)
    assert (sequences.lengths > 0).all()
    assert np.isfinite(sequences.values).all()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def ragged(rng, lengths=(3, 1, 4), n_channels=2):
    return [rng.normal(size=(length, n_channels)) for length in lengths]


def to_frame(sequences, names="ab", ids=None):
    ids = range(len(sequences)) if ids is None else ids
    index = [(i, t) for i, x in zip(ids, sequences, strict=True) for t in range(len(x))]
    index = pd.MultiIndex.from_tuples(index, names=["sequence", "time"])
    return pd.DataFrame(np.concatenate(sequences), index=index, columns=list(names))


# The dataclass


def test_lengths_and_counts(rng):
    sequences = read(ragged(rng))
    assert len(sequences) == sequences.n_sequences == 3
    assert sequences.n_channels == 2
    assert sequences.lengths.tolist() == [3, 1, 4]


@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=8),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_take_is_indexing(lengths, data):
    offsets = lengths_to_offsets(lengths)
    sequences = Sequences(np.arange(offsets[-1] * 2.0).reshape(-1, 2), offsets)
    n = len(lengths)
    indices = data.draw(st.lists(st.integers(-n, n - 1), max_size=10))
    taken = sequences.take(indices)
    assert len(taken) == len(indices)
    for k, i in enumerate(indices):
        i = i % n
        expected = sequences.values[offsets[i] : offsets[i + 1]]
        actual = taken.values[taken.offsets[k] : taken.offsets[k + 1]]
        np.testing.assert_array_equal(actual, expected)
    assert taken.values.flags.c_contiguous
    assert taken.offsets.dtype == np.int64


def test_take_of_a_run_is_a_view(rng):
    sequences = read(ragged(rng))
    for indices in (slice(1, 3), [1, 2], [2], np.array([False, True, True])):
        taken = sequences.take(indices)
        assert np.shares_memory(taken.values, sequences.values)
        assert_internal_form(taken)
    assert not np.shares_memory(sequences.take([2, 1]).values, sequences.values)
    assert sequences.take(slice(None, None, -1)).lengths.tolist() == [4, 1, 3]
    assert len(sequences.take([])) == 0


@pytest.mark.parametrize("indices", [[3], [-4], [0.5], [[0, 1]], np.array([True])])
def test_take_refuses_what_is_no_index(rng, indices):
    with pytest.raises(IndexError):
        read(ragged(rng)).take(indices)


def test_sequences_pickle(rng):
    sequences = read(ragged(rng))
    assert equal(pickle.loads(pickle.dumps(sequences)), sequences)


# Layouts mean the same


def test_univariate_layouts_agree(rng):
    X = rng.normal(size=(4, 5))
    frame = to_frame([row.reshape(-1, 1) for row in X], names="a")
    expected = Sequences(X.reshape(-1, 1), np.arange(0, 21, 5))
    objects = np.empty(4, dtype=object)
    objects[:] = list(X)
    for layout in (
        X,
        X.tolist(),
        tuple(X.tolist()),
        pd.DataFrame(X),
        X[:, :, np.newaxis],
        list(X),
        tuple(X),
        objects,
        pd.Series(list(X)),
        [pd.Series(x) for x in X],
        [x.reshape(-1, 1) for x in X],
        [[[v] for v in x] for x in X.tolist()],
        frame,
        frame["a"],
        X.astype(object),
    ):
        actual = read(layout)
        assert_internal_form(actual)
        assert equal(actual, expected), type(layout)


def test_multichannel_layouts_agree(rng):
    X = rng.normal(size=(4, 3, 2))
    expected = Sequences(X.reshape(-1, 2), np.arange(0, 13, 3))
    objects = np.empty(4, dtype=object)
    objects[:] = list(X)
    for layout in (X, list(X), X.tolist(), objects, to_frame(list(X)), X.astype(object)):
        assert equal(read(layout), expected)
    wide = X.reshape(4, 6)
    for layout in (wide, wide.tolist(), list(wide), pd.DataFrame(wide)):
        assert equal(read(layout, n_timesteps=3), expected)


def test_ragged_layouts_agree(rng):
    sequences = ragged(rng)
    expected = Sequences(np.concatenate(sequences), np.array([0, 3, 4, 8]))
    padded = np.full((3, 6, 2), np.nan)
    for row, x in zip(padded, sequences, strict=True):
        row[: len(x)] = x
    objects = np.array(sequences, dtype=object)
    frames = [pd.DataFrame(x, columns=["a", "b"]) for x in sequences]
    for layout in (
        sequences,
        tuple(sequences),
        objects,
        [x.tolist() for x in sequences],
        frames,
        padded,
        padded.astype(">f8"),
        to_frame(sequences),
    ):
        actual = read(layout)
        assert_internal_form(actual)
        assert equal(actual, expected)


def test_nested_lists_are_told_apart():
    assert layout_of([[1, 2], [3, 4]]) == "table"
    assert layout_of([[1, 2], [3]]) == "list"
    assert layout_of([[[1], [2]], [[3], [4]]]) == "list"
    assert layout_of([np.ones(2), np.ones(2)]) == "list"
    assert layout_of([1, 2]) == "table"
    assert layout_of(np.ones((1, 2, 3))) == "array"
    assert layout_of([]) == "list"


def test_no_copy_of_good_arrays(rng):
    for X in (rng.normal(size=(4, 3)), rng.normal(size=(4, 3, 2)).astype(np.float32)):
        assert np.shares_memory(read(X).values, X)
    x = rng.normal(size=(4, 2))
    assert np.shares_memory(read([x]).values, x)


@pytest.mark.parametrize("shape", [(4, 6), (4, 3, 2)])
def test_any_memory_gives_the_same(rng, shape):
    X = rng.normal(size=shape)
    expected = read(X)
    read_only = X.copy()
    read_only.flags.writeable = False
    wide = np.repeat(X, 2, axis=1)
    for same in (
        np.asfortranarray(X),
        wide[:, ::2],
        X[::-1].copy()[::-1],
        X.astype(">f8"),
        read_only,
        np.ma.MaskedArray(X),
        X.astype(np.longdouble),
    ):
        actual = read(same)
        assert_internal_form(actual)
        assert equal(actual, expected)
        assert equal(read(list(same)), Sequences(expected.values, expected.offsets))


def test_memory_map(rng, tmp_path):
    X = rng.normal(size=(4, 3, 2))
    np.save(tmp_path / "X.npy", X)
    assert equal(read(np.load(tmp_path / "X.npy", mmap_mode="r")), read(X))


@pytest.mark.parametrize(
    ("given_dtype", "expected"),
    [
        ("f4", "f4"),
        (">f4", "f4"),
        ("f2", "f4"),
        ("f8", "f8"),
        ("i1", "f8"),
        ("i8", "f8"),
        ("u4", "f8"),
        ("?", "f8"),
        ("O", "f8"),
    ],
)
def test_dtypes(given_dtype, expected):
    X = np.array([[[0, 1], [1, 1]], [[1, 0], [0, 0]]]).astype(given_dtype)
    frame = to_frame(list(X))
    assert frame.dtypes.iloc[0] == given_dtype or given_dtype in (">f4", "O")
    for layout in (X, list(X), X[:, :, 0], list(X[:, :, 0]), pd.DataFrame(X[:, :, 0]), frame):
        sequences = read(layout)
        assert sequences.values.dtype == np.dtype(expected)
        assert_internal_form(sequences)
        for dtype in (np.float32, np.float64):
            assert read(layout, dtype=dtype).values.dtype == dtype


def test_mixed_dtypes_take_the_wider():
    small, large = np.ones((2, 1), np.float32), np.ones((3, 1))
    assert read([small, small]).values.dtype == np.float32
    assert read([small, large]).values.dtype == np.float64
    frame = pd.DataFrame({"a": np.ones(2, np.float32), "b": np.ones(2)})
    assert read(frame).values.dtype == np.float64
    frame.index = pd.MultiIndex.from_product([[0], [0, 1]])
    assert read(frame).values.dtype == np.float64


def test_nullable_columns():
    frame = pd.DataFrame(
        {"a": pd.array([1, 2], dtype="Int64"), "b": pd.array([True, False], dtype="boolean")}
    )
    np.testing.assert_array_equal(read(frame).values.ravel(), [1, 1, 2, 0])
    frame.index = pd.MultiIndex.from_product([["s"], [0, 1]])
    np.testing.assert_array_equal(read(frame).values, [[1, 1], [2, 0]])
    frame.iloc[1, 0] = pd.NA
    with pytest.raises(ValueError, match=r"NaN.*sequence 's', step 1 \(time 1\), column 'a'"):
        read(frame)
    with pytest.raises(ValueError, match=r"NaN.*row 1, column 0 \('a'\)"):
        read(frame.reset_index(drop=True))


# The frame with a (sequence, time) index


def test_frame_order_is_of_first_appearance(rng):
    sequences = ragged(rng)
    frame = to_frame(sequences, ids=["z", "a", "m"])
    expected = read(sequences)
    assert equal(read(frame), expected)
    by_time = frame.sort_index(level=1, kind="stable", sort_remaining=False)
    by_time = by_time.loc[[(i, 0) for i in "zam"] + [k for k in by_time.index if k[1] > 0]]
    assert equal(read(by_time), expected)


def test_frame_of_a_selection(rng):
    sequences = ragged(rng)
    frame = to_frame(sequences, ids=["z", "a", "m"])
    assert equal(read(frame.loc[["m", "z"]]), read([sequences[2], sequences[0]]))


def test_frame_with_equal_times_keeps_the_rows_order():
    index = pd.MultiIndex.from_tuples([(0, 5), (0, 5), (1, 2)])
    frame = pd.DataFrame({"a": [3.0, 1.0, 2.0]}, index=index)
    assert read(frame).values.ravel().tolist() == [3, 1, 2]


def test_frame_with_dates(rng):
    sequences = ragged(rng, (2, 2))
    frame = to_frame(sequences)
    dates = pd.to_datetime(["2024-01-01", "2024-01-02"])
    frame.index = pd.MultiIndex.from_product([["a", "b"], dates])
    assert equal(read(frame), read(sequences))
    with pytest.raises(ValueError, match=r"sequence 'a'.*not increasing.*2024-01-01.*2024-01-02"):
        read(frame.iloc[[1, 0, 2, 3]])


def test_frame_errors(rng):
    frame = to_frame(ragged(rng), ids=["x", "y", "z"])
    with pytest.raises(ValueError, match=r"sequence 'z' .* increasing: 0 .* after 1"):
        read(frame.iloc[[0, 1, 2, 3, 5, 4, 6, 7]])
    with pytest.raises(ValueError, match=r"sequence 'x' .* not increasing"):
        read(frame.iloc[[1, 3, 0, 2]])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        read(frame.iloc[:0])
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        read(frame[[]])
    with pytest.raises(ValueError, match="3 levels"):
        read(frame.set_index("a", append=True))
    missing = frame.copy()
    missing.index = pd.MultiIndex.from_tuples([("x", 0), (np.nan, 1), *missing.index[2:]])
    with pytest.raises(ValueError, match="Row 1 of X has no sequence"):
        read(missing)
    with pytest.raises(ValueError, match=r"column 'b' of X.*string 'low'"):
        read(frame.assign(b=["low"] * len(frame)))
    with pytest.raises(ValueError, match=r"column 'b' of X.*datetime"):
        read(frame.assign(b=pd.Timestamp("2024-01-01")))
    with pytest.raises(ValueError, match="Complex data not supported: column 'b'"):
        read(frame.assign(b=1j))
    with pytest.raises(TypeError, match="cannot be put in order"):
        mixed = pd.MultiIndex.from_tuples([(0, 1), (0, "a")])
        read(pd.DataFrame({"a": [1.0, 2.0]}, index=mixed))
    holed = frame.copy()
    holed.iloc[5, 1] = np.nan
    with pytest.raises(ValueError, match=r"NaN.*sequence 'z', step 1 \(time 1\), column 'b'"):
        read(holed)


# Padding, NaN and infinity


def test_padding_is_trailing_only(rng):
    X = rng.normal(size=(3, 5, 2))
    X[1, 2:] = np.nan
    X[2, 4:] = np.nan
    assert read(X).lengths.tolist() == [5, 2, 4]
    holed = X.copy()
    holed[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"row 2, step 1, channel 0.*step 3 of the row.*later"):
        read(holed)
    partial = X.copy()
    partial[0, 4, 1] = np.nan
    with pytest.raises(ValueError, match=r"row 0, step 4, channel 1.*other channels.*padding|pad"):
        read(partial)
    empty = X.copy()
    empty[1] = np.nan
    with pytest.raises(ValueError, match="Row 1 of X is an empty sequence"):
        read(empty)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_is_named(rng, value):
    word = "NaN" if np.isnan(value) else "infinity"
    X = rng.normal(size=(4, 3, 2))
    X[2, 1, 1] = value
    with pytest.raises(ValueError, match=f"{word}.*row 2, step 1, channel 1"):
        read(X)
    with pytest.raises(ValueError, match=f"{word}.*sequence 2, step 1, channel 1"):
        read(list(X))
    with pytest.raises(ValueError, match=rf"{word}.*sequence 2, step 1, channel 1 \('b'\)"):
        read([pd.DataFrame(x, columns=["a", "b"]) for x in X])
    with pytest.raises(ValueError, match=f"{word}.*sequence 2, step 1 .*column 'b'"):
        read(to_frame(list(X)))
    with pytest.raises(ValueError, match=f"{word}.*row 2, column 3, which is step 1, channel 1"):
        read(X.reshape(4, 6), n_timesteps=3)
    with pytest.raises(ValueError, match=f"{word}.*row 2, column 3"):
        read(X.reshape(4, 6))
    with pytest.raises(ValueError, match=rf"{word}.*row 2, column 3 \('d'\)"):
        read(pd.DataFrame(X.reshape(4, 6), columns=list("abcdef")))


def test_2d_nan_is_no_padding():
    with pytest.raises(ValueError, match=r"row 1, column 2.*no padding.*list of arrays"):
        read([[1, 2, 3], [1, 2, np.nan]])
    with pytest.raises(ValueError, match=r"row 1, column 2"):
        read([[1, 2, 3], [1, 2, None]])


def test_values_that_overflow_only_their_sum():
    X = np.full((2, 3, 1), 1e308)
    assert np.isfinite(read(X).values).all()
    reader = Reader().fit(X)
    assert equal(check_sequences(reader, X, reset=False), read(X))


def test_value_too_large_for_the_fitted_dtype():
    for X in (np.full((1, 2, 1), 1e300), np.full((1, 2), 1e300), [np.full(2, 1e300)] * 2):
        with pytest.raises(ValueError, match="too large for dtype"):
            read(X, dtype=np.float32)


# Bad input


@pytest.mark.parametrize(
    ("X", "match"),
    [
        ([], r"0 sample\(s\)"),
        (np.empty(0, dtype=object), "Expected 2D array"),
        (np.ones((0, 3)), r"0 sample\(s\)"),
        (np.ones((3, 0)), r"0 feature\(s\)"),
        (np.ones((0, 3, 1)), r"0 sample\(s\)"),
        (np.ones((2, 0, 1)), "sequence 0 is empty"),
        (np.ones((2, 3, 0)), r"0 feature\(s\)"),
        (np.ones((2, 3, 2, 1)), r"4 dimensions \(shape \(2, 3, 2, 1\)\)"),
        (np.float64(3), "Expected 2D array, got scalar"),
        (3, "Expected 2D array, got scalar"),
        (None, "Expected 2D array, got scalar"),
        (np.ones(3), "Reshape your data"),
        ([1, 2, 3], "Reshape your data"),
        (pd.Series([1.0, 2.0]), "2-dimensional container"),
        ([np.ones((2, 1)), np.ones((0, 1))], "Sequence 1 of X is empty"),
        ([[1.0], []], "Sequence 1 of X is empty"),
        ([np.ones((2, 1)), np.ones((2, 3)), np.ones((2, 2))], "Sequence 1 .* 3 channels.* 0 has 1"),
        ([np.ones((2, 0)), np.ones((2, 0))], r"0 feature\(s\)"),
        ([np.ones((2, 1)), 3.0], r"Sequence 1 of X is the single value 3.0"),
        ([np.ones((2, 1)), "abc"], "Sequence 1 of X is the string 'abc'"),
        ([np.ones((2, 1)), None], "Sequence 1 of X is the single value None"),
        ([np.ones((2, 1)), np.ones((2, 1, 1))], "Sequence 1 of X has 3 dimensions"),
        ([np.ones((2, 2)), [[1, 2], [3]]], "sequence 1 of X is ragged in itself"),
        ([[1, 2], [3, [4]]], "sequence 1 of X is ragged in itself"),
        (["abc", "de"], "holds strings"),
        ("abc", "holds strings"),
        (pd.Series(["a", "b"], name="u"), "column 'u' of X"),
        ([["a", "b"], ["c"]], "sequence 0 of X holds strings"),
        ([["a", "b"], ["c", "d"]], r"index \(0, 0\) is the string 'a'"),
        ([[1, 2], [3, "4"]], r"index \(1, 1\) is the string '4'"),
        (np.array([["a", "b"]]), "holds strings"),
        (np.array([["a", 1.0]], dtype=object), r"index \(0, 0\) is the string 'a'"),
        (np.array([[["a"], [1.0]]], dtype=object), r"index \(0, 0, 0\) is the string 'a'"),
        (np.array([["2024-01-01"]], dtype="M8[D]"), "datetime64"),
        ([[1, 2], [3, 10**400]], r"index \(1, 1\)"),
        (pd.DataFrame({"a": [1.0], "b": ["x"]}), "column 'b' of X"),
        (pd.DataFrame(), r"0 feature\(s\)"),
        (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), "unique column names"),
        (np.ones((2, 3)) * 1j, "Complex data not supported"),
        (np.ones((2, 3, 1)) * 1j, "Complex data not supported"),
        ([np.ones((2, 1)), np.ones((3, 1)) * 1j], "Complex data not supported: sequence 1"),
        (np.array([[1j, 2]], dtype=object), r"Complex data not supported: X at index \(0, 0\)"),
    ],
)
def test_bad_input_is_a_value_error(X, match):
    for estimator in (Reader(), Reader().fit(np.ones((2, 3, 1)))):
        before = set(vars(estimator))
        with pytest.raises(ValueError, match=match):
            check_sequences(estimator, X, reset=True)
        assert set(vars(estimator)) == before
    with pytest.raises(ValueError, match=match):
        check_sequences(estimator, X, reset=False)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (sparse.csr_array(np.eye(3)), "Sparse data was passed"),
        ([np.ones((3, 3)), sparse.csr_array(np.eye(3))], "Sparse data was passed as sequence 1"),
        (np.array([[{"a": 1}, 1.0]], dtype=object), "argument must be .* string.* number"),
        ([[1.0, {}], [2.0, 3.0]], r"index \(0, 1\)"),
        ({"a": [1, 2]}, "X is a dict"),
        (np.matrix([[1.0, 2.0]]), "np.matrix is not supported"),
    ],
)
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_bad_input_is_a_type_error(X, match):
    with pytest.raises(TypeError, match=match):
        read(X)


def test_masked_values():
    X = np.ma.MaskedArray(np.ones((2, 3)), mask=False)
    X.mask[1, 2] = True
    with pytest.raises(ValueError, match=r"1 masked value.*index \(1, 2\).*filled"):
        read(X)
    with pytest.raises(ValueError, match=r"sequence 1 of X is a masked array.*index \(2,\)"):
        read([X[0], X[1]])


def test_frames_of_a_list_need_the_same_columns():
    a, b = pd.DataFrame({"u": [1.0], "v": [2.0]}), pd.DataFrame({"v": [1.0], "u": [2.0]})
    with pytest.raises(ValueError, match="Sequence 2 of X has the column 'v' where sequence 0"):
        read([a, a, b])


@pytest.mark.parametrize("n_timesteps", [0, -1, 2.5, "3", True, np.nan])
def test_n_timesteps_is_a_positive_integer(n_timesteps):
    with pytest.raises(ValueError, match="n_timesteps must be a positive integer or None"):
        read(np.ones((2, 6)), n_timesteps=n_timesteps)


def test_n_timesteps_that_does_not_divide():
    match = r"n_timesteps=7 does not divide the 24 columns of X. 6 \(.*4\) or 8 \(.*3\) would"
    for X in (np.ones((2, 24)), np.ones((2, 24)).tolist()):
        with pytest.raises(ValueError, match=match):
            read(X, n_timesteps=7)
    with pytest.raises(ValueError, match=r"does not divide the 24 values.* 24 \(.*1\) would"):
        read([np.ones(24)], n_timesteps=25)
    with pytest.raises(ValueError, match="Sequence 1 of X has 12 values, but sequence 0 has 24"):
        read([np.ones(24), np.ones(12)], n_timesteps=6)
    assert read(np.ones((2, 24)), n_timesteps=np.int64(6)).n_channels == 4


# What fit leaves behind, and what predict accepts


def test_attributes(rng):
    reader = Reader()
    assert set(vars(reader)) == {"n_timesteps"}
    reader.fit(rng.normal(size=(4, 6)))
    assert (reader.n_features_in_, reader.n_channels_) == (6, 1)
    reader.fit(rng.normal(size=(4, 6, 3)))
    assert (reader.n_features_in_, reader.n_channels_) == (3, 3)
    assert isinstance(reader.n_channels_, int)
    reader.fit(to_frame(ragged(rng)))
    assert reader.feature_names_in_.tolist() == ["a", "b"]
    reader.fit([pd.DataFrame(x, columns=["u", "v"]) for x in ragged(rng)])
    assert reader.feature_names_in_.tolist() == ["u", "v"]
    reader.fit(ragged(rng))
    assert not hasattr(reader, "feature_names_in_")
    reader.set_params(n_timesteps=2).fit(rng.normal(size=(4, 6)))
    assert (reader.n_features_in_, reader.n_channels_) == (6, 3)
    assert set(vars(clone(reader))) == {"n_timesteps"}


def test_a_bad_refit_leaves_the_old_attributes(rng):
    reader = Reader().fit(to_frame(ragged(rng)))
    before = copy.copy(vars(reader))
    bad = pd.DataFrame({"x": [1.0, np.nan], "y": [1.0, 2.0]})
    for X in (bad, bad.set_index([[0, 0], [0, 1]]), np.ones((2, 2, 2)) * np.inf, "abc"):
        with pytest.raises(ValueError):
            check_sequences(reader, X, reset=True)
        assert vars(reader) == before


def test_before_fit():
    with pytest.raises(NotFittedError):
        check_sequences(Reader(), np.ones((2, 3)), reset=False)


def accepts(reader, X):
    sequences = check_sequences(reader, X, reset=False)
    assert_internal_form(sequences)
    assert sequences.n_channels == reader.n_channels_


def refuses(reader, X, match):
    with pytest.raises(ValueError, match=match):
        check_sequences(reader, X, reset=False)


@pytest.mark.parametrize("revive", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_predict_after_a_2d_fit(rng, revive):
    reader = revive(Reader().fit(rng.normal(size=(4, 6))))
    accepts(reader, rng.normal(size=(1, 6)))
    accepts(reader, rng.normal(size=(2, 9, 1)))
    accepts(reader, [np.ones(2), np.ones(9)])
    accepts(reader, [np.ones(9)])
    accepts(reader, to_frame(ragged(rng, n_channels=1), names="q"))
    refuses(reader, rng.normal(size=(4, 5)), "X has 5 features, but Reader is expecting 6 features")
    refuses(reader, [[1.0] * 5], "X has 5 features, but Reader is expecting 6 features")
    refuses(reader, rng.normal(size=(4, 6, 2)), "X has 2 channels, but Reader is expecting 1")
    refuses(reader, ragged(rng), "X has 2 channels, but Reader is expecting 1")
    refuses(reader, to_frame(ragged(rng)), "X has 2 channels, but Reader is expecting 1")


def test_predict_after_a_wide_fit(rng):
    reader = Reader(n_timesteps=3).fit(rng.normal(size=(4, 6)))
    accepts(reader, rng.normal(size=(4, 6)))
    accepts(reader, rng.normal(size=(4, 7, 2)))
    accepts(reader, ragged(rng))
    accepts(reader, list(rng.normal(size=(4, 6))))
    refuses(reader, rng.normal(size=(4, 9)), "X has 9 features, but Reader is expecting 6")
    refuses(reader, list(rng.normal(size=(4, 9))), "X has 3 channels, but Reader is expecting 2")
    reader.n_timesteps = 2
    refuses(reader, rng.normal(size=(4, 6)), "X has 3 channels, but Reader is expecting 2")


def test_predict_after_a_fit_of_sequences(rng):
    for X in (rng.normal(size=(4, 6, 2)), ragged(rng)):
        reader = Reader().fit(X)
        accepts(reader, rng.normal(size=(1, 60, 2)))
        accepts(reader, rng.normal(size=(1, 60, 2)).astype(np.float32))
        accepts(reader, ragged(rng, (9, 90)))
        padded = rng.normal(size=(2, 3, 2))
        padded[0, 1:] = np.nan
        accepts(reader, padded)
        refuses(reader, rng.normal(size=(4, 6, 3)), "X has 3 channels, but Reader is expecting 2")
        refuses(reader, rng.normal(size=(4, 6)), r"X has 1 channels.*n_timesteps says")
        reader.n_timesteps = 5
        accepts(reader, rng.normal(size=(4, 10)))
        refuses(reader, rng.normal(size=(4, 15)), "X has 3 channels")
    reader = Reader().fit(rng.normal(size=(4, 6, 1)))
    accepts(reader, rng.normal(size=(2, 9)))
    accepts(reader, [[1, 2, 3]])
    accepts(reader, pd.DataFrame(rng.normal(size=(2, 9))).add_prefix("c"))


def test_quick_and_full_checks_agree(rng):
    for X in (rng.normal(size=(4, 6)), rng.normal(size=(4, 6, 2))):
        reader = Reader().fit(X)
        for dtype in (None, np.float32, np.float64):
            quick = check_sequences(reader, X, reset=False, dtype=dtype)
            full = check_sequences(reader, np.asfortranarray(X), reset=False, dtype=dtype)
            assert equal(quick, full)
            assert quick.values.dtype == (dtype or np.float64)
            assert quick.offsets.dtype == np.int64


def test_channel_names_are_compared(rng):
    sequences = ragged(rng)
    frames = [pd.DataFrame(x, columns=["a", "b"]) for x in sequences]
    for X in (to_frame(sequences), frames):
        reader = Reader().fit(X)
        accepts(reader, to_frame(sequences))
        accepts(reader, frames)
        refuses(reader, to_frame(sequences)[["b", "a"]], "must be in the same order")
        refuses(reader, [f[["b", "a"]] for f in frames], "must be in the same order")
        refuses(reader, to_frame(sequences)[["a"]], "now missing:\n- b")
        refuses(reader, to_frame(sequences, names="ax"), "unseen at fit time:\n- x")
        with pytest.warns(UserWarning, match="X does not have valid feature names, but Reader"):
            accepts(reader, sequences)
        with pytest.warns(UserWarning, match="X does not have valid feature names, but Reader"):
            accepts(reader, np.ones((1, 2, 2)))
        refuses(reader, np.ones((1, 2, 3)), "X has 3 channels")
    reader = Reader().fit(sequences)
    with pytest.warns(UserWarning, match="X has feature names, but Reader was fitted without"):
        accepts(reader, frames)
    mixed = to_frame(sequences)
    mixed.columns = ["a", 1]
    with pytest.raises(TypeError, match="Feature names are only supported"):
        Reader().fit(mixed)


def test_column_names_are_no_channel_names(rng):
    reader = Reader().fit(pd.DataFrame(rng.normal(size=(4, 3)), columns=["t0", "t1", "t2"]))
    accepts(reader, rng.normal(size=(4, 9, 1)))
    accepts(reader, to_frame(ragged(rng, n_channels=1), names="q"))


# The target


def test_target_length(rng):
    sequences = read(ragged(rng))
    for y in ([0, 1, 0], np.zeros((3, 2)), pd.Series([1, 2, 3])):
        check_target_length(sequences, y)
    match = r"inconsistent numbers of samples: \[3, 2\].*3 sequences.*2 targets"
    with pytest.raises(ValueError, match=match):
        check_target_length(sequences, [0, 1])
    for y in (3, np.float64(3)):
        with pytest.raises(ValueError, match="one target for each"):
            check_target_length(sequences, y)


def test_target_order(rng):
    X = to_frame(ragged(rng), ids=["z", "a", "m"])
    sequences = read(X)
    labels = ["z", "a", "m"]
    for index in (labels, [0, 1, 2], ["p", "q", "r"], [("z", 0), ("a", 0), ("m", 0)]):
        check_target_length(sequences, pd.Series([0, 1, 0], index=index), X)
    for y in (pd.Series([0, 1, 0], index=sorted(labels)), pd.DataFrame({"u": 0}, sorted(labels))):
        with pytest.raises(ValueError, match="target 0 is indexed 'a', but sequence 0 of X is 'z'"):
            check_target_length(sequences, y, X)
        check_target_length(sequences, y.to_numpy(), X)


# Anything at all

PLACE = r"(?i)row|sequence|column|axis|index|shape|sample|feature|dimension|array|channel|dtype"

any_array = hnp.arrays(
    dtype=st.one_of(
        hnp.floating_dtypes(),
        hnp.integer_dtypes(),
        hnp.boolean_dtypes(),
        hnp.complex_number_dtypes(),
        hnp.unicode_string_dtypes(),
        hnp.datetime64_dtypes(),
    ),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
some_floats = hnp.arrays(
    dtype=st.sampled_from([np.float64, np.float32, np.float16, ">f8"]),
    shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
    elements=st.sampled_from([0.0, 1.0, -2.5, np.nan, np.inf]),
)
objects = st.recursive(
    st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=2), st.booleans()),
    lambda children: st.lists(children, max_size=3),
    max_leaves=12,
)
anything = st.one_of(
    any_array,
    some_floats,
    st.lists(st.one_of(some_floats, any_array), max_size=4),
    objects,
    some_floats.map(lambda x: x.astype(object)),
    some_floats.filter(lambda x: x.ndim == 2).map(pd.DataFrame),
)


@given(fitted=st.integers(0, 2), X=anything, n_timesteps=st.sampled_from([None, 1, 2]))
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_anything_is_read_or_refused(fitted, X, n_timesteps):
    reader = Reader(n_timesteps)
    if fitted:
        reader.fit([np.ones((4, 2)), np.ones((1, 2, 2))][fitted - 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            sequences = check_sequences(reader, X, reset=not fitted)
        except (ValueError, TypeError) as error:
            assert re.search(PLACE, str(error)), str(error)
        else:
            assert_internal_form(sequences)
            assert sequences.n_channels == reader.n_channels_
            assert len(sequences) == len(X)
