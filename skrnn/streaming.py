"""One step at a time: a state that the caller keeps, and an estimator that never changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted

from skrnn import prepared
from skrnn._subnormals import begin, end
from skrnn.layouts import plain_input
from skrnn.sequences import all_finite, as_float, contiguous, line_is_finite


@dataclass(frozen=True)
class RNNState:
    """What a network remembers of the sequences it is reading.

    Attributes
    ----------
    layers : tuple of ndarray of shape (n_states, n_sequences, n_units)
        States of the cells of each layer.
    pooled : ndarray of shape (n_sequences, n_units)
        What the pooling keeps of the steps so far.
    n_steps : int
        Steps read so far.
    network : str
        What network it is of.
    """

    layers: tuple
    pooled: np.ndarray
    n_steps: int
    network: str

    @property
    def n_sequences(self):
        """Number of sequences that are read side by side."""
        return self.pooled.shape[0]


class Streaming:
    """Mixin: streaming for a fitted estimator, which has `_network`, `_params` and `_decode`."""

    def init_state(self, n_sequences=1):
        """Return the state before the first step.

        Parameters
        ----------
        n_sequences : int, default=1
            Sequences that will be read side by side.

        Returns
        -------
        state : RNNState
            The state, to be given to :meth:`step`.

        Raises
        ------
        ValueError
            If the network reads sequences backwards, which needs their end.
        """
        check_is_fitted(self)
        self._refuse_if_decoding("init_state")
        network, dtype = self._network, self._params.dtype
        _check_direction(network)
        if isinstance(n_sequences, bool) or not isinstance(n_sequences, (int, np.integer)):
            kind = type(n_sequences).__name__
            raise TypeError(f"n_sequences must be an integer, got an object of type {kind}.")
        if n_sequences < 1:
            raise ValueError(f"n_sequences must be at least 1, got {n_sequences}.")
        n_states = len(network.cell.states)
        return RNNState(
            tuple(
                np.zeros((n_states, n_sequences, n), dtype=dtype)
                for n in network.hidden_layer_sizes
            ),
            np.zeros((n_sequences, network.n_features), dtype=dtype),
            0,
            network.description,
        )

    def step(self, x, state, *, response_method="predict"):
        """Read one more step of each sequence.

        After any number of steps the result is, bit for bit, what `predict` gives for the
        sequences up to here.

        Parameters
        ----------
        x : array-like of shape (n_sequences, n_channels) or (n_channels,)
            The step of each sequence; of one channel also of shape (n_sequences,).
        state : RNNState
            The state before it, from :meth:`init_state` or an earlier step; left as it is.
        response_method : {"predict", "predict_proba", "transform"}, default="predict"
            What to return of the sequences so far.

        Returns
        -------
        y : ndarray of shape (n_sequences,) or (n_sequences, n_outputs)
            The result.
        state : RNNState
            The state after the step.

        Raises
        ------
        ValueError
            If `x` has another shape than the state asks for, or holds NaN or infinity, or the state
            is of another network.
        TypeError
            If `x` is no array of numbers, or `state` no state.
        """
        if "_params" not in vars(self):  # much quicker than scikit-learn's look at all attributes
            check_is_fitted(self)
        network, params = self._network, self._params
        _check_direction(network)
        _check_state(state, network, params.dtype)
        n_sequences = state.pooled.shape[0]
        shape = (n_sequences, network.n_channels)
        is_usual = type(x) is np.ndarray and x.dtype == params.dtype and x.shape == shape
        if not is_usual or network.inputs.tables is not None:
            x = _check_step(x, shape, params.dtype)
            _check_ids(x, network.inputs)
        respond = self._responder(response_method)
        size = n_sequences, 1
        run, flags = prepared.borrow(prepared.PreparedRun, network, params, size), begin()
        try:
            if not run.load(x[:, np.newaxis]):
                _refuse_not_finite(x)
            # What is read of a stream may be the newest state alone, as it is of a sequence.
            reads_last = network.pooling == "last" and respond is not None
            raw = run.advance_and_read(state.layers) if reads_last else None
            if not reads_last:
                run.advance(state.layers)
            layers = tuple([states.copy() for states in run.final])
            output, n_steps = layers[-1][0], state.n_steps + 1
            if not line_is_finite(output.reshape(-1)):
                _refuse_overflow(output)
            kept, pooled = network.head.stream(output, state.pooled, n_steps)
            after = _make_state(layers, kept, n_steps, network.description)
            if respond is None:
                # The state may hold the same array, and the caller may write to this one.
                return pooled.copy(), after
            # Responses are arrays of their own, which the next run does not overwrite.
            return respond(run.read_out(pooled) if raw is None else raw), after
        finally:
            end(flags)
            prepared.give_back(network, params, run)

    def _responder(self, response_method):
        """Return what makes the response of raw outputs; None if it is made of features."""
        if response_method == "predict":
            return self._decode
        if response_method == "transform":
            return None
        # As `available_if` has it for predict_proba, whose look at the estimator takes longer.
        has_probabilities = hasattr(self, "_probabilities") and self._loss.link_inverse is not None
        if response_method == "predict_proba" and has_probabilities:
            return self._probabilities
        raise ValueError(
            f"response_method must be 'predict', 'transform' or, for a classifier with "
            f"probabilities, 'predict_proba', got {response_method!r}."
        )


def _make_state(layers, pooled, n_steps, network):
    """Return a state in half the time that the class takes, which sets attributes one by one."""
    state = object.__new__(RNNState)
    vars(state).update(layers=layers, pooled=pooled, n_steps=n_steps, network=network)
    return state


def _refuse_overflow(output):
    row = int(np.isfinite(output).all(axis=1).argmin())
    raise ValueError(
        f"The network overflows {output.dtype} in sequence {row}: the values of x are too "
        "far from those seen in fit. Scale them, for example with skrnn.SequenceScaler."
    )


def _check_direction(network):
    if network.n_directions == 2:
        raise ValueError(
            "A bidirectional network reads every sequence from its end as well and cannot "
            "follow a stream; fit with bidirectional=False."
        )
    if not network.head.can_stream:
        raise ValueError(
            "head='crf' judges a whole sequence together and cannot follow a stream; fit with "
            "head='linear'."
        )


def _check_state(state, network, dtype):
    if not isinstance(state, RNNState):
        raise TypeError(
            "state must be what init_state or an earlier step returned, got "
            f"{type(state).__name__}."
        )
    n_states, n = len(network.cell.states), state.pooled.shape[0]
    shapes = [(n_states, n, n_units) for n_units in network.hidden_layer_sizes]
    fits = [layer.shape for layer in state.layers] == shapes and state.pooled.dtype == dtype
    if not fits or state.network != network.description:
        raise ValueError(
            f"state is that of another network ({state.network}), with layers of the shapes "
            f"{[layer.shape for layer in state.layers]} ({state.pooled.dtype}); this one "
            f"({network.description}) needs {shapes} ({dtype}). Begin with init_state({n}) of this "
            "estimator."
        )


def _check_step(x, shape, dtype):
    """Return a step as an array of the shape, a single sequence as its only row."""
    if type(x) is not np.ndarray or x.dtype != dtype:
        x = _to_numbers(x)
    if x.ndim == 1:
        # Of one channel, the step of each sequence; else that of a single sequence.
        x = x.reshape(-1, 1) if shape[1] == 1 else x[np.newaxis]
    if x.shape != shape:
        raise ValueError(
            f"x must have shape {shape}, one row for each sequence of the state and one column for "
            f"each channel, got {x.shape}."
        )
    x = contiguous(x, dtype)
    if not all_finite(x):
        _refuse_not_finite(x)
    return x


def _refuse_not_finite(x):
    row, channel = np.argwhere(~np.isfinite(x))[0]
    raise ValueError(
        f"x holds {x[row, channel]} for sequence {row}, channel {channel} ({x.dtype}). Impute it "
        "first."
    )


def _check_ids(x, inputs):
    place = inputs.first_invalid(x)
    if place is not None:
        row, channel = place
        raise ValueError(
            f"x holds {x[row, channel]:g} for sequence {row}, channel {channel}, which is none of "
            f"the {inputs.tables[channel][0]} ids from 0 that fit saw."
        )


def _to_numbers(x):
    if issparse(x):
        raise TypeError("x is sparse, but dense data is required. Use x.toarray().")
    try:
        array = np.asarray(plain_input(x))
    except ValueError as error:
        if "masked" in str(error):
            raise
        raise ValueError(
            "x is ragged: its rows do not all have the same number of channels."
        ) from error
    return as_float(array, "x")
