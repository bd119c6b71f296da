"""Sequences of unequal length, without padding: who is speaking?

Nine people say the two vowels /ae/. An utterance is 7 to 29 frames of 12 numbers each that describe
the shape of the sound, so every sequence has its own length. The estimators take them

- as a list of arrays,
- as a pandas frame indexed by (utterance, frame), channels by column name,
- as a 3-D array, the ends of short utterances filled with NaN.

Look at three things: the accuracy beside models that need a fixed number of columns; that the three
layouts give the same predictions to the last bit; and that an utterance's prediction does not
depend on what else is predicted with it.

Data: Kudo, Toyama and Shimbo, UCI Machine Learning Repository, CC BY 4.0 (see data/README.md).
"""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import RNNClassifier, SequenceScaler


def load(part):
    """Return utterances, a list of arrays of shape (frames, 12), and their speakers, 1 to 9."""
    with np.load(Path(__file__).parent / "data" / "japanese_vowels.npz") as data:
        frames = data[f"frames_{part}"] / 100
        ends = np.cumsum(data[f"lengths_{part}"])
        return np.split(frames, ends[:-1]), data[f"speaker_{part}"]


def as_frame(utterances):
    """Return the utterances as rows of one frame."""
    index = [(i, t) for i, frames in enumerate(utterances) for t in range(len(frames))]
    return pd.DataFrame(
        np.concatenate(utterances),
        index=pd.MultiIndex.from_tuples(index, names=["utterance", "frame"]),
        columns=[f"coefficient_{k}" for k in range(1, 13)],
    )


def as_padded(utterances):
    """Return the utterances as one array, NaN after their ends."""
    padded = np.full((len(utterances), max(map(len, utterances)), 12), np.nan)
    for row, frames in zip(padded, utterances, strict=True):
        row[: len(frames)] = frames
    return padded


X_train, y_train = load("train")
X_test, y_test = load("test")
lengths = [len(frames) for frames in X_train]
print(f"{len(X_train)} utterances of {min(lengths)} to {max(lengths)} frames to learn from,")
print(f"{len(X_test)} to test on. Fitting ...\n")
model = make_pipeline(SequenceScaler(), RNNClassifier(max_iter=60, random_state=0))
model.fit(X_train, y_train)


def score_logistic(summary):
    """Return the test accuracy of logistic regression on one row of numbers an utterance."""
    rows_train, rows_test = ([summary(frames) for frames in X] for X in (X_train, X_test))
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return logistic.fit(rows_train, y_train).score(rows_test, y_test)


majority = DummyClassifier().fit(y_train, y_train)
print("Accuracy")
print(f"  always the same speaker                    {majority.score(y_test, y_test):.3f}")
print(f"  logistic regression on the first 7 frames  {score_logistic(lambda f: f[:7].ravel()):.3f}")
print(f"  logistic regression on the mean frame      {score_logistic(lambda f: f.mean(0)):.3f}")
print(f"  RNNClassifier on whole utterances          {model.score(X_test, y_test):.3f}\n")

probabilities = model.predict_proba(X_test)
print("The same probabilities to the last bit")
alone = np.concatenate([model.predict_proba([frames]) for frames in X_test])
print(f"  each utterance by itself   {np.array_equal(alone, probabilities)}")
padded = model.predict_proba(as_padded(X_test))
print(f"  3-D array with NaN padding {np.array_equal(padded, probabilities)}")

frame_model = make_pipeline(SequenceScaler(), RNNClassifier(max_iter=60, random_state=0))
frame_model.fit(as_frame(X_train), y_train)  # learns the column names, too
from_frame = frame_model.predict_proba(as_frame(X_test))
print(f"  frame with a MultiIndex    {np.array_equal(from_frame, probabilities)}\n")

X_test[3][4, 1] = np.nan
print("What a missing number inside an utterance leads to:")
try:
    model.predict(X_test)
except ValueError as error:
    print(f"  ValueError: {error}")
