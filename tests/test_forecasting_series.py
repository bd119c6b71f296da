"""Many series end to end: selecting, cutting, appending."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn.forecasting.reading import read_series, read_update

FREQUENCIES = ("15min", "D", "B", "W-WED", "ME", "QS-FEB")
lengths_of_series = st.lists(st.integers(1, 12), min_size=1, max_size=5)


def panel(lengths, freq="D", n_columns=1, first_value=0.0):
    """A frame of series with keys of letters, each starting two rows after the one before."""
    whole = pd.date_range("2024-02-20", periods=80, freq=freq)
    pieces = {
        "abcdefgh"[i]: pd.DataFrame(
            np.arange(length * n_columns, dtype=float).reshape(length, -1)
            + 100.0 * i + first_value,
            index=whole[2 * i : 2 * i + length],
        )
        for i, length in enumerate(lengths)
    }  # fmt: skip
    return pd.concat(pieces, names=["key", "time"])


def assert_same(actual, expected):
    np.testing.assert_array_equal(actual.values, expected.values)
    np.testing.assert_array_equal(actual.offsets, expected.offsets)
    assert actual.all_times().equals(expected.all_times())
    assert (actual.keys is None) == (expected.keys is None)
    assert actual.keys is None or actual.keys.equals(expected.keys)
    assert (actual.static is None) == (expected.static is None)
    assert actual.static is None or np.array_equal(actual.static, expected.static)


@given(lengths=lengths_of_series, freq=st.sampled_from(FREQUENCIES))
def test_series_and_their_times(lengths, freq):
    X = panel(lengths, freq)
    series_set = read_series(X, freq=freq)
    assert len(series_set) == len(lengths)
    np.testing.assert_array_equal(series_set.lengths, lengths)
    assert series_set.all_times().equals(X.index.get_level_values(1))
    for i, (_, group) in enumerate(X.groupby(level=0)):
        np.testing.assert_array_equal(series_set.series(i), group)
        assert series_set.times(i).equals(group.index.get_level_values(1))
        assert series_set.series(i).base is not None
    future = [time for i in range(len(lengths)) for time in series_set.future(i, 3)]
    assert list(series_set.all_future(3)) == future


@given(lengths=lengths_of_series, data=st.data())
def test_take_selects_series(lengths, data):
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=6))
    series_set = read_series(panel(lengths, n_columns=2), freq="D")
    taken = series_set.take(chosen)
    for i, j in enumerate(chosen):
        np.testing.assert_array_equal(taken.series(i), series_set.series(j))
        assert taken.times(i).equals(series_set.times(j))
        assert taken.name_of(i) == series_set.name_of(j)
    assert taken.values.flags.c_contiguous


@given(lengths=lengths_of_series, kept=st.integers(0, 13), freq=st.sampled_from(FREQUENCIES))
def test_truncated_and_tail_cut_at_the_ends(lengths, kept, freq):
    series_set = read_series(panel(lengths, freq), freq=freq)
    head, tail = series_set.truncated(kept), series_set.tail(kept)
    for i in range(len(lengths)):
        np.testing.assert_array_equal(head.series(i), series_set.series(i)[:kept])
        np.testing.assert_array_equal(
            tail.series(i), series_set.series(i)[max(lengths[i] - kept, 0) :]
        )
        assert head.times(i).equals(series_set.times(i)[:kept])
        assert tail.times(i).equals(series_set.times(i)[max(lengths[i] - kept, 0) :])
        assert tail.future(i, 2).equals(series_set.future(i, 2))


def test_lengths_to_keep_may_differ():
    series_set = read_series(panel([4, 5, 6]))
    assert series_set.truncated([1, 2, 9]).lengths.tolist() == [1, 2, 6]
    assert series_set.tail([1, 2, 9]).times(0).equals(series_set.times(0)[-1:])


@given(
    lengths=lengths_of_series,
    parts=st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5),
    freq=st.sampled_from(FREQUENCIES),
)
def test_append_undoes_a_cut(lengths, parts, freq):
    X = panel(lengths, freq, n_columns=2)
    whole = read_series(X, freq=freq)
    kept = [max(1, int(part * length)) for part, length in zip(parts, lengths, strict=False)]
    groups = [group for _, group in X.groupby(level=0)]
    old = pd.concat([group.iloc[:n] for group, n in zip(groups, kept, strict=True)])
    new = [group.iloc[n:] for group, n in zip(groups, kept, strict=True)]
    if not sum(map(len, new)):
        return
    assert_same(read_update(pd.concat(new[::-1]), read_series(old, freq=freq)), whole)


def test_append_adds_new_series():
    X = panel([4, 5, 6])
    old = read_series(X.loc[["a", "c"]])
    both = read_update(X.loc[["b"]], old)
    assert list(both.keys) == ["a", "c", "b"]
    assert_same(both, read_series(X.loc[["a", "c", "b"]]))


def test_append_keeps_static_covariates():
    X = panel([4, 5, 6])
    table = pd.DataFrame({"size": [1.0, 2.0, 3.0]}, index=["c", "b", "a"])
    old = read_series(X.loc[["a", "b"]], static=table)
    assert read_update(X.loc[["c"]], old).static.ravel().tolist() == [3.0, 2.0, 1.0]


def lone(n, freq="D"):
    return pd.Series(np.arange(n, dtype=float), pd.date_range("2024-02-20", periods=n, freq=freq))


def test_a_lone_series_grows_in_place():
    y = lone(400)
    series_set = read_series(y[:100])
    places = set()
    for i in range(100, 400):
        series_set = read_update(y[i : i + 1], series_set)
        places.add(series_set.values.ctypes.data)
    assert_same(series_set, read_series(y))
    assert len(places) < 10


def test_many_series_grow_in_place():
    X = panel([60, 40, 50])
    groups = [group for _, group in X.groupby(level=0)]
    series_set = read_series(pd.concat([group.iloc[:30] for group in groups]))
    buffers = set()
    for i in range(30, 60):
        new = pd.concat([group.iloc[i : i + 1] for group in groups])
        series_set = read_update(new, series_set)
        buffers.add(series_set._blocks.rows.ctypes.data)
    assert len(buffers) < 4
    assert "values" not in vars(series_set)  # nobody has asked for all rows
    assert_same(series_set.tail(7, np.array([0, 2])), read_series(X).take([0, 2]).tail(7))
    assert_same(series_set, read_series(X))


@pytest.mark.parametrize("n_new", [1, 500])
def test_versions_of_many_series_do_not_touch(n_new):
    X = np.arange(24.0).reshape(2, 12)
    history = read_update(X[:, 8:], read_series(X[:, :8]))
    new = np.ones((2, n_new))
    one, other = read_update(new, history), read_update(2 * new, history)
    assert_same(one, read_series(np.concatenate([X, new], axis=1)))
    assert_same(other, read_series(np.concatenate([X, 2 * new], axis=1)))
    assert_same(history, read_series(X))


def test_two_futures_of_one_history_do_not_touch():
    y = lone(30)
    history = read_update(y[10:20], read_series(y[:10]))
    one, other = (read_update(y[20:30] + shift, history) for shift in (0.0, 1.0))
    assert one.series(0)[20:, 0].tolist() == y[20:].tolist()
    assert other.series(0)[20:, 0].tolist() == (y[20:] + 1.0).tolist()
    assert len(history.values) == 20


def test_threads_may_append_to_one_history():
    y = lone(20)
    history = read_update(y[10:], read_series(y[:10]))
    following = pd.Series(0.0, history.future(0, 1))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda i: read_update(following + i, history), range(64)))
    assert [result.values[-1, 0] for result in results] == list(range(64))


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_copies_are_independent(duplicate):
    y = lone(20)
    history = read_update(y[10:15], read_series(y[:10]))
    again = duplicate(history)
    assert_same(read_update(y[15:], again), read_series(y))
    assert_same(read_update(y[15:], history), read_series(y))
    assert len(pickle.dumps(history)) < 10_000


def test_arrays_are_appended_by_position():
    X = np.arange(12.0).reshape(3, 4)
    both = read_update(X[:, 3:], read_series(X[:, :3]))
    assert_same(both, read_series(X))
    assert_same(read_update(X[0, 3:], read_series(X[0, :3])), read_series(X[0]))
    ragged = read_update([X[0], X[1, :1]], read_series([X[0], X[1]]))
    assert ragged.lengths.tolist() == [8, 5]
    with pytest.raises(ValueError, match="newer rows of 2 series, but the history has 3"):
        read_update(X[:2, 3:], read_series(X[:, :3]))


def test_lists_of_pandas_are_appended_by_position():
    y = lone(10)
    both = read_update([y[6:], y[3:]], read_series([y[:6], y[:3]]))
    assert both.lengths.tolist() == [10, 10]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            slice(5, 9),
            "overlap with the history: they begin at 2024-02-25.*continues at 2024-03-01",
        ),
        (slice(11, 14), "leave a gap after the history: they begin at 2024-03-02"),
    ],
)
def test_new_rows_must_follow_on(rows, message):
    y = lone(20)
    with pytest.raises(ValueError, match=message):
        read_update(y[rows], read_series(y[:10]))


def test_new_rows_that_do_not_follow_name_the_series():
    X = panel([4, 5])
    old = read_series(X.groupby(level=0).head(3))
    with pytest.raises(ValueError, match="of series 'b' leave a gap"):
        read_update(X.groupby(level=0).tail(1), old)


def test_new_rows_must_be_told_apart():
    y, X = lone(20), panel([4, 5])
    with pytest.raises(ValueError, match="2 series with keys cannot be appended to One series"):
        read_update(X, read_series(y))
    with pytest.raises(ValueError, match="One series without a key cannot be appended"):
        read_update(y, read_series(X))
    with pytest.raises(ValueError, match="layout of the history"):
        read_update(np.zeros((2, 1)), read_series(X))


def test_numbers_continue_a_lone_series_in_pandas():
    longer = read_update(np.array([5.0, 6.0]), read_series(lone(5)))
    assert_same(longer, read_series(lone(7)))


def test_new_rows_may_be_missing():
    longer = read_update(lone(6)[5:] * np.nan, read_series(lone(5)))
    assert np.isnan(longer.values[-1, 0])


@pytest.mark.parametrize("freq", ["h", "D", "B"])
def test_new_rows_across_a_change_of_the_clock(freq):
    index = pd.date_range("2024-03-28", periods=60, freq=freq, tz="Europe/Berlin")
    y = pd.Series(1.0, index)
    assert_same(read_update(y[40:], read_series(y[:40])), read_series(y))
