"""Long-memory tasks that are generated, with their definitions.

Each generator takes the number of sequences and a seed, and returns ``X, y``: the same seed
gives the same sequences. Values are float32.

References
----------
.. [1] Hochreiter & Schmidhuber (1997), Long Short-Term Memory, Neural Computation 9(8),
   experiments 4 (adding) and 6a (temporal order).
.. [2] Le, Jaitly & Hinton (2015), A Simple Way to Initialize Recurrent Networks of Rectified
   Linear Units, arXiv:1504.00941.
.. [3] Arjovsky, Shah & Bengio (2016), Unitary Evolution Recurrent Neural Networks,
   arXiv:1511.06464.
"""

import numpy as np

TEMPORAL_ORDER_SYMBOLS = ("E", "B", "a", "b", "c", "d", "X", "Y")


def _ragged(padded, lengths):
    return [sequence[:length] for sequence, length in zip(padded, lengths, strict=True)]


def adding_with_markers(n_sequences, seed, n_timesteps=100):
    """Adding problem, experiment 4 of Hochreiter & Schmidhuber [1]_.

    Lengths are uniform in ``[T, T + T / 10]``. Channel 0 is uniform in [-1, 1]. Channel 1
    marks one of the first ten steps, and one of the first ``T / 2 - 1`` steps still unmarked,
    with 1, and the first and the last step with -1. The target is ``0.5 + (X1 + X2) / 4``; if
    the first step is drawn as one to be marked it keeps its -1 and counts as 0.

    Parameters
    ----------
    n_sequences : int
    seed : int
    n_timesteps : int, default=100
        The shortest length T.

    Returns
    -------
    X : list of ndarray of shape (T_i, 2)
    y : ndarray of shape (n_sequences,)
    """
    rng = np.random.default_rng(seed)
    longest = n_timesteps + n_timesteps // 10
    lengths = rng.integers(n_timesteps, longest + 1, n_sequences)
    rows = np.arange(n_sequences)

    first = rng.integers(0, 10, n_sequences)
    # Drawing from one step fewer and stepping over `first` is drawing from the unmarked ones.
    second = rng.integers(0, n_timesteps // 2 - 1, n_sequences)
    second += second >= first

    X = np.zeros((n_sequences, longest, 2), dtype=np.float32)
    X[:, :, 0] = rng.uniform(-1, 1, (n_sequences, longest))
    X[rows, first, 1] = 1
    X[rows, second, 1] = 1
    X[:, 0, 1] = -1
    X[rows, lengths - 1, 1] = -1

    addends = [np.where(step == 0, 0, X[rows, step, 0]) for step in (first, second)]
    y = 0.5 + (addends[0] + addends[1]) / 4
    return _ragged(X, lengths), y.astype(np.float32)


def temporal_order(n_sequences, seed):
    """Temporal order problem 6a of Hochreiter & Schmidhuber [1]_.

    Eight symbols, one-hot. A sequence of length 100 to 110 starts with E, ends with B and is
    otherwise drawn from a, b, c, d, but for an X or a Y at a step in 10 to 20 and another in
    50 to 60. The class is the order of the two: XX, XY, YX or YY.

    Parameters
    ----------
    n_sequences : int
    seed : int

    Returns
    -------
    X : list of ndarray of shape (T_i, 8)
    y : ndarray of str of shape (n_sequences,)
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(n_sequences)
    lengths = rng.integers(100, 111, n_sequences)
    letters = np.array(TEMPORAL_ORDER_SYMBOLS)
    code = {letter: index for index, letter in enumerate(letters)}

    symbols = rng.integers(code["a"], code["d"] + 1, (n_sequences, 110))
    marks = rng.integers(code["X"], code["Y"] + 1, (n_sequences, 2))
    symbols[rows, rng.integers(10, 21, n_sequences)] = marks[:, 0]
    symbols[rows, rng.integers(50, 61, n_sequences)] = marks[:, 1]
    symbols[:, 0] = code["E"]
    symbols[rows, lengths - 1] = code["B"]

    one_hot = np.eye(len(letters), dtype=np.float32)[symbols]
    y = np.char.add(letters[marks[:, 0]], letters[marks[:, 1]])
    return _ragged(one_hot, lengths), y


def adding(n_sequences, seed, n_timesteps=200):
    """Adding problem of Le, Jaitly & Hinton [2]_.

    Channel 0 is uniform in [0, 1]; channel 1 is 1 at two steps and 0 elsewhere, one of them in
    each half of the sequence (as Arjovsky et al. [3]_ draw them, the longer memory of the two
    published versions). The target is the sum of the two marked values. Predicting 1 always
    gives a mean squared error of 1/6.

    Parameters
    ----------
    n_sequences : int
    seed : int
    n_timesteps : int, default=200

    Returns
    -------
    X : ndarray of shape (n_sequences, n_timesteps, 2)
    y : ndarray of shape (n_sequences,)
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(n_sequences)
    half = n_timesteps // 2
    first = rng.integers(0, half, n_sequences)
    second = rng.integers(half, n_timesteps, n_sequences)

    X = np.zeros((n_sequences, n_timesteps, 2), dtype=np.float32)
    X[:, :, 0] = rng.random((n_sequences, n_timesteps), dtype=np.float32)
    X[rows, first, 1] = 1
    X[rows, second, 1] = 1
    return X, X[rows, first, 0] + X[rows, second, 0]


def shapes(n_sequences, seed, ragged=True):
    """Ramps, steps and waves in one channel, noise in both, three classes: for a smoke run.

    Parameters
    ----------
    n_sequences : int
    seed : int
    ragged : bool, default=True
        Draw lengths from 12 to 20; otherwise all are 16.

    Returns
    -------
    X : list of ndarray of shape (T_i, 2), or ndarray of shape (n_sequences, 16, 2)
    y : ndarray of str of shape (n_sequences,)
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(12, 21, n_sequences) if ragged else np.full(n_sequences, 16)
    longest = lengths.max()
    time = np.arange(longest) / lengths[:, None]
    phase = rng.uniform(0.3, 0.7, n_sequences)[:, None]
    curves = np.stack([2 * time - 1, np.sign(time - phase), np.sin(2 * np.pi * (time + phase))])
    labels = rng.integers(0, len(curves), n_sequences)
    X = 0.3 * rng.standard_normal((n_sequences, longest, 2), dtype=np.float32)
    X[:, :, 0] += curves[labels, np.arange(n_sequences)]
    y = np.array(["ramp", "step", "wave"])[labels]
    return (_ragged(X, lengths) if ragged else X), y


def copying(n_sequences, seed, n_timesteps=200):
    """Copying memory problem of Arjovsky, Shah & Bengio [3]_.

    Ten of eight symbols, then `n_timesteps` - 1 blanks, a delimiter, and ten more blanks, at whose
    steps the ten symbols are to be said again; everywhere else the answer is blank. Who remembers
    nothing scores at best ``10 ln 8 / (T + 20)`` nats a step.

    Parameters
    ----------
    n_sequences : int
    seed : int
    n_timesteps : int, default=200

    Returns
    -------
    X : ndarray of shape (n_sequences, n_timesteps + 20, 10)
        One-hot: the eight symbols, the blank, the delimiter.
    y : ndarray of int64 of shape (n_sequences, n_timesteps + 20)
    """
    rng = np.random.default_rng(seed)
    blank, delimiter = 8, 9
    symbols = rng.integers(0, 8, (n_sequences, 10))
    read = np.full((n_sequences, n_timesteps + 20), blank)
    said = read.copy()
    read[:, :10] = symbols
    read[:, n_timesteps + 9] = delimiter
    said[:, -10:] = symbols
    return np.eye(10, dtype=np.float32)[read], said


def chords(n_sequences, seed, n_keys=12):
    """Pieces that walk around a circle of three-note chords, each held for one to three frames.

    Parameters
    ----------
    n_sequences : int
    seed : int
    n_keys : int, default=12

    Returns
    -------
    list of ndarray of int64 of shape (T_i, n_keys)
        1 where a key is pressed.
    """
    rng = np.random.default_rng(seed)
    pieces = []
    for _ in range(n_sequences):
        root, frames = rng.integers(n_keys), []
        for _ in range(rng.integers(8, 14)):
            chord = np.zeros(n_keys, dtype=np.int64)
            chord[[root % n_keys, (root + 4) % n_keys, (root + 7) % n_keys]] = 1
            frames += [chord] * rng.integers(1, 4)
            root += rng.choice([5, 7])
        pieces.append(np.array(frames))
    return pieces


def tagged_sentences(n_sequences, seed):
    """Sentences of words with their parts of speech, and the chunks that they form.

    Parameters
    ----------
    n_sequences : int
    seed : int

    Returns
    -------
    X : list of list of (str, str)
        Words and parts of speech.
    y : list of list of str
        Chunk tags in BIO.
    """
    rng = np.random.default_rng(seed)
    kinds = {"NP": ("DT", "JJ", "NN"), "VP": ("MD", "VB"), "PP": ("IN",)}
    X, y = [], []
    for _ in range(n_sequences):
        words, tags = [], []
        for kind in rng.choice(list(kinds), rng.integers(2, 6)):
            parts = kinds[kind][rng.integers(len(kinds[kind])) :]
            words += [(f"{part.lower()}{rng.integers(6)}", part) for part in parts]
            tags += [f"{'I' if i else 'B'}-{kind}" for i in range(len(parts))]
        X.append(words)
        y.append(tags)
    return X, y
