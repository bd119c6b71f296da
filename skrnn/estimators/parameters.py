"""What the parameters of the estimators may be, and the part of their docstrings they share."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from skrnn.estimators import tokens
from skrnn.estimators.modes import MODES

CONSTRAINTS = {
    # These three have checks of their own, whose messages say more.
    "hidden_layer_sizes": "no_validation",
    "cell": "no_validation",
    "n_timesteps": "no_validation",
    "mode": [StrOptions(set(MODES))],
    **tokens.CONSTRAINTS,
    "activation": [StrOptions({"tanh", "relu", "logistic"})],
    "bidirectional": ["boolean"],
    "attention": [StrOptions({"additive", "multiplicative"}), None],
    "repeat_vector": ["boolean"],
    "pooling": [StrOptions({"last", "mean", "max"})],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "recurrent_dropout": [Interval(Real, 0, 1, closed="left")],
    "solver": [StrOptions({"adam", "sgd", "rmsprop", "lbfgs"})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", "cosine", "one_cycle"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
    "bptt_steps": [Interval(Integral, 1, None, closed="left"), None],
    "checkpoint_steps": [
        StrOptions({"auto"}),
        Interval(Integral, 1, None, closed="left"),
        None,
    ],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "rho": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "n_jobs": [Integral, None],
}

_NETWORK = """\
    hidden_layer_sizes : int or tuple of int, default=(64,)
        Units of each recurrent layer, the first layer first; per direction if `bidirectional`.
    cell : {"gru", "lstm", "rnn"} or Cell, default="gru"
        The recurrent cell, by name or a :class:`~skrnn.cells.Cell` of one's own. The GRU begins
        with memories of all lengths up to the longest sequence, but with ``mode="many_to_many"``
        with short ones; :class:`~skrnn.cells.Cell` tells how to lengthen them.
    mode : {"many_to_one", "many_to_many", "one_to_many", "encoder_decoder"}, \
default="many_to_one"
        How outputs stand to inputs: ``"many_to_one"`` gives each sequence one, ``"many_to_many"``
        each step. With one for each step the loss is the sum over all true steps, divided by their
        weight; steps whose target is NaN are ignored. ``"encoder_decoder"`` gives each sequence
        a sequence of any length: a second stack of layers, the decoder, begins with the states in
        which the first ends, and reads what came out at the step before (in training the truth).
        ``"one_to_many"`` does so from one vector a sample, X of shape (n_samples, n_features).
        If y is an array of shape (n_sequences, n_steps), outputs have that many steps; if it is a
        list of sequences, they end where the network says so.
    embedding_dim : int, dict or None, default=None
        X holds ids of tokens, whole numbers from 0, and each id stands for a vector of this length
        that is learned. An int is for all channels, each with vectors of its own; a dict names the
        channels of ids by number or column, as in ``{0: 64, 1: 8}``, and the others are values.
        Only the vectors of ids in a batch are moved, and `alpha` spares them. Sequences need no
        padding: an id that pads is an id like any other, and :func:`~skrnn.strip_padding` takes it
        off a rectangle. An id not seen in fit is an error unless `vocabulary_size` makes room for
        it. Ids alone are computed in float32, unless X is float64.
    vocabulary_size : int, dict or None, default=None
        Number of ids, of all channels or of each. None is one more than the highest id in `fit`.
    embeddings : array-like of shape (vocabulary_size, embedding_dim), dict or None, default=None
        Vectors to start from, by channel where X has several.
    train_embeddings : bool, default=True
        Whether vectors are learned; False keeps them as they are at the start.
    activation : {"tanh", "relu", "logistic"}, default="tanh"
        Hidden-state function of the vanilla cell ``"rnn"``; the gated cells have theirs fixed and
        ignore it.
    bidirectional : bool, default=False
        Whether each layer also reads the sequences backwards. With ``mode="encoder_decoder"``
        those of the encoder do.
    attention : {"additive", "multiplicative"} or None, default=None
        With ``mode="encoder_decoder"``, how the decoder looks back at all states of the encoder:
        ``"additive"`` before each step, with the state before (Bahdanau, Cho and Bengio, 2015), or
        ``"multiplicative"`` after it (Luong, Pham and Manning, 2015).
    repeat_vector : bool, default=False
        With ``mode="one_to_many"``, whether the vector is also read at every step, not only turned
        into the initial state.
    pooling : {"last", "mean", "max"}, default="last"
        What the output layer reads: the state after the last step (of each direction, if
        `bidirectional`), or the mean or the maximum of the states over all true steps. With
        ``mode="many_to_many"`` it reads the state at each step instead.
    dropout : float, default=0.0
        Probability with which a unit is dropped between layers and before the output layer, one
        mask a sequence.
    recurrent_dropout : float, default=0.0
        Probability with which a unit of the previous state is dropped from the recurrent products,
        one mask a sequence (Gal and Ghahramani, 2016)."""

_TRAINING = """\
    solver : {"adam", "sgd", "rmsprop", "lbfgs"}, default="adam"
        What minimises the loss. ``"lbfgs"`` is SciPy's L-BFGS-B over all data at once, for small
        data; it knows no batches, learning rate, dropout or clipping.
    alpha : float, default=1e-4
        Strength of the L2 penalty on weights (not biases), divided by the size of a batch times the
        mean sample weight (in `partial_fit` by the size alone) when added to the loss.
    batch_size : int or "auto", default="auto"
        Sequences in a batch, at most: those of an epoch are spread evenly over as few batches as
        this allows. ``"auto"`` is an eighth of the training sequences, at least 32 and at most 64,
        and all of them if they are fewer than that.
    learning_rate : {"constant", "invscaling", "adaptive", "cosine", "one_cycle"}, \
default="cosine"
        How the step size develops. ``"cosine"`` falls from `learning_rate_init` to zero along half
        a cosine over `max_iter` epochs. ``"one_cycle"`` climbs to `learning_rate_init` for three
        tenths of them and falls to zero. These two train for all `max_iter` epochs unless
        `early_stopping` ends them. ``"constant"`` stays; ``"invscaling"`` divides by
        ``(t_ + 1) ** power_t``; ``"adaptive"`` divides by five each time training stalls. These
        three end when training no longer improves.
    learning_rate_init : float, default=0.01
        The step size, for ``"one_cycle"`` the highest.
    power_t : float, default=0.5
        Exponent of ``"invscaling"``.
    max_iter : int, default=200
        Passes over the data (iterations of ``"lbfgs"``).
    max_grad_norm : float or None, default=1.0
        Gradients whose norm over all weights is larger are scaled down to it; None never does.
    bptt_steps : int or None, default=None
        Steps through which the gradient is carried back. None is full backpropagation through
        time. Else each sequence is divided, from its end, into stretches of this many steps; the
        state passes from one to the next, its gradient does not. With ``mode="many_to_many"`` in
        one direction stretches run from the beginning and weights are stepped after each; if there
        are fewer sequences than `batch_size` (32 if "auto"), long ones are cut into as many
        streams, read side by side.
    checkpoint_steps : int, "auto" or None, default=None
        Gradient checkpointing, for sequences so long that training does not fit into memory: of
        the forward pass only the states after every so many steps are kept, and the steps between
        are computed again on the way back. ``"auto"`` is the square root of the number of steps.
        The fit has the same bits and takes about a third longer. Instead of the gates, states and
        gradients of T steps those of ``checkpoint_steps`` are held, and ``T / checkpoint_steps``
        states; if `bidirectional`, also the outputs and their gradients at all steps, of which
        there are ``4 * T`` numbers a unit. None keeps everything. It goes with full
        backpropagation (``bptt_steps=None``) in the modes ``"many_to_one"`` and
        ``"many_to_many"``.
    n_timesteps : int or None, default=None
        For a 2-D X: a row holds this many steps, one after another, of
        ``n_features / n_timesteps`` channels each. None is one step a column.
    shuffle : bool, default=True
        Whether batches are drawn anew in each epoch.
    random_state : int, RandomState instance or None, default=None
        Source of initial weights, validation split, batches and dropout. The same int gives the
        same bits, whatever `n_jobs`.
    tol : float, default=1e-4
        Training stalls when the loss (with `early_stopping`, the validation score) does not
        improve by at least this much. It has no effect where `learning_rate` lays out the whole
        training (``"cosine"``, ``"one_cycle"``), unless with `early_stopping`. For ``"lbfgs"`` the
        largest gradient at which it ends.
    verbose : bool or int, default=False
        Whether to print a line an epoch; a larger number prints one every so many epochs.
    warm_start : bool, default=False
        Whether `fit` starts from the weights of the last `fit`, with its classes or its scale of
        targets.
    momentum : float, default=0.9
        Momentum of ``"sgd"``.
    nesterovs_momentum : bool, default=True
        Whether the momentum of ``"sgd"`` is Nesterov's.
    early_stopping : bool, default=False
        Whether to end training when the validation score stalls for `n_iter_no_change` epochs, and
        keep the weights with the best one (of equal ones, that with the lowest loss). The
        validation data are given to `fit`, or split off.
    validation_fraction : float, default=0.1
        Share of the training data to split off for `early_stopping`; at random, and in a
        classifier with the same share of each class where there are enough sequences of each.
    beta_1 : float, default=0.9
        Decay of the running mean of ``"adam"``.
    beta_2 : float, default=0.999
        Decay of the running square of ``"adam"``.
    rho : float, default=0.9
        Decay of the running square of ``"rmsprop"``.
    epsilon : float, default=1e-8
        Keeps divisions of ``"adam"`` and ``"rmsprop"`` finite.
    n_iter_no_change : int, default=10
        Epochs without improvement after which training has stalled; see `tol`.
    max_fun : int, default=15000
        Most evaluations of the loss by ``"lbfgs"``."""

_THREADS = """\
    n_jobs : int or None, default=None
        Threads. None is one; -1 is all cores. The results do not depend on it."""

_ATTRIBUTES = """\
    loss_ : float
        Training loss of the last epoch.
    best_loss_ : float
        Lowest training loss of an epoch.
    loss_curve_ : list of float
        Training loss of each epoch.
    validation_scores_ : list of float
        Validation score of each epoch, where there were validation data, else None.
    validation_loss_curve_ : list of float
        Validation loss of each epoch, likewise.
    best_validation_score_ : float
        Highest validation score, likewise.
    best_iter_ : int
        Epoch, from 1, with the best weights.
    n_iter_ : int
        Epochs run.
    t_ : int
        Sequences seen in training.
    n_layers_ : int
        Layers, input and output included.
    n_outputs_ : int
        Numbers in the output layer.
    n_parameters_ : int
        Weights and biases, all together.
    out_activation_ : str
        Activation of the output layer.
    cell_ : Cell
        The cell in use.
    n_features_in_ : int
        Columns of a 2-D X, channels of any other.
    n_channels_ : int
        Channels of a step.
    feature_names_in_ : ndarray of str
        Names of columns or channels, if they had any in `fit`."""


def document(estimator):
    """Fill the shared parts into an estimator's docstring.

    Parameters
    ----------
    estimator : class
        Its docstring holds ``{network}``, ``{training}``, ``{threads}`` and ``{attributes}``.

    Returns
    -------
    estimator : class
        The same class.
    """
    parts = {
        "    {network}": _NETWORK,
        "    {training}": _TRAINING,
        "    {threads}": _THREADS,
        "    {attributes}": _ATTRIBUTES,
    }
    for placeholder, text in parts.items():
        estimator.__doc__ = estimator.__doc__.replace(placeholder, text)
    return estimator


def check_hidden_layer_sizes(sizes):
    """Return the layer sizes as a tuple.

    Raises
    ------
    ValueError
        If a size is not a positive integer.
    """
    if isinstance(sizes, Integral) and not isinstance(sizes, bool):
        sizes = (sizes,)
    valid = not isinstance(sizes, (str, bytes)) and np.iterable(sizes)
    sizes = list(sizes) if valid else sizes
    if (
        not valid
        or not sizes
        or not all(isinstance(n, Integral) and not isinstance(n, bool) and n > 0 for n in sizes)
    ):
        raise ValueError(
            "hidden_layer_sizes must be a positive integer or a sequence of them, such as 64 or "
            f"(64, 32), got {tuple(sizes) if isinstance(sizes, list) else sizes!r}."
        )
    return tuple(int(n) for n in sizes)
