"""Which digit is the pen writing? A first recurrent network beside two baselines.

Each sequence is the path of a pen: 8 positions (x, y) along a handwritten digit. The library reads
the array of shape (digits, 8 steps, 2 channels) as it is and everything else is scikit-learn's
usual ``fit`` and ``score``.

Look at the table at the end. Logistic regression gets the same 16 numbers as one flat row, so
it knows every position but not that one follows the other. The people who wrote the test digits
wrote none of the training digits.

Data: Alpaydin and Alimoglu, UCI Machine Learning Repository, CC BY 4.0 (see data/README.md).
"""

import time
from pathlib import Path

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from skrnn import RNNClassifier

# 0 to 100 becomes -1 to 1. float32 in means float32 arithmetic, which is faster than float64.
with np.load(Path(__file__).parent / "data" / "pen_digits.npz") as data:
    X_train, X_test = (data[name] / np.float32(50) - 1 for name in ("X_train", "X_test"))
    y_train, y_test = data["y_train"], data["y_test"]

print(f"{len(X_train)} digits to learn from, {len(X_test)} by other people to test on.")
print(f"Each is a path of {X_train.shape[1]} pen positions, (x, y).\n")

print("Fitting a GRU layer of 64 units, 20 times over the data. The first fit on a machine")
print("compiles the kernels before the first epoch: 10 to 20 seconds, once.")
started = time.perf_counter()
model = RNNClassifier(hidden_layer_sizes=(64,), max_iter=20, verbose=True, random_state=0)
model.fit(X_train, y_train)
n_weights = sum(weights.size for weights in model.weights_.values())
print(f"Fitted {n_weights} weights in {time.perf_counter() - started:.1f} s.\n")

flat_train, flat_test = X_train.reshape(len(X_train), -1), X_test.reshape(len(X_test), -1)
majority = DummyClassifier().fit(flat_train, y_train)
logistic = LogisticRegression(max_iter=1000).fit(flat_train, y_train)

print("Accuracy on the test digits")
print(f"  always the most frequent digit        {majority.score(flat_test, y_test):.3f}")
print(f"  logistic regression on 16 numbers     {logistic.score(flat_test, y_test):.3f}")
print(f"  RNNClassifier on 8 steps of 2 numbers {model.score(X_test, y_test):.3f}")

predicted = model.predict(X_test)
probability = model.predict_proba(X_test).max(axis=1)
wrong = np.flatnonzero(predicted != y_test)
print(f"\nThe {min(5, len(wrong))} surest of its {len(wrong)} mistakes:")
for i in wrong[np.argsort(-probability[wrong])][:5]:
    print(f"  a {y_test[i]} taken for a {predicted[i]}, at {probability[i]:.0%}")
