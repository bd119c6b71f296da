r"""Attention: at each output step a weighted mean of the encoder's states, the context.

With :math:`m_j` the encoder's output at step j of the source (both directions side by side) and a
query q, the weights and the context are

.. math::

    \alpha_{tj} = \frac{\exp e_{tj}}{\sum_k \exp e_{tk}}, \qquad c_t = \sum_j \alpha_{tj} m_j.

**Additive** (Bahdanau, Cho and Bengio 2015): the query is the state of the decoder's bottom layer
*before* step t, and the context enters every gate of that layer:

.. math::

    e_{tj} = v^\top \tanh(s_{t-1} W_q + m_j W_m), \qquad
    \text{gate}_g \leftarrow \text{gate}_g + c_t W_{cg}.

**Multiplicative** (Luong, Pham and Manning 2015, "general" score, global attention): the query is
the output of the decoder's top layer *after* step t,

.. math::

    e_{tj} = h_t^\top (m_j W_m).

There the context is of no consequence for the recurrence (no input feeding), so the decoder's
layers run over all steps at once. Either way, the output layer reads :math:`\tanh([h_t; c_t] W_c +
b_c)`.

The states of the sources lie end to end, those of source i in ``offsets[i]:offsets[i + 1]``, so
nothing is padded and nothing is masked. Each output step knows its source: rows of one source may
be the steps of a sequence or the rivals of a beam. Every row is computed by itself, so its bits do
not depend on the others.

References
----------
D. Bahdanau, K. Cho and Y. Bengio, "Neural Machine Translation by Jointly Learning to Align and
Translate", ICLR 2015.

M.-T. Luong, H. Pham and C. D. Manning, "Effective Approaches to Attention-based Neural Machine
Translation", EMNLP 2015.

Y. Wu et al., "Google's Neural Machine Translation System", arXiv:1609.08144, 2016 (the query of
stacked decoders is the state of the bottom layer).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skrnn import bptt
from skrnn._attention import (
    add_context,
    attend_additive,
    attend_multiplicative,
    back_additive,
    back_multiplicative,
    back_to_context,
)
from skrnn._gemm import accumulate_product, add_transposed_product
from skrnn.params import glorot_uniform


@dataclass(frozen=True)
class Memory:
    """The states of the sources, end to end, and their keys.

    Attributes
    ----------
    values : ndarray of shape (N, D)
        Outputs of the encoder's top layer.
    keys : ndarray of shape (N, A)
        What queries are compared with.
    offsets : ndarray of int64 of shape (n + 1,)
        Source i is ``values[offsets[i]:offsets[i + 1]]``.
    """

    values: np.ndarray
    keys: np.ndarray
    offsets: np.ndarray


class Look:
    """What attention saw at some output steps, and the gradients on their way back.

    Parameters
    ----------
    memory : Memory
        What is looked at.
    sources : ndarray of int64 of shape (R,)
        Source that each row looks at.

    Attributes
    ----------
    places : ndarray of int64 of shape (R + 1,)
        The weights of row r are ``alpha[places[r]:places[r + 1], 0]``.
    alpha : ndarray of shape (places[-1], 1)
        Attention weights.
    context : ndarray of shape (R, D)
        Contexts.
    queries : ndarray of shape (R, A)
        What was compared with the keys.
    """

    def __init__(self, memory, sources):
        dtype = memory.values.dtype
        self.memory = memory
        self.sources = sources
        self.places = np.zeros(sources.size + 1, dtype=np.int64)
        np.cumsum(np.diff(memory.offsets)[sources], out=self.places[1:])
        self.alpha = np.empty((self.places[-1], 1), dtype=dtype)
        self.context = np.empty((sources.size, memory.values.shape[1]), dtype=dtype)
        self.queries = np.empty((sources.size, memory.keys.shape[1]), dtype=dtype)

    def prepare_backward(self):
        """Make room for the gradients."""
        self.d_queries = np.zeros_like(self.queries)
        self.d_keys = np.zeros_like(self.memory.keys)
        self.d_values = np.zeros_like(self.memory.values)

    @property
    def _where(self):
        return self.sources, self.memory.offsets, self.places


class Attention:
    """What both kinds share: keys from the encoder's states, by a matrix without bias.

    A kind says when a step looks (`step`, and for whole sequences `advance` and `after_steps`) and
    how gradients come back (`back_to_outputs` before, `walk` while the decoder walks back).

    Parameters
    ----------
    n_gates : int
        Gates of the decoder's cell.
    n_units : int
        Units of the decoder's bottom layer.
    n_top : int
        Units of its top layer.
    n_memory : int
        Numbers in a state of a source.
    layout : ParameterLayout
        Where the weights are added.
    """

    def remember(self, weights, values, offsets):
        """Return the memory of some sources.

        Parameters
        ----------
        weights : dict of str to ndarray
            What `bind` returned.
        values : ndarray of shape (N, D)
            Outputs of the encoder's top layer, end to end.
        offsets : ndarray of int64 of shape (n + 1,)
            Where each source starts.

        Returns
        -------
        memory : Memory
            The memory.
        """
        W = weights["W_m"]
        keys = np.zeros((values.shape[0], W.shape[1]), dtype=values.dtype)
        accumulate_product(values, W, keys)
        return Memory(values, keys, offsets)

    def bind(self, vector):
        """Return views of the weights in a flat vector, by short name."""
        return {name: block.view(vector) for name, block in self.blocks.items()}

    def initialise(self, params, rng):
        """Draw fresh weights into a flat vector of zeros."""
        for block in self.blocks.values():
            view = block.view(params)
            for matrix in view.reshape(-1, *view.shape[-2:]):
                matrix[...] = glorot_uniform(matrix.shape, rng)

    def memory_gradient(self, weights, look):
        """Return the loss gradient of the encoder's states, after all other steps back.

        Parameters
        ----------
        weights : dict of str to ndarray
            What `bind` returned.
        look : Look
            What was looked at.

        Returns
        -------
        d_values : ndarray of shape (N, D)
            The gradient.
        """
        accumulate_product(look.d_keys, np.ascontiguousarray(weights["W_m"].T), look.d_values)
        return look.d_values


class MultiplicativeAttention(Attention):
    """Multiplicative attention: looks after each step, hence after all of them."""

    def __init__(self, n_gates, n_units, n_top, n_memory, layout):
        self.blocks = {"W_m": layout.add("attention.W_m", (n_memory, n_top))}

    def step(self, weights, memory, sources, gates, states, run):
        """Run one step and look at the sources after it."""
        after = run(gates)
        look = Look(memory, sources)
        self.after_steps(weights, look, after[-1][0])
        return after, look

    def advance(self, weights, look):
        """Return how the decoder's bottom layer walks forward."""
        return bptt.at_once

    def after_steps(self, weights, look, h):
        """Form all contexts from the outputs `h` of the decoder, of shape (R, n_top)."""
        look.queries[...] = h
        attend_multiplicative(
            0, len(h), *look._where, look.queries.reshape(-1, 1),
            look.memory.keys, look.memory.values, look.alpha, look.context,
        )  # fmt: skip

    def back_to_outputs(self, weights, look, d_context, d_h):
        """Add the loss gradient of the outputs, given that of the contexts."""
        look.prepare_backward()
        back_multiplicative(
            0, len(d_h), *look._where, look.queries, look.memory.keys, look.memory.values,
            look.alpha, d_context, d_context.reshape(-1, 1), d_h, look.d_keys, look.d_values,
        )  # fmt: skip

    def walk(self, weights, look, gates, walk):
        """Return how the decoder's bottom layer walks back."""
        return walk

    def add_gradient(self, views, look, operands, gates):
        """Add the gradient of the weights."""
        add_transposed_product(look.memory.values, look.d_keys, views["W_m"])


class AdditiveAttention(Attention):
    """Additive attention: looks before each step, with what the last one left."""

    def __init__(self, n_gates, n_units, n_top, n_memory, layout):
        self.blocks = {
            "W_m": layout.add("attention.W_m", (n_memory, n_units)),
            "W_q": layout.add("attention.W_q", (n_units, n_units)),
            "v": layout.add("attention.v", (n_units, 1)),
            "W_c": layout.add("attention.W_x", (n_gates, n_memory, n_units)),
        }

    def _look_from(self, weights, look, low, high, states):
        """Form the contexts of some rows from the states before them."""
        queries = look.queries[low:high]
        queries[...] = 0
        accumulate_product(states, weights["W_q"], queries)
        attend_additive(
            low, high, *look._where, look.queries, weights["v"],
            look.memory.keys, look.memory.values, look.alpha, look.context,
        )  # fmt: skip

    def step(self, weights, memory, sources, gates, states, run):
        """Look at the sources and run one step.

        Parameters
        ----------
        weights : dict of str to ndarray
            What `bind` returned.
        memory : Memory
            The sources.
        sources : ndarray of int64 of shape (n,)
            Source that each row looks at.
        gates : ndarray of shape (G, n, H)
            The input's share of the gates of the decoder's bottom layer; overwritten.
        states : ndarray of shape (n, H)
            Its outputs before the step, C-contiguous.
        run : callable
            ``run(gates)`` returns the states of each layer after the step.

        Returns
        -------
        after : list of ndarray of shape (S, n, H)
            The states.
        look : Look
            What was looked at.
        """
        look = Look(memory, sources)
        self._look_from(weights, look, 0, sources.size, states)
        add_context(0, sources.size, look.context, weights["W_c"], gates)
        return run(gates), look

    def advance(self, weights, look):
        """Return how the decoder's bottom layer walks forward: looking before each step."""

        def one_by_one(run, batch, gates, states):
            n = batch.n_sequences
            for t in range(batch.n_steps):
                low, high = batch.starts[t], batch.starts[t + 1]
                before = 0 if t == 0 else n + batch.starts[t - 1]
                self._look_from(weights, look, low, high, states[0, before : before + high - low])
                add_context(low, high, look.context, weights["W_c"], gates)
                run(t, t + 1)

        return one_by_one

    def after_steps(self, weights, look, h):
        """Do nothing: the contexts are there already."""

    def back_to_outputs(self, weights, look, d_context, d_h):
        """Keep the loss gradient of the contexts until the walk back through time."""
        look.prepare_backward()
        look.d_context = d_context
        look.d_v = np.zeros_like(weights["v"])

    def walk(self, weights, look, gates, walk):
        """Return how the decoder's bottom layer walks back: through the look before each step."""
        W_turned = np.ascontiguousarray(weights["W_c"].transpose(0, 2, 1))
        W_q_turned = np.ascontiguousarray(weights["W_q"].T)

        def looking(run, batch, d_output, d_state):
            def one_by_one(first, last):
                for t in range(last - 1, first - 1, -1):
                    run(t, t + 1)
                    low, high = batch.starts[t], batch.starts[t + 1]
                    back_to_context(low, high, gates, W_turned, look.d_context)
                    back_additive(
                        low, high, *look._where, look.queries, weights["v"], look.memory.keys,
                        look.memory.values, look.alpha, look.d_context,
                        look.d_context.reshape(-1, 1), look.d_queries, look.d_v,
                        look.d_keys, look.d_values,
                    )  # fmt: skip
                    accumulate_product(
                        look.d_queries[low:high], W_q_turned, d_state[0, : high - low]
                    )

            walk(one_by_one, batch, d_output, d_state)

        return looking

    def add_gradient(self, views, look, operands, gates):
        """Add the gradient of the weights.

        Parameters
        ----------
        views : dict of str to ndarray
            Views of the flat gradient.
        look : Look
            What was looked at.
        operands : ndarray of shape (R, H)
            Outputs of the decoder's bottom layer before each step.
        gates : ndarray of shape (G, R, H)
            Loss gradient of its gates.
        """
        add_transposed_product(look.memory.values, look.d_keys, views["W_m"])
        add_transposed_product(operands, look.d_queries, views["W_q"])
        views["v"] += look.d_v
        for g in range(gates.shape[0]):
            add_transposed_product(look.context, gates[g], views["W_c"][g])


ATTENTIONS = {"additive": AdditiveAttention, "multiplicative": MultiplicativeAttention}
