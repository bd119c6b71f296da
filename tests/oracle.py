"""Slow and obvious recurrent networks: the equations, one sequence and one step at a time.

Every function works in the dtype of what it is given: float32, float64, longdouble, and complex128,
which the complex-step derivative needs. Weights multiply from the right,

    pre = x_t W_xh + b_xh + h_{t-1} W_hh + b_hh,

and the gates lie side by side along the columns: LSTM ``i, f, g, o``, GRU ``r, z, n``, vanilla RNN
the one block ``h``.

Equations (``s`` is the logistic function, ``*`` the product of elements):

* RNN (Elman 1990): ``h_t = phi(x W_x + b_x + h_{t-1} W_h + b_h)``
* GRU (Cho et al. 2014, the reset gate applied after the recurrent product)::

      r = s(x W_xr + b_xr + h_{t-1} W_hr + b_hr)
      z = s(x W_xz + b_xz + h_{t-1} W_hz + b_hz)
      n = tanh(x W_xn + b_xn + r * (h_{t-1} W_hn + b_hn))
      h_t = (1 - z) * n + z * h_{t-1}

* LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000)::

      i, f, o = s(...), s(...), s(...)        g = tanh(...)
      c_t = f * c_{t-1} + i * g               h_t = o * tanh(c_t)
"""

import numpy as np


def logistic(x):
    """``1 / (1 + exp(-x))``, written so that the exponential cannot overflow."""
    small = np.exp(-np.where(x.real >= 0, x, -x))
    return np.where(x.real >= 0, 1 / (1 + small), small / (1 + small))


def relu(x):
    return np.where(x.real > 0, x, np.zeros_like(x))


ACTIVATIONS = {"tanh": np.tanh, "relu": relu, "logistic": logistic}


def rnn_step(x, state, weights, activation="tanh"):
    (h,) = state
    pre = x @ weights["W_xh"] + weights["b_xh"] + h @ weights["W_hh"] + weights["b_hh"]
    return (ACTIVATIONS[activation](pre),)


def gru_step(x, state, weights, activation="tanh"):
    (h,) = state
    x_r, x_z, x_n = np.split(x @ weights["W_xh"] + weights["b_xh"], 3)
    h_r, h_z, h_n = np.split(h @ weights["W_hh"] + weights["b_hh"], 3)
    r = logistic(x_r + h_r)
    z = logistic(x_z + h_z)
    n = np.tanh(x_n + r * h_n)
    return ((1 - z) * n + z * h,)


def lstm_step(x, state, weights, activation="tanh"):
    h, c = state
    pre = x @ weights["W_xh"] + weights["b_xh"] + h @ weights["W_hh"] + weights["b_hh"]
    i, f, g, o = np.split(pre, 4)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c


STEPS = {"rnn": rnn_step, "gru": gru_step, "lstm": lstm_step}
N_STATES = {"rnn": 1, "gru": 1, "lstm": 2}
N_GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def run_direction(step, sequence, weights, state, *, reverse=False, stretch=None, **options):
    """Outputs of every step, in the order of the sequence, and the final state.

    With a `stretch` the state enters each stretch of so many steps, counted from the end, as a
    constant. Only a complex step sees it: what truncated backpropagation leaves out.
    """
    outputs = [None] * len(sequence)
    n_left = len(sequence)
    order = range(len(sequence))
    for t in reversed(order) if reverse else order:
        if stretch is not None and n_left % stretch == 0:
            state = tuple(part.real for part in state)
        n_left -= 1
        state = step(sequence[t], state, weights, **options)
        outputs[t] = state[0]
    return np.array(outputs), state


def zero_state(cell, n_units, dtype):
    return tuple(np.zeros(n_units, dtype) for _ in range(N_STATES[cell]))


def directions_of(weights, layer):
    names = ("forward", "backward")
    return [name for name in names if f"layer_{layer}.{name}.W_xh" in weights]


def n_layers_of(weights):
    return len({name.split(".")[0] for name in weights if name.startswith("layer_")})


def weights_of(weights, layer, direction):
    prefix = f"layer_{layer}.{direction}."
    return {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)}


def run_network(cell, sequence, weights, *, activation="tanh", initial=None, stretch=None):
    """Run a stack of layers over one sequence.

    Parameters
    ----------
    cell : {"rnn", "gru", "lstm"}
    sequence : array (n_steps, n_channels)
    weights : dict
        ``"layer_0.forward.W_xh"`` and so on; a layer is bidirectional where it has ``backward``.
    activation : {"tanh", "relu", "logistic"}
        Of the vanilla cell.
    initial : dict, default=None
        Initial state by ``(layer, direction)``; zeros if None.
    stretch : int, default=None
        Steps through which a derivative is carried; all of them if None.

    Returns
    -------
    outputs : array (n_steps, n_units * n_directions)
        Of the last layer.
    final : dict
        Final state by ``(layer, direction)``.
    """
    final = {}
    for layer in range(n_layers_of(weights)):
        outputs = []
        for direction in directions_of(weights, layer):
            own = weights_of(weights, layer, direction)
            if initial is None:
                state = zero_state(cell, own["W_hh"].shape[0], own["W_hh"].dtype)
            else:
                state = initial[layer, direction]
            output, final[layer, direction] = run_direction(
                STEPS[cell],
                sequence,
                own,
                state,
                reverse=direction == "backward",
                activation=activation,
                stretch=stretch,
            )
            outputs.append(output)
        sequence = np.concatenate(outputs, axis=1)
    return sequence, final


def pool(outputs, final, pooling):
    """What the head reads: the last state of each direction, the mean or the maximum."""
    if pooling == "last":
        top = max(layer for layer, _ in final)
        names = [name for name in ("forward", "backward") if (top, name) in final]
        return np.concatenate([final[top, name][0] for name in names])
    if pooling == "mean":
        return sum(outputs) / len(outputs)
    largest = outputs[0]
    for output in outputs[1:]:
        # By the real part, so that the complex step follows the element that is the maximum.
        largest = np.where(output.real > largest.real, output, largest)
    return largest


def features(cell, sequences, weights, *, pooling="last", **options):
    """Pooled features (n_sequences, n_features), each sequence on its own."""
    rows = []
    for sequence in sequences:
        outputs, final = run_network(cell, sequence, weights, **options)
        rows.append(pool(outputs, final, pooling))
    return np.array(rows)


def raw_predictions(cell, sequences, weights, **options):
    """The linear head's outputs (n_sequences, n_outputs)."""
    read = features(cell, sequences, weights, **options)
    return np.array([row @ weights["head.W_hy"] + weights["head.b_y"] for row in read])


def random_weights(cell, n_channels, hidden, n_outputs, *, bidirectional, rng, scale=0.5):
    """Weights of every name, normal, in float64."""
    weights = {}
    n_gates, n_directions = N_GATES[cell], 1 + bidirectional
    for layer, n_units in enumerate(hidden):
        for direction in ("forward", "backward")[:n_directions]:
            for name, shape in (
                ("W_xh", (n_channels, n_gates * n_units)),
                ("W_hh", (n_units, n_gates * n_units)),
                ("b_xh", (n_gates * n_units,)),
                ("b_hh", (n_gates * n_units,)),
            ):
                weights[f"layer_{layer}.{direction}.{name}"] = scale * rng.normal(size=shape)
        n_channels = n_units * n_directions
    weights["head.W_hy"] = scale * rng.normal(size=(n_channels, n_outputs))
    weights["head.b_y"] = scale * rng.normal(size=n_outputs)
    return weights


def numerical_gradient(function, vector, epsilon=2e-4, *, rtol=1e-8, max_halvings=7):
    """Gradient of a scalar function by central differences of fourth order.

    Where two step sizes disagree a kink lies nearby (a ReLU, a maximum, a hinge): the step is then
    quartered until they agree. Raises if they never do, as at a jump. On the kink itself the result
    is the mean of both sides: keep points off it.
    """
    vector = np.array(vector, dtype=np.float64)
    gradient = np.empty_like(vector)
    scale = max(1.0, abs(function(vector)))

    def slope(index, step):
        kept = vector[index]
        values = []
        for shift in (-2 * step, -step, step, 2 * step):
            vector[index] = kept + shift
            values.append(function(vector))
        vector[index] = kept
        return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)

    for index in range(len(vector)):
        step = epsilon
        coarse = slope(index, step)
        for _ in range(max_halvings):
            step /= 4
            fine = slope(index, step)
            # What rounding alone does to a difference quotient.
            noise = 32 * np.finfo(np.float64).eps * scale / step
            if abs(fine - coarse) <= rtol * abs(coarse) + noise:
                break
            coarse = fine
        else:
            raise ArithmeticError(
                f"the differences do not settle at coordinate {index}: a jump or noise"
            )
        gradient[index] = coarse
    return gradient


def complex_step_gradient(function, vector, epsilon=1e-30):
    """Gradient of an analytic scalar function to rounding: ``Im f(x + i e) / e``."""
    vector = np.array(vector, dtype=np.complex128)
    gradient = np.empty(len(vector))
    for index in range(len(vector)):
        kept = vector[index]
        vector[index] = kept + 1j * epsilon
        gradient[index] = function(vector).imag / epsilon
        vector[index] = kept
    return gradient


def flatten(weights):
    return np.concatenate([w.ravel() for w in weights.values()])


def unflatten(vector, like):
    """Views of the vector under the names and shapes of ``like``."""
    weights, start = {}, 0
    for name, w in like.items():
        weights[name] = vector[start : start + w.size].reshape(w.shape)
        start += w.size
    return weights
