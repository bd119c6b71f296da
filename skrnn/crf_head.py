"""A head that judges the outputs of all steps of a sequence together."""

from __future__ import annotations

import numpy as np

from skrnn import crf
from skrnn.heads import StepHead


class CRFHead(StepHead):
    """Scores of the tags at each step, and a conditional random field over them.

    Parameters
    ----------
    n_features, n_outputs : int
        Numbers that it reads, and tags.
    layout : ParameterLayout
        Where its weights are added; the scores of transitions begin at zero.
    """

    predicts_from = "best"
    estimates_from = "log_probabilities"
    can_stream = False

    def __init__(self, n_features, n_outputs, layout):
        super().__init__(n_features, n_outputs, layout)
        self.blocks += (
            layout.add("head.transitions", (n_outputs, n_outputs)),
            layout.add("head.start", (n_outputs,), is_bias=True),
            layout.add("head.end", (n_outputs,), is_bias=True),
        )

    @property
    def description(self):
        """The head in a few words."""
        return f"a conditional random field of {self.n_outputs} tags"

    def raw(self, weights, features, workspace):
        """Return the score of each tag at each step, transitions aside."""
        return super().raw(weights[:2], features, workspace)

    def reading(self, weights, trace, what):
        """Return raw scores, features, logarithms of probabilities, or the best tags, one-hot."""
        if what not in ("best", "log_probabilities"):
            return super().reading(weights, trace, what)
        batch, out = trace.batch, np.empty_like(trace.raw)
        parameters = (trace.raw, batch.starts, batch.lengths, *weights[2:])
        if what == "log_probabilities":
            crf.log_probabilities(*parameters, out)
            return out
        tags = np.empty(batch.n_rows, dtype=np.int64)
        crf.best_tags(*parameters, tags)
        out[...] = 0
        out[np.arange(tags.size), tags] = 1
        return out

    def value_and_gradient(self, loss, weights, trace, target, weight, d_raw):
        """Return the negative log likelihood, and keep the gradient of the transitions.

        The steps of a sequence have one weight; those of the weight zero have no known tag.
        """
        batch, known = trace.batch, weight > 0
        of_sequences = np.zeros(batch.n_sequences, dtype=weight.dtype)
        of_sequences[batch.shape.positions[known]] = weight[known]
        trace.d_head = tuple(np.empty_like(part) for part in weights[2:])
        return crf.log_loss(
            trace.raw,
            batch.starts,
            batch.lengths,
            np.where(known, target, crf.UNKNOWN),
            of_sequences,
            *weights[2:],
            d_raw,
            *trace.d_head,
        )

    def add_weight_gradients(self, trace, d_raw, gradient):
        """Add the gradient of its weights, whose views are `gradient`."""
        super().add_weight_gradients(trace, d_raw, gradient[:2])
        for part, of_piece in zip(gradient[2:], trace.d_head or (), strict=False):
            part += of_piece
