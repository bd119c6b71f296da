"""Follow a stream: one frame at a time, the state in your own hands.

A fitted estimator offers ``init_state`` and ``step``. A step takes the next frame and the state so
far, and returns the result so far and the new state; the estimator itself never changes, so one
model can follow any number of streams, in any threads. After every step the result is, bit
for bit, what ``predict`` would give for the sequence up to there.

Look at how the belief about who is speaking settles within some frames (of 6.4 ms each), and at
the time that a step takes.

Data: Kudo, Toyama and Shimbo, UCI Machine Learning Repository, CC BY 4.0 (see data/README.md).
"""

import time
from pathlib import Path

import numpy as np

from skrnn import RNNClassifier, SequenceScaler


def load(part):
    """Return utterances, a list of arrays of shape (frames, 12), and their speakers, 1 to 9."""
    with np.load(Path(__file__).parent / "data" / "japanese_vowels.npz") as data:
        frames = data[f"frames_{part}"] / 100
        ends = np.cumsum(data[f"lengths_{part}"])
        return np.split(frames, ends[:-1]), data[f"speaker_{part}"]


X_train, y_train = load("train")
X_test, y_test = load("test")
scaler = SequenceScaler().fit(X_train)
X_test = scaler.transform(X_test)
print("Fitting on whole utterances of nine speakers ...")
model = RNNClassifier(max_iter=60, random_state=0).fit(scaler.transform(X_train), y_train)
print(f"accuracy on whole utterances: {model.score(X_test, y_test):.3f}\n")

utterance, speaker = X_test[100], y_test[100]
print(f"Speaker {speaker} begins to speak:")
state = model.init_state()
for t, frame in enumerate(utterance, start=1):
    probabilities, state = model.step(frame, state, response_method="predict_proba")
    guess = model.classes_[probabilities[0].argmax()]
    print(
        f"  {6.4 * t:5.1f} ms  speaker {guess} {'#' * round(40 * probabilities[0].max()):40s}"
        f" {probabilities[0].max():4.0%}"
    )

print("\nEvery step of 50 utterances against predict_proba on the frames so far: ", end="")
n_equal = n_steps = 0
for utterance in X_test[:50]:
    state = model.init_state()
    for t, frame in enumerate(utterance, start=1):
        streamed, state = model.step(frame, state, response_method="predict_proba")
        n_equal += np.array_equal(streamed, model.predict_proba([utterance[:t]]))
        n_steps += 1
print(f"{n_equal} of {n_steps} equal to the last bit.\n")

frames = np.concatenate(X_test)[:3000]
print("Time of a step for so many streams, median and 99th percentile of 3000:")
for n_streams in (1, 32):
    state, seconds = model.init_state(n_streams), []
    for frame in frames:
        x = np.tile(frame, (n_streams, 1))
        started = time.perf_counter()
        _, state = model.step(x, state)
        seconds.append(time.perf_counter() - started)
    median, worst = 1e6 * np.percentile(seconds, [50, 99])
    print(f"  {n_streams:2d} at once: {median:4.0f} µs, {worst:4.0f} µs")
