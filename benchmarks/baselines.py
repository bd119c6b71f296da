"""What the networks are compared with: the majority class and one nearest neighbour by DTW."""

import numpy as np


def majority_accuracy(y_train, y_test):
    """Accuracy of always predicting the most frequent training class.

    Parameters
    ----------
    y_train, y_test : ndarray of labels

    Returns
    -------
    float
    """
    labels, counts = np.unique(y_train, return_counts=True)
    return float(np.mean(y_test == labels[counts.argmax()]))


def _padded(sequences):
    lengths = np.array([len(sequence) for sequence in sequences])
    values = np.zeros((len(sequences), lengths.max(), np.shape(sequences[0])[1]))
    for row, sequence in zip(values, sequences, strict=True):
        row[: len(sequence)] = sequence
    return values, lengths


def dtw_distances(query, candidates, lengths):
    """Dynamic time warping distances of one sequence to many: full window, squared costs.

    All channels are warped together ("dependent" warping). The recursion runs over the
    anti-diagonals of the cost matrix, whose cells depend only on the two diagonals before,
    for all candidates at once.

    Parameters
    ----------
    query : ndarray of shape (T, channels)
    candidates : ndarray of shape (n, longest, channels)
        Padded with anything: a warping path never leaves the true steps.
    lengths : ndarray of int of shape (n,)
        True lengths of the candidates.

    Returns
    -------
    ndarray of shape (n,)
        Squared distances.
    """
    n_steps, n_candidates = len(query), len(candidates)
    longest = candidates.shape[1]
    # A diagonal holds one cell for each step of the query, after a border of infinity; the
    # corner before the first cell costs nothing.
    before = np.full((n_candidates, n_steps + 1), np.inf)
    previous = np.full((n_candidates, n_steps + 1), np.inf)
    before[:, 0] = 0
    distances = np.empty(n_candidates)
    for diagonal in range(n_steps + longest - 1):
        first = max(0, diagonal - longest + 1)
        stop = min(n_steps, diagonal + 1)
        rows = np.arange(first, stop)
        cost = ((query[rows] - candidates[:, diagonal - rows]) ** 2).sum(axis=2)
        best = np.minimum(previous[:, first:stop], previous[:, first + 1 : stop + 1])
        current = np.full((n_candidates, n_steps + 1), np.inf)
        current[:, first + 1 : stop + 1] = cost + np.minimum(best, before[:, first:stop])
        ends_here = lengths + n_steps - 2 == diagonal
        distances[ends_here] = current[ends_here, n_steps]
        before, previous = previous, current
    return distances


def nearest_neighbour_dtw(X_train, y_train, X_test):
    """Predict the target of the training sequence nearest by dynamic time warping.

    Parameters
    ----------
    X_train, X_test : list of ndarray of shape (T_i, channels), or ndarray (n, T, channels)
    y_train : ndarray of shape (n,)

    Returns
    -------
    ndarray
        Labels or targets for `X_test`.
    """
    candidates, lengths = _padded(X_train)
    nearest = [
        dtw_distances(np.asarray(query, dtype=float), candidates, lengths).argmin()
        for query in X_test
    ]
    return np.asarray(y_train)[nearest]
