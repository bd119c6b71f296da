"""Reading and setting the learned weights, by name and in PyTorch's layout."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from skrnn import torch_layout
from skrnn.sequences import as_float
from skrnn.workspace import aligned


class WeightAccess:
    """Mixin: the weights of a fitted estimator, which has `_network` and `_params`."""

    @property
    def weights_(self):
        """Weights by layer, direction and gate, under the field's names.

        A read-only mapping to arrays that are views of the weights in use: writing into an array
        changes the model. ``weights_["layer_0.forward.W_xr"]`` has shape (inputs, units),
        ``"layer_0.forward.W_hr"`` (units, units), ``"layer_0.forward.b_xr"`` and
        ``"layer_0.forward.b_hr"`` (units,), for gate r, as they stand in the equations of the
        cell: what arrives is a row vector on the left. ``"head.W_hy"`` has shape
        (features, outputs), ``"head.b_y"`` (outputs,). The gates are ``h`` of the vanilla cell,
        ``r, z, n`` of the GRU, and ``i, f, g, o`` of the LSTM. With ``mode="encoder_decoder"`` and
        ``"one_to_many"`` the layers are ``"encoder.layer_0.forward"``,
        ``"decoder.layer_0.forward"`` and so on, beside ``"bridge.layer_0.W_h"``, the weights of
        attention such as ``"attention.W_m"``, as :mod:`skrnn.attention` writes them, and
        ``"decoder.embedding"``, a row for each label and one for the start. There are two
        biases a gate, as in cuDNN and PyTorch; where the equations of the field have one, b_h, it
        is their sum.
        """
        check_is_fitted(self)
        return MappingProxyType(self._network.named_weights(self._params))

    def set_weights(self, weights):
        """Set some or all weights by name.

        Parameters
        ----------
        weights : mapping of str to array-like
            Names and shapes as in `weights_`.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If a name is unknown, a shape differs or a value is not finite; nothing is set then.
        """
        current = self.weights_
        if not isinstance(weights, Mapping):
            raise TypeError(f"weights must map names to arrays, got {type(weights).__name__}.")
        checked = {}
        for name, value in weights.items():
            if name not in current:
                raise ValueError(f"Unknown weight {name!r}; there are {sorted(current)}.")
            with np.errstate(over="ignore"):
                value = as_float(np.asarray(value), name).astype(self._params.dtype)
            if value.shape != current[name].shape:
                raise ValueError(
                    f"{name} has shape {current[name].shape}, got an array of shape {value.shape}."
                )
            if not np.isfinite(value).all():
                raise ValueError(f"The new {name} holds NaN or infinity.")
            checked[name] = value
        for name, value in checked.items():
            current[name][...] = value
        return self

    def to_torch(self):
        """Return the weights in the layout of PyTorch's modules, without importing it.

        Returns
        -------
        state : Bunch
            ``state.recurrent`` maps the names of ``torch.nn.RNN``, ``GRU`` or ``LSTM``
            (``weight_ih_l0``, ``bias_hh_l1_reverse``, ...) and ``state.head`` those of
            ``torch.nn.Linear`` to arrays, ready for
            ``module.load_state_dict({k: torch.tensor(v) for k, v in state.recurrent.items()})``.
        """
        check_is_fitted(self)
        self._refuse_if_decoding("to_torch")
        recurrent, head = torch_layout.export(self._network, self._params)
        return Bunch(recurrent=recurrent, head=head)

    def load_torch(self, recurrent, head=None):
        """Take over weights in the layout of PyTorch's modules.

        Parameters
        ----------
        recurrent : mapping of str to array-like
            The ``state_dict()`` of a ``torch.nn.RNN``, ``GRU`` or ``LSTM`` of the same shape.
        head : mapping of str to array-like, default=None
            The ``state_dict()`` of a ``torch.nn.Linear``; None keeps the present output layer.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If a name is missing or unknown, a shape differs or a value is not finite; nothing is
            set then.
        """
        check_is_fitted(self)
        self._refuse_if_decoding("load_torch")
        params = torch_layout.imported(self._network, self._params, recurrent, head)
        if not np.isfinite(params).all():
            raise ValueError("The new weights hold NaN or infinity.")
        self._params = aligned(params)
        return self
