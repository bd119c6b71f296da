"""The cross-validation that chose the defaults.

    python benchmarks/choose_defaults.py            # all candidates, about 20 minutes
    python benchmarks/choose_defaults.py --smoke    # one small made-up set, to see that it runs

Every candidate changes one thing about the defaults. All are scored by repeated stratified
cross-validation on the TRAINING parts of the data sets; test parts are never read. The same folds
serve all candidates, so the table gives paired differences to the defaults with their standard
error over folds. Folds overlap, which makes that error too small if anything: a difference below
two of them decides nothing.
"""

import argparse
import warnings
from dataclasses import dataclass, replace

import numpy as np
import synthetic
from datasets import load_dataset
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from skrnn import RNNClassifier, SequenceScaler
from skrnn.cells import GRU

SETS = ("GunPoint", "ECG200", "ItalyPowerDemand", "CBF", "BasicMotions", "JapaneseVowels")
N_FOLDS, N_REPEATS = 3, 2


def _gru(bias):
    """Return a GRU whose update gate starts at the same bias everywhere."""
    return replace(GRU, memory_gates=(), initial_bias={"z": bias})


CANDIDATES = {
    "defaults": {},
    "update-gate bias 0": {"cell": _gru(0.0)},
    "update-gate bias 1": {"cell": _gru(1.0)},
    "update-gate bias 2": {"cell": _gru(2.0)},
    "cell lstm": {"cell": "lstm"},
    "32 units": {"hidden_layer_sizes": (32,)},
    "100 units": {"hidden_layer_sizes": (100,)},
    "constant rate 0.003": {"learning_rate": "constant", "learning_rate_init": 0.003},
    "cosine from 0.003": {"learning_rate_init": 0.003},
    "one_cycle up to 0.01": {"learning_rate": "one_cycle"},
    "100 epochs": {"max_iter": 100},
    "batches of up to 16": {"batch_size": 16},
    "batches of up to 200": {"batch_size": 200},
    "pooling mean": {"pooling": "mean"},
    "max_grad_norm 5": {"max_grad_norm": 5.0},
    "alpha 0.1": {"alpha": 0.1},
    "dropout 0.3": {"dropout": 0.3},
    "bidirectional": {"bidirectional": True},
}


@dataclass(frozen=True)
class Training:
    """The training part of a data set."""

    name: str
    X: object
    y: np.ndarray


def training_parts(names):
    """Return the training parts of the named sets."""
    parts = []
    for name in names:
        dataset = load_dataset(name)
        parts.append(Training(name, dataset.X_train, dataset.y_train))
    return parts


def made_up_part():
    """Return a small set that needs no download."""
    X, y = synthetic.shapes(60, seed=0)
    return [Training("shapes", X, y)]


def fold_scores(parameters, part, n_repeats):
    """Return the accuracy of each fold."""
    model = make_pipeline(SequenceScaler(), RNNClassifier(random_state=0, **parameters))
    folds = RepeatedStratifiedKFold(n_splits=N_FOLDS, n_repeats=n_repeats, random_state=0)
    return cross_val_score(model, part.X, part.y, cv=folds)


def row(name, scores, reference):
    """Format a candidate's mean accuracies and its paired difference to the defaults."""
    cells = [name] + [f"{values.mean():.3f}" for values in scores]
    difference = np.concatenate(scores) - np.concatenate(reference)
    error = difference.std(ddof=1) / np.sqrt(difference.size)
    cells.append("" if scores is reference else f"{difference.mean():+.3f} +- {error:.3f}")
    return "| " + " | ".join(cells) + " |"


def main():
    """Score every candidate and print the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="tiny made-up data, two candidates")
    smoke = parser.parse_args().smoke
    parts = made_up_part() if smoke else training_parts(SETS)
    candidates = CANDIDATES
    if smoke:
        candidates = {
            "defaults": {"max_iter": 5},
            "32 units": {"max_iter": 5, **CANDIDATES["32 units"]},
        }
    header = ["candidate", *(part.name for part in parts), "difference to the defaults"]
    print("| " + " | ".join(header) + " |")
    print("|" + " --- |" * len(header))
    reference = None
    for name, parameters in candidates.items():
        scores = [fold_scores(parameters, part, 1 if smoke else N_REPEATS) for part in parts]
        reference = scores if reference is None else reference
        print(row(name, scores, reference), flush=True)


if __name__ == "__main__":
    # The number of epochs is part of what is measured, not a mishap to warn of.
    warnings.simplefilter("ignore", ConvergenceWarning)
    main()
