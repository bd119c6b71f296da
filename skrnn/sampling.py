"""Drawing from a distribution over classes: temperature, the k likeliest, and the nucleus."""

from __future__ import annotations

import numpy as np


def draw_class(log_probabilities, rng, *, temperature=1.0, top_k=None, top_p=None):
    """Draw a class.

    Parameters
    ----------
    log_probabilities : ndarray of shape (n_classes,)
        Logarithms of the probabilities, up to a constant.
    rng : numpy.random.RandomState
        Source of the number.
    temperature : float, default=1.0
        Logarithms are divided by it: below one the likely become likelier.
    top_k : int or None, default=None
        Draw among this many likeliest classes only; 1 takes the likeliest.
    top_p : float or None, default=None
        Draw among the likeliest classes that together have at least this probability only
        (nucleus sampling).

    Returns
    -------
    chosen : int
        Place of the class.

    References
    ----------
    A. Holtzman, J. Buys, L. Du, M. Forbes and Y. Choi, "The Curious Case of Neural Text
    Degeneration", ICLR 2020.
    """
    scaled = np.asarray(log_probabilities, dtype=np.float64) / temperature
    # Likeliest first; of equal ones the first stays first.
    order = np.argsort(-scaled, kind="stable")[:top_k]
    shares = np.exp(scaled[order] - scaled[order[0]])
    shares /= shares.sum()
    if top_p is not None:
        n_kept = int(np.searchsorted(np.cumsum(shares), top_p)) + 1
        order, shares = order[:n_kept], shares[:n_kept]
    bound = np.cumsum(shares)
    place = int(np.searchsorted(bound, rng.uniform() * bound[-1], side="right"))
    return int(order[min(place, order.size - 1)])


def draw_labels(log_odds, rng, *, temperature=1.0):
    """Draw each of several labels by itself.

    Parameters
    ----------
    log_odds : ndarray of shape (n_labels,)
        Logarithms of the odds that a label holds.
    rng : numpy.random.RandomState
        Source of the numbers.
    temperature : float, default=1.0
        Logarithms are divided by it.

    Returns
    -------
    labels : ndarray of int64 of shape (n_labels,)
        0 or 1 each.
    """
    scaled = np.asarray(log_odds, dtype=np.float64) / temperature
    with np.errstate(over="ignore"):
        probabilities = 1 / (1 + np.exp(-scaled))
    return (rng.uniform(size=probabilities.size) < probabilities).astype(np.int64)
