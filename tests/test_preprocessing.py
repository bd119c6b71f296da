import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrnn.preprocessing import SequenceScaler

LENGTHS = (3, 1, 6, 4)


@parametrize_with_checks(
    [
        SequenceScaler(),
        SequenceScaler(n_timesteps=1),
        SequenceScaler(with_std=False),
        SequenceScaler(with_mean=False),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def ragged(rng):
    return [rng.normal(5, 3, size=(length, 2)) * [1, 1000] for length in LENGTHS]


def to_frame(sequences):
    index = [(f"s{9 - i}", t) for i, x in enumerate(sequences) for t in range(len(x))]
    index = pd.MultiIndex.from_tuples(index, names=["sequence", "time"])
    return pd.DataFrame(np.concatenate(sequences), index=index, columns=["u", "v"])


def to_padded(sequences):
    padded = np.full((len(sequences), max(LENGTHS) + 2, 2), np.nan)
    for row, x in zip(padded, sequences, strict=True):
        row[: len(x)] = x
    return padded


def to_objects(sequences):
    objects = np.empty(len(sequences), dtype=object)
    for i, x in enumerate(sequences):
        objects[i] = x
    return objects


LAYOUTS = {
    "list": list,
    "tuple": tuple,
    "nested lists": lambda sequences: [x.tolist() for x in sequences],
    "objects": to_objects,
    "series": lambda sequences: pd.Series(list(sequences), index=list("abcd"), name="x"),
    "frames": lambda sequences: [pd.DataFrame(x, columns=["u", "v"]) for x in sequences],
    "padded": to_padded,
    "frame": to_frame,
}


def steps_of(X):
    if isinstance(X, pd.DataFrame):
        return X.to_numpy()
    if isinstance(X, np.ndarray) and X.ndim == 3:
        return X[~np.isnan(X).all(axis=2)]
    return np.concatenate([np.asarray(x) for x in X])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_scaled_over_true_steps(ragged, layout):
    X = LAYOUTS[layout](ragged)
    scaler = SequenceScaler()
    result = scaler.fit_transform(X)
    reference = StandardScaler().fit(np.concatenate(ragged))
    for name in ("mean_", "var_", "scale_"):
        np.testing.assert_array_equal(getattr(scaler, name), getattr(reference, name))
    assert scaler.n_samples_seen_ == sum(LENGTHS)
    assert (scaler.n_channels_, scaler.n_features_in_) == (2, 2)
    expected = reference.transform(np.concatenate(ragged))
    np.testing.assert_allclose(steps_of(result), expected, rtol=1e-14)
    back = scaler.inverse_transform(result)
    np.testing.assert_allclose(steps_of(back), np.concatenate(ragged), rtol=1e-12)
    assert type(back) is type(result)


def test_layouts_come_back(ragged):
    def scaled(name):
        X = LAYOUTS[name](ragged)
        return X, SequenceScaler().fit_transform(X)

    for name in ("list", "tuple", "nested lists"):
        _, result = scaled(name)
        assert isinstance(result, list)
        assert [x.shape for x in result] == [(length, 2) for length in LENGTHS]
    X, result = scaled("objects")
    assert result.dtype == object
    assert result.shape == X.shape
    X, result = scaled("series")
    assert isinstance(result, pd.Series)
    assert result.index.equals(X.index)
    X, result = scaled("frames")
    assert all(x.columns.equals(r.columns) for x, r in zip(X, result, strict=True))
    assert all(x.index.equals(r.index) for x, r in zip(X, result, strict=True))
    X, result = scaled("padded")
    np.testing.assert_array_equal(np.isnan(result), np.isnan(X))
    X, result = scaled("frame")
    pd.testing.assert_index_equal(result.index, X.index)
    pd.testing.assert_index_equal(result.columns, X.columns)


def test_univariate_layouts_come_back(rng):
    flat = [rng.normal(size=length) for length in LENGTHS]
    result = SequenceScaler().fit_transform(flat)
    assert [x.shape for x in result] == [(length,) for length in LENGTHS]
    series = [pd.Series(x, index=np.arange(len(x)) * 2, name="y") for x in flat]
    result = SequenceScaler().fit_transform(series)
    assert all(isinstance(x, pd.Series) and x.name == "y" for x in result)
    assert all(x.index.equals(s.index) for x, s in zip(result, series, strict=True))
    long = pd.concat(dict(enumerate(series)))
    result = SequenceScaler().fit_transform(long)
    assert isinstance(result, pd.Series)
    pd.testing.assert_index_equal(result.index, long.index)
    assert result.mean() == pytest.approx(0, abs=1e-14)


def test_frame_whose_sequences_are_interleaved(ragged):
    frame = to_frame(ragged)
    mixed = frame.sort_index(level="time", sort_remaining=False, kind="stable")
    scaler = SequenceScaler().fit(frame)
    pd.testing.assert_frame_equal(scaler.transform(mixed), scaler.transform(frame).loc[mixed.index])


def test_2d_has_one_mean_for_everything(rng):
    X = rng.normal(3, 2, size=(10, 7)) + np.arange(7)
    scaler = SequenceScaler().fit(X)
    assert scaler.mean_ == pytest.approx([X.mean()])
    assert scaler.scale_ == pytest.approx([X.std()])
    assert (scaler.n_features_in_, scaler.n_channels_, scaler.n_samples_seen_) == (7, 1, 70)
    np.testing.assert_allclose(scaler.transform(X), (X - X.mean()) / X.std(), rtol=1e-13)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X)


def test_n_timesteps_gives_each_channel_its_mean(rng):
    X = rng.normal(size=(10, 4, 3)) * [1, 10, 100] + [5, 6, 7]
    expected = SequenceScaler().fit_transform(X)
    wide = SequenceScaler(n_timesteps=4).fit(X.reshape(10, 12))
    assert wide.n_channels_ == 3
    np.testing.assert_array_equal(wide.transform(X.reshape(10, 12)), expected.reshape(10, 12))
    np.testing.assert_array_equal(wide.transform(X), expected)
    rows = wide.transform(list(X.reshape(10, 12)))
    np.testing.assert_array_equal(np.stack(rows), expected.reshape(10, 12))


@pytest.mark.parametrize("with_mean", [True, False])
@pytest.mark.parametrize("with_std", [True, False])
def test_parts_can_be_left_out(ragged, with_mean, with_std):
    scaler = SequenceScaler(with_mean=with_mean, with_std=with_std).fit(ragged)
    reference = StandardScaler(with_mean=with_mean, with_std=with_std)
    expected = reference.fit_transform(np.concatenate(ragged))
    np.testing.assert_array_equal(steps_of(scaler.transform(ragged)), expected)
    for name in ("mean_", "var_", "scale_"):
        ours, theirs = getattr(scaler, name), getattr(reference, name)
        assert (ours is None) == (theirs is None)


def test_constant_channel_has_scale_one(rng):
    X = rng.normal(size=(5, 4, 2))
    X[..., 1] = 3.1
    scaler = SequenceScaler().fit(X)
    assert scaler.scale_[1] == 1
    np.testing.assert_allclose(scaler.transform(X)[..., 1], 0, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64, ">f8"])
def test_dtype(rng, dtype):
    X = (rng.normal(size=(5, 4, 2)) * 10).astype(dtype)
    expected = np.float32 if np.dtype(dtype).kind == "f" and np.dtype(dtype).itemsize < 8 else "f8"
    for layout in (X, X[..., 0], list(X), list(X[..., 0]), to_objects(X), to_frame(list(X))):
        scaler = SequenceScaler().fit(layout)
        for result in (scaler.transform(layout), scaler.inverse_transform(layout)):
            assert steps_of(result).dtype == expected
    assert scaler.mean_.dtype == np.float64


def test_input_is_never_written_to(ragged, rng):
    inputs = [layout(ragged) for layout in LAYOUTS.values()]
    inputs += [rng.normal(size=(3, 4)), rng.normal(size=(3, 4, 2)), [rng.normal(size=(4, 2))]]
    for X in inputs:
        before = copy.deepcopy(X)
        scaler = SequenceScaler().fit(X)
        scaler.inverse_transform(scaler.transform(X))
        np.testing.assert_array_equal(steps_of(X), steps_of(before))


def test_copy_false_writes_into_a_good_array(rng):
    for shape in ((3, 4), (3, 4, 2)):
        X = rng.normal(size=shape)
        expected = SequenceScaler().fit_transform(X)
        assert not np.shares_memory(SequenceScaler().fit_transform(X), X)
        result = SequenceScaler(copy=False).fit_transform(X)
        assert np.shares_memory(result, X)
        np.testing.assert_array_equal(X, expected)
    X.flags.writeable = False
    assert not np.shares_memory(SequenceScaler(copy=False).fit_transform(X), X)


@given(
    lengths=st.lists(st.integers(1, 5), min_size=2, max_size=8),
    cut=st.integers(1, 7),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_partial_fit_is_exact(lengths, cut, seed):
    rng = np.random.default_rng(seed)
    X = [rng.normal(100, 3, size=(length, 2)) for length in lengths]
    cut = min(cut, len(X) - 1)
    whole = SequenceScaler().fit(X)
    parts = SequenceScaler().partial_fit(X[:cut]).partial_fit(X[cut:])
    assert parts.n_samples_seen_ == whole.n_samples_seen_ == sum(lengths)
    np.testing.assert_allclose(parts.mean_, whole.mean_, rtol=1e-12)
    np.testing.assert_allclose(parts.var_, whole.var_, rtol=1e-9, atol=1e-12)


def test_partial_fit_takes_another_length_but_no_other_channels(ragged):
    scaler = SequenceScaler().partial_fit(ragged[:2]).partial_fit(to_padded(ragged[2:]))
    before = copy.copy(vars(scaler))
    with pytest.raises(ValueError, match="X has 3 channels, but SequenceScaler is expecting 2"):
        scaler.partial_fit(np.ones((2, 3, 3)))
    with pytest.raises(ValueError, match="too large"):
        scaler.partial_fit(np.array([[[1e200, -1e200]], [[-1e200, 1e200]]]))
    assert vars(scaler) == before
    np.testing.assert_allclose(scaler.mean_, np.concatenate(ragged).mean(axis=0))


def test_fit_forgets(ragged):
    scaler = SequenceScaler().fit(to_frame(ragged)).fit(np.ones((2, 3)))
    assert scaler.n_channels_ == 1
    assert not hasattr(scaler, "feature_names_in_")


def test_a_weight_of_two_is_a_repetition(ragged):
    weighted = SequenceScaler().fit(ragged, sample_weight=[2, 1, 0, 1])
    repeated = SequenceScaler().fit([ragged[i] for i in (0, 0, 1, 3)])
    np.testing.assert_allclose(weighted.mean_, repeated.mean_)
    np.testing.assert_allclose(weighted.var_, repeated.var_)
    assert weighted.n_samples_seen_ == repeated.n_samples_seen_
    result = SequenceScaler().fit_transform(ragged, sample_weight=[2, 1, 0, 1])
    np.testing.assert_allclose(steps_of(result), steps_of(repeated.transform(ragged)))


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ([1, 2], "(2,)"),
        ([1, 1, 1, -1], "Negative values"),
        ([0, 0, 0, 0], "zero"),
        ([1, 1, 1, np.nan], "NaN"),
        ([[1, 1, 1, 1]], "1D"),
    ],
)
def test_bad_weights(ragged, weights, match):
    scaler = SequenceScaler()
    with pytest.raises(ValueError, match=match):
        scaler.fit(ragged, sample_weight=weights)
    assert vars(scaler) == vars(SequenceScaler())


def test_names_and_set_output(ragged, rng):
    frame = to_frame(ragged)
    scaler = SequenceScaler().fit(frame)
    assert scaler.get_feature_names_out().tolist() == ["u", "v"]
    with pytest.raises(ValueError, match="same order"):
        scaler.transform(frame[["v", "u"]])
    assert SequenceScaler().fit(ragged).get_feature_names_out().tolist() == ["x0", "x1"]
    table = pd.DataFrame(rng.normal(size=(3, 2)), columns=["a", "b"], index=list("pqr"))
    assert isinstance(SequenceScaler().fit_transform(table), np.ndarray)
    scaler = SequenceScaler().set_output(transform="pandas")
    for result in (scaler.fit_transform(table), scaler.transform(table)):
        assert result.columns.tolist() == ["a", "b"]
        assert result.index.tolist() == ["p", "q", "r"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_set_output_leaves_sequences_alone(ragged, layout):
    X = LAYOUTS[layout](ragged)
    expected = SequenceScaler().fit_transform(X)
    scaler = SequenceScaler().set_output(transform="pandas")
    assert type(scaler.fit_transform(X)) is type(expected)
    assert type(clone(scaler).fit(X).transform(X)) is type(expected)
    with config_context(transform_output="pandas"):
        result = SequenceScaler().fit(X).transform(X)
    assert type(result) is type(expected)
    np.testing.assert_array_equal(steps_of(result), steps_of(expected))


def test_pipeline_and_routing(ragged):
    pipeline = make_pipeline(SequenceScaler(), SequenceScaler(with_std=False))
    np.testing.assert_allclose(
        steps_of(pipeline.fit_transform(ragged)), steps_of(SequenceScaler().fit_transform(ragged))
    )
    with config_context(enable_metadata_routing=True):
        scaler = SequenceScaler().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(scaler).fit(ragged, sample_weight=np.array([1.0, 0, 0, 0]))
        np.testing.assert_allclose(pipeline[0].mean_, ragged[0].mean(axis=0))


def test_clone_and_pickle(ragged):
    scaler = SequenceScaler(with_mean=False).fit(ragged)
    revived = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(
        steps_of(revived.transform(ragged)), steps_of(scaler.transform(ragged))
    )
    assert clone(scaler).get_params() == scaler.get_params()
    with pytest.raises(NotFittedError):
        clone(scaler).transform(ragged)
    with pytest.raises(NotFittedError):
        clone(scaler).inverse_transform(ragged)


def test_bad_input_leaves_nothing_behind(ragged):
    bad = [ragged[0], np.array([[1.0, np.nan]])]
    scaler = SequenceScaler()
    with pytest.raises(ValueError, match="sequence 1, step 0, channel 1"):
        scaler.fit(bad)
    assert vars(scaler) == vars(SequenceScaler())
    with pytest.raises(ValueError, match=r"channel 1 of X are too large.*variance"):
        scaler.fit(np.array([[[1, 1e200]], [[2, -1e200]]]))
    assert vars(scaler) == vars(SequenceScaler())
    with pytest.raises(ValueError, match="n_timesteps"):
        SequenceScaler(n_timesteps=0).fit(np.ones((2, 2)))
    with pytest.raises(ValueError, match="with_mean"):
        SequenceScaler(with_mean="yes").fit(np.ones((2, 2)))
    with pytest.raises(ValueError, match="does not divide"):
        SequenceScaler(n_timesteps=4).fit(np.ones((2, 6)))


def test_subnormal_float32():
    X = np.array([[1e-45, 0.0]], dtype=np.float32)
    result = SequenceScaler().fit_transform(X)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [[1, -1]], rtol=1e-6)


def test_overflow_is_named():
    scaler = SequenceScaler().fit(np.array([[1e-20, 2e-20]], dtype=np.float32))
    with pytest.raises(ValueError, match=r"overflows float32 in sequence 1, step 0, channel 0"):
        scaler.transform(np.array([[1, 2], [1e30, 2]], dtype=np.float32))


@given(
    X=hnp.arrays(
        dtype=st.sampled_from([np.float64, np.float32, np.int16]),
        shape=hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=4),
    ),
    as_list=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_anything_is_scaled_or_refused(X, as_list):
    X = list(X) if as_list else X
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = SequenceScaler().fit_transform(X)
        except ValueError as error:
            assert str(error)
        else:
            assert len(result) == len(X)
            assert np.isfinite(steps_of(result)).all()
            assert np.shape(result) == np.shape(X)
