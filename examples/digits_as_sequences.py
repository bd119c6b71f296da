"""An image as a sequence of patches: scikit-learn's digits, one row of pixels a step.

An image of 8 x 8 pixels becomes a sequence of 8 steps with 8 channels: the network sees the digit
as through a slit that moves down. Every cell of the library reads it, and one network reads it in
both directions. The last one gets squares of 2 x 2 pixels, as one reads a page, in 16 steps.

Look at the table with sober eyes: on 719 test images a difference of one percent is chance. With
images this small a logistic regression on all 64 pixels is hard to beat, and the recurrent networks
come out level or a little ahead, with many more weights: nothing here needs a long memory. Squares
make it harder, not easier: a row goes with the one below it, a square with one four steps on. The
point is how to bring data that is no time series into the form of sequences, and how little it
takes to change the cell.
"""

import time

from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from skrnn import RNNClassifier

digits = load_digits()
images = (digits.images / 16).astype("float32")  # (1797, 8, 8): already images, steps, channels
X_train, X_test, y_train, y_test = train_test_split(
    images, digits.target, test_size=0.4, stratify=digits.target, random_state=0
)
print(f"{len(X_train)} images to learn from, {len(X_test)} to test on.\n")


def as_pixels(X):
    """All 64 pixels side by side."""
    return X.reshape(len(X), -1)


def as_rows(X):
    """8 steps, each a row of 8 pixels: the images as they are."""
    return X


def as_squares(X):
    """16 steps, each a square of 2 x 2 pixels, row by row."""
    return X.reshape(len(X), 4, 2, 4, 2).swapaxes(2, 3).reshape(len(X), 16, 4)


models = {
    "most frequent digit": (DummyClassifier(), as_pixels),
    "logistic regression, 64 pixels": (LogisticRegression(max_iter=1000), as_pixels),
    "MLPClassifier, 64 pixels": (
        MLPClassifier((64,), learning_rate_init=0.01, random_state=0),
        as_pixels,
    ),
    "vanilla": (RNNClassifier(cell="rnn"), as_rows),
    "LSTM": (RNNClassifier(cell="lstm"), as_rows),
    "GRU": (RNNClassifier(cell="gru"), as_rows),
    "GRU, both directions": (RNNClassifier(cell="gru", bidirectional=True), as_rows),
    "GRU, squares of 2 x 2": (RNNClassifier(cell="gru"), as_squares),
}

# The same training for all of them; the first network of a kind also compiles its kernels.
recurrent = {"max_iter": 40, "random_state": 0}

print(f"{'model':32s} {'accuracy':>8s} {'weights':>8s} {'seconds':>8s}")
for name, (model, arranged) in models.items():
    data_train, data_test = arranged(X_train), arranged(X_test)
    if isinstance(model, RNNClassifier):
        model.set_params(**recurrent).fit(data_train[:50], y_train[:50])  # compiles
    started = time.perf_counter()
    model.fit(data_train, y_train)
    seconds = time.perf_counter() - started
    if isinstance(model, RNNClassifier):
        n_weights = sum(weights.size for weights in model.weights_.values())
    elif isinstance(model, MLPClassifier):
        n_weights = sum(weights.size for weights in model.coefs_ + model.intercepts_)
    else:
        n_weights = model.coef_.size + model.intercept_.size if hasattr(model, "coef_") else 0
    accuracy = model.score(data_test, y_test)
    print(f"{name:32s} {accuracy:8.3f} {n_weights:8d} {seconds:8.1f}")
