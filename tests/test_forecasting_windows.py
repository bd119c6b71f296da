"""Windows, transforms and what normalises them, against slow and obvious NumPy."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn.batching import PackedBatch
from skrnn.forecasting.normalisation import (
    FIXED,
    ONE,
    SIZE,
    SPREAD,
    Transform,
    carry_forward,
    fit_transform,
    measure,
    repeat_season,
)
from skrnn.forecasting.panel import plain_panel
from skrnn.forecasting.windows import LIMIT, Windows, all_origins, rows_ahead
from skrnn.sequences import lengths_to_offsets


def series_with_gaps(rng, lengths, share=0.2, n_columns=1):
    values = rng.normal(5, 2, size=(sum(lengths), n_columns))
    values[rng.random(values.shape) < share] = np.nan
    return values, lengths_to_offsets(lengths)


@given(
    seed=st.integers(0, 1000),
    n_rows=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    segment=st.integers(1, 4),
    n_constants=st.integers(0, 2),
)
def test_windows_are_packed_as_they_are_defined(seed, n_rows, segment, n_constants):
    rng = np.random.default_rng(seed)
    values, _ = series_with_gaps(rng, [30], n_columns=3)
    n = len(n_rows)
    n_rows = np.array(n_rows)
    windows = Windows(
        values, rng.integers(9, 31, size=n), n_rows, rng.normal(size=(n, 2)),
        rng.normal(size=(n, 2)), rng.normal(size=(n, n_constants)), segment,
    )  # fmt: skip
    batch = PackedBatch(windows, np.arange(n))
    out = np.full((batch.n_rows, windows.n_channels), np.inf)
    batch.pack(out)
    for place, i in enumerate(batch.order):
        rows = values[windows.ends[i] - n_rows[i] : windows.ends[i]].copy()
        rows[:, :2] = np.clip((rows[:, :2] - windows.shift[i]) * windows.gain[i], -LIMIT, LIMIT)
        rows = np.nan_to_num(rows)
        padding = np.zeros((-len(rows) % segment, 3))
        steps = np.concatenate([padding, rows]).reshape(-1, segment * 3)
        got = out[batch.starts[: len(steps)] + place]
        np.testing.assert_allclose(got[:, : segment * 3], steps)
        np.testing.assert_array_equal(
            got[:, segment * 3 :], np.repeat(windows.constants[[i]], len(steps), axis=0)
        )
        assert windows.lengths[i] == windows.lengths_of(np.array([i]))[0] == len(steps)


def test_windows_share_the_rows():
    values = np.zeros((10, 1))
    ends, n_rows = np.arange(3, 10), np.full(7, 3)
    level = np.zeros((7, 1))
    windows = Windows(values, ends, n_rows, level, level, np.empty((7, 0)))
    assert windows.take(np.array([1, 4])).values is values


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4), shortest=st.integers(1, 6),
       latest=st.integers(0, 3))  # fmt: skip
def test_origins_are_all_places_with_history(lengths, shortest, latest):
    series, positions = all_origins(np.array(lengths), shortest, latest)
    expected = []
    for i, n in enumerate(lengths):
        first = min(shortest, max(n - latest, 1))
        expected += [(i, p) for p in range(first, n - latest + 1)]
    assert list(zip(series.tolist(), positions.tolist(), strict=True)) == expected


def test_rows_ahead_end_with_their_series():
    values, offsets = np.arange(7.0)[:, np.newaxis], np.array([0, 3, 7])
    ahead = rows_ahead(values, offsets, np.array([0, 1]), np.array([2, 1]), 2)[..., 0]
    np.testing.assert_array_equal(ahead, [[2, np.nan], [4, 5]])


@given(seed=st.integers(0, 1000), season=st.integers(1, 4))
def test_gaps_are_filled_from_the_past_alone(seed, season):
    rng = np.random.default_rng(seed)
    values, offsets = series_with_gaps(rng, [9, 1, 6], 0.4)
    filled = np.empty_like(values)
    carry_forward(values, offsets, season, filled)
    for a, b in pairwise(offsets):
        for row in range(a, b):
            value = values[row, 0]
            if np.isnan(value) and row - season >= a:
                value = filled[row - season, 0]
            if np.isnan(value) and row > a:
                value = filled[row - 1, 0]
            np.testing.assert_equal(filled[row, 0], value)
    later = values.copy()
    later[-2:] = 99.0
    changed = np.empty_like(values)
    carry_forward(later, offsets, season, changed)
    np.testing.assert_array_equal(changed[:-2], filled[:-2])


@pytest.mark.parametrize("kind", [FIXED, ONE, SIZE, SPREAD])
def test_windows_are_measured_as_defined(kind):
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, size=(20, 1))
    ends, lengths = np.array([8, 20]), np.array([8, 5])
    level, spread, unit = (np.empty((2, 1)) for _ in range(3))
    measure(
        values, ends, lengths, 4, np.array([kind]), np.array([7.0]), np.array([2.0]),
        np.array([1.0]), np.array([0.1]), level, spread, unit,
    )  # fmt: skip
    for i in range(2):
        window = values[ends[i] - lengths[i] : ends[i], 0]
        centre = window[-4:].mean()
        stray = np.abs(window - centre).mean()
        own = {ONE: 1.0, SIZE: np.abs(window).mean(), SPREAD: stray, FIXED: 2.0}[kind]
        grown = own if kind == FIXED else own * max(1.0, stray / (0.1 * own))
        np.testing.assert_allclose(spread[i], stray)
        np.testing.assert_allclose(unit[i], grown)
        np.testing.assert_allclose(level[i], 7.0 if kind == FIXED else centre)


def test_a_season_comes_again():
    values = np.arange(10.0)[:, np.newaxis]
    base = np.empty((2, 5, 1))
    repeat_season(values, np.array([10, 2]), np.array([10, 2]), 3, base)
    np.testing.assert_array_equal(base[0, :, 0], [7, 8, 9, 7, 8])
    np.testing.assert_array_equal(base[1, :, 0], [1, 0, 1, 1, 0])  # as far as it is known


@given(
    values=st.lists(st.floats(1e-3, 1e6), min_size=3, max_size=20),
    kind=st.sampled_from([None, "log", "box-cox", "auto"]),
    zero=st.booleans(),
)
def test_transforms_come_back(values, kind, zero):
    values = np.array([0.0, *values] if zero else values)
    transform = fit_transform(kind, values, "y")
    bent = transform.forward(values)
    assert (np.diff(bent[np.argsort(values)]) >= 0).all()
    np.testing.assert_allclose(transform.inverse(bent), values, rtol=1e-6, atol=1e-6 * values.max())
    assert np.isfinite(transform.inverse(np.array([-1e9, 1e9]))).all()
    assert np.isfinite(transform.forward(np.array([-5.0, 0.0, 1e12]))).all()


def test_what_cannot_be_bent_is_named():
    with pytest.raises(ValueError, match=r"target 0 holds -1"):
        fit_transform("log", np.array([3.0, -1.0]), "target 0")
    assert fit_transform("auto", np.array([3.0, -1.0]), "y") == Transform()
    assert fit_transform("auto", np.array([3.0, 0.0]), "y") == Transform()
    assert fit_transform("auto", np.array([3.0, 1.0]), "y").power == 0


def test_a_panel_goes_on_in_forecasts():
    panel = plain_panel(np.arange(10.0)[:, np.newaxis], np.array([0, 4, 10]))
    path = np.array([[[50.0], [51.0]], [[60.0], [61.0]]])
    longer, series, positions = panel.continued(np.array([0, 1]), np.array([1, 5]), 3, path, 2)
    np.testing.assert_array_equal(longer.target[:, 0], [0, 50, 51, 6, 7, 8, 60, 61])
    np.testing.assert_array_equal(longer.lengths, [3, 5])
    np.testing.assert_array_equal(series, [0, 1])
    np.testing.assert_array_equal(positions, [3, 5])
