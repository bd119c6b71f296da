"""When to stop: training and validation loss, and the epoch whose weights are kept.

A bidirectional LSTM with far more weights than 200 digits can determine learns them by heart: its
training loss goes to zero while the loss on held-out digits turns up again. ``early_stopping=True``
watches the held-out digits, stops when their score stalls, and returns the best weights.

Look at the last training losses and the accuracies on digits by other people, and in the picture
at where the two curves part. Run with ``--save picture.png`` to write the picture to a file.

Data: Alpaydin and Alimoglu, UCI Machine Learning Repository, CC BY 4.0 (see data/README.md).
"""

import argparse
from pathlib import Path

import numpy as np

from skrnn import LossCurveDisplay, RNNClassifier

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--save", metavar="PATH", help="write the picture to this file")
path = parser.parse_args().save

with np.load(Path(__file__).parent / "data" / "pen_digits.npz") as data:
    X_train, X_test = (data[name] / np.float32(50) - 1 for name in ("X_train", "X_test"))
    y_train, y_test = data["y_train"], data["y_test"]
held_out = {"X_val": X_train[1000:], "y_val": y_train[1000:]}
X_train, y_train = X_train[:200], y_train[:200]

network = {"cell": "lstm", "bidirectional": True, "random_state": 0, "learning_rate": "constant"}
models = {
    "early stopping": RNNClassifier(max_iter=150, early_stopping=True, **network),
    "150 epochs": RNNClassifier(max_iter=150, n_iter_no_change=150, **network),
}
print(f"{len(X_train)} digits to learn from, {len(held_out['y_val'])} held out.\n")
print("                 epochs   weights of   training loss   validation loss   test accuracy")
for name, model in models.items():
    model.fit(X_train, y_train, **held_out)
    kept = model.best_iter_ if model.early_stopping else model.n_iter_
    print(
        f"{name:15s} {model.n_iter_:7d}   epoch {kept:4d}   {model.loss_curve_[kept - 1]:13.5f}"
        f"   {model.validation_loss_curve_[kept - 1]:15.4f}   {model.score(X_test, y_test):13.3f}"
    )

try:
    display = LossCurveDisplay.from_estimator(models["150 epochs"])
except ImportError as error:  # matplotlib is an extra
    print(f"\nNo picture: {error}")
else:
    import matplotlib.pyplot as plt

    display.ax_.set_yscale("log")
    if path:
        display.figure_.savefig(path, dpi=150)
        print(f"\nPicture written to {path}.")
    elif plt.get_backend().lower() != "agg":  # a display is there
        plt.show()
