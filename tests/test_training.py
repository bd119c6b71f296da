"""Training: what stops it, what it keeps, and which settings mean the same."""

import copy
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import model_selection
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from skrnn import RNNClassifier, RNNRegressor
from skrnn.batching import even_batches
from skrnn.objective import Objective
from skrnn.training import History

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

each_solver = pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop", "lbfgs"])


def classifier(**options):
    small = {"hidden_layer_sizes": 4, "max_iter": 5, "learning_rate": "constant", "alpha": 0.0}
    return RNNClassifier(**(small | {"random_state": 0} | options))


def regressor(**options):
    small = {"hidden_layer_sizes": 4, "max_iter": 5, "learning_rate": "constant", "alpha": 0.0}
    return RNNRegressor(**(small | {"random_state": 0} | options))


def sequences(n=40, n_steps=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_steps, 2))


def classes_of(X):
    """Three, learnable from the last steps."""
    return np.digitize(X[:, -2:, 0].sum(axis=1), [-0.7, 0.7])


def numbers_of(X):
    return X[:, -2:, 0].sum(axis=1)


X = sequences()
Y = classes_of(X)
X_VAL = sequences(30, seed=1)
Y_VAL = classes_of(X_VAL)


def vector(model):
    return np.concatenate([weight.ravel() for weight in model.weights_.values()])


def assert_same_bits(one, other):
    np.testing.assert_array_equal(vector(one), vector(other))


def assert_different(one, other):
    assert np.abs(vector(one) - vector(other)).max() > 1e-6


def count_calls(monkeypatch, owner, name, before):
    """Call ``before(number)`` ahead of each call of a method."""
    original, number = getattr(owner, name), 0

    def counted(*args, **kwargs):
        nonlocal number
        number += 1
        result = before(number)
        return original(*args, **kwargs) if result is None else result

    monkeypatch.setattr(owner, name, counted)


def interrupt_at(monkeypatch, call):
    def before(number):
        if number == call:
            raise KeyboardInterrupt

    count_calls(monkeypatch, Objective, "gradient", before)


# What ends training -------------------------------------------------------------------------------


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling"])
def test_training_that_stalls_ends(learning_rate):
    """As the MLP counts: the first epoch improves, and so many more do not."""
    model = classifier(learning_rate=learning_rate, tol=10.0, n_iter_no_change=3, max_iter=50)
    assert model.fit(X, Y).n_iter_ == 5
    assert len(model.loss_curve_) == 5


def test_adaptive_training_lowers_its_rate_and_goes_on(capsys):
    options = {"learning_rate_init": 0.05, "tol": 10.0, "n_iter_no_change": 2, "max_iter": 10}
    classifier(learning_rate="adaptive", solver="sgd", verbose=True, **options).fit(X, Y)
    rates = [float(rate) for rate in re.findall(r"rate (\S+)", capsys.readouterr().out)]
    assert rates == [0.05] * 4 + [0.01] * 3 + [0.002] * 3


@pytest.mark.parametrize("learning_rate", ["cosine", "one_cycle"])
def test_schedules_of_a_whole_training_run_all_of_it_in_silence(learning_rate, recwarn):
    model = classifier(learning_rate=learning_rate, tol=10.0, n_iter_no_change=1, max_iter=7)
    assert model.fit(X, Y).n_iter_ == 7
    assert not recwarn.list


@each_solver
def test_training_cut_short_says_so(solver):
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        classifier(solver=solver, tol=0.0, max_iter=2).fit(X, Y)


def test_verbose_prints_a_line_an_epoch(capsys):
    classifier(verbose=True).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(f"epoch {i}/5  loss" in line for i, line in enumerate(lines, start=1))
    assert "validation score" in lines[0]
    classifier().fit(X, Y)
    assert not capsys.readouterr().out


# Validation and early stopping --------------------------------------------------------------------


@each_solver
def test_early_stopping_restores_the_best_weights(solver):
    model = classifier(
        solver=solver, early_stopping=True, max_iter=60, n_iter_no_change=4, learning_rate_init=0.1
    )
    model.fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    scores, losses = np.array(model.validation_scores_), np.array(model.validation_loss_curve_)
    assert len(scores) == len(losses) == model.n_iter_ < 60
    tied = scores == scores.max()
    assert model.best_iter_ == 1 + np.flatnonzero(tied)[losses[tied].argmin()]
    assert model.best_validation_score_ == scores.max() == model.score(X_VAL, Y_VAL)
    value = log_loss(Y_VAL, model.predict_proba(X_VAL))
    assert value == pytest.approx(losses[model.best_iter_ - 1], rel=1e-12)
    again = classifier(solver=solver, max_iter=model.best_iter_, learning_rate_init=0.1)
    assert_same_bits(model, again.fit(X, Y))


def test_without_early_stopping_validation_only_watches():
    model = classifier().fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert_same_bits(model, classifier().fit(X, Y))
    assert model.validation_scores_[-1] == model.score(X_VAL, Y_VAL)
    value = log_loss(Y_VAL, model.predict_proba(X_VAL))
    assert model.validation_loss_curve_[-1] == pytest.approx(value, rel=1e-12)
    assert classifier().fit(X, Y).validation_scores_ is None


def test_the_regressor_is_validated_by_r2_on_its_own_scale():
    y, y_val = 1e4 + 300 * numbers_of(X), 1e4 + 300 * numbers_of(X_VAL)
    model = regressor(early_stopping=True, max_iter=20).fit(X, y, X_val=X_VAL, y_val=y_val)
    assert model.score(X_VAL, y_val) == pytest.approx(max(model.validation_scores_), rel=1e-12)


def test_the_split_is_stratified_seeded_and_of_the_given_share(monkeypatch):
    splits = []
    original = model_selection.train_test_split

    def recorded(*args, **kwargs):
        splits.append(original(*args, **kwargs))
        return splits[-1]

    monkeypatch.setattr(model_selection, "train_test_split", recorded)
    options = {"early_stopping": True, "validation_fraction": 0.25, "batch_size": 8}
    one = classifier(**options).fit(X, Y)
    assert_same_bits(one, classifier(**options).fit(X, Y))
    classifier(**(options | {"random_state": 1})).fit(X, Y)
    (train, held_out), same, other = splits
    assert held_out.size == 10
    assert not np.intersect1d(train, held_out).size
    expected = np.bincount(Y) / 4
    assert (np.abs(np.bincount(Y[held_out]) - expected) <= 1).all()
    np.testing.assert_array_equal(held_out, same[1])
    assert not np.array_equal(np.sort(held_out), np.sort(other[1]))
    assert one.t_ == 30 * one.n_iter_


def test_validation_data_come_in_pairs_and_in_one_piece():
    for half in ({"X_val": X_VAL}, {"y_val": Y_VAL}):
        with pytest.raises(ValueError, match="X_val and y_val go together"):
            classifier().fit(X, Y, **half)
    with pytest.raises(ValueError, match="classes"):
        classifier().fit(X, Y, X_val=X_VAL, y_val=Y_VAL + 1)
    with pytest.raises(ValueError, match="leaves none"):
        regressor(early_stopping=True).fit(X[:2], numbers_of(X[:2]))


def test_an_undefined_score_leaves_the_choice_to_the_loss():
    history = History(stops_by_validation=True)
    for epoch, loss in enumerate([0.5, 0.3, 0.4, 0.35], start=1):
        history.add(np.full(2, float(epoch)), 1.0, (np.nan, loss), 1e-4)
    assert history.best_epoch == 2
    assert history.n_stalled == 2
    np.testing.assert_array_equal(history.best_params, [2.0, 2.0])


# Interrupted, diverged ----------------------------------------------------------------------------


@each_solver
def test_an_interrupted_fit_keeps_the_best_weights(solver, monkeypatch):
    options = {"solver": solver, "learning_rate_init": 0.3}  # so high that losses go up and down
    interrupt_at(monkeypatch, 12)
    with pytest.warns(UserWarning, match=r"interrupted after \d+ epochs"):
        model = classifier(max_iter=30, **options).fit(X, Y)
    assert 2 <= model.n_iter_ <= 11
    assert model.best_iter_ == 1 + int(np.argmin(model.loss_curve_))
    assert_same_bits(model, classifier(max_iter=model.best_iter_, **options).fit(X, Y))
    assert np.isfinite(model.predict_proba(X)).all()


def test_an_interrupted_fit_keeps_the_best_by_validation(monkeypatch):
    options = {"learning_rate_init": 0.3, "early_stopping": True, "n_iter_no_change": 99}
    interrupt_at(monkeypatch, 12)
    with pytest.warns(UserWarning, match="interrupted"):
        model = classifier(max_iter=30, **options).fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert model.score(X_VAL, Y_VAL) == max(model.validation_scores_)


@each_solver
def test_a_fit_interrupted_at_once_is_usable(solver, monkeypatch):
    interrupt_at(monkeypatch, 1)
    with pytest.warns(UserWarning, match="interrupted after 0 epochs"):
        model = classifier(solver=solver).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.loss_curve_ == []


def test_weights_gone_bad_before_the_interruption_are_not_kept(monkeypatch):
    def before(number):
        if number == 2:
            raise KeyboardInterrupt
        return 1.0, np.full(vector(fresh).size, np.nan)

    fresh = classifier().fit(X, Y)
    count_calls(monkeypatch, Objective, "gradient", before)
    with pytest.warns(UserWarning, match="interrupted"):
        model = classifier(batch_size=8).fit(X, Y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_an_interrupted_partial_fit_does_not_go_back_to_an_older_call(monkeypatch):
    model = classifier(learning_rate_init=1e-12)
    model.partial_fit(X, Y, classes=[0, 1, 2])
    model.set_params(learning_rate_init=0.3)
    for _ in range(3):  # other labels: the loss of the first call is not reached again
        model.partial_fit(X, 2 - Y)
    before = vector(model).copy()
    interrupt_at(monkeypatch, 1)
    with pytest.warns(UserWarning, match="interrupted"):
        model.partial_fit(X, 2 - Y)
    np.testing.assert_array_equal(vector(model), before)


def diverging(make, **options):
    return make(
        cell="rnn",
        activation="relu",
        solver="sgd",
        learning_rate_init=1e200,
        max_iter=50,
        **options,
    )


@pytest.mark.parametrize("make", [classifier, regressor])
def test_divergence_names_the_epoch_and_leaves_nothing_behind(make):
    y = Y if make is classifier else numbers_of(X)
    model = diverging(make)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=r"diverged in epoch \d+: .*learning_rate_init"):
        model.fit(X, y)
    assert vars(model) == before


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_divergence_leaves_a_fitted_model_as_it_was(method):
    model = classifier(cell="rnn", activation="relu").fit(X, Y)
    predicted = model.predict_proba(X)
    model.set_params(alpha=1e308, max_grad_norm=None, max_iter=50)
    before = dict(vars(model))
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="diverged in epoch"):
        getattr(model, method)(X, Y)
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict_proba(X), predicted)


def test_partial_fit_goes_on_after_a_batch_that_diverged():
    model, other = (classifier(max_grad_norm=None, batch_size=8) for _ in range(2))
    for one in (model, other):
        one.partial_fit(X, Y, classes=[0, 1, 2])
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="diverged"):
        model.set_params(alpha=1e308).partial_fit(X, Y)
    model.set_params(alpha=0.0)
    for one in (model, other):
        one.partial_fit(X, Y)
    assert_same_bits(model, other)


# Going on -----------------------------------------------------------------------------------------


def test_warm_start_goes_on_from_the_last_weights():
    plain = {"solver": "sgd", "momentum": 0.0, "batch_size": 500}  # no memory, no chance
    model = classifier(warm_start=True, max_iter=3, **plain).fit(X, Y)
    first = vector(model).copy()
    model.fit(X, Y)
    assert_same_bits(model, classifier(max_iter=6, **plain).fit(X, Y))
    assert model.t_ == 6 * len(X)
    cold = classifier(max_iter=3, **plain).fit(X, Y).fit(X, Y)
    np.testing.assert_array_equal(vector(cold), first)


@pytest.mark.parametrize(
    "change", [{"hidden_layer_sizes": 5}, {"cell": "lstm"}, {"bidirectional": True}]
)
def test_warm_start_refuses_another_network(change):
    model = classifier(warm_start=True).fit(X, Y).set_params(**change)
    with pytest.raises(ValueError, match="network or its loss changed"):
        model.fit(X, Y)


def test_warm_start_refuses_other_classes():
    model = classifier(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="class"):
        model.fit(X, Y + 7)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])


@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("options", [{}, {"dropout": 0.3, "recurrent_dropout": 0.3}])
def test_partial_fit_is_one_more_epoch(solver, options):
    options = options | {"solver": solver, "batch_size": 8}
    model = classifier(**options)
    for _ in range(4):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    whole = classifier(max_iter=4, **options).fit(X, Y)
    assert_same_bits(model, whole)
    assert model.t_ == whole.t_
    assert model.loss_curve_ == whole.loss_curve_


def test_partial_fit_of_the_regressor_keeps_the_scale_of_the_first_call():
    y = 1000 + 50 * numbers_of(X)
    model = regressor(learning_rate_init=0.05, batch_size=8)
    for _ in range(80):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.9
    model.partial_fit(X[:3], 0 * y[:3])
    assert np.corrcoef(model.predict(X), y)[0, 1] > 0.8


def test_partial_fit_knows_all_classes_from_the_first_call():
    model = classifier()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, Y)
    assert not hasattr(model, "classes_")
    few = Y < 2
    model.partial_fit(X[few], Y[few], classes=[2, 0, 1])
    assert model.predict_proba(X).shape == (len(X), 3)
    model.partial_fit(X, Y)
    with pytest.raises(ValueError, match=r"not there before.*7"):
        model.partial_fit(X, np.where(Y == 2, 7, Y))
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(X, Y, classes=[0, 1, 2, 3])
    assert not hasattr(classifier(solver="lbfgs"), "partial_fit")


def test_partial_fit_goes_on_after_fit():
    model = classifier().fit(X, Y)
    before = vector(model).copy()
    model.partial_fit(X, Y)
    step = np.abs(vector(model) - before)
    assert 0 < step.max() < 0.1


# L-BFGS -------------------------------------------------------------------------------------------


def test_lbfgs_descends_to_a_minimum():
    model = regressor(solver="lbfgs", max_iter=500, hidden_layer_sizes=2, alpha=0.5, tol=1e-5)
    y = numbers_of(X)
    model.fit(X, y)
    assert (np.diff(model.loss_curve_) <= 0).all()
    assert model.n_iter_ == len(model.loss_curve_) < 500
    assert model.loss_ == model.best_loss_
    # Gradient descent from there leads nowhere.
    model.set_params(solver="sgd", warm_start=True, max_iter=1, momentum=0.0, max_grad_norm=None)
    before = vector(model).copy()
    model.set_params(learning_rate_init=1.0, batch_size=500).fit(X, y)
    assert np.abs(vector(model) - before).max() < 1e-3


def test_lbfgs_refuses_what_it_cannot_do():
    for option in ("dropout", "recurrent_dropout"):
        with pytest.raises(ValueError, match="lbfgs"):
            classifier(solver="lbfgs", **{option: 0.5}).fit(X, Y)


# Weights of examples ------------------------------------------------------------------------------


@each_solver
def test_a_weight_of_two_is_a_repetition(solver):
    weight = 1.0 + np.arange(len(X)) % 3
    index = np.repeat(np.arange(len(X)), weight.astype(int))
    options = {"solver": solver, "batch_size": 500}
    weighted = classifier(**options).fit(X, Y, sample_weight=weight)
    repeated = classifier(**options).fit(X[index], Y[index])
    np.testing.assert_allclose(vector(weighted), vector(repeated), rtol=0, atol=1e-12)


@pytest.mark.parametrize("batch_size", [8, 500])
def test_without_weight_an_example_is_not_there(batch_size):
    weight = np.ones(len(X))
    weight[::5] = 0
    spoilt = X.copy()
    spoilt[::5] = 1e3
    kept = weight > 0
    model = classifier(batch_size=batch_size).fit(spoilt, Y, sample_weight=weight)
    assert_same_bits(model, classifier(batch_size=batch_size).fit(X[kept], Y[kept]))
    y = numbers_of(X)
    y_spoilt = np.where(kept, y, 1e9)
    model = regressor(batch_size=batch_size).fit(spoilt, y_spoilt, sample_weight=weight)
    assert_same_bits(model, regressor(batch_size=batch_size).fit(X[kept], y[kept]))


def test_the_scale_of_weights_does_not_matter():
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    one = classifier(batch_size=8).fit(X, Y, sample_weight=weight)
    other = classifier(batch_size=8).fit(X, Y, sample_weight=1024 * weight)
    assert_same_bits(one, other)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 3.0, 2: 0.5}])
def test_class_weights_are_sample_weights(class_weight):
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    model = classifier(class_weight=class_weight, batch_size=8).fit(X, Y, sample_weight=weight)
    factors = compute_class_weight(class_weight, classes=np.unique(Y), y=Y, sample_weight=weight)
    expected = factors[Y] * weight
    assert_same_bits(model, classifier(batch_size=8).fit(X, Y, sample_weight=expected))


# Targets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
@pytest.mark.parametrize(("size", "shift"), [(1e6, 3e6), (1e-6, 0.0), (1e-6, -5e-6)])
def test_targets_of_any_size_train_alike(size, shift, loss):
    options = {"loss": loss, "max_iter": 25, "learning_rate_init": 0.03}
    y = numbers_of(X)
    y = (y - y.mean()) / y.std()
    usual = regressor(**options).fit(X, y)
    other = regressor(**options).fit(X, size * y + shift)
    assert other.score(X, size * y + shift) == pytest.approx(usual.score(X, y), abs=1e-6)
    np.testing.assert_allclose((other.predict(X) - shift) / size, usual.predict(X), atol=1e-6)


@pytest.mark.parametrize("size", [1e6, 1e-6])
def test_counts_of_any_size_train_alike(size):
    y = np.random.default_rng(0).poisson(np.exp(numbers_of(X))).astype(float)
    usual = regressor(loss="poisson").fit(X, y)
    other = regressor(loss="poisson").fit(X, size * y)
    np.testing.assert_allclose(other.predict(X) / size, usual.predict(X), rtol=1e-6)
    assert (usual.predict(X) > 0).all()


def test_several_targets_are_scaled_each_on_its_own():
    y = np.column_stack([1e6 * numbers_of(X), 1e-6 * X[:, -1, 1]])
    model = regressor(max_iter=60, learning_rate_init=0.05).fit(X, y)
    assert model.score(X, y) > 0.8


def test_held_out_targets_do_not_show_in_the_scale():
    y = numbers_of(X)
    model = regressor(early_stopping=True, max_iter=2).fit(X, y)
    far = np.where(np.arange(len(y)) == int(np.argmax(y)), 50.0, y)
    scales = {
        tuple(
            regressor(early_stopping=True, max_iter=2, random_state=seed).fit(X, far)._target_scale
        )
        for seed in range(8)
    }
    # The outlier is in the training part of some splits and in the held-out part of others.
    assert max(scales)[0] > 2 * min(scales)[0]
    assert model._target_scale[0] < 2 * np.std(y)


@given(n=st.integers(1, 300), size=st.integers(1, 310))
def test_batches_are_as_few_and_as_even_as_can_be(n, size):
    order = np.random.default_rng(n).permutation(n)
    batches = even_batches(order, size)
    sizes = [batch.size for batch in batches]
    np.testing.assert_array_equal(np.concatenate(batches), order)
    assert len(sizes) == -(-n // size)
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    for batch, expected in zip(batches, np.array_split(order, len(batches)), strict=True):
        np.testing.assert_array_equal(batch, expected)


def test_a_shallow_copy_goes_on_by_itself():
    model = classifier(batch_size=8, dropout=0.2).partial_fit(X, Y, classes=[0, 1, 2])
    model.partial_fit(X, Y)
    other = copy.copy(model)
    expected = model.partial_fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(other.partial_fit(X, Y).predict_proba(X), expected)


def test_an_interrupt_after_the_last_batch_leaves_the_generator_as_well(monkeypatch):
    models = [classifier(batch_size=8, dropout=0.2) for _ in range(2)]
    for model in models:
        model.partial_fit(X, Y, classes=[0, 1, 2])

    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(type(models[0]), "_set_fitted", interrupted)
        models[0].partial_fit(X, Y)
    assert_same_bits(*[model.partial_fit(X, Y) for model in models])


def test_partial_fit_goes_on_with_a_generator_of_its_own():
    shared = np.random.RandomState(0)
    model = classifier(batch_size=8, random_state=shared).partial_fit(X, Y, classes=[0, 1, 2])
    other = classifier(batch_size=8, random_state=0).partial_fit(X, Y, classes=[0, 1, 2])
    shared.uniform(size=10)
    assert_same_bits(model.partial_fit(X, Y), other.partial_fit(X, Y))


def test_a_first_partial_fit_that_fails_takes_nothing_back_from_a_shared_generator():
    generators = [np.random.RandomState(0) for _ in range(2)]
    failing, other = (
        diverging(classifier, random_state=rng, batch_size=8, max_grad_norm=None)
        for rng in generators
    )
    other.set_params(learning_rate_init=1e-3).partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="diverged"), np.errstate(all="ignore"):
        failing.partial_fit(X, Y, classes=[0, 1, 2])
    assert generators[0].uniform() == generators[1].uniform()
