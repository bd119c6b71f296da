"""Pickling of fitted estimators, in parts that skops stores too."""

from __future__ import annotations

from copy import deepcopy

from skrnn.estimators.modes import MODES
from skrnn.workspace import aligned


def _made_anew(make):
    """Return what the present parameters lead to; None if they are not valid any more."""
    try:
        return make()
    except (KeyError, TypeError, ValueError):
        return None


class Pickling:
    """Mixin: cell, network and loss hold functions, and are made anew from the rest."""

    def __getstate__(self):
        # Cell, network and loss hold functions, which skops does not store; they follow from the
        # rest, unless parameters were changed since fit.
        state = dict(super().__getstate__())
        state.pop("cell_", None)
        state.pop("_kept_objective", None)
        if "_partial_fit_rng" in state:  # which a shallow copy would share
            state["_partial_fit_rng"] = deepcopy(state["_partial_fit_rng"])
        network, loss = state.pop("_network", None), state.pop("_loss", None)
        if network is not None:
            is_usual = network.cell is _made_anew(self._make_cell)
            state["_network_shape"] = {
                **network.arguments,
                "cell": None if is_usual else network.cell,
            }
            state["_own_loss"] = None if loss == _made_anew(self._make_loss) else loss
        return state

    def __setstate__(self, state):
        state = dict(state)
        shape, loss = state.pop("_network_shape", None), state.pop("_own_loss", None)
        super().__setstate__(state)
        if shape is not None:
            self.cell_ = self._make_cell() if shape["cell"] is None else shape["cell"]
            network_class = MODES[self._fitted_mode].network_class
            self._network = network_class(**{**shape, "cell": self.cell_})
            self._loss = self._make_loss() if loss is None else loss
        # Memory-mapped weights, as a parallel search hands out, are read-only; a kernel would be
        # compiled once more for them.
        if "_params" in state:
            self._params = aligned(state["_params"])
