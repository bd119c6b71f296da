"""Making output sequences: the likeliest tokens, one after another or by beam search, or values.

Sources are taken a few at a time, as everywhere (:mod:`skrnn.inference`); within them every row is
computed by itself, so what comes out for one source does not depend on the others.
"""

from __future__ import annotations

import numpy as np

from skrnn import inference
from skrnn.batching import PackedBatch, longest_first
from skrnn.sequences import all_finite
from skrnn.workspace import Workspace


def _over_pieces(network, params, sequences, threads, make):
    """Gather ``make(encoded, piece)`` of all sources, a list with one result for each."""
    results = [None] * len(sequences)
    lengths = np.diff(sequences.offsets)
    pieces = [
        part
        for piece in inference.cut(longest_first(lengths))
        for part in inference.cut(piece, max(1, inference.PIECE_ROWS // int(lengths[piece[0]])))
    ]
    workspaces = [Workspace() for _ in range(min(threads.count, len(pieces)))]

    def run_share(worker):
        for piece in pieces[worker :: len(workspaces)]:
            # Sorted already, so the batch keeps this order.
            batch = PackedBatch(sequences, piece)
            encoded = network.encode(params, batch, workspaces[worker])
            for i, made in zip(piece, make(encoded, piece), strict=True):
                results[i] = made

    threads.map(run_share, range(len(workspaces)))
    return results


def encode_all(network, params, sequences, threads):
    """Return the state of the top layer with which the decoder begins, a row for each source."""
    states = _over_pieces(
        network, params, sequences, threads, lambda encoded, piece: encoded.initial[-1][0]
    )
    return np.array(states)


def _check_finite(raw, names):
    if not all_finite(raw):
        raise inference.Overflow(int(names[~np.isfinite(raw).all(axis=1)].min()))


# -------------------------------------------------------------------- tokens


def search_tokens(network, params, sequences, threads, *, start, end, n_steps, beam_width=1):
    """Find likely token sequences.

    The beam holds the `beam_width` likeliest beginnings of each source. One that says the end token
    leaves it, and what is left of its width goes on (Sutskever, Vinyals and Le, 2014). In the end
    that with the highest mean log probability of a token wins, among those that ended if any did.
    A beam of width one takes the likeliest token at each step.

    Parameters
    ----------
    network : EncoderDecoder
        The network.
    params : ndarray of shape (layout.size,)
        Its weights.
    sequences : Sequences
        The sources.
    threads : Threads
        Who runs it.
    start : int
        Token that a decoder reads first.
    end : int or None
        Token that ends a sequence and is not part of it; None if every sequence has `n_steps`.
    n_steps : ndarray of int64 of shape (n,)
        Most tokens of each sequence, the end not counted.
    beam_width : int, default=1
        Beginnings to follow.

    Returns
    -------
    tokens : list of ndarray of int64
        Of each source.
    scores : list of float
        Mean log probability of a token, that of the end included.

    Raises
    ------
    Overflow
        If the network overflows.
    """

    def make(encoded, piece):
        beam = _Beam(network, params, encoded, start, end, n_steps[piece], beam_width)
        return beam.search(piece)

    made = _over_pieces(network, params, sequences, threads, make)
    return [tokens for tokens, _ in made], [score for _, score in made]


class _Beam:
    """Beam search for some sources side by side, `width` rows for each."""

    def __init__(self, network, params, encoded, start, end, n_steps, width):
        self.network, self.params, self.encoded = network, params, encoded
        self.start, self.end, self.n_steps, self.width = start, end, n_steps, width
        n = n_steps.size
        self.best = [(False, -np.inf, np.empty(0, dtype=np.int64))] * n
        self.alive = np.arange(n)
        self.n_ended = np.zeros(n, dtype=np.int64)

    def search(self, names):
        """Return tokens and score of the best sequence of each source; `names` are for errors."""
        width, n = self.width, self.alive.size
        sources = np.repeat(self.alive, width)
        states = [layer.take(sources, axis=1) for layer in self.encoded.initial]
        tokens = np.full(sources.size, self.start)
        # All rows of a source begin alike; only the first of them counts.
        log_p = np.where(np.arange(n * width) % width == 0, 0.0, -np.inf).reshape(n, width)
        said = np.empty((n * width, 0), dtype=np.int64)
        for t in range(int(self.n_steps.max()) + (self.end is not None)):
            states, raw = self.network.step(self.params, self.encoded, tokens, states, sources)
            _check_finite(raw, names[sources])
            log_p, parents, tokens = self._extend(log_p, raw, t)
            said = np.column_stack([said[parents], tokens])
            log_p = self._set_aside(log_p, tokens, said, t)
            keep = np.isfinite(log_p).any(axis=1)
            self.alive = self.alive[keep]
            if self.alive.size == 0:
                break
            keep = np.repeat(keep, width)
            parents, tokens, said = parents[keep], tokens[keep], said[keep]
            log_p = log_p[keep[::width]]
            sources = np.repeat(self.alive, width)
            states = [layer.take(parents, axis=1) for layer in states]
        return [(tokens, score) for _, score, tokens in self.best]

    def _extend(self, log_p, raw, t):
        """Return the likeliest next steps of each source: their log p, parent rows and tokens."""
        n, width = log_p.shape
        norm = _log_sum_exp(raw).reshape(n, width, 1)
        if self.end is not None:
            self._rule_on_end(raw, t)
        # No source can want more of a row than the width; the rest of a vocabulary is left out.
        tokens = _highest(raw, min(width, raw.shape[1]))
        steps = np.take_along_axis(raw, tokens, axis=1).astype(np.float64)
        total = (log_p[:, :, np.newaxis] + (steps.reshape(n, width, -1) - norm)).reshape(n, -1)
        chosen = _highest(total, width)
        log_p = np.take_along_axis(total, chosen, axis=1)
        room = width - self.n_ended[self.alive]
        log_p[np.arange(width) >= room[:, np.newaxis]] = -np.inf
        parents = chosen // tokens.shape[1] + width * np.arange(n)[:, np.newaxis]
        tokens = np.take_along_axis(tokens.reshape(n, -1), chosen, axis=1)
        return log_p, parents.ravel(), tokens.ravel()

    def _rule_on_end(self, raw, t):
        """Make the end certain for sequences of full length, impossible before the first token."""
        full = np.repeat(self.n_steps[self.alive] == t, self.width)
        ended = raw[full, self.end]
        raw[full] = -np.inf
        raw[full, self.end] = ended
        if t == 0:
            raw[:, self.end] = -np.inf

    def _set_aside(self, log_p, tokens, said, t):
        """Note sequences that are complete; return log p without them."""
        n_steps = self.n_steps[self.alive]
        tokens = tokens.reshape(log_p.shape)
        is_end = np.zeros(log_p.shape, dtype=bool) if self.end is None else tokens == self.end
        is_cut = (n_steps == t + 1)[:, np.newaxis] & (self.end is None)
        for i, k in np.argwhere((is_end | is_cut) & np.isfinite(log_p)):
            source, words = self.alive[i], said[i * self.width + k]
            words = words[:-1] if is_end[i, k] else words
            found = (bool(is_end[i, k]), log_p[i, k] / (t + 1), words)
            if found[:2] > self.best[source][:2]:
                self.best[source] = found
            self.n_ended[source] += 1
        log_p[is_end | is_cut] = -np.inf
        return log_p


def _log_sum_exp(raw):
    """Return the logarithm of the sum of exponentials of each row, float64."""
    highest = raw.max(axis=1, keepdims=True)
    return highest[:, 0].astype(np.float64) + np.log(np.exp(raw - highest).sum(axis=1, dtype=float))


def _highest(values, count):
    """Return the columns of the highest values of each row, the highest first."""
    if count == 1:
        return values.argmax(axis=1)[:, np.newaxis]
    chosen = np.arange(values.shape[1])[np.newaxis].repeat(len(values), axis=0)
    if 4 * count < values.shape[1]:
        chosen = np.sort(np.argpartition(-values, count, axis=1)[:, :count], axis=1)
    order = np.argsort(-np.take_along_axis(values, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)[:, :count]


# -------------------------------------------------------------------- values


def unroll_values(network, params, sequences, threads, *, link_inverse, n_steps, ends):
    """Make sequences of numbers, each step from the one before.

    Parameters
    ----------
    network : EncoderDecoder
        The network.
    params : ndarray of shape (layout.size,)
        Its weights.
    sequences : Sequences
        The sources.
    threads : Threads
        Who runs it.
    link_inverse : callable
        From raw outputs to the numbers that a decoder reads.
    n_steps : ndarray of int64 of shape (n,)
        Steps of each sequence; the most of them, if `ends`.
    ends : bool
        Whether a sequence ends where the last raw output is positive.

    Returns
    -------
    raw : list of ndarray of shape (T_i, n_values)
        Raw outputs of each source.

    Raises
    ------
    Overflow
        If the network overflows.
    """

    def make(encoded, piece):
        rows = [[] for _ in piece]
        sources = np.arange(piece.size)
        states = encoded.initial
        given = np.zeros((piece.size, network.n_values), dtype=params.dtype)
        for t in range(int(n_steps[piece].max())):
            states, raw = network.step(params, encoded, given, states, sources)
            _check_finite(raw, piece[sources])
            for source, row in zip(sources, raw, strict=True):
                rows[source].append(row[: network.n_values])
            keep = n_steps[piece[sources]] > t + 1
            if ends:
                keep &= ~(raw[:, -1] > 0)
            given = link_inverse(raw[keep, : network.n_values])
            states = [layer.compress(keep, axis=1) for layer in states]
            sources = sources[keep]
            if sources.size == 0:
                break
        return [np.array(own) for own in rows]

    return _over_pieces(network, params, sequences, threads, make)
