"""Arrays read a batch at a time: the same results, errors that name the row, little memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import skrnn
from skrnn import RNNClassifier, RNNRegressor, SequenceScaler, inference
from skrnn.lazy import LazySequences, is_lazy
from skrnn.threads import Threads

ROOT = Path(skrnn.__file__).resolve().parents[1]
N, STEPS, CHANNELS = 90, 6, 3
RNG = np.random.default_rng(0)
Y = np.arange(N) % 3


class Sliced:
    """What HDF5 and Zarr data sets have in common, and a record of what was asked for."""

    def __init__(self, array):
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.slices = []

    def __getitem__(self, index):
        assert isinstance(index, slice)
        self.slices.append((index.start, index.stop))
        return self._array[index].copy()

    def __array__(self, dtype=None, copy=None):
        raise MemoryError("it was read as a whole")


def data(dtype=np.float64, padded=True):
    X = RNG.normal(size=(N, STEPS, CHANNELS)).astype(dtype)
    if padded:
        for row in range(0, N, 4):
            X[row, 1 + row % (STEPS - 1) :] = np.nan
    return X


def mapped(array, folder, mode="r"):
    path = folder / f"{mode}.npy"
    np.save(path, array)
    return np.load(path, mmap_mode=mode)


def make(kind, **settings):
    return kind(4, max_iter=2, random_state=0, batch_size=16, **settings)


@pytest.mark.filterwarnings("ignore:lbfgs stopped:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.3, "n_jobs": 2},
        {"early_stopping": True, "bidirectional": True},
        {"solver": "lbfgs"},
        {"batch_size": 200},
    ],
    ids=str,
)
def test_the_bits_are_those_of_the_array_in_memory(kind, settings, tmp_path):
    X = data()
    weight = RNG.uniform(size=N) * (np.arange(N) % 7 > 0)
    expected = make(kind).set_params(**settings).fit(X, Y, sample_weight=weight)
    for lazy in (Sliced(X), mapped(X, tmp_path)):
        model = make(kind).set_params(**settings).fit(lazy, Y, sample_weight=weight)
        np.testing.assert_array_equal(model.predict(lazy), expected.predict(X))
        np.testing.assert_array_equal(model.transform(lazy), expected.transform(X))
        np.testing.assert_array_equal(model.transform(X), expected.transform(X))
        assert model.score(lazy, Y) == expected.score(X, Y)


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", ">f4", "i2", "u1", "?"])
def test_every_type_is_read_as_in_memory(dtype, tmp_path):
    X = (8 * data(padded=False)).astype(dtype)
    expected = make(RNNClassifier).fit(X, Y)
    for lazy in (Sliced(X), mapped(X, tmp_path), mapped(np.asfortranarray(X), tmp_path, "r+")):
        model = make(RNNClassifier).fit(lazy, Y)
        assert model.predict_proba(lazy).dtype == expected.predict_proba(X).dtype
        np.testing.assert_array_equal(model.predict_proba(lazy), expected.predict_proba(X))


def test_partial_fit_and_validation_data():
    X, X_val = data(), data()
    expected = make(RNNClassifier).fit(X, Y, X_val=X_val, y_val=Y)
    model = make(RNNClassifier).fit(Sliced(X), Y, X_val=Sliced(X_val), y_val=Y)
    assert model.validation_scores_ == expected.validation_scores_
    np.testing.assert_array_equal(
        model.partial_fit(Sliced(X), Y).predict_proba(X),
        expected.partial_fit(X, Y).predict_proba(X),
    )


@pytest.mark.parametrize("n_steps", [9, 3000])
def test_validation_losses_have_the_same_bits(n_steps, monkeypatch):
    """However the sequences are cut, and whoever runs them."""
    monkeypatch.setattr(inference, "PIECE_ROWS", 30_000)  # ten of the longer ones
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(170, n_steps, 2)), np.arange(170) % 3
    curves = set()
    for n_jobs in (1, 2, 3):
        for validation in (X, Sliced(X)):
            model = RNNClassifier(4, "rnn", max_iter=2, random_state=0, n_jobs=n_jobs)
            model.fit(X[:9, :9], y[:9], X_val=validation, y_val=y)
            curves.add(tuple(model.validation_loss_curve_))
    assert len(curves) == 1


def test_rows_in_any_order_stay_in_it():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(70, 9, 2)).astype(np.float32), np.arange(70) % 3
    model = RNNClassifier(4, "gru", max_iter=1, random_state=0).fit(X, y)
    expected = model.transform(X)
    for order in ([0, 2, 1, 3], [3, 0, 1, 2], [5, 5, 5, 6], rng.permutation(70)):
        found = inference.run(
            model._network, model._params, LazySequences(Sliced(X), None).take(np.array(order)),
            Threads(1), "features", lambda values, rows: values,
        )  # fmt: skip
        np.testing.assert_array_equal(found, expected[order])


def test_it_is_read_batch_by_batch():
    X = data()
    lazy = Sliced(X)
    model = make(RNNClassifier, shuffle=False).fit(lazy, Y)
    once = [(i, i + 15) for i in range(0, N, 15)]  # six batches of at most 16, all alike
    assert lazy.slices == 2 * once
    longer = Sliced(np.tile(X, (4, 1, 1)))
    model.predict(longer)
    assert sum(stop - start for start, stop in longer.slices) == 4 * N
    assert max(stop - start for start, stop in longer.slices) <= 128


def test_what_a_slice_of_rows_asks_for():
    X = data(padded=False)
    lazy = Sliced(X)
    sequences, positions = LazySequences(lazy, None).load(np.array([7, 3, 4, 7, 80]))
    assert lazy.slices == [(3, 5), (7, 8), (80, 81)]
    assert positions.tolist() == [2, 0, 1, 2, 3]
    np.testing.assert_array_equal(sequences.values, X[[3, 4, 7, 80]].reshape(-1, CHANNELS))
    assert sequences.values.flags.writeable


@pytest.mark.parametrize(
    ("place", "value", "match"),
    [
        ((70, 2, 1), np.nan, "NaN: the first is in row 70, step 2, channel 1"),
        ((40, 5, 0), np.inf, "infinity .* row 40, step 5, channel 0"),
        ((33,), np.nan, "Row 33 of X is an empty sequence"),
    ],
)
def test_an_error_names_the_row_and_leaves_the_model(place, value, match):
    X = data(padded=False)
    model = make(RNNClassifier).fit(X, Y)
    before = dict(vars(model))
    X[place] = value
    for lazy in (Sliced(X), LazySequences(Sliced(X), None)._source):
        with pytest.raises(ValueError, match=match):
            model.predict(lazy)
        with pytest.raises(ValueError, match=match):
            model.fit(lazy, Y)
        with pytest.raises(ValueError, match=match):
            model.partial_fit(lazy, Y)
    assert vars(model) == before


def test_shapes_are_checked_before_anything_is_read():
    model = make(RNNClassifier).fit(data(), Y)
    with pytest.raises(ValueError, match="X has 2 channels, but RNNClassifier is expecting 3"):
        model.predict(Sliced(np.zeros((5, 4, 2))))
    for shape, match in (
        ((0, 4, 3), "0 sample"),
        ((5, 0, 3), "axis 1 has no steps"),
        ((5, 4, 0), "0 feature"),
    ):
        with pytest.raises(ValueError, match=match):
            make(RNNClassifier).fit(Sliced(np.zeros(shape)), np.arange(shape[0]) % 2)
    with pytest.raises(ValueError, match=r"\[90, 89\]"):
        make(RNNClassifier).fit(Sliced(data()), Y[:-1])


def test_a_source_that_does_not_keep_its_promise():
    lazy = Sliced(data())
    lazy.shape = (N, STEPS + 1, CHANNELS)
    with pytest.raises(ValueError, match="Rows 0 to 14 of X were read in the shape"):
        make(RNNClassifier, shuffle=False).fit(lazy, Y)


def test_what_counts_as_lazy(tmp_path):
    X = data()
    file = mapped(X, tmp_path)
    assert is_lazy(file) and is_lazy(file[3:]) and is_lazy(Sliced(X))
    in_memory = (X, X.tolist(), file[[1, 2]], np.asarray(file), np.array(file), list(X), X[0])
    assert not any(map(is_lazy, in_memory))
    assert not any(map(is_lazy, (Sliced(X[0]), Sliced(X.astype(complex)), Sliced(X.astype(str)))))


def test_who_needs_all_of_it_reads_it(tmp_path):
    X = data()
    scaled = SequenceScaler().fit(X).transform(mapped(X, tmp_path))
    np.testing.assert_array_equal(scaled, SequenceScaler().fit_transform(X))


LARGER_THAN_MEMORY = """
import json, resource, sys
import numpy as np
from skrnn import RNNClassifier

path, shape, limit = sys.argv[1], (8192, 64, 64), 64 << 20
X = np.memmap(path, dtype=np.float32, mode="r", shape=shape)
y = np.arange(len(X)) % 2
model = RNNClassifier(2, cell="rnn", batch_size=64, max_iter=1, random_state=0)
model.fit(X[:128], y[:128]).predict(X[:128])
with open("/proc/self/statm") as file:
    used = int(file.read().split()[5]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_DATA, (used + limit, used + limit))
try:
    np.ones(shape, dtype=np.float32)
    print(json.dumps("the limit does not hold"))
except MemoryError:
    model.fit(X, y).partial_fit(X, y)
    print(json.dumps([X.nbytes / limit, len(model.predict(X))]))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's limits of memory")
def test_a_file_larger_than_the_memory_there_is(tmp_path):
    path = tmp_path / "X"
    with path.open("wb") as file:
        file.truncate(8192 * 64 * 64 * 4)  # zeros that take no room on the disk
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", LARGER_THAN_MEMORY, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [2.0, 8192]
