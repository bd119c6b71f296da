"""The real data sets of the results table, read from the development data folder.

The folder is not part of the repository: the UCR and UEA archives are free for research but
not for redistribution. It is named by the environment variable ``SKRNN_DATA`` or, without
it, looked for in ``../shared/data`` next to the checkout.

Every set comes with the train/test split of its archive. Sequences of unequal length stay
unequal: they are given as a list of ``(T_i, channels)`` arrays, all others as one dense
``(n, T, channels)`` array of float32.
"""

import csv
import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ENVIRONMENT_VARIABLE = "SKRNN_DATA"
DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"

CLASSIFICATION_SETS = (
    "JapaneseVowels",
    "PenDigits",
    "MNIST1D",
    "SyntheticControl",
    "BasicMotions",
    "ItalyPowerDemand",
    "GunPoint",
    "CBF",
    "ECG200",
    "ArrowHead",
    "Chinatown",
)
REGRESSION_SETS = ("Covid3Month",)


@dataclass(frozen=True)
class Dataset:
    """A named train/test split.

    Attributes
    ----------
    name : str
    task : {"classification", "regression"}
    X_train, X_test : list of ndarray of shape (T_i, channels), or ndarray (n, T, channels)
    y_train, y_test : ndarray of shape (n,)
        Class labels as strings, or float64 targets.
    """

    name: str
    task: str
    X_train: object
    y_train: np.ndarray
    X_test: object
    y_test: np.ndarray


def data_folder():
    """Return the development data folder.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    FileNotFoundError
        If neither the environment variable nor the default names an existing folder.
    """
    folder = Path(os.environ.get(ENVIRONMENT_VARIABLE, DEFAULT_FOLDER))
    if not (folder / "classify").is_dir():
        raise FileNotFoundError(
            f"No development data in {folder}: set {ENVIRONMENT_VARIABLE} to the folder that "
            "holds classify/ and regress/, or run with --smoke, which generates its data."
        )
    return folder


def load_dataset(name, folder=None):
    """Load one train/test split.

    Parameters
    ----------
    name : str
        One of `CLASSIFICATION_SETS` or `REGRESSION_SETS`.
    folder : path-like, default=None
        The development data folder; found by `data_folder` if None.

    Returns
    -------
    Dataset
    """
    task = "regression" if name in REGRESSION_SETS else "classification"
    subfolder = "regress" if task == "regression" else "classify"
    path = Path(folder or data_folder()) / subfolder / f"{name}.npz"
    if not path.is_file():
        known = ", ".join(CLASSIFICATION_SETS + REGRESSION_SETS)
        raise FileNotFoundError(f"No data set {name!r} at {path}. Known sets: {known}.")
    with np.load(path, allow_pickle=False) as arrays:
        parts = {part: _sequences(arrays, part) for part in ("train", "test")}
        targets = {part: arrays[f"y_{part}"] for part in ("train", "test")}
    return Dataset(name, task, parts["train"], targets["train"], parts["test"], targets["test"])


def _sequences(arrays, part):
    values = arrays[f"X_{part}"].astype(np.float32, copy=False)
    if f"{part}_offset" not in arrays:
        return values
    offsets = arrays[f"{part}_offset"]
    values = values.reshape(len(values), -1)
    lengths = np.diff(offsets)
    if np.all(lengths == lengths[0]):
        return values.reshape(len(lengths), lengths[0], values.shape[1])
    return [values[start:stop] for start, stop in itertools.pairwise(offsets)]


def published_accuracies(folder=None):
    """Read the published accuracies that come with the data.

    Parameters
    ----------
    folder : path-like, default=None
        The development data folder; found by `data_folder` if None.

    Returns
    -------
    dict of str to dict of str to float
        ``published[dataset][method]``; methods without a figure are left out.
    """
    path = Path(folder or data_folder()) / "classify" / "ucr_published.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["dataset"]: {
            method: float(value) for method, value in row.items() if method != "dataset" and value
        }
        for row in rows
    }
