"""Recognise a digit before it is finished: one network for paths of every length.

The pen's path of a digit has 8 positions. What can be said after the first 2, 3, 4, ... of them?
A model on flat rows needs a fixed number of columns, hence one model a length. A recurrent network
reads sequences of any length, so one network is trained on all beginnings of all digits at once:
a plain list of arrays with 2 to 8 rows.

Look at the table. The one network stays far ahead of seven logistic regressions and close to seven
plain neural networks, each of them trained for just one length; a recurrent network that saw only
complete digits is lost before the last points. Below it, one digit is read point by point.

Data: Alpaydin and Alimoglu, UCI Machine Learning Repository, CC BY 4.0 (see data/README.md).
"""

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from skrnn import RNNClassifier

LENGTHS = range(2, 9)

with np.load(Path(__file__).parent / "data" / "pen_digits.npz") as data:
    X_train, X_test = (data[name] / np.float32(50) - 1 for name in ("X_train", "X_test"))
    y_train, y_test = data["y_train"], data["y_test"]


def flat(X, n_points):
    return X[:, :n_points].reshape(len(X), -1)


beginnings = [path[:n_points] for n_points in LENGTHS for path in X_train]
labels = np.tile(y_train, len(LENGTHS))
print(f"{len(X_train)} complete digits, {len(beginnings)} beginnings of them.")
print("Fitting one network on the complete digits, one on all beginnings ...")
complete = RNNClassifier(max_iter=20, random_state=0).fit(X_train, y_train)
early = RNNClassifier(max_iter=12, random_state=0).fit(beginnings, labels)

print("\nAccuracy on 800 digits by other people, after so many points:")
print("points   logistic, one a length   MLP, one a length   RNN, complete   RNN, beginnings")
for n_points in LENGTHS:
    logistic = LogisticRegression(max_iter=1000).fit(flat(X_train, n_points), y_train)
    mlp = MLPClassifier(64, learning_rate_init=0.01, max_iter=300, random_state=0)
    mlp.fit(flat(X_train, n_points), y_train)
    print(
        f"{n_points:6d}   {logistic.score(flat(X_test, n_points), y_test):22.3f}"
        f"   {mlp.score(flat(X_test, n_points), y_test):17.3f}"
        f"   {complete.score(X_test[:, :n_points], y_test):13.3f}"
        f"   {early.score(X_test[:, :n_points], y_test):15.3f}"
    )

digit = np.flatnonzero(y_test == 9)[3]
print(f"\nA {y_test[digit]}, point by point, with the two best guesses of the second network:")
state = early.init_state()
for n_points, point in enumerate(X_test[digit], start=1):
    probabilities, state = early.step(point, state, response_method="predict_proba")
    best, second = np.argsort(-probabilities[0])[:2]
    print(
        f"  point {n_points}:  {best} at {probabilities[0, best]:4.0%}"
        f"   {second} at {probabilities[0, second]:4.0%}"
    )
