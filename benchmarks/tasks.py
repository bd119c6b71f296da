"""The tasks of the results table: data, metric, published figures, and the one search grid."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import synthetic
from datasets import Dataset, load_dataset, published_accuracies

# The defaults come first: of equal scores, GridSearchCV takes the first.
SEARCH_GRID = [
    {
        "rnn__pooling": ["last", "mean"],
        "rnn__bidirectional": [False, True],
        "rnn__dropout": [0.0, 0.3],
    },
    {"rnn__alpha": [1.0]},
]
SEARCH_FOLDS = 3

TOLERANCE_OF_ADDING = 0.04
N_TEST_SEQUENCES = 2_560
SEED_OF_TEST_SEQUENCES = 1_000_000

# Figures that are not in ucr_published.csv. "Recomputed": on the very same files.
OTHER_PUBLISHED = {
    "JapaneseVowels": "FCN 0.993 (Fawaz et al. 2019), MLSTM-FCN 1.00 (titu1994/MLSTM-FCN)",
    "MNIST1D": "GRU 0.91, CNN 0.94, MLP 0.68 (Greydanus & Kobak 2024)",
    "BasicMotions": "ROCKET 1.00 (quoted, not checked against its source)",
    "Covid3Month": "ROCKET 0.0384 to 0.0395 (recomputed, 2000 kernels)",
    "AddingHS": "LSTM 0.9996 after 74,000 sequences (Hochreiter & Schmidhuber 1997)",
    "TemporalOrder": "LSTM 0.9996 after 31,390 sequences (Hochreiter & Schmidhuber 1997)",
    "AddingLe": "GRU 5.3e-5, LSTM 0.164 at T=600 (Bai et al. 2018)",
}


def accuracy(y_true, y_pred):
    """Return the fraction of labels that are right."""
    return float(np.mean(y_true == y_pred))


def root_mean_squared_error(y_true, y_pred):
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean((y_true - y_pred) ** 2)))


def mean_squared_error(y_true, y_pred):
    """Return the mean squared error."""
    return float(np.mean((y_true - y_pred) ** 2))


def fraction_correct(y_true, y_pred):
    """Return the fraction of predictions within 0.04, as Hochreiter & Schmidhuber count them."""
    return float(np.mean(np.abs(y_true - y_pred) < TOLERANCE_OF_ADDING))


@dataclass(frozen=True)
class Task:
    """One row of the table.

    Attributes
    ----------
    name : str
    load : callable
        ``load(seed, searched)`` returns a `Dataset`. Real data are the same for every seed; a
        generated training set is drawn anew for each.
    metric : callable
        ``metric(y_true, y_pred)``.
    metric_name : str
    greater_is_better : bool
    parameters : dict
        What is set besides the defaults: only the number of epochs, and only where a budget of
        sequences seen demands it.
    goals : tuple of float
        What the project holds itself to: with defaults, with the search.
    neighbours : bool
        Whether 1NN-DTW is computed where no published figure is at hand.
    """

    name: str
    load: Callable[[int, bool], Dataset]
    metric: Callable = accuracy
    metric_name: str = "accuracy"
    greater_is_better: bool = True
    parameters: dict = field(default_factory=dict)
    goals: tuple = (None, None)
    neighbours: bool = False


def _real(name, goals, **keywords):
    return Task(name, lambda seed, searched: load_dataset(name), goals=goals, **keywords)


def _generated(
    name, generator, budgets, n_epochs, task, goals, n_test=N_TEST_SEQUENCES, **keywords
):
    """Task on generated sequences with a budget of sequences seen in training.

    A training set is drawn once a seed, of ``budget / n_epochs`` sequences, and `fit` passes
    over it `n_epochs` times: never are more than `budget` sequences presented, repeats counted.
    The test sequences are fresh.
    """

    def load(seed, searched):
        X_train, y_train = generator(budgets[searched] // n_epochs, seed)
        X_test, y_test = generator(n_test, SEED_OF_TEST_SEQUENCES)
        return Dataset(name, task, X_train, y_train, X_test, y_test)

    return Task(name, load, parameters={"max_iter": n_epochs}, goals=goals, **keywords)


TASKS = (
    _real("JapaneseVowels", (0.975, 0.985)),
    _real("PenDigits", (0.980, 0.987)),
    _real("MNIST1D", (0.95, 0.985)),
    _real("SyntheticControl", (0.975, 0.99)),
    _real("BasicMotions", (0.975, 1.0)),
    _real("ItalyPowerDemand", (0.955, 0.965)),
    _real("GunPoint", (0.95, 0.985)),
    _real("CBF", (0.91, 0.96)),
    _real("ECG200", (0.82, 0.88)),
    _real(
        "Covid3Month",
        (0.0400, 0.0385),
        metric=root_mean_squared_error,
        metric_name="RMSE",
        greater_is_better=False,
        neighbours=True,
    ),
    _generated(
        "AddingHS",
        synthetic.adding_with_markers,
        budgets=(37_000, 74_000),
        n_epochs=50,
        task="regression",
        goals=(0.99, 0.999),
        metric=fraction_correct,
        metric_name="within 0.04",
    ),
    _generated(
        "TemporalOrder",
        synthetic.temporal_order,
        budgets=(16_000, 31_390),
        n_epochs=50,
        task="classification",
        goals=(0.99, 0.999),
    ),
    _generated(
        "AddingLe",
        synthetic.adding,
        budgets=(100_000, 100_000),
        n_epochs=50,
        task="regression",
        goals=(0.01, 0.001),
        n_test=10_000,
        metric=mean_squared_error,
        metric_name="MSE",
        greater_is_better=False,
    ),
)

SMOKE_TASKS = (
    Task(
        "shapes, ragged",
        lambda seed, searched: Dataset(
            "shapes", "classification", *synthetic.shapes(90, 0), *synthetic.shapes(60, 1)
        ),
        parameters={"max_iter": 20},
        neighbours=True,
    ),
    _generated(
        "adding, T=10",
        lambda n_sequences, seed: synthetic.adding(n_sequences, seed, n_timesteps=10),
        budgets=(2_000, 2_000),
        n_epochs=20,
        task="regression",
        goals=(None, None),
        n_test=200,
        metric=mean_squared_error,
        metric_name="MSE",
        greater_is_better=False,
    ),
)
SMOKE_GRID = {"rnn__pooling": ["last", "mean"]}


def published_figures(task, published):
    """Return the published accuracies that concern a task.

    Parameters
    ----------
    task : Task
    published : dict
        What `datasets.published_accuracies` returned, or an empty dictionary.

    Returns
    -------
    neighbour, echo_state : float or None
        1NN-DTW and TWIESN, the echo state network of Fawaz et al. (2019).
    others : str
        The best of the others, and figures from elsewhere.
    """
    row = dict(published.get(task.name, {}))
    neighbour = row.pop("DTW_1NN_recomputed", None)
    echo_state = row.pop("TWIESN", None)
    if task.name in OTHER_PUBLISHED:
        return neighbour, echo_state, OTHER_PUBLISHED[task.name]
    best = max(row, key=row.get, default=None)
    residual = f"ResNet {row['ResNet']:.3f}, " if "ResNet" in row and best != "ResNet" else ""
    return neighbour, echo_state, f"{residual}{best} {row[best]:.3f}" if best else ""


def read_published():
    """Return the published accuracies, or nothing where the data folder is absent."""
    try:
        return published_accuracies()
    except FileNotFoundError:
        return {}
