"""Linear-chain conditional random field: tags of a sequence are judged together, not one by one.

With scores s_t(j) of tag j at step t, transition scores A(i, j), and scores a(j), b(j) of the first
and the last tag, a whole sequence of tags has the probability ::

    p(y | s) = exp(a(y_1) + sum_t s_t(y_t) + sum_t A(y_t-1, y_t) + b(y_T)) / Z

where Z sums over all sequences of tags: the forward algorithm finds it in O(T K²). The loss is
-log p. A step whose tag is not known is summed over: the loss is then log Z less the same sum
restricted to the tags that are known (Tsuboi et al., 2008).

Batches are packed as the network's are: time-major, longest sequence first. Everything is done in
the logarithm and renormalised at every step, so long sequences keep the precision of short ones.

References
----------
J. Lafferty, A. McCallum and F. Pereira, "Conditional random fields: probabilistic models for
segmenting and labeling sequence data", ICML 2001.

Y. Tsuboi, H. Kashima, S. Mori, H. Oda and Y. Matsumoto, "Training conditional random fields using
incomplete annotations", COLING 2008.
"""

from __future__ import annotations

import numpy as np

from skrnn._jit import jit
from skrnn._math import exp
from skrnn._views import flat, rows

UNKNOWN = -1


@jit
def _add_row(value, row, shift, out):
    """Add ``exp(value + row - shift)`` to `out`; vector code, as the loops below."""
    for j in range(out.size):
        out[j] += exp(value + row[j] - shift[j])


@jit
def _log_sum_over_first(values, table, peaks, out):
    """Write ``log sum_i exp(values[i] + table[i, j])`` for each j."""
    for j in range(out.size):
        peaks[j] = -np.inf
        out[j] = 0
    for i in range(values.size):
        row, value = flat(table, i, i + 1), values[i]
        for j in range(out.size):
            score = value + row[j]
            peaks[j] = score if score > peaks[j] else peaks[j]
    for i in range(values.size):
        _add_row(values[i], flat(table, i, i + 1), peaks, out)
    for j in range(out.size):
        out[j] = peaks[j] + np.log(out[j])


@jit
def _log_sum(values):
    peak = values[0]
    for j in range(1, values.size):
        peak = values[j] if values[j] > peak else peak
    total = 0.0
    for j in range(values.size):
        total += exp(values[j] - peak)
    return peak + np.log(total)


@jit
def _forward_pass(scores, transitions, start, end, peaks, alpha, norms):
    """Fill `alpha`, normalised at each step by `norms`, the last of which is of the end.

    Returns log Z.
    """
    n_steps, n_tags = scores.shape
    log_z = 0.0
    for t in range(n_steps):
        row, of_step = flat(alpha, t, t + 1), flat(scores, t, t + 1)
        if t == 0:
            for j in range(n_tags):
                row[j] = start[j]
        else:
            _log_sum_over_first(flat(alpha, t - 1, t), transitions, peaks, row)
        for j in range(n_tags):
            row[j] += of_step[j]
        norms[t] = _log_sum(row)
        log_z += norms[t]
        for j in range(n_tags):
            row[j] -= norms[t]
    row = flat(alpha, n_steps - 1, n_steps)
    for j in range(n_tags):
        peaks[j] = row[j] + end[j]
    norms[n_steps] = _log_sum(peaks)
    return log_z + norms[n_steps]


@jit
def _look_ahead(scores, beta, norms, t, ahead):
    of_step, row = flat(scores, t, t + 1), flat(beta, t, t + 1)
    for j in range(ahead.size):
        ahead[j] = of_step[j] + row[j] - norms[t]


@jit
def _backward_pass(scores, transposed, end, norms, ahead, peaks, beta):
    """Fill `beta`, normalised so that ``exp(alpha + beta)`` are the probabilities of tags."""
    last = scores.shape[0] - 1
    row = flat(beta, last, last + 1)
    for j in range(row.size):
        row[j] = end[j] - norms[last + 1]
    for t in range(last, 0, -1):
        _look_ahead(scores, beta, norms, t, ahead)
        _log_sum_over_first(ahead, transposed, peaks, flat(beta, t - 1, t))


@jit
def _add_pairs(scores, transitions, norms, alpha, beta, weight, ahead, pairs, d_transitions):
    """Add the weighted probability of each pair of tags, summed over neighbouring steps."""
    for i in range(pairs.shape[0]):
        for j in range(pairs.shape[1]):
            pairs[i, j] = 0
    for t in range(1, scores.shape[0]):
        _look_ahead(scores, beta, norms, t, ahead)
        before = flat(alpha, t - 1, t)
        for i in range(before.size):
            row, out, value = flat(transitions, i, i + 1), flat(pairs, i, i + 1), before[i]
            for j in range(out.size):
                out[j] += exp(value + row[j] + ahead[j])
    for i in range(pairs.shape[0]):
        for j in range(pairs.shape[1]):
            d_transitions[i, j] += weight * pairs[i, j]


@jit
def _gather(values, starts, sequence, out):
    """Copy the rows of one sequence of a packed batch."""
    for t in range(out.shape[0]):
        row = starts[t] + sequence
        for j in range(out.shape[1]):
            out[t, j] = values[row, j]


@jit
def _scatter(values, starts, sequence, out):
    """Copy back to the rows of one sequence of a packed batch."""
    for t in range(values.shape[0]):
        row = starts[t] + sequence
        for j in range(values.shape[1]):
            out[row, j] = values[t, j]


@jit
def _restrict(tags, scores):
    """Rule out, where the tag of a step is known, all others."""
    for t in range(tags.size):
        for j in range(scores.shape[1]):
            if tags[t] >= 0 and tags[t] != j:
                scores[t, j] = -np.inf


@jit
def _subtract_path(scores, transitions, start, end, tags, weight, d_scores, d_transitions):
    """Subtract the gradient of the score of known tags, and return that score."""
    score = np.float64(start[tags[0]]) + end[tags[tags.size - 1]]
    for t in range(tags.size):
        score += scores[t, tags[t]]
        d_scores[t, tags[t]] -= weight
        if t > 0:
            score += transitions[tags[t - 1], tags[t]]
            d_transitions[tags[t - 1], tags[t]] -= weight
    return score


@jit
def log_loss(
    raw,
    starts,
    lengths,
    target,
    weight,
    transitions,
    start,
    end,
    d_raw,
    d_transitions,
    d_start,
    d_end,
):
    """Return the weighted negative log likelihood of a packed batch, and write its gradients.

    Parameters
    ----------
    raw : ndarray of shape (n_rows, n_tags)
        Score of each tag at each step, time-major.
    starts : ndarray of int64 of shape (n_steps + 1,)
        First row of each step.
    lengths : ndarray of int64 of shape (n_sequences,)
        Steps of each sequence, descending.
    target : ndarray of int64 of shape (n_rows,)
        Tag of each step; a negative number where it is not known.
    weight : ndarray of shape (n_sequences,)
        Weight of each sequence.
    transitions : ndarray of shape (n_tags, n_tags)
        Score of each tag (column) after each other (row).
    start, end : ndarray of shape (n_tags,)
        Score of each tag as the first and as the last.
    d_raw, d_transitions, d_start, d_end : ndarray
        Overwritten with the gradients, in the shapes of the above.

    Returns
    -------
    loss : float
        The weighted sum over sequences.
    """
    n_tags, longest = raw.shape[1], lengths[0]
    transposed = np.ascontiguousarray(transitions.T)
    d_transitions[...] = 0
    d_start[...] = 0
    d_end[...] = 0
    scores = np.empty((longest, n_tags), raw.dtype)
    d_scores = np.empty((longest, n_tags), raw.dtype)
    alpha = np.empty((longest, n_tags), raw.dtype)
    beta = np.empty((longest, n_tags), raw.dtype)
    pairs = np.empty((n_tags, n_tags), raw.dtype)
    norms = np.empty(longest + 1, raw.dtype)
    peaks = np.empty(n_tags, raw.dtype)
    ahead = np.empty(n_tags, raw.dtype)
    tags = np.empty(longest, np.int64)
    total = 0.0
    for sequence in range(lengths.size):
        n = lengths[sequence]
        of_sequence, gradient = rows(scores, 0, n), rows(d_scores, 0, n)
        n_known = 0
        for t in range(n):
            tags[t] = target[starts[t] + sequence]
            n_known += tags[t] >= 0
        gradient[...] = 0
        if n_known > 0:
            _gather(raw, starts, sequence, of_sequence)
            share = weight[sequence]
            for restricted in range(2):
                if restricted == 1:
                    # What is left of Z, with the opposite sign.
                    share = -share
                    if n_known == n:
                        total += share * _subtract_path(
                            of_sequence,
                            transitions,
                            start,
                            end,
                            tags[:n],
                            weight[sequence],
                            gradient,
                            d_transitions,
                        )
                        break
                    _restrict(tags[:n], of_sequence)
                total += share * _forward_pass(
                    of_sequence, transitions, start, end, peaks, alpha, norms
                )
                _backward_pass(of_sequence, transposed, end, norms, ahead, peaks, beta)
                for t in range(n):
                    for j in range(n_tags):
                        gradient[t, j] += share * exp(alpha[t, j] + beta[t, j])
                _add_pairs(
                    of_sequence,
                    transitions,
                    norms,
                    alpha,
                    beta,
                    share,
                    ahead,
                    pairs,
                    d_transitions,
                )
        for j in range(n_tags):
            d_start[j] += gradient[0, j]
            d_end[j] += gradient[n - 1, j]
        _scatter(gradient, starts, sequence, d_raw)
    return total


@jit
def log_probabilities(raw, starts, lengths, transitions, start, end, out):
    """Write the logarithm of the probability of each tag at each step, given the whole sequence.

    Parameters
    ----------
    raw, starts, lengths, transitions, start, end : ndarray
        As in :func:`log_loss`.
    out : ndarray of shape (n_rows, n_tags)
        The logarithms; the forward and backward algorithm gives them.
    """
    n_tags, longest = raw.shape[1], lengths[0]
    transposed = np.ascontiguousarray(transitions.T)
    scores = np.empty((longest, n_tags), raw.dtype)
    alpha = np.empty((longest, n_tags), raw.dtype)
    beta = np.empty((longest, n_tags), raw.dtype)
    norms = np.empty(longest + 1, raw.dtype)
    peaks = np.empty(n_tags, raw.dtype)
    ahead = np.empty(n_tags, raw.dtype)
    for sequence in range(lengths.size):
        of_sequence = rows(scores, 0, lengths[sequence])
        _gather(raw, starts, sequence, of_sequence)
        _forward_pass(of_sequence, transitions, start, end, peaks, alpha, norms)
        _backward_pass(of_sequence, transposed, end, norms, ahead, peaks, beta)
        for t in range(lengths[sequence]):
            for j in range(n_tags):
                of_sequence[t, j] = alpha[t, j] + beta[t, j]
        _scatter(of_sequence, starts, sequence, out)


@jit
def best_tags(raw, starts, lengths, transitions, start, end, out):
    """Write the most probable tags of each sequence, by the Viterbi algorithm.

    Parameters
    ----------
    raw, starts, lengths, transitions, start, end : ndarray
        As in :func:`log_loss`.
    out : ndarray of int64 of shape (n_rows,)
        The tag of each row. Of equally good ones the first.

    References
    ----------
    A. Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding
    algorithm", IEEE Transactions on Information Theory 13, 1967.
    """
    n_tags = raw.shape[1]
    origins = np.empty((lengths[0], n_tags), np.int64)
    best = np.empty(n_tags, raw.dtype)
    previous = np.empty(n_tags, raw.dtype)
    for sequence in range(lengths.size):
        n = lengths[sequence]
        row = starts[0] + sequence
        for j in range(n_tags):
            best[j] = start[j] + raw[row, j]
        for t in range(1, n):
            row = starts[t] + sequence
            # Only differences count, so that long sequences keep the precision of short ones.
            highest = best.max()
            for j in range(n_tags):
                previous[j] = best[j] - highest
                best[j] = -np.inf
                origins[t, j] = 0
            for i in range(n_tags):
                for j in range(n_tags):
                    score = previous[i] + transitions[i, j]
                    if score > best[j]:
                        best[j] = score
                        origins[t, j] = i
            for j in range(n_tags):
                best[j] += raw[row, j]
        tag = 0
        for j in range(1, n_tags):
            if best[j] + end[j] > best[tag] + end[tag]:
                tag = j
        for t in range(n - 1, -1, -1):
            out[starts[t] + sequence] = tag
            tag = origins[t, tag] if t > 0 else tag


__all__ = ["UNKNOWN", "best_tags", "log_loss", "log_probabilities"]
