"""How the loss gradient fares on its way back through time."""

from __future__ import annotations

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from skrnn import bptt, inference
from skrnn.batching import PackedBatch
from skrnn.estimators.modes import MODES
from skrnn.network import DIRECTIONS
from skrnn.workspace import Workspace


class GradientFlow:
    """Mixin: the gradient of the hidden states of a fitted estimator."""

    def gradient_flow(self, X, y):
        """Measure the norm of dL/dh_t, the loss gradient of each hidden state.

        Norms that shrink by orders of magnitude towards early steps are vanishing gradients: what
        happened there cannot be learned. Norms that grow are exploding ones.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any layout that `fit` takes.
        y : array-like
            Their targets.

        Returns
        -------
        flow : Bunch
            ``flow.norms``, of shape (n_layers, n_directions, n_steps): at each step, the mean over
            the sequences that are as long of the Euclidean norm of the gradient of a sequence's
            own loss; NaN where none is. ``flow.layer_names``: list of str, layer by layer and
            direction by direction.

        See Also
        --------
        skrnn.GradientFlowDisplay : Draws it.
        """
        check_is_fitted(self)
        self._refuse_if_decoding("gradient_flow")
        mode = MODES[self._fitted_mode]
        sequences = mode.read_inputs(self, X, reset=False, dtype=self._params.dtype)
        y, ignored, _ = mode.read_targets(self, y, sequences, X, reset=False)
        target = self._encode(y, self._params.dtype)
        own_loss = np.where(ignored, 0, 1).astype(self._params.dtype)
        network = self._network
        shape = len(network.hidden_layer_sizes), network.n_directions
        n_steps = int(np.diff(sequences.offsets).max())
        totals, counts = np.zeros((*shape, n_steps)), np.zeros(n_steps)
        workspace = Workspace()
        for piece in inference.cut(np.arange(len(sequences))):
            batch = PackedBatch(sequences, piece)
            observers = {key: bptt.Observed() for key in np.ndindex(shape)}
            trace = network.forward(self._params, batch, workspace)
            d_raw = np.empty_like(trace.raw)
            rows = network.head.rows(batch, piece)
            network.value_and_gradient(
                self._loss, self._params, trace, target[rows], own_loss[rows], d_raw
            )
            with np.errstate(over="ignore", invalid="ignore"):
                network.backward(self._params, trace, d_raw, workspace, observers)
            counts[: batch.n_steps] += np.diff(batch.starts)
            for key, observer in observers.items():
                norms = observer.norms
                true = np.arange(batch.n_steps) < batch.lengths[:, np.newaxis]
                if not np.isfinite(norms[true]).all():
                    raise ValueError(
                        f"The gradient overflows in layer {key[0]}: X or y hold values that are "
                        "too far from those seen in fit. Scale them first."
                    )
                if key[1] == 1:
                    norms = _turned(norms, batch.lengths)
                totals[key][: batch.n_steps] += np.nansum(norms, axis=0)
        names = [f"layer_{key[0]}.{DIRECTIONS[key[1]]}" for key in np.ndindex(shape)]
        return Bunch(norms=totals / np.where(counts > 0, counts, np.nan), layer_names=names)


def _turned(norms, lengths):
    """Return the rows of the backward direction in the order of time."""
    turned = np.full_like(norms, np.nan)
    for row, length in enumerate(lengths):
        turned[row, :length] = norms[row, :length][::-1]
    return turned
