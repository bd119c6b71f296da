"""Why the vanilla cell forgets: the gradient on its way back through time.

The task needs a long memory. The first of 60 symbols is one of four letters, 59 distracting symbols
follow, and at the end the network has to say which letter it was. To learn that, the gradient of
the loss has to travel back over all 60 steps.

Look at the table: how much of the gradient at the last step is left at the first. In the vanilla
network it shrinks at every step, and by the first nothing is left to learn from: it stays near
the baseline, however long it trains. The gates of LSTM and GRU keep a path open. In the picture a
line that falls to the left is a vanishing gradient. (In the right-hand panel the lines of LSTM and
GRU lie low as a whole because their loss is almost zero; what counts is the slope.)

Run with ``--save picture.png`` to write the picture to a file.
"""

import argparse

import numpy as np

from skrnn import GradientFlowDisplay, RNNClassifier

CELLS = {"rnn": "vanilla", "lstm": "LSTM", "gru": "GRU"}
N_LETTERS, N_STEPS = 4, 60


def make_recall(n_sequences, seed):
    """Return one-hot symbols, float32 (n_sequences, N_STEPS, 8), and the first symbol of each."""
    rng = np.random.default_rng(seed)
    symbols = rng.integers(N_LETTERS, 2 * N_LETTERS, (n_sequences, N_STEPS))
    symbols[:, 0] = rng.integers(0, N_LETTERS, n_sequences)
    return np.eye(2 * N_LETTERS, dtype=np.float32)[symbols], symbols[:, 0]


def fit(cell, max_iter, X, y):
    model = RNNClassifier(cell=cell, hidden_layer_sizes=(32,), max_iter=max_iter, random_state=0)
    return model.fit(X, y)


def draw(panels, X, y, path):
    """Draw one panel for each stage of training, with one line for each cell."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(10, 4), sharey=True, layout="constrained")
    for ax, (title, models) in zip(axes, panels.items(), strict=True):
        for cell, model in models.items():
            GradientFlowDisplay.from_estimator(model, X, y, ax=ax, name=CELLS[cell])
        ax.set_title(title)
    axes[0].legend([*CELLS.values()], title="cell", loc="lower right")
    axes[1].get_legend().remove()
    axes[1].set_ylabel("")
    if path:
        figure.savefig(path, dpi=150)
        print(f"\nPicture written to {path}.")
    elif plt.get_backend().lower() != "agg":  # a display is there
        plt.show()


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--save", metavar="PATH", help="write the picture to this file")
path = parser.parse_args().save

X_train, y_train = make_recall(1500, seed=0)
X_test, y_test = make_recall(500, seed=1)
panels = {"After 1 epoch": {}, "After 40 epochs": {}}
print(f"Which of {N_LETTERS} letters came first, {N_STEPS} steps ago?")
print(f"Accuracy of always saying the most frequent: {np.bincount(y_test).max() / 500:.3f}\n")
print("cell      epochs   accuracy   gradient at the first step / at the last")
for cell, name in CELLS.items():
    for title, max_iter in zip(panels, (1, 40), strict=True):
        model = panels[title][cell] = fit(cell, max_iter, X_train, y_train)
        norms = model.gradient_flow(X_test, y_test).norms[0, 0]  # first layer, forward direction
        accuracy = model.score(X_test, y_test)
        print(f"{name:8s}  {max_iter:6d}   {accuracy:8.3f}   {norms[0] / norms[-1]:10.1e}")

try:
    draw(panels, X_test, y_test, path)
except ImportError as error:  # matplotlib is an extra
    print(f"\nNo picture: {error}")
