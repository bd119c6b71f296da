"""The package itself: its names, and what importing it loads."""

import ast
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import skrnn

SOURCE = Path(skrnn.__file__)


def run(code):
    environment = dict(os.environ) | {"PYTHONPATH": str(SOURCE.parents[1])}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", skrnn.__all__)
def test_a_public_name_is_that_of_its_module(name):
    value = getattr(skrnn, name)
    assert value is getattr(import_module(value.__module__), name)
    assert name in dir(skrnn)


def test_type_checkers_see_every_public_name():
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module.startswith("skrnn.")
        and not node.module.startswith("skrnn._")
        for alias in node.names
    }
    assert sorted(seen) == sorted(skrnn.__all__)
    loaded = {name: f"skrnn.{module}" for name, module in skrnn._MODULES.items()}
    assert seen == {**loaded, "warmup": "skrnn.warmup"}


def test_a_module_of_public_names_is_an_attribute():
    code = "import json, skrnn; print(json.dumps(skrnn.cells.LSTM.name))"
    assert run(code) == "lstm"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'skrnn' has no attribute 'RNNClasifier'"):
        skrnn.RNNClasifier  # noqa: B018
    assert not hasattr(skrnn, "__wrapped__")


@pytest.mark.parametrize("enabled", [True, False])
def test_imports_put_garbage_collection_off(enabled):
    """What they make stays, and a look at all objects takes a third of the time of an import."""
    code = f"""
import gc, json, numba, sklearn.base, sklearn.callback
gc.enable() if {enabled} else gc.disable()
import skrnn
import_module, collecting = skrnn.import_module, []
skrnn.import_module = lambda name: collecting.append(gc.isenabled()) or import_module(name)
skrnn.RNNClassifier
print(json.dumps([collecting, gc.isenabled()]))
"""
    assert run(code) == [[False], enabled]


def test_the_package_alone_loads_nothing_heavy():
    loaded = run("import json, sys, skrnn; print(json.dumps(list(sys.modules)))")
    assert not {"numba", "sklearn", "scipy", "pandas", "matplotlib"} & set(loaded)


def test_estimators_load_nothing_that_they_may_not_need():
    before, after = run(
        "import json, sys, numba, sklearn.base, sklearn.callback; before = list(sys.modules);"
        "from skrnn import RNNClassifier, RNNRegressor;"
        "print(json.dumps([before, list(sys.modules)]))"
    )
    new = set(after) - set(before)
    unwanted = {
        "matplotlib",
        "numba.np.arrayobj",
        "sklearn.metrics",
        "sklearn.model_selection",
        "sklearn.preprocessing",
    }
    assert not unwanted & new
