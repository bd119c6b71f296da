"""Choose a network by cross-validation, as any scikit-learn estimator.

The pen coordinates of ``data/pen_digits.npz`` run from 0 to 100, too wide for a recurrent network.
``SequenceScaler`` standardises each channel over all steps; in a ``Pipeline`` every fold of the
search fits it on its own training part. ``n_jobs=2`` searches in two processes.

Look at the table: the mean accuracy over three folds, its spread, and what a fit costs. Below it,
the pipeline that won meets digits by other people, beside the same network without the scaler and
logistic regression. A ``ScoringMonitor``, one of scikit-learn's callbacks, has kept the training
accuracy of each epoch.

Data: Alpaydin and Alimoglu, UCI Machine Learning Repository, CC BY 4.0 (see data/README.md).
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from skrnn import RNNClassifier, SequenceScaler

if __name__ == "__main__":  # where processes are spawned, each imports this file
    with np.load(Path(__file__).parent / "data" / "pen_digits.npz") as data:
        X_train, X_test = (data[name].astype("float32") for name in ("X_train", "X_test"))
        y_train, y_test = data["y_train"], data["y_test"]
    X_train, y_train = X_train[:900], y_train[:900]

    pipeline = Pipeline(
        [("scale", SequenceScaler()), ("rnn", RNNClassifier(max_iter=20, random_state=0))]
    )
    grid = {
        "rnn__hidden_layer_sizes": [(16,), (64,)],
        "rnn__bidirectional": [False, True],
        "rnn__learning_rate_init": [0.002, 0.01],
    }
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(pipeline, grid, cv=folds, n_jobs=2)
    # Compile once, here, and not in every process of the search.
    clone(pipeline).set_params(rnn__max_iter=1).fit(X_train, y_train)
    print(f"{len(X_train)} digits, 8 settings, 3 folds: 24 fits in two processes ...\n")
    search.fit(X_train, y_train)

    table = pd.DataFrame(search.cv_results_)
    table.columns = table.columns.str.replace("param_rnn__", "")
    shown = ["hidden_layer_sizes", "bidirectional", "learning_rate_init"]
    shown += ["mean_test_score", "std_test_score", "mean_fit_time"]
    print(table.sort_values("rank_test_score")[shown].round(3).to_string(index=False))

    monitor = ScoringMonitor(scoring="accuracy")
    best = clone(search.best_estimator_)
    best["rnn"].set_callbacks(monitor)
    best.fit(X_train, y_train)
    log = monitor.get_logs().data_as_pandas
    epochs = log.loc[log["task_name"] == "epoch", "accuracy"]
    shown = ", ".join(f"{accuracy:.3f}" for accuracy in epochs[::5])
    print(f"\nTraining accuracy of the winner after epochs 1, 6, 11, 16: {shown}")

    unscaled = clone(best["rnn"]).fit(X_train, y_train)
    flat_train, flat_test = X_train.reshape(len(X_train), -1), X_test.reshape(len(X_test), -1)
    logistic = LogisticRegression(max_iter=5000).fit(flat_train / 100, y_train)
    print(f"\nAccuracy on {len(X_test)} digits by other people")
    print(f"  logistic regression         {logistic.score(flat_test / 100, y_test):.3f}")
    print(f"  best network, not scaled    {unscaled.score(X_test, y_test):.3f}")
    print(f"  best pipeline of the search {search.score(X_test, y_test):.3f}")
