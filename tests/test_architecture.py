"""The shape of the package, read from its source: which module may know which."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "skrnn"

# From the bottom to the top. A module imports from lower rows only; the files of a folder may
# import each other. A name that no file has yet does no harm.
LAYERS = (
    {"_garbage"},
    {"_jit"},
    {"_tiles", "_shared", "_copies", "_atomics", "_plain_products"},
    {"_calls"},
    {"_programs"},
    {"_panels"},
    {"_former_products", "_math", "_views", "_subnormals"},
    {"_gemm"},
    {"_sums", "buffers", "cells", "sequences", "threads", "teams", "workspace", "_drawing"},
    {"layouts", "params", "losses", "solvers", "sampling", "crf", "plotting", "masks", "trace"},
    {"lazy"},
    {"validation", "batching", "pooling", "bptt", "_attention", "output_layouts", "targets"},
    {"preprocessing", "padding"},
    {"text", "metrics"},
    {"layer"},
    {"heads", "embedding"},
    {"crf_head"},
    {"stack", "dense", "attention", "outputs"},
    {"decoder", "bridge"},
    {"network"},
    {"encoder_decoder", "gradients"},
    {"prepared"},
    {"prepared_training", "prepared_sets"},
    {"inference", "torch_layout", "streaming", "checks", "checkpointing"},
    {"search"},
    {"descent"},
    {"objective"},
    {"teaching", "streams"},
    {"training"},
    {"estimators"},
    {"forecasting"},
    {"sktime", "nixtla"},
    {"warmup"},
)
STAND_ALONE = {"_drawing", "attention_display"}  # import nothing of the package
NUMBA_MODULES = {
    "_jit", "_math", "_tiles", "_shared", "_copies", "_atomics", "_calls", "_gemm", "_views",
    "_subnormals", "cells",
}  # fmt: skip
COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "jitclass", "cfunc", "stencil"}
CELL_NAME = re.compile(r"gru|lstm|^rnn$", re.IGNORECASE)

RANKS = {unit: rank for rank, units in enumerate(LAYERS) for unit in units}
SOURCES = sorted(PACKAGE.rglob("*.py"))
UNITS = [path for path in SOURCES if path != PACKAGE / "__init__.py"]


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def unit_of(path):
    """The first part of a module's name: cells/gru.py belongs to cells."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_modules(tree, package):
    """Absolute dotted names that a file of `package` (a tuple of names) imports anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*parents, *([node.module] if node.module else [])])
            if base == "skrnn":  # from skrnn import network: the module is the imported name
                yield from (f"skrnn.{alias.name}" for alias in node.names)
            else:
                yield base


def imported_units(tree, package=("skrnn",)):
    for module in imported_modules(tree, package):
        parts = module.split(".")
        if parts[0] == "skrnn":
            yield parts[1] if len(parts) > 1 else "__init__"


def upward_imports(unit, tree, package=("skrnn",)):
    """Units that `unit` imports although they do not lie below it."""
    if unit in STAND_ALONE:
        return sorted(set(imported_units(tree, package)))
    return sorted(
        other
        for other in set(imported_units(tree, package)) - {unit}
        if RANKS.get(other, len(LAYERS)) >= RANKS[unit]
    )


def called_name(call):
    return call.func.id if isinstance(call.func, ast.Name) else None


def compiler_flags(tree):
    """Uses of Numba's compilers other than the bare decorator of skrnn._jit."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba":
            yield from (alias.name for alias in node.names if alias.name in COMPILERS)
        elif isinstance(node, ast.Attribute) and node.attr in COMPILERS:
            if isinstance(node.value, ast.Name) and node.value.id in {"numba", "nb"}:
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Call) and node.keywords and called_name(node) in COMPILERS:
            yield f"{called_name(node)}(...) with flags"


def parallel_flags(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "parallel":
            yield node.value.lineno


def eager_numba(tree):
    """Imports of Numba or llvmlite that run when the module is imported."""
    inside = [tree]
    while inside:
        node = inside.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for module in imported_modules(ast.Module([node], []), ("skrnn",)):
                if module.split(".")[0] in {"numba", "llvmlite"}:
                    yield module
        inside.extend(ast.iter_child_nodes(node))


def docstrings(tree):
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, owners) and node.body and isinstance(node.body[0], ast.Expr):
            yield node.body[0].value


def signature_defaults(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            yield from (default for default in [*node.defaults, *node.kw_defaults] if default)


def cell_names(tree, allow_defaults=False):
    """Names of concrete cells in code: identifiers, imports and strings, docstrings aside."""
    ignored = set(map(id, docstrings(tree)))
    if allow_defaults:
        ignored.update(map(id, signature_defaults(tree)))
    for node in ast.walk(tree):
        if id(node) in ignored:
            continue
        texts = [getattr(node, field, None) for field in ("id", "attr", "arg", "name", "module")]
        if isinstance(node, ast.Constant) and "\n" not in str(node.value):  # prose has lines
            texts.append(node.value)
        yield from (text for text in texts if isinstance(text, str) and CELL_NAME.search(text))


@pytest.mark.parametrize("path", UNITS, ids=name_of)
def test_imports_run_downwards(path):
    unit = unit_of(path)
    assert unit in RANKS or unit in STAND_ALONE, f"give skrnn.{unit} a row in LAYERS"
    package = ("skrnn", *path.relative_to(PACKAGE).parts[:-1])
    assert upward_imports(unit, parse(path), package) == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_one_decorator_owns_the_flags(path):
    tree = parse(path)
    assert list(parallel_flags(tree)) == []
    if unit_of(path) != "_jit":
        assert list(compiler_flags(tree)) == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_kernel_modules_import_numba_eagerly(path):
    if unit_of(path) not in NUMBA_MODULES:
        assert list(eager_numba(parse(path))) == []


ABOVE_THE_CELLS = [path for path in UNITS if RANKS.get(unit_of(path), 0) >= RANKS["network"]]


@pytest.mark.parametrize("path", ABOVE_THE_CELLS, ids=name_of)
def test_nothing_above_the_cells_knows_one_by_name(path):
    assert (
        list(cell_names(parse(path), allow_defaults=unit_of(path) in {"estimators", "forecasting"}))
        == []
    )


@pytest.mark.parametrize(
    ("unit", "package", "code", "expected"),
    [
        ("_math", ("skrnn",), "from skrnn._jit import jit", []),
        ("_math", ("skrnn",), "from skrnn._gemm import gemm", ["_gemm"]),
        ("cells", ("skrnn", "cells"), "from .base import Cell\nfrom .._jit import jit", []),
        ("cells", ("skrnn", "cells"), "from ..network import Network", ["network"]),
        ("network", ("skrnn",), "from skrnn import cells", []),
        ("network", ("skrnn",), "from skrnn import RNNClassifier", ["RNNClassifier"]),
        ("network", ("skrnn",), "from . import training", ["training"]),
        ("network", ("skrnn",), "def f():\n    import skrnn.training", ["training"]),
        ("_drawing", ("skrnn",), "import numpy\nfrom skrnn._math import tanh", ["_math"]),
    ],
)
def test_upward_imports_are_seen(unit, package, code, expected):
    assert upward_imports(unit, ast.parse(code), package) == expected


@pytest.mark.parametrize(
    ("check", "bad", "good"),
    [
        (compiler_flags, "from numba import njit", "from skrnn._jit import jit"),
        (compiler_flags, "@numba.njit\ndef f(): ...", "@jit\ndef f(): ..."),
        (compiler_flags, "@jit(cache=False)\ndef f(): ...", "g = jit(f)"),
        (parallel_flags, "jit(parallel=True)", "jit(nogil=True)"),
        (eager_numba, "import numba", "def f():\n    import numba"),
        (eager_numba, "try:\n    from llvmlite import ir\nfinally:\n    pass", "import numpy"),
        (cell_names, "if cell == 'gru': ...", "'''The gru.'''"),
        (cell_names, "from skrnn.cells.lstm import LSTM", "from skrnn.cells import get_cell"),
        (cell_names, "cell = 'rnn'", "import skrnn"),
        (cell_names, "def f(cell='gru'): ...", "def f(cell): ..."),
    ],
)
def test_violations_are_seen(check, bad, good):
    assert list(check(ast.parse(bad)))
    assert not list(check(ast.parse(good)))


def test_a_default_may_name_a_cell():
    assert not list(cell_names(ast.parse("def f(self, *, cell='gru'): ..."), allow_defaults=True))
