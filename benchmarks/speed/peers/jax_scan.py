"""JAX: a `lax.scan` over the steps, compiled, with Optax.

*plain* leaves the gradient to JAX and makes one compiled call a batch. *tuned* is what an expert
would do on a CPU: the input's share of all steps is one product before the scan, the gradient is
written by hand so that each weight's is one product over all steps after it, and a whole epoch is
one compiled call.
"""

import numpy as np

from speed.cases import INFERENCE_BATCH, RATE, make_data, make_order, make_weights
from speed.peers import Operations


def _advance(cell, weights, state, x):
    """Return the next state; the equations as they stand in a textbook."""
    import jax.numpy as jnp
    from jax.nn import sigmoid

    W, U, b, c = weights
    h = state[0]
    if cell == "rnn":
        return (jnp.tanh(x @ W + b + h @ U + c),)
    if cell == "lstm":
        i, f, g, o = jnp.split(x @ W + b + h @ U + c, 4, -1)
        memory = sigmoid(f) * state[1] + sigmoid(i) * jnp.tanh(g)
        return sigmoid(o) * jnp.tanh(memory), memory
    x_r, x_z, x_n = jnp.split(x @ W + b, 3, -1)
    h_r, h_z, h_n = jnp.split(h @ U + c, 3, -1)
    z = sigmoid(x_z + h_z)
    return ((1 - z) * jnp.tanh(x_n + sigmoid(x_r + h_r) * h_n) + z * h,)


def _start(cell, weights, xs):
    import jax.numpy as jnp

    zero = jnp.zeros((xs.shape[1], weights[1].shape[0]), xs.dtype)
    return (zero, zero) if cell == "lstm" else (zero,)


def _keep(alive, new, old):
    """Hold the state of sequences that have ended."""
    import jax.numpy as jnp

    if alive is None:
        return new
    return tuple(jnp.where(alive, a, b) for a, b in zip(new, old, strict=True))


def _plain_layer(cell, weights, xs, alive, reverse):
    """Return the outputs of all steps (steps, batch, units)."""
    from jax import lax

    def body(state, inputs):
        x, here = inputs
        state = _keep(here, _advance(cell, weights, state, x), state)
        return state, state[0]

    return lax.scan(body, _start(cell, weights, xs), (xs, alive), reverse=reverse)[1]


def _forward_step(cell, U, c, state, x):
    """Return the next state and what its gradient needs, from the input's share of the gates."""
    import jax.numpy as jnp
    from jax.nn import sigmoid

    h = state[0]
    if cell == "rnn":
        h_new = jnp.tanh(x + h @ U)
        return (h_new,), (h, h_new)
    if cell == "lstm":
        i, f, g, o = jnp.split(x + h @ U, 4, -1)
        i, f, g, o = sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o)
        memory = f * state[1] + i * g
        squashed = jnp.tanh(memory)
        return (o * squashed, memory), (h, state[1], i, f, g, o, squashed)
    x_r, x_z, x_n = jnp.split(x, 3, -1)
    h_r, h_z, h_n = jnp.split(h @ U + c, 3, -1)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = jnp.tanh(x_n + r * h_n)
    return (n + z * (h - n),), (h, r, z, n, h_n)


def _backward_step(cell, U_T, carried, kept):
    """Return the gradients of the state before, of the input's share and of the recurrent one."""
    import jax.numpy as jnp

    d_h = carried[0]
    if cell == "rnn":
        _, h_new = kept
        d_a = d_h * (1 - h_new * h_new)
        return (d_a @ U_T,), d_a, d_a
    if cell == "lstm":
        _, memory, i, f, g, o, squashed = kept
        d_memory = carried[1] + d_h * o * (1 - squashed * squashed)
        d_a = jnp.concatenate(
            [
                d_memory * g * i * (1 - i),
                d_memory * memory * f * (1 - f),
                d_memory * i * (1 - g * g),
                d_h * squashed * o * (1 - o),
            ],
            axis=-1,
        )
        return (d_a @ U_T, d_memory * f), d_a, d_a
    h, r, z, n, h_n = kept
    d_n = d_h * (1 - z) * (1 - n * n)
    d_z = d_h * (h - n) * z * (1 - z)
    d_r = d_n * h_n * r * (1 - r)
    d_inner = jnp.concatenate([d_r, d_z, d_n * r], -1)
    return (d_inner @ U_T + d_h * z,), jnp.concatenate([d_r, d_z, d_n], -1), d_inner


def _make_tuned_layer(cell):
    import jax
    import jax.numpy as jnp
    from jax import lax

    def forward(weights, xs, alive, reverse):
        W, U, b, c = weights
        shift = b if cell == "gru" else b + c
        shares = (xs.reshape(-1, xs.shape[-1]) @ W + shift).reshape(*xs.shape[:2], -1)

        def body(state, inputs):
            x, here = inputs
            new, kept = _forward_step(cell, U, c, state, x)
            new = _keep(here, new, state)
            return new, (new[0], kept)

        start = _start(cell, weights, xs)
        _, (outputs, kept) = lax.scan(body, start, (shares, alive), reverse=reverse)
        return outputs, (weights, xs, alive, kept)

    def backward(reverse, saved, d_outputs):
        (W, U, _, _), xs, alive, kept = saved
        U_T = U.T

        def body(carried, inputs):
            d_output, here, kept = inputs
            carried = (carried[0] + d_output, *carried[1:])
            if here is None:
                before, d_x, d_inner = _backward_step(cell, U_T, carried, kept)
            else:
                live = tuple(jnp.where(here, d, 0) for d in carried)
                before, d_x, d_inner = _backward_step(cell, U_T, live, kept)
                before = _keep(here, before, carried)
            return before, ((d_x, d_inner) if cell == "gru" else d_x)

        zero = jnp.zeros(d_outputs.shape[1:], d_outputs.dtype)
        end = (zero, zero) if cell == "lstm" else (zero,)
        _, found = lax.scan(body, end, (d_outputs, alive, kept), reverse=not reverse)
        d_x, d_inner = found if cell == "gru" else (found, found)
        d_x, d_inner = (d.reshape(-1, d.shape[-1]) for d in (d_x, d_inner))
        inputs, states = (a.reshape(-1, a.shape[-1]) for a in (xs, kept[0]))
        d_weights = inputs.T @ d_x, states.T @ d_inner, d_x.sum(0), d_inner.sum(0)
        return d_weights, (d_x @ W.T).reshape(xs.shape), None

    layer = jax.custom_vjp(lambda *args: forward(*args)[0], nondiff_argnums=(3,))
    layer.defvjp(forward, backward)
    return layer


def _make_weights(case):
    """Return [(W, U, b, c) of each direction] of each layer, and the head's (W, b)."""
    import jax.numpy as jnp

    recurrent, head = make_weights(case)

    def direction(layer, suffix):
        names = (f"{kind}_l{layer}{suffix}" for kind in ("weight_ih", "weight_hh"))
        W, U = (jnp.asarray(recurrent[name].T.copy()) for name in names)
        names = (f"{kind}_l{layer}{suffix}" for kind in ("bias_ih", "bias_hh"))
        return W, U, *(jnp.asarray(recurrent[name]) for name in names)

    suffixes = ("", "_reverse")[: case.n_directions]
    layers = [[direction(layer, s) for s in suffixes] for layer in range(case.n_layers)]
    return layers, (jnp.asarray(head["weight"].T.copy()), jnp.asarray(head["bias"]))


def make(case, threads, variant):
    import jax
    import jax.numpy as jnp
    import optax
    from jax import lax

    if case.dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    tuned = variant == "tuned"
    custom = _make_tuned_layer(case.cell)

    def run_layer(weights, xs, alive, reverse):
        if tuned:
            return custom(weights, xs, alive, reverse)
        return _plain_layer(case.cell, weights, xs, alive, reverse)

    def scores(weights, x, lengths):
        layers, (W, b) = weights
        xs, alive = jnp.swapaxes(x, 0, 1), None
        if lengths is not None:
            alive = (jnp.arange(x.shape[1])[:, None] < lengths)[..., None]
        for directions in layers:
            outputs = [run_layer(w, xs, alive, d == 1) for d, w in enumerate(directions)]
            xs = jnp.concatenate(outputs, -1) if len(outputs) > 1 else outputs[0]
        last = [output[0] if d else output[-1] for d, output in enumerate(outputs)]
        return jnp.concatenate(last, -1) @ W + b

    def loss(weights, x, y, lengths):
        wrong = optax.softmax_cross_entropy_with_integer_labels(scores(weights, x, lengths), y)
        return wrong.mean()

    adam = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(RATE))

    def update(carry, batch):
        weights, moments = carry
        change, moments = adam.update(jax.grad(loss)(weights, *batch), moments, weights)
        return (optax.apply_updates(weights, change), moments), None

    X, y = make_data(case)
    lengths = case.lengths if case.ragged else None
    weights = _make_weights(case)
    carry = [(weights, adam.init(weights))]

    def batch(arrays, rows):
        return tuple(None if array is None else array[rows] for array in arrays)

    n_whole = case.n_sequences - case.n_sequences % case.batch_size
    compiled_update = jax.jit(update)
    arrays = (X, y, lengths)
    on_device = tuple(None if array is None else jnp.asarray(array) for array in arrays)

    @jax.jit
    def run_epoch(carry, arrays, orders):
        return lax.scan(lambda c, rows: update(c, batch(arrays, rows)), carry, orders)[0]

    def train(epoch):
        order = make_order(case, epoch)
        n_in_scan = n_whole if tuned else 0
        if n_in_scan:
            orders = order[:n_in_scan].reshape(-1, case.batch_size)
            carry[0] = run_epoch(carry[0], on_device, orders)
        for start in range(n_in_scan, case.n_sequences, case.batch_size):
            rows = order[start : start + case.batch_size]
            carry[0], _ = compiled_update(carry[0], batch(arrays, rows))
        jax.block_until_ready(carry[0])

    probabilities = jax.jit(lambda *args: jax.nn.softmax(scores(*args)))

    def infer():
        rows = [slice(i, i + INFERENCE_BATCH) for i in range(0, case.n_sequences, INFERENCE_BATCH)]
        parts = [probabilities(carry[0][0], *batch((X, lengths), part)) for part in rows]
        return np.concatenate([np.asarray(part) for part in parts])

    @jax.jit
    def advance(weights, states, x):
        layers, (W, b) = weights
        new = []
        for (direction,), state in zip(layers, states, strict=True):
            new.append(_advance(case.cell, direction, state, x))
            x = new[-1][0]
        return new, jax.nn.softmax(x @ W + b)

    zero = jnp.zeros((1, case.n_units), case.dtype)
    states = [[(zero, zero) if case.cell == "lstm" else (zero,)] * case.n_layers]

    def step(x):
        states[0], output = advance(carry[0][0], states[0], x)
        return np.asarray(output)

    return Operations(
        train=train,
        infer=infer,
        one=lambda x: np.asarray(probabilities(carry[0][0], x, None)),
        step=None if case.bidirectional else step,
    )
