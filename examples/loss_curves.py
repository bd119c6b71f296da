"""When to stop: training and validation loss where some labels are wrong.

One digit in five carries a random label here, as if someone had filed it in a hurry. At first the
network learns what the digits have in common, and both losses fall. Then it begins to learn the
wrong labels by heart: the training loss goes on falling, the loss on held-out digits (with labels
as unreliable) turns up. ``early_stopping=True`` watches the held-out accuracy, ends training when
it stalls, and gives back the best weights.

Look at the two accuracies on digits with true labels, by other people, and in the picture at
where the curves part. Run with ``--save picture.png`` to write the picture to a file.

Data: Alpaydin and Alimoglu, UCI Machine Learning Repository, CC BY 4.0 (see data/README.md).
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from skrnn import LossCurveDisplay, RNNClassifier

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--save", metavar="PATH", help="write the picture to this file")
path = parser.parse_args().save

with np.load(Path(__file__).parent / "data" / "pen_digits.npz") as data:
    X_train, X_test = (data[name] / np.float32(50) - 1 for name in ("X_train", "X_test"))
    y_train, y_test = data["y_train"], data["y_test"]
rng = np.random.default_rng(0)
y_train = np.where(rng.random(2000) < 0.2, rng.integers(0, 10, 2000), y_train)
X_train, X_val, y_train, y_val = X_train[:1000], X_train[1000:], y_train[:1000], y_train[1000:]

print("1000 digits to learn from and 1000 held out, one label in five of both at random.\n")
print("                      epochs   weights of   training loss   validation loss   test accuracy")
models = {}
for name, early_stopping in (("fixed", False), ("early stopping", True)):
    model = RNNClassifier(
        learning_rate_init=0.005, max_iter=80, early_stopping=early_stopping, random_state=0
    )
    models[name] = model.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    epoch = model.best_iter_ if early_stopping else model.n_iter_
    print(
        f"{name:20s} {model.n_iter_:7d}   epoch {epoch:4d}   {model.loss_curve_[epoch - 1]:13.3f}"
        f"   {model.validation_loss_curve_[epoch - 1]:15.3f}   {model.score(X_test, y_test):13.3f}"
    )
logistic = LogisticRegression(max_iter=1000).fit(X_train.reshape(1000, -1), y_train)
accuracy = logistic.score(X_test.reshape(len(X_test), -1), y_test)
print(f"{'logistic regression':68s}   {accuracy:13.3f}")

try:
    # All 80 epochs, with a mark where early stopping took its weights. The curves of one model are
    # simply LossCurveDisplay.from_estimator(model).
    display = LossCurveDisplay(
        loss_curve=models["fixed"].loss_curve_,
        validation_loss_curve=models["fixed"].validation_loss_curve_,
        best_iter=models["early stopping"].best_iter_,
    ).plot()
except ImportError as error:  # matplotlib is an extra
    print(f"\nNo picture: {error}")
else:
    import matplotlib.pyplot as plt

    if path:
        display.figure_.savefig(path, dpi=150)
        print(f"\nPicture written to {path}.")
    elif plt.get_backend().lower() != "agg":  # there is a display
        plt.show()
