"""Hazards of compiled code: caches, processes, threads, forks, odd arrays, and no compiler at all.

Every test that starts processes says what they share; a process with a cold cache takes seconds.
"""

import gc
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from numba.core.dispatcher import Dispatcher

import skrnn
from skrnn import RNNClassifier, RNNRegressor
from skrnn._jit import JIT_DISABLED, jit

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="these are the hazards of the compiler")

ROOT = Path(skrnn.__file__).resolve().parents[1]
TIMEOUT = 300

COMMON = """
import json, os, signal, sys
import numpy as np
import skrnn
from numba.core.dispatcher import Dispatcher

def dispatchers():
    found = {}
    for name in [name for name in sys.modules if name.split(".")[0] == "skrnn"]:
        for value in vars(sys.modules[name]).values():
            if isinstance(value, Dispatcher):
                found[f"{value.py_func.__module__}.{value.py_func.__qualname__}"] = value
    return found

def fitted(n_jobs=None):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4, 2)), np.arange(40) % 2
    model = skrnn.RNNClassifier(3, cell="rnn", max_iter=1, random_state=0, n_jobs=n_jobs)
    return model.fit(X, y), X

def bits(array):
    return array.tobytes().hex()
"""
namespace = {}
exec(COMMON, namespace)  # the same fit here, to compare with


def start(code, *, root=ROOT, **variables):
    """A fresh interpreter, warnings as errors; a variable that is None is not set."""
    environment = dict(os.environ) | {"PYTHONPATH": str(root)}
    environment |= {name: value for name, value in variables.items() if value is not None}
    for name, value in variables.items():
        if value is None:
            environment.pop(name, None)
    command = [sys.executable, "-W", "error", "-c", COMMON + code]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, cwd=root, **pipes)


def result_of(process):
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    finally:
        process.kill()
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def expected():
    model, X = namespace["fitted"]()
    return namespace["bits"](model.predict_proba(X))


# Fresh processes ----------------------------------------------------------------------------------

REPORT = """
model, X = fitted()
print(json.dumps({
    "bits": bits(model.predict_proba(X)),
    "compiled": sum(sum(d.stats.cache_misses.values()) for d in dispatchers().values()),
    "loaded": sum(sum(d.stats.cache_hits.values()) for d in dispatchers().values()),
}))
"""


@pytest.fixture(scope="module")
def cold(tmp_path_factory):
    """A cache folder that two processes found empty and filled at once, and what they saw."""
    folder = tmp_path_factory.mktemp("cache")
    both = [start(REPORT, NUMBA_CACHE_DIR=str(folder)) for _ in range(2)]
    return folder, [result_of(process) for process in both]


def test_two_processes_may_fill_one_cache_at_once(cold, expected):
    folder, results = cold
    assert [result["bits"] for result in results] == [expected, expected]
    assert sum(result["compiled"] for result in results) > 0
    assert list(folder.rglob("*.nbi"))
    assert not [path for path in folder.rglob("*") if path.name.startswith("tmp")]


LATER = """
from skrnn import RNNClassifier, RNNRegressor, SequenceScaler, check_cell
compiled_by_import = [name for name, d in dispatchers().items() if d.signatures]
model, X = fitted(n_jobs=2)
here = model.predict_proba(X)
child = os.fork() if hasattr(os, "fork") else None
if child == 0:
    signal.alarm(60)  # a child that hangs shall end
    same = all((model.set_params(n_jobs=n).predict_proba(X) == here).all() for n in (1, 2))
    again = fitted(n_jobs=2)[0].predict_proba(X)
    os._exit(0 if same and (again == here).all() else 1)
status = None if child is None else os.waitpid(child, 0)[1]
print(json.dumps({
    "compiled_by_import": compiled_by_import,
    "kernels": len(dispatchers()),
    "bits": bits(here),
    "compiled": sum(sum(d.stats.cache_misses.values()) for d in dispatchers().values()),
    "signatures": {name: len(d.signatures) for name, d in dispatchers().items()},
    "child": status,
}))
"""


@pytest.fixture(scope="module")
def later(cold):
    """What a third process sees, which finds that cache full."""
    # Python 3.12 warns of forks beside threads, those of BLAS included.
    ignored = {"PYTHONWARNINGS": "ignore::DeprecationWarning"}
    return result_of(start(LATER, NUMBA_CACHE_DIR=str(cold[0]), **ignored))


def test_import_compiles_nothing(later):
    assert later["kernels"] > 30
    assert later["compiled_by_import"] == []


def test_a_later_process_compiles_nothing_and_gives_the_same_bits(later, expected):
    assert later["compiled"] == 0
    assert later["bits"] == expected


def test_each_kernel_is_compiled_once_for_a_float_type(later):
    assert {name: n for name, n in later["signatures"].items() if n > 1} == {}


def test_a_forked_child_predicts_and_fits_after_a_threaded_fit(later):
    if later["child"] is None:
        pytest.skip("this system cannot fork")
    assert later["child"] == 0


NOWHERE = """
if not all(type(d._cache).__name__ == "NullCache" for d in dispatchers().values()):
    print(json.dumps("cached"))
    sys.exit()
""" + REPORT  # fmt: skip


def test_a_read_only_install_without_a_home(tmp_path, expected):
    """A file stands where each folder of the cache would be: not even root can write there."""
    package = tmp_path / "skrnn"
    shutil.copytree(ROOT / "skrnn", package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").touch()
    nowhere = {"HOME": os.devnull, "XDG_CACHE_HOME": os.devnull, "LOCALAPPDATA": os.devnull}
    # Unoptimised code compiles faster; the bits are those of optimised code.
    result = result_of(
        start(NOWHERE, root=tmp_path, NUMBA_CACHE_DIR=None, NUMBA_OPT="0", **nowhere)
    )
    if result == "cached":
        pytest.skip("Numba found a place for its cache all the same")
    assert result["bits"] == expected
    left = [path for path in package.rglob("*") if path.suffix in {".nbi", ".nbc"}]
    assert not left


PLAIN = """
rng = np.random.default_rng(0)
X = [rng.normal(size=(n, 2)) for n in (3, 1, 4, 2, 4, 3)]
y = np.array([0, 1, 2, 0, 1, 2])
results = {}
for cell in ("rnn", "gru", "lstm"):
    options = {"cell": cell, "max_iter": 3, "random_state": 0, "bidirectional": cell == "gru"}
    for pooling in ("last", "mean", "max"):
        model = skrnn.RNNClassifier((3, 2), pooling=pooling, dropout=0.2, **options).fit(X, y)
        results[f"{cell} {pooling}"] = model.predict_proba(X).ravel().tolist()
    for loss in ("squared_error", "huber", "quantile", "poisson"):
        model = skrnn.RNNRegressor(3, loss=loss, solver="sgd", bptt_steps=2, **options).fit(X, y)
        results[f"{cell} {loss}"] = model.predict(X).tolist()
    model = skrnn.RNNClassifier(3, loss="hinge", solver="rmsprop", **options).fit(X, y)
    results[f"{cell} hinge"] = model.decision_function(X).ravel().tolist()
    results[f"{cell} flow"] = model.gradient_flow(X, y).norms.ravel().tolist()
    if cell != "gru":
        state = model.init_state(2)
        for t in range(3):
            out, state = model.step(np.ones((2, 2)) * t, state, response_method="transform")
        results[f"{cell} stream"] = out.ravel().tolist()
print(json.dumps({"numba": len(dispatchers()), "results": results}))
"""


def test_without_the_compiler_it_is_slow_but_right(capsys):
    plain = result_of(start(PLAIN, NUMBA_DISABLE_JIT="1"))
    assert plain["numba"] == 0
    exec(PLAIN, dict(namespace))
    compiled = json.loads(capsys.readouterr().out)
    assert compiled["numba"] > 30
    assert plain["results"].keys() == compiled["results"].keys()
    for name, values in compiled["results"].items():
        np.testing.assert_allclose(plain["results"][name], values, rtol=0, atol=1e-10, err_msg=name)


# In this process ----------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5, 2))
Y = np.arange(40) % 3


def test_sixteen_threads_predict_at_once():
    many = RNG.normal(size=(100, 5, 2))
    models = [
        RNNClassifier(5, cell=cell, bidirectional=True, max_iter=1, random_state=0).fit(X, Y)
        for cell in ("gru", "lstm")
    ]
    alone = [model.predict_proba(many) for model in models]
    together = threading.Barrier(16)

    def work(number):
        model, right = models[number % 2], alone[number % 2]
        together.wait(60)
        for _ in range(5):
            if not np.array_equal(model.predict_proba(many), right):
                return False
        return np.array_equal(model.fit(X, Y).predict_proba(many), right) if number < 2 else True

    models = [model.set_params(n_jobs=n) for model, n in zip(models, (None, 2), strict=True)]
    with ThreadPoolExecutor(16) as executor:
        assert all(executor.map(work, range(16)))


def test_sixteen_threads_fit_at_once():
    def work(number):
        model = RNNClassifier(4, max_iter=2, random_state=0, n_jobs=1 + number % 2)
        return model.fit(X, Y).predict_proba(X)

    with ThreadPoolExecutor(16) as executor:
        results = list(executor.map(work, range(16)))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def signatures():
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "skrnn"]
    values = [value for module in modules for value in vars(module).values()]
    return {
        f"{value.py_func.__module__}.{value.py_func.__qualname__}": set(value.signatures)
        for value in values
        if isinstance(value, Dispatcher)
    }


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def swapped(array):
    return array.astype(array.dtype.newbyteorder())


def strided(array):
    wide = np.repeat(array, 2, axis=-1) if array.ndim > 1 else np.repeat(array, 2)
    return wide[..., ::2]


LAYOUTS = {
    "read-only": read_only,
    "Fortran": np.asfortranarray,
    "strided": strided,
    "backwards in memory": lambda array: array[::-1].copy()[::-1],
    "big-endian": swapped,
    "read-only and swapped": lambda array: read_only(swapped(array)),
}


def use_everything(make, X, y, weight, folder):
    """All public methods; returns what they gave."""
    model = make(4, max_iter=1, random_state=0, max_grad_norm=0.1, alpha=0.1)
    results = [model.fit(X, y, sample_weight=weight).predict(X), model.transform(X)]
    results.append(model.partial_fit(X, y, sample_weight=weight).predict(X))
    results.append(model.gradient_flow(X, y).norms)
    state = model.init_state(len(X))
    first = np.stack([np.asarray(x)[0] for x in X]).astype(np.asarray(X[0]).dtype)
    results.append(model.step(first, state, response_method="transform")[0])
    joblib.dump(model, folder / "model")
    model = joblib.load(folder / "model", mmap_mode="r")
    results += [model.predict(X), model.partial_fit(X, y).predict(X)]
    exported = model.to_torch()
    model.load_torch(*({k: np.asfortranarray(v) for k, v in d.items()} for d in exported.values()))
    results.append(
        model.set_weights({k: read_only(v) for k, v in model.weights_.items()}).predict(X)
    )
    model.set_params(warm_start=True).fit(X, y)
    return [*results, model.predict(X)]


@pytest.mark.parametrize("make", [RNNClassifier, RNNRegressor])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_odd_arrays_compile_nothing_new_and_change_no_bit(make, dtype, tmp_path):
    X_plain, y = X.astype(dtype), Y if make is RNNClassifier else Y.astype(np.float64)
    weight = RNG.uniform(0.5, 1.5, 40)
    usual = use_everything(make, X_plain, y, weight, tmp_path)
    use_everything(make, list(X_plain), y, weight, tmp_path)
    before = signatures()
    for name, change in LAYOUTS.items():
        odd = change(X_plain), change(y), change(weight)
        np.testing.assert_array_equal(odd[0], X_plain)
        ragged = [change(x) for x in X_plain]
        for result in (
            use_everything(make, *odd, tmp_path),
            use_everything(make, ragged, *odd[1:], tmp_path),
        ):
            for one, other in zip(result, usual, strict=True):
                np.testing.assert_array_equal(one, other, err_msg=name)
    grown = {name: found - before[name] for name, found in signatures().items()}
    # One small kernel reads the caller's memory in place, which may be read-only.
    assert len(grown.pop("skrnn.sequences._pack_rows")) <= 1
    assert {name: new for name, new in grown.items() if new} == {}


def test_odd_types_compile_nothing_new():
    model = RNNClassifier(4, max_iter=1, random_state=0)
    flat = np.round(8 * X[:, :, 0])
    usual = model.fit(flat, Y).predict_proba(flat)
    model.fit(flat.astype(np.float32), Y).predict(flat.astype(np.float32))
    before = signatures()
    for odd in (
        flat.astype(np.int8),
        flat.astype(np.int64),
        flat.astype(">i4"),
        flat.tolist(),
        pd.DataFrame(flat),
        pd.DataFrame(flat.astype(np.int16)),
        np.ma.masked_array(flat),
    ):
        np.testing.assert_allclose(model.fit(odd, Y).predict_proba(odd), usual, rtol=1e-6)
    model.fit(flat.astype(np.float16), Y.astype(np.int8)).predict(flat.astype(np.float16))
    model.fit(flat, Y.astype(str)).fit(flat, Y.astype(float))
    assert signatures() == before


def halve(value):
    return value / 2


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_waits_for_the_compiler_alone(enabled, monkeypatch):
    def compile_slowly(self, signature):
        collecting.append(gc.isenabled())
        return compile_kernel(self, signature)

    compile_kernel, collecting = Dispatcher.compile, []
    monkeypatch.setattr(Dispatcher, "compile", compile_slowly)
    kernel, before = jit(halve), gc.isenabled()
    try:
        gc.enable() if enabled else gc.disable()
        assert kernel(3.0) == 1.5
        assert gc.isenabled() == enabled
    finally:
        gc.enable() if before else gc.disable()
    assert collecting == [False]
