"""A video as a sequence of feature vectors: which way does the digit go?

Videos are made of scikit-learn's digits: one drifts up, down, left or right over a canvas whose
edges meet, at one of two speeds, among flickering pixels, for eight frames. As is usual with video,
every frame is first turned into a feature vector (here by a PCA of single frames), and a recurrent
network reads the vectors.

Look at the table. No single frame can tell. The mean of all frames shows a smear along the way, so
that a classifier of it finds the axis and guesses the sign. The network reads the order: give it
videos backwards and it says the opposite, shuffle their frames and it is left with the axis as
well. A plain network that has all frames side by side is nearly as good, on videos of just this
length. The last lines give the recurrent one frame after frame, beyond the length of training.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier

from skrnn import RNNClassifier

N_FRAMES, SIZE = 8, 16
STEPS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
OPPOSITE = {"up": "down", "down": "up", "left": "right", "right": "left"}

rng = np.random.default_rng(0)
images = load_digits().images / 16


def draw_video(way, n_frames=N_FRAMES):
    """Return frames of shape (time, row, column)."""
    canvas = np.zeros((SIZE, SIZE))
    canvas[:8, :8] = images[rng.integers(len(images))]
    start, speed = rng.integers(SIZE, size=2), rng.choice([1.0, 1.5])
    frames = []
    for t in range(n_frames):
        place = start + np.round(np.array(STEPS[way]) * speed * t).astype(int)
        flicker = rng.random((SIZE, SIZE)) < 0.03
        frames.append(np.maximum(np.roll(canvas, place, axis=(0, 1)), flicker))
    return np.array(frames)


def draw(n_videos, n_frames=N_FRAMES):
    """Return videos, a vector of pixels a frame, and the ways their digits go."""
    ways = rng.choice(list(STEPS), n_videos)
    videos = np.array([draw_video(way, n_frames) for way in ways])
    return videos.reshape(n_videos, n_frames, SIZE * SIZE), ways


def features(videos):
    """Return a feature vector for each frame."""
    return pca.transform(videos.reshape(-1, SIZE * SIZE)).reshape(*videos.shape[:2], -1)


def mlp():
    """Return a network that knows no time."""
    return MLPClassifier((64,), early_stopping=True, max_iter=300, random_state=0)


def axis_of(ways):
    """Tell which of some ways are vertical."""
    return np.isin(ways, ["up", "down"])


def flat(X):
    """Put the frames of a video side by side."""
    return X.reshape(len(X), -1)


(videos_train, y_train), (videos_test, y_test) = draw(3000), draw(1000)
pca = PCA(60, random_state=0).fit(videos_train.reshape(-1, SIZE * SIZE))
X_train, X_test = features(videos_train), features(videos_test)

last = mlp().fit(X_train[:, -1], y_train)
mean = mlp().fit(X_train.mean(axis=1), y_train)
side_by_side = mlp().fit(flat(X_train), y_train)
network = RNNClassifier(64, dropout=0.2, max_iter=30, random_state=0).fit(X_train, y_train)

said = mean.predict(X_test.mean(axis=1))
of_axis = np.mean(axis_of(said) == axis_of(y_test))
print(f"{len(y_train)} videos of {N_FRAMES} frames; accuracy on {len(y_test)} others:\n")
print(f"guessing                       {1 / len(STEPS):.3f}")
print(f"MLP, the last frame            {last.score(X_test[:, -1], y_test):.3f}")
print(f"MLP, the mean of all frames    {np.mean(said == y_test):.3f}   (axis: {of_axis:.3f})")
print(f"MLP, all frames side by side   {side_by_side.score(flat(X_test), y_test):.3f}")
print(f"GRU, frame by frame            {network.score(X_test, y_test):.3f}\n")

backwards = network.predict(X_test[:, ::-1])
opposite = np.mean(backwards == [OPPOSITE[way] for way in y_test])
print(f"GRU, videos backwards          {np.mean(backwards == y_test):.3f}", end="")
print(f"   (says the opposite: {opposite:.3f})")
shuffled = rng.permuted(np.arange(N_FRAMES)[None].repeat(len(X_test), axis=0), axis=1)
said = network.predict(np.take_along_axis(X_test, shuffled[:, :, None], axis=1))
print(f"GRU, frames shuffled           {np.mean(said == y_test):.3f}\n")

long_videos, y_long = draw(300, 2 * N_FRAMES)
state = network.init_state(len(y_long))
print("How soon it knows:")
for t, frames in enumerate(features(long_videos).swapaxes(0, 1), start=1):
    said, state = network.step(frames, state)
    if t in (1, 2, 3, 4, N_FRAMES, 2 * N_FRAMES):
        print(f"  after {t:2d} frames              {np.mean(said == y_long):.3f}")
