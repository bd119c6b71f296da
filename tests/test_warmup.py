"""After a warm-up nothing is left to compile."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import skrnn
from skrnn import warmup
from skrnn._jit import JIT_DISABLED
from skrnn.warmup import __main__ as command

ROOT = Path(skrnn.__file__).resolve().parents[1]

COUNT = """
import json, sys, warnings
import numpy as np
import skrnn
from numba.core.dispatcher import Dispatcher

warnings.simplefilter("ignore")

def signatures():
    return {
        f"{value.py_func.__module__}.{value.py_func.__qualname__}: {signature}"
        for name, module in list(sys.modules.items())
        if name.split(".")[0] == "skrnn"
        for value in vars(module).values()
        if isinstance(value, Dispatcher)
        for signature in value.signatures
    }
"""

USE_ALL = """
skrnn.warmup(cells={cell!r}, dtypes={dtype!r})
before = signatures()

from skrnn._gemm import _SHARED, _SHARED_CROWDED
bits = 8 * np.dtype({dtype!r}).itemsize
assert _SHARED[bits]._compiled and _SHARED_CROWDED[bits]._compiled

rng = np.random.default_rng(0)
dense = rng.uniform(size=(70, 5, 3)).astype({dtype!r})
ragged = [row[: 1 + i % 5] for i, row in enumerate(dense)]
wide = dense.reshape(70, -1)
classes, numbers = np.arange(70) % 3, rng.uniform(1, 2, size=(70, 2))
weight = rng.uniform(size=70)

def use(model, X, y, **arguments):
    model.set_params(cell={cell!r}, hidden_layer_sizes=5, max_iter=2, random_state=0)
    model.fit(X, y, **arguments).predict(X)
    if hasattr(model, "predict_proba"):
        model.predict_proba(X)
    model.transform(X)
    model.score(X, y)
    if not model.bidirectional:
        model.step(dense[0][:1, : model.n_channels_], model.init_state())
    return model

C, R = skrnn.RNNClassifier, skrnn.RNNRegressor
for pooling in ("last", "mean", "max"):
    use(C(pooling=pooling, dropout=0.2, recurrent_dropout=0.2), ragged, classes)
    use(R(pooling=pooling, bidirectional=True, bptt_steps=2), dense, numbers)
for solver in ("sgd", "rmsprop", "adam"):
    use(C(solver=solver), dense, classes > 1, sample_weight=weight)
use(C(solver="sgd", nesterovs_momentum=False), wide, classes)
for loss in ("log_loss", "hinge"):
    use(C(loss=loss, early_stopping=True, n_jobs=2, alpha=1.0), dense, classes)
    use(C(loss=loss), ragged, np.eye(3, dtype=int)[classes])
for loss in ("squared_error", "absolute_error", "huber", "quantile", "poisson"):
    use(R(loss=loss), dense, numbers[:, 0])
for X in (dense, ragged):
    C(cell={cell!r}).partial_fit(X, classes, classes=[0, 1, 2]).partial_fit(X, classes)
steps = [np.arange(len(x)) % 3 for x in ragged]
use(C(mode="many_to_many", bidirectional=True), ragged, steps)
use(C(mode="many_to_many", dropout=0.5), dense, np.tile(np.arange(5) % 3, (70, 1)))
use(R(mode="many_to_many", loss="huber"), dense, dense)
C(1, mode="many_to_many", head="crf", cell={cell!r}, max_iter=1).fit(ragged, steps).predict(ragged)
for attention in (None, "additive", "multiplicative"):
    decoder = C(2, mode="encoder_decoder", attention=attention, cell={cell!r}, max_iter=1)
    decoder.fit(ragged, steps).predict(ragged)
series = 20 + dense.reshape(-1)[:80]
forecaster = skrnn.RNNForecaster(3, cell={cell!r}, hidden_layer_sizes=3, max_iter=1)
forecaster.fit(series[:70]).predict()
forecaster.update(series[70:]).predict_interval()
model = use(C(), dense, classes)
model.predict(np.asfortranarray(dense))
for _ in range(60):  # from some number of calls on, they are run from a table
    model.predict(dense[:1])
model.predict(np.resize(dense, (1, 40_000, dense.shape[2])))  # a stretch at a time
for n_jobs in (1, 2):  # batches of one piece and of several, many steps in one kernel
    C(cell={cell!r}, batch_size=2, max_iter=4, n_jobs=n_jobs).fit(dense, classes)
    C(cell={cell!r}, batch_size=70, max_iter=60, n_jobs=n_jobs).fit(dense, classes)
new = signatures() - before
if {dtype!r} == "float64":
    use(R(solver="lbfgs"), dense, numbers)
    new = signatures() - before
print(json.dumps([len(before), sorted(new)]))
"""

PREDICT_ONLY = """
import base64, pickle
model = pickle.loads(base64.b64decode({model!r}))
model.predict_proba(np.zeros((3, 4, 2)))
print(json.dumps(sorted(signatures())))
"""


def run(code):
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", COUNT + code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(JIT_DISABLED, reason="there is nothing to compile")
@pytest.mark.parametrize(("cell", "dtype"), [("gru", "float32"), ("lstm", "float64")])
def test_nothing_is_left_to_compile(cell, dtype):
    n_before, new = run(USE_ALL.format(cell=cell, dtype=dtype))
    assert n_before > 20
    assert new == []


@pytest.mark.skipif(JIT_DISABLED, reason="there is nothing to compile")
def test_predicting_compiles_nothing_of_training():
    import base64
    import pickle

    X = np.random.default_rng(0).normal(size=(40, 4, 2))
    model = skrnn.RNNClassifier(3, max_iter=1, random_state=0).fit(X, np.arange(40) % 2)
    text = base64.b64encode(pickle.dumps(model)).decode()
    names = {signature.split(":")[0] for signature in run(PREDICT_ONLY.format(model=text))}
    assert any("forward" in name for name in names)
    of_training = ("backward", "solvers", "losses", "objective", "spread", "gradient")
    assert [name for name in names if any(part in name for part in of_training)] == []


def test_a_cell_of_ones_own():
    warmup(cells=[skrnn.cells.LSTM], dtypes=np.float64)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"cells": "gru2"}, ValueError, "Did you mean 'gru'"),
        ({"cells": [3]}, TypeError, "got 3 of type int"),
        ({"cells": []}, ValueError, "cells is empty"),
        ({"dtypes": "float16"}, ValueError, "float32 or float64, got float16"),
        ({"dtypes": ()}, ValueError, "dtypes is empty"),
    ],
)
def test_bad_arguments(arguments, kind, message):
    with pytest.raises(kind, match=message):
        warmup(**arguments)


def test_the_name_is_the_function_whatever_was_imported():
    assert skrnn.warmup is sys.modules["skrnn.warmup"].warmup


def test_the_command(capsys):
    command.main(["--cells", "gru", "--dtypes", "float64"])
    assert capsys.readouterr().out.startswith("skrnn: gru ready for float64 after ")


def test_the_command_names_what_it_does_not_know(capsys):
    with pytest.raises(SystemExit):
        command.main(["--cells", "grue"])
    assert "Unknown cell 'grue'" in capsys.readouterr().err
