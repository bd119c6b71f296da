"""Why the vanilla cell forgets: the gradient on its way back through time.

The adding problem needs a long memory. Each of 60 steps brings a random number between 0 and 1;
two of them are marked, one in each half, and after the last step the network has to say their sum.
Always saying 1 gives a mean squared error of 1/6. To do better, the gradient of the loss has to
travel back to the marked steps.

Look at the table: the share of the gradient at the last step that arrives at the first one. In the
vanilla network it shrinks with every step, so there is hardly anything to learn from, and the
error stays where it is. The gates of LSTM and GRU keep a path open once they have learned to.
In the picture, a line that falls to the left is a vanishing gradient. What counts is its slope:
a solved task pushes a line down as a whole, for its loss is almost zero.

Run with ``--save picture.png`` to write the picture to a file.
"""

import argparse

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error

from skrnn import GradientFlowDisplay, RNNRegressor

CELLS = {"rnn": "vanilla", "lstm": "LSTM", "gru": "GRU"}
STAGES = {"After 1 epoch": 1, "After 15 epochs": 15}


def make_adding(n_sequences, n_steps, seed):
    """Return (number, marked or not) at each step, and the sum of the two marked numbers."""
    rng = np.random.default_rng(seed)
    X = np.zeros((n_sequences, n_steps, 2), dtype=np.float32)
    X[:, :, 0] = rng.random((n_sequences, n_steps))
    sequence, half = np.arange(n_sequences), n_steps // 2
    first = rng.integers(0, half, n_sequences)
    second = rng.integers(half, n_steps, n_sequences)
    X[sequence, first, 1] = X[sequence, second, 1] = 1
    return X, X[sequence, first, 0] + X[sequence, second, 0]


def draw(models, X, y, path):
    """Draw one panel for each stage of training, with one line for each cell."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for ax, stage in zip(axes, STAGES, strict=True):
        for cell, name in CELLS.items():
            GradientFlowDisplay.from_estimator(models[stage, cell], X, y, ax=ax, name=name)
        ax.set_title(stage)
    axes[0].legend(axes[0].lines, CELLS.values(), loc="lower right")
    axes[1].get_legend().remove()
    axes[1].set_ylabel("")
    if path:
        figure.savefig(path, dpi=150)
        print(f"\nPicture written to {path}.")
    elif plt.get_backend().lower() != "agg":  # there is a display
        plt.show()


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--save", metavar="PATH", help="write the picture to this file")
path = parser.parse_args().save

X_train, y_train = make_adding(3000, 60, seed=0)
X_test, y_test = make_adding(500, 60, seed=1)
linear = LinearRegression().fit(X_train.reshape(3000, -1), y_train)
print("Mean squared error of the sum of two marked numbers among 60")
print(f"  always saying the mean           {np.mean((y_test - y_train.mean()) ** 2):.4f}")
error = mean_squared_error(y_test, linear.predict(X_test.reshape(500, -1)))
print(f"  linear regression on all numbers {error:.4f}\n")

print("cell      epochs   squared error   gradient at first step / at last")
models = {}
for cell, name in CELLS.items():
    for stage, max_iter in STAGES.items():
        model = RNNRegressor(
            cell=cell,
            hidden_layer_sizes=(32,),
            batch_size=32,
            learning_rate_init=0.01,
            max_iter=max_iter,
            random_state=0,
        )
        models[stage, cell] = model.fit(X_train, y_train)
        norms = model.gradient_flow(X_test, y_test).norms[0, 0]  # first layer, forward direction
        error = mean_squared_error(y_test, model.predict(X_test))
        print(f"{name:8s}  {max_iter:6d}   {error:13.4f}   {norms[0] / norms[-1]:12.1e}")

try:
    draw(models, X_test, y_test, path)
except ImportError as error:  # matplotlib is an extra
    print(f"\nNo picture: {error}")
