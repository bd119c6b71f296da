"""Keras on its JAX backend, through `fit` and `predict`."""

import os

import numpy as np

from speed.cases import INFERENCE_BATCH, RATE, make_data, make_weights
from speed.peers import Operations


def _keras_weights(case):
    recurrent, head = make_weights(case)
    result = []
    for layer in range(case.n_layers):
        for suffix in ("", "_reverse")[: case.n_directions]:
            W, U, b, c = (
                recurrent[f"{kind}_l{layer}{suffix}"]
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            if case.cell == "gru":  # Keras has the update gate first, and both biases in one array
                W, U, b, c = (_update_gate_first(array) for array in (W, U, b, c))
                result += [W.T, U.T, np.stack([b, c])]
            else:
                result += [W.T, U.T, b + c]
    return [*result, head["weight"].T, head["bias"]]


def _update_gate_first(array):
    reset, update, new = np.split(array, 3)
    return np.concatenate([update, reset, new])


def make(case, threads):
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    keras.utils.clear_session()
    keras.config.set_floatx(case.dtype)
    kind = {
        "rnn": keras.layers.SimpleRNN,
        "gru": keras.layers.GRU,
        "lstm": keras.layers.LSTM,
    }[case.cell]

    def build(batch_shape, stateful=False):
        network = keras.Sequential([keras.Input(batch_shape=batch_shape)])
        if case.ragged and not stateful:
            network.add(keras.layers.Masking(0.0))
        for layer in range(case.n_layers):
            recurrent = kind(
                case.n_units, return_sequences=layer + 1 < case.n_layers, stateful=stateful
            )
            both = keras.layers.Bidirectional
            network.add(both(recurrent) if case.bidirectional else recurrent)
        network.add(keras.layers.Dense(case.n_classes, activation="softmax"))
        network.set_weights(_keras_weights(case))
        return network

    network = build((None, case.n_steps, case.n_channels))
    adam = keras.optimizers.Adam(RATE, epsilon=1e-8, global_clipnorm=1.0)
    network.compile(adam, "sparse_categorical_crossentropy")
    X, y = make_data(case)
    stream = None if case.bidirectional else build((1, 1, case.n_channels), stateful=True)
    settings = {"batch_size": case.batch_size, "shuffle": case.shuffle, "verbose": 0}
    return Operations(
        train=lambda epoch: network.fit(X, y, epochs=1, **settings),
        infer=lambda: network.predict(X, batch_size=INFERENCE_BATCH, verbose=0),
        one=lambda x: np.asarray(network.predict_on_batch(x)),
        step=stream and (lambda x: np.asarray(stream.predict_on_batch(x[:, np.newaxis]))),
    )
