"""What every test needs before and around it: Numba's cache, the profile of hypothesis, data."""

import getpass
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
DAYS_UNUSED = 3


def hash_kernel_sources():
    digest = hashlib.sha256()
    for path in sorted((ROOT / "skrnn").rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def find_cache_base():
    """A folder of this user alone, since Numba executes what it finds in its cache."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given:
        return Path(given)
    caches = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    base = Path(caches) / "skrnn-tests"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError:
        base = Path(tempfile.gettempdir()) / f"skrnn-tests-{getpass.getuser()}"
    return base


def remove_stale(base, current):
    """Drop caches unused for days; a younger one may belong to another checkout."""
    oldest = time.time() - DAYS_UNUSED * 24 * 3600
    for folder in base.glob("kernels-*"):
        if folder != current and folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)


def use_kernel_cache():
    """Point Numba at a cache that belongs to exactly these sources.

    Numba notices changes of a function's own file only: after an edit of a file that it calls, an
    ordinary cache serves old machine code.
    """
    base = find_cache_base()
    if base.name.startswith("kernels-"):  # inherited from the pytest that started this process
        base = base.parent
    current = base / f"kernels-{hash_kernel_sources()}"
    current.mkdir(parents=True, exist_ok=True)
    os.utime(current)
    remove_stale(base, current)
    os.environ["NUMBA_CACHE_DIR"] = str(current)
    return current


# Numba reads the variable when it is imported, hence before any test module imports skrnn.
CACHE = use_kernel_cache()
os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile("skrnn", deadline=None, max_examples=25)
settings.register_profile("skrnn-ci", settings.get_profile("skrnn"), derandomize=True)
settings.load_profile("skrnn-ci" if os.environ.get("CI") else "skrnn")


def pytest_report_header():
    return f"numba cache: {CACHE}"


@pytest.fixture(scope="session", autouse=True)
def share_everything():
    """Let threads share the small work of tests, which they would leave to one of them."""
    from skrnn import inference, objective

    with pytest.MonkeyPatch.context() as patch:
        for module in (inference, objective):
            patch.setattr(module, "WORTH_SHARING", 0)
        patch.setattr(objective, "WORTH_A_TEAM", 0)
        yield


@pytest.fixture(scope="session")
def shared_data():
    """Folder of the optional development data; the test is skipped where there is none."""
    given = os.environ.get("SKRNN_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        wanted = f"SKRNN_DATA={given} is not a folder" if given else "SKRNN_DATA is not set"
        pytest.skip(f"needs the optional development data: {wanted}")
    return folder
