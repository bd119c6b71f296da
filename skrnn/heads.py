"""What a network ends with: a linear map of pooled states, or of the state at every step.

A head owns no weights, only where they live in the flat vector. It says which rows of targets and
weights its raw outputs are compared with, so nothing else asks whether there is one output a
sequence or one a step.
"""

from __future__ import annotations

import numpy as np

from skrnn._gemm import add_product, add_transposed_product, affine_product
from skrnn._jit import jit
from skrnn._sums import add_column_sums
from skrnn._views import flat
from skrnn.cells import clear
from skrnn.params import glorot_uniform
from skrnn.pooling import POOLINGS


@jit
def scale_rows(values, positions, mask, out):
    """Multiply each row by the mask of its sequence."""
    for row in range(values.shape[0]):
        for k in range(values.shape[1]):
            out[row, k] = values[row, k] * mask[positions[row], k]


@jit
def _read_out(features, W_hy, b_y, raw):
    affine_product(features, W_hy, b_y, raw)


@jit
def _multiply_back(d_raw, W_transposed, d_features):
    """Form the loss gradient of what the head read."""
    clear(flat(d_features, 0, d_features.shape[0]))
    add_product(d_raw, W_transposed, d_features)


@jit
def _add_head_gradient(features, d_raw, d_W_hy, d_b_y):
    add_transposed_product(features, d_raw, d_W_hy)
    add_column_sums(d_raw, d_b_y)


def side_by_side(kept, batch, workspace, key):
    """Return the outputs of both directions of a layer, in the rows of the batch.

    Parameters
    ----------
    kept : list of Kept
        For each direction.
    batch : PackedBatch
        The sequences.
    workspace : Workspace
        Where the result lives.
    key : hashable
        Its name there.

    Returns
    -------
    outputs : ndarray of shape (R, n_units * n_directions)
        The outputs at each step.
    """
    x = kept[0].output
    if len(kept) == 1:
        return x
    n_units = x.shape[1]
    joined = workspace.take(key, (batch.n_rows, 2 * n_units), x.dtype)
    joined[:, :n_units] = x
    joined[batch.shape.reversal, n_units:] = kept[1].output
    return joined


def share_gradient(d_outputs, kept, batch):
    """Give each direction of a layer its part of the gradient of :func:`side_by_side`."""
    n_units = kept[0].output.shape[1]
    kept[0].buffers.d_output[...] = d_outputs[:, :n_units]
    if len(kept) == 2:
        kept[1].buffers.d_output[...] = d_outputs[batch.shape.reversal, n_units:]


class SequenceHead:
    """One row of outputs for each sequence: a linear map of its pooled states.

    Parameters
    ----------
    n_features, n_outputs : int
        Numbers that it reads, and that it gives.
    layout : ParameterLayout
        Where its weights are added.
    pooling : {"last", "mean", "max"}, default="last"
        What it reads.
    """

    # What predictions and what probabilities are made of, of all that `reading` gives.
    predicts_from = "raw"
    estimates_from = "raw"
    # Whether its outputs at a step depend on no later step.
    can_stream = True
    # Whether there is an output for each step.
    each_step = False

    def __init__(self, n_features, n_outputs, layout, pooling="last"):
        self.n_features = n_features
        self.n_outputs = n_outputs
        self.pooling = pooling
        self.blocks = (
            layout.add("head.W_hy", (n_features, n_outputs)),
            layout.add("head.b_y", (n_outputs,), is_bias=True),
        )

    @property
    def description(self):
        """The head in a few words."""
        return f"pooling {self.pooling!r}, {self.n_outputs} outputs"

    def initialise(self, params, rng):
        """Draw fresh weights into a flat vector of zeros."""
        W_hy = self.blocks[0].view(params)
        W_hy[...] = glorot_uniform(W_hy.shape, rng)

    def bind(self, vector):
        """Return views of its weights in a flat vector."""
        return tuple(block.view(vector) for block in self.blocks)

    # ------------------------------------------------------ rows of targets

    def row_offsets(self, sequences):
        """Return where the rows of each sequence begin among all, and end after the last."""
        return np.arange(len(sequences) + 1)

    def rows(self, batch, indices):
        """Return which of all rows the rows of a batch of the sequences `indices` are."""
        return indices[batch.order]

    # -------------------------------------------------------------- forward

    def read(self, kept, batch, workspace):
        """Return what the head reads of the top layer, before dropout.

        Parameters
        ----------
        kept : list of Kept
            Of each direction of the top layer.
        batch : PackedBatch or Stretch
            The sequences, or some steps of them: all before have been read already.
        workspace : Workspace
            Where the result lives.

        Returns
        -------
        pooled : ndarray of shape (rows, n_features)
            In the batch's order.
        reached : list of ndarray of int64, or None
            What `backward` needs of the pooling.
        """
        pool, parts, reached = POOLINGS[self.pooling].pool, [], []
        whole = batch.whole
        for d, direction in enumerate(kept):
            shape = (whole.n_sequences, direction.output.shape[1])
            parts.append(workspace.take(("pooled", d), shape, direction.output.dtype))
            reached.append(workspace.take(("reached", d), shape, np.int64))
            pool(direction.output, batch.first, batch.starts, whole.lengths, parts[-1], reached[-1])
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1), reached

    def drop(self, pooled, mask, batch, workspace):
        """Return what is left of `pooled` after dropout, one row of `mask` a sequence."""
        return pooled * mask

    def raw(self, weights, features, workspace):
        """Return the raw outputs.

        Parameters
        ----------
        weights : tuple of ndarray
            What `bind` returned.
        features : ndarray of shape (rows, n_features)
            What is read.
        workspace : Workspace
            Where the result lives.

        Returns
        -------
        raw : ndarray of shape (rows, n_outputs)
            The raw outputs.
        """
        raw = workspace.take("raw", (features.shape[0], self.n_outputs), features.dtype)
        _read_out(features, *weights, raw)
        return raw

    def prepare(self, weights, kept, batch, workspace):
        """Return what reads all batches of one shape, without another look at it.

        Parameters
        ----------
        weights : tuple of ndarray
            What `bind` returned.
        kept : list of Kept
            Of each direction of the top layer.
        batch : EqualBatch
            The sequences, or their last steps: all before are read by :meth:`prepare_stretch`.
        workspace : Workspace
            Where the result lives.

        Returns
        -------
        features, raw : ndarray of shape (rows, ...)
            Where what is read and the raw outputs will be.
        reached : list of ndarray of int64
            For each direction, where what a gradient needs of the pooling will be.
        calls : list of (callable, tuple)
            Functions with their arguments, to be called in this order.
        """
        pool, n = POOLINGS[self.pooling].pool, batch.lengths.size
        features = workspace.take("features", (n, self.n_features), weights[0].dtype)
        raw = workspace.take("raw", (n, self.n_outputs), weights[0].dtype)
        calls, reached, first = [], [], 0
        for d, direction in enumerate(kept):
            n_units = direction.output.shape[1]
            part = features
            if len(kept) > 1:
                part = workspace.take(("pooled", d), (n, n_units), raw.dtype)
            reached.append(workspace.take(("reached", d), part.shape, np.int64))
            where = batch.first, batch.starts, batch.whole.lengths, part, reached[d]
            calls.append((pool, (direction.output, *where)))
            if part is not features:
                calls.append((np.copyto, (features[:, first : first + n_units], part)))
            first += n_units
        return features, raw, reached, [*calls, (_read_out, (features, *weights, raw))]

    def prepare_stretch(self, kept, batch, trace):
        """Return what reads some steps before the last, of one direction, again and again.

        Parameters
        ----------
        kept : list of Kept
            Of the top layer.
        batch : EqualBatch
            The steps.
        trace : Trace
            That of the last steps, with what :meth:`prepare` returned for them.

        Returns
        -------
        calls : list of (callable, tuple)
            Functions with their arguments.
        """
        if POOLINGS[self.pooling].is_final:
            return []
        where = batch.first, batch.starts, batch.whole.lengths, trace.features, trace.reached[0]
        return [(POOLINGS[self.pooling].pool, (kept[0].output, *where))]

    def reading(self, weights, trace, what):
        """Return something of a batch, by the name of the trace's attribute.

        Parameters
        ----------
        weights : tuple of ndarray
            What `bind` returned.
        trace : Trace
            What the forward pass left.
        what : str
            Its name: ``"raw"``, ``"features"``, or what the head adds to them.
        """
        return getattr(trace, what)

    def stream(self, output, kept, n_steps):
        """Return what to keep of the steps so far, and what is read of them."""
        return POOLINGS[self.pooling].stream(output, kept, n_steps)

    # ------------------------------------------------------------- backward

    def reads(self, stretch):
        """Tell whether any output of some steps is read and has a gradient of its own."""
        if not POOLINGS[self.pooling].is_final:
            return True
        return stretch.whole.lengths[stretch.n_sequences - 1] <= stretch.first + stretch.n_steps

    def value_and_gradient(self, loss, weights, trace, target, weight, d_raw):
        """Return the weighted loss of a batch, and write its gradient to `d_raw`.

        Parameters
        ----------
        loss : Loss
            The loss.
        weights : tuple of ndarray
            What `bind` returned.
        trace : Trace
            What the forward pass left.
        target, weight : ndarray of shape (rows, ...)
            As the loss takes them.
        d_raw : ndarray of shape (rows, n_outputs)
            Gradient of the raw outputs.
        """
        return loss.value_and_gradient(trace.raw, target, weight, d_raw)

    def backward(self, weights, trace, d_raw, workspace):
        """Bring the gradient of the raw outputs to the buffers of the top layer.

        Parameters
        ----------
        weights : tuple of ndarray
            What `bind` returned.
        trace : Trace
            What the forward pass left, of the batch or of a stretch of it.
        d_raw : ndarray of shape (rows, n_outputs)
            Loss gradient of the raw outputs.
        workspace : Workspace
            The one of the forward pass.
        """
        d_features = workspace.take("d_features", trace.features.shape, d_raw.dtype)
        _multiply_back(d_raw, np.ascontiguousarray(weights[0].T), d_features)
        if trace.masks.inputs is not None:
            d_features *= trace.masks.inputs[-1]
        spread, batch = POOLINGS[self.pooling].spread, trace.batch
        for d, kept in enumerate(trace.layers[-1]):
            n_units = kept.output.shape[1]
            part = slice(d * n_units, (d + 1) * n_units)
            spread(
                batch.first,
                batch.starts,
                batch.whole.lengths,
                trace.reached[d],
                np.ascontiguousarray(d_features[:, part]),
                kept.buffers.d_output,
            )

    def prepare_back(self, weights, trace, d_raw, workspace, gradient):
        """Return what brings gradients of the raw outputs back, again and again, without dropout.

        Parameters
        ----------
        weights, trace, d_raw, workspace
            As for `backward`, of a batch of one shape whose buffers stay where they are.
        gradient : tuple of ndarray
            Views of the flat gradient, to which that of the weights is added.

        Returns
        -------
        copies : list of (ndarray, ndarray)
            What must be copied each time the weights have changed, target and source.
        calls : list of (callable, tuple)
            Functions with their arguments.
        """
        turned = workspace.take("W_hy", weights[0].shape[::-1], d_raw.dtype)
        pooling, layer, first = POOLINGS[self.pooling], trace.layers[-1], 0
        parts = [self._pooled_gradient(d, kept, workspace) for d, kept in enumerate(layer)]
        d_features = parts[0]
        if len(parts) > 1:
            d_features = workspace.take("d_features", trace.features.shape, d_raw.dtype)
        calls = [(_multiply_back, (d_raw, turned, d_features))]
        for part, kept, reached in zip(parts, layer, trace.reached, strict=True):
            last = first + part.shape[1]
            if part is not d_features:
                calls.append((np.copyto, (part, d_features[:, first:last])))
            if not pooling.is_final:
                where = 0, trace.batch.starts, trace.batch.lengths, reached
                calls.append((pooling.spread, (*where, part, kept.buffers.d_output)))
            first = last
        calls.append((_add_head_gradient, (trace.features, d_raw, *gradient)))
        return [(turned, weights[0].T)], calls

    def _pooled_gradient(self, d, kept, workspace):
        """Return where the gradient of what is pooled will be, for one direction of a batch.

        That of final states is among those of the states, and there is none of outputs then.
        """
        d_state = kept.buffers.d_state[0]
        if not POOLINGS[self.pooling].is_final:
            return workspace.take(("d_pooled", d), d_state.shape, d_state.dtype)
        kept.buffers.leave_out_d_output()
        return d_state

    def add_weight_gradients(self, trace, d_raw, gradient):
        """Add the gradient of its weights, whose views are `gradient`."""
        _add_head_gradient(trace.features, d_raw, *gradient)


class StepHead(SequenceHead):
    """One row of outputs for each step: a linear map of the states at that step.

    Parameters
    ----------
    n_features, n_outputs : int
        Numbers that it reads, and that it gives.
    layout : ParameterLayout
        Where its weights are added.
    """

    each_step = True

    def __init__(self, n_features, n_outputs, layout):
        super().__init__(n_features, n_outputs, layout)

    @property
    def description(self):
        """The head in a few words."""
        return f"{self.n_outputs} outputs a step"

    def row_offsets(self, sequences):
        """Return where the steps of each sequence begin among all, and end after the last."""
        return sequences.offsets

    def rows(self, batch, indices):
        """Return which of all steps the rows of a batch are."""
        return batch.source_rows

    def reads(self, stretch):
        """Tell that all outputs are read."""
        return True

    def read(self, kept, batch, workspace):
        """Return the states at every step."""
        return side_by_side(kept, batch, workspace, "read"), None

    def drop(self, pooled, mask, batch, workspace):
        """Return what is left of the states after dropout."""
        scaled = workspace.take("features", pooled.shape, pooled.dtype)
        scale_rows(pooled, batch.shape.positions, mask, scaled)
        return scaled

    def backward(self, weights, trace, d_raw, workspace):
        """Bring the gradient of the raw outputs to the buffers of the top layer."""
        d_features = workspace.take("d_features", trace.features.shape, d_raw.dtype)
        _multiply_back(d_raw, np.ascontiguousarray(weights[0].T), d_features)
        if trace.masks.inputs is not None:
            scale_rows(d_features, trace.batch.shape.positions, trace.masks.inputs[-1], d_features)
        share_gradient(d_features, trace.layers[-1], trace.batch)
