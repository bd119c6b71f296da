"""A chorale continued: which of twelve keys sound next, at every step?

A piece is a piano roll, one row a step with a one for each key that sounds. The network learns at
every step which keys sound at the next: one logistic output a key, an output at every step. To
continue a piece it reads what there is, then what it has just written, one step at a time.

Look at the loss a frame, beside saying always the average and repeating the last frame, and at the
continuation: from the beginning the network tells which of the progressions it hears and in which
key, and goes on with it, chord by chord. Nobody told it what a chord or a key is.

The pieces are generated: four progressions of four chords, each in all twelve keys.
"""

import numpy as np

from skrnn import RNNClassifier
from skrnn.metrics import frame_log_loss

NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]


# Steps above the tonic: 2 and 9 bear minor chords, the others major ones.
PROGRESSIONS = [(0, 9, 5, 7), (0, 7, 9, 5), (2, 7, 0, 0), (0, 5, 7, 5)]


def piece(rng):
    tonic, frames = rng.integers(12), []
    for step in 4 * PROGRESSIONS[rng.integers(len(PROGRESSIONS))]:
        root, third = tonic + step, 3 if step in (2, 9) else 4
        keys = np.zeros(12, dtype=int)
        keys[[root % 12, (root + third) % 12, (root + 7) % 12]] = 1
        frames += [keys, keys]
    return np.array(frames)


def chord(frame):
    return "-".join(name for name, sounds in zip(NAMES, frame, strict=True) if sounds)


rng = np.random.default_rng(0)
pieces = [piece(rng) for _ in range(150)]
before, after = [p[:-1].astype(float) for p in pieces], [p[1:] for p in pieces]
train, test = slice(0, 120), slice(120, None)

model = RNNClassifier(64, mode="many_to_many", max_iter=60, random_state=0)
model.fit(before[train], after[train])

average = np.concatenate(after[train]).mean(axis=0)
print("Negative log likelihood a frame, in nats, on 30 new pieces:")
for name, guess in (
    ("the average of all frames", [np.tile(average, (len(p), 1)) for p in after[test]]),
    ("the last frame, 5 in 6 sure", [np.where(p == 1, 5 / 6, 1 / 18) for p in before[test]]),
    ("the network", model.predict_proba(before[test])),
):
    print(f"  {name:28} {frame_log_loss(after[test], guess):6.3f}")

start = pieces[-1][:8]
state = model.init_state()
for frame in start.astype(float):
    following, state = model.step(frame, state)
written = []
for _ in range(16):
    written.append(following[0])
    following, state = model.step(following.astype(float), state)

print("\nGiven:    ", "  ".join(chord(frame) for frame in start[::2]))
print("Continued:", "  ".join(chord(frame) for frame in written[::2]))
print("The piece:", "  ".join(chord(frame) for frame in pieces[-1][8:24:2]))
