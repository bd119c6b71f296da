"""Many steps in machine code are the steps that Python makes, one after another."""

import numpy as np
import pytest

from skrnn import RNNClassifier, _calls, descent, objective, training
from skrnn._jit import JIT_DISABLED

pytestmark = [
    pytest.mark.skipif(JIT_DISABLED, reason="many steps need compiled kernels"),
    pytest.mark.filterwarnings("ignore:Stochastic optimizer"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 6, 3))
Y = np.arange(70) % 3


@pytest.fixture(autouse=True)
def tables_at_once(monkeypatch):
    monkeypatch.setattr(_calls, "RUNS_BEFORE", 2)


@pytest.fixture
def without(monkeypatch):
    """A function that calls another one as if each step had to be made from Python."""

    def call(function):
        with monkeypatch.context() as patch:
            patch.setattr(objective.Objective, "descent", lambda *_: None)
            return function()

    return call


@pytest.fixture
def runs(monkeypatch):
    """How many batches were run at a time."""
    found, run = [], descent.Descent.run

    def noted(self, batches, rates):
        found.append(len(batches))
        return run(self, batches, rates)

    monkeypatch.setattr(descent.Descent, "run", noted)
    return found


def train(X=X, y=Y, **settings):
    settings = {"batch_size": 8, "max_iter": 5, "random_state": 0, **settings}
    model = RNNClassifier(4, **settings).fit(X, y)
    model.losses_of_fit = model.loss_curve_
    for _ in range(3):
        model.partial_fit(X[:60], y[:60])
    return model


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"cell": "lstm", "pooling": "mean", "bidirectional": True},
        {"alpha": 0.5, "max_grad_norm": None},
        {"alpha": 0.0, "max_grad_norm": 0.01},
        {"solver": "sgd", "learning_rate": "invscaling"},
        {"solver": "sgd", "nesterovs_momentum": False},
        {"solver": "sgd", "momentum": 0.0},
        {"solver": "rmsprop", "learning_rate": "cosine"},
        {"learning_rate": "one_cycle", "shuffle": False},
        {"learning_rate": "adaptive", "solver": "sgd", "tol": 1e3, "n_iter_no_change": 1},
        {"class_weight": {0: 0.1, 1: 1.0, 2: 5.0}, "early_stopping": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits(settings, dtype, without, runs):
    expected = without(lambda: train(X.astype(dtype), **settings))
    assert not runs
    model = train(X.astype(dtype), **settings)
    assert sum(runs) > 20
    assert model._params.tobytes() == expected._params.tobytes()
    assert model.losses_of_fit == expected.losses_of_fit
    assert model.loss_curve_ == expected.loss_curve_
    assert model.t_ == expected.t_
    assert model._solver.n_steps == expected._solver.n_steps
    for state, other in zip(model._solver.states, expected._solver.states, strict=True):
        assert state.tobytes() == other.tobytes()


def test_python_goes_on_after_a_while(runs, monkeypatch):
    """So that it can be interrupted."""
    expected = train()._params.tobytes()
    assert max(runs) > 3
    runs.clear()
    monkeypatch.setattr(objective, "MOST_WORK", 3 * 8 * 6 * 100)
    assert train()._params.tobytes() == expected
    assert 1 < max(runs) <= 3


def test_few_steps_are_made_one_by_one(runs, monkeypatch):
    monkeypatch.setattr(training, "FEWEST_STEPS", 1000)
    train()
    assert not runs


@pytest.mark.filterwarnings("ignore:Training interrupted")
def test_an_interrupt_counts_the_steps_that_were_made(monkeypatch):
    """It is raised when the kernel returns."""
    descend, n_made = descent._descend, []

    def interrupted(*arguments):
        descend(*arguments)
        n_made.append(int(arguments[-1][0]))
        if len(n_made) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(descent, "_descend", interrupted)
    model = RNNClassifier(4, batch_size=8, max_iter=9, random_state=0, alpha=0).fit(X[:64], Y[:64])
    assert n_made[-1] > 1
    assert model.t_ == 2 * 64


@pytest.mark.parametrize("solver", ["adam", "rmsprop", "sgd"])
def test_steps_so_small_that_they_are_subnormal_have_the_same_bits(solver, without, runs):
    """Only sequences with tiny weights have anything in the last channel."""
    tiny, data = np.where(np.arange(70) < 4, 1.0, 1e-37), X.astype(np.float32)
    data[:4, :, -1] = 0

    def train():
        model = RNNClassifier(
            4, solver=solver, batch_size=2, random_state=0, alpha=0, shuffle=False
        )
        for _ in range(3):
            model.partial_fit(data, Y, classes=[0, 1, 2], sample_weight=tiny)
        return [state.tobytes() for state in (model._params, *model._solver.states)]

    expected = without(train)
    assert train() == expected
    assert runs


@pytest.mark.parametrize("settings", [{"dropout": 0.3}, {"batch_size": 40}, {"bptt_steps": 2}])
def test_what_needs_python_is_made_there(settings, runs, without):
    expected = without(lambda: train(**settings))
    assert train(**settings)._params.tobytes() == expected._params.tobytes()
    assert not runs


def test_a_batch_that_does_not_end_well_is_made_from_python(monkeypatch):
    """Which raises what it raises; the steps before are made, the others are not counted."""
    expected = train()._params.tobytes()
    descend, failed = descent._descend, []

    def failing(orders, numbers, *others):
        n = len(orders) // 2
        failed.append(len(orders) - n)
        descend(orders[:n], numbers[:n], *others)

    monkeypatch.setattr(descent, "_descend", failing)
    assert train()._params.tobytes() == expected
    assert sum(failed) > 10


def test_divergence_is_noticed():
    model = RNNClassifier(4, solver="sgd", learning_rate_init=1e300, batch_size=8, max_iter=50)
    with pytest.raises(ValueError, match="Training diverged in epoch"):
        model.fit(X, Y)
