"""skrnn through its public interface: `partial_fit`, `predict_proba`, `step`."""

import numpy as np

from speed.cases import RATE, make_data, make_weights
from speed.peers import Operations


def make(case, threads):
    from skrnn import RNNClassifier

    X, y = make_data(case)
    if case.ragged:
        X = [row[:length] for row, length in zip(X, case.lengths, strict=True)]
    model = RNNClassifier(
        (case.n_units,) * case.n_layers,
        cell=case.cell,
        bidirectional=case.bidirectional,
        batch_size=case.batch_size,
        learning_rate="constant",
        learning_rate_init=RATE,
        max_grad_norm=1.0,
        alpha=0.0,
        shuffle=case.shuffle,
        random_state=0,
        n_jobs=threads,
    )
    # `fit` makes the network; its weights are replaced, and training then begins anew.
    few = np.unique(y, return_index=True)[1]
    model.set_params(max_iter=1).fit([X[i] for i in few], y[few])
    model.load_torch(*make_weights(case))
    state = [None if case.bidirectional else model.init_state()]

    def step(x):
        output, state[0] = model.step(x, state[0], response_method="predict_proba")
        return output

    return Operations(
        train=lambda epoch: model.partial_fit(X, y),
        infer=lambda: model.predict_proba(X),
        one=model.predict_proba,
        step=None if case.bidirectional else step,
    )
