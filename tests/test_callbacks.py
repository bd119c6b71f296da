"""What training says while it runs: scikit-learn's callbacks, and the lines of `verbose`."""

import copy
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skrnn import RNNClassifier, RNNRegressor, SequenceScaler

SOLVERS = ["adam", "sgd", "rmsprop", "lbfgs"]
# L-BFGS and plateau schedules say when they run out of iterations; that is not what is tested.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((length, 2)) for length in rng.integers(2, 6, size=24)]
    return X, np.arange(24) % 2


def classifier(**keywords):
    defaults = {"hidden_layer_sizes": 3, "max_iter": 4, "random_state": 0}
    return RNNClassifier(**{**defaults, **keywords})


class Recorder:
    """Notes every call; stops after some epochs."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.events = []
        self.scores = []

    def setup(self, estimator, context):
        self.events.append(("setup", context.task_name))

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator, metadata):
        self.events.append(("end", context.task_name))
        if fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X, y))
            self.fitted = fitted_estimator
            self.metadata = metadata
        n_epochs = sum(event == ("end", "epoch") for event in self.events)
        return self.stop_after is not None and n_epochs >= self.stop_after

    def teardown(self, estimator, context):
        self.events.append(("teardown", context.task_name))


def n_epochs(recorder):
    return recorder.events.count(("end", "epoch"))


# -------------------------------------------------------------------------------------- callbacks


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_epoch_begins_and_ends(data, solver):
    recorder = Recorder()
    model = classifier(solver=solver).set_callbacks(recorder).fit(*data)
    assert n_epochs(recorder) == model.n_iter_ == len(model.loss_curve_)
    assert recorder.events.count(("begin", "epoch")) == model.n_iter_
    assert recorder.events[:2] == [("setup", "fit"), ("begin", "fit")]
    assert recorder.events[-2:] == [("end", "fit"), ("teardown", "fit")]
    assert len(recorder.scores) == model.n_iter_ + 1
    assert recorder.scores[-1] == model.score(*data)


def test_callbacks_see_a_usable_model_of_that_epoch(data):
    X, y = data
    recorder = Recorder()
    model = classifier().set_callbacks(recorder).fit(X, y)
    np.testing.assert_array_equal(recorder.fitted.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(recorder.fitted.classes_, [0, 1])
    assert recorder.metadata is None


def test_callbacks_cannot_disturb_training(data):
    class Meddler(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            if context.task_name == "epoch" and fitted_estimator is not None:
                fitted_estimator.weights_["head.b_y"][...] = 7

    X, y = data
    model = classifier().set_callbacks(Meddler()).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), classifier().fit(X, y).predict_proba(X))


def test_callbacks_get_the_weights(data):
    X, y = data
    recorder = Recorder()
    weights = np.linspace(1, 2, len(X))
    classifier().set_callbacks(recorder).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(recorder.metadata["sample_weight"], weights)


def test_callbacks_change_nothing(data):
    X, y = data
    plain = classifier(dropout=0.2).fit(X, y)
    watched = classifier(dropout=0.2).set_callbacks(Recorder()).fit(X, y)
    np.testing.assert_array_equal(plain.predict_proba(X), watched.predict_proba(X))
    assert plain.loss_curve_ == watched.loss_curve_


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_true_result_stops_training(data, solver, early_stopping):
    recorder = Recorder(stop_after=2)
    model = classifier(solver=solver, max_iter=50, early_stopping=early_stopping)
    model.set_callbacks(recorder).fit(*data)
    assert model.n_iter_ == n_epochs(recorder) == 2
    assert recorder.events[-1] == ("teardown", "fit")
    assert model.predict(data[0]).shape == (24,)


def test_a_regressor_is_watched_too(data):
    recorder = Recorder()
    model = RNNRegressor(3, max_iter=3, early_stopping=True).set_callbacks(recorder)
    model.fit(data[0], data[1] * 1e4)
    assert len(recorder.scores) == 3 + 1
    assert np.isfinite(recorder.scores).all()
    assert len(model.validation_scores_) == 3


def test_callbacks_of_a_failed_fit_are_torn_down(data):
    X, y = data

    class Plain(Recorder):
        def on_fit_task_end(self, estimator, context):
            self.events.append(("end", context.task_name))

    recorder = Plain()
    model = classifier(solver="sgd", learning_rate_init=1e30, max_grad_norm=None, cell="rnn")
    model.set_params(activation="relu").set_callbacks(recorder)
    with pytest.raises(ValueError, match="diverged"):
        model.fit([1e3 * x for x in X], y)
    assert recorder.events[-1] == ("teardown", "fit")
    assert not hasattr(model, "classes_")
    assert not [name for name in vars(model) if name.startswith("_callback")]
    assert vars(model)["_skl_callbacks"] == [recorder]


def test_an_error_in_a_callback_is_raised_and_nothing_is_fitted(data):
    class Broken(Recorder):
        def on_fit_task_end(self, estimator, context):
            raise RuntimeError("out of ink")

    recorder = Broken()
    model = classifier().set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="out of ink"):
        model.fit(*data)
    assert recorder.events[-1] == ("teardown", "fit")
    assert not [name for name in vars(model) if name.endswith("_")]


def test_partial_fit_does_not_disturb_callbacks(data):
    recorder = Recorder()
    model = classifier().set_callbacks(recorder).partial_fit(*data, classes=[0, 1])
    assert model.n_iter_ == 1
    assert model.fit(*data).n_iter_ == 4
    assert recorder.events[-1] == ("teardown", "fit")


def test_clones_and_copies(data):
    recorder = Recorder()
    model = classifier().set_callbacks(recorder)
    assert clone(model).fit(*data).n_iter_ == 4
    assert copy.deepcopy(model).fit(*data).n_iter_ == 4


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_scoring_monitor(data, solver):
    X, y = data
    monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    model = classifier(solver=solver).set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"] == "epoch"]
    assert len(epochs) == len(log) - 1 == model.n_iter_  # one is of the whole fit
    assert (log.groupby("task_name")["accuracy"].last() == model.score(X, y)).all()
    assert np.isfinite(log["neg_log_loss"]).all()


def test_scoring_monitor_with_weights(data):
    X, y = data
    monitor = ScoringMonitor(scoring="accuracy")
    weights = 1.0 + y
    model = classifier().set_callbacks(monitor).fit(X, y, sample_weight=weights)
    log = monitor.get_logs().data_as_pandas
    assert log["accuracy"].iloc[-1] == model.score(X, y, sample_weight=weights)


def test_scoring_monitor_in_a_pipeline(data):
    monitor = ScoringMonitor(scoring="accuracy")
    model = make_pipeline(SequenceScaler(), classifier().set_callbacks(monitor)).fit(*data)
    log = monitor.get_logs().data_as_pandas
    assert (log["task_name"] == "epoch").sum() == 4
    assert log["accuracy"].iloc[-1] == model.score(*data)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_scoring_monitor_in_a_search(data, n_jobs):
    monitor = ScoringMonitor(scoring="accuracy")
    model = make_pipeline(SequenceScaler(), classifier().set_callbacks(monitor))
    grid = {"rnnclassifier__hidden_layer_sizes": [2, 3]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=n_jobs, error_score="raise").fit(*data)
    log = monitor.get_logs().data_as_pandas
    n_fits = 2 * 2 + 1  # of each candidate and fold, and the last
    assert log["task_name"].value_counts()["epoch"] == 4 * n_fits
    assert log["accuracy"].between(0, 1).all()
    assert search.predict(data[0]).shape == (24,)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_progress_bar(data, capsys, solver):
    pytest.importorskip("rich")
    classifier(solver=solver).set_callbacks(ProgressBar()).fit(*data)
    printed = capsys.readouterr().out
    assert "RNNClassifier - fit" in printed
    assert "100%" in printed


def test_progress_bar_in_a_pipeline(data, capsys):
    pytest.importorskip("rich")
    model = make_pipeline(SequenceScaler(), classifier())
    model.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*data)
    printed = capsys.readouterr().out
    assert "Pipeline - fit" in printed
    assert "SequenceScaler - fit" in printed
    assert "RNNClassifier - fit" in printed


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_progress_bar_in_a_search(data, capsys, n_jobs):
    pytest.importorskip("rich")
    search = GridSearchCV(classifier(), {"hidden_layer_sizes": [2, 3]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*data)
    printed = capsys.readouterr().out
    assert "GridSearchCV - fit" in printed
    assert "RNNClassifier - fit" in printed
    assert "100%" in printed


# ---------------------------------------------------------------------------------------- verbose

LINE = re.compile(
    r"epoch +(\d+)/(\d+)  loss \d+\.\d{5}  (validation .*  )?(rate \S+  )?\d+\.\d\d s"
)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_verbose_prints_one_line_an_epoch(data, capsys, solver, early_stopping):
    model = classifier(solver=solver, max_iter=12, early_stopping=early_stopping, verbose=1)
    model.fit(*data)
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert len(lines) == model.n_iter_
    for number, line in enumerate(lines, start=1):
        match = LINE.fullmatch(line)
        assert match, line
        assert match.group(1, 2) == (str(number), "12")
        assert ("validation score" in line) == early_stopping
    assert len(set(map(len, lines))) == 1, "columns are aligned"
    assert printed.err == ""


def test_verbose_of_partial_fit(data, capsys):
    model = classifier(verbose=True)
    for _ in range(3):
        model.partial_fit(*data, classes=[0, 1])
    lines = capsys.readouterr().out.splitlines()
    assert [int(re.match(r"epoch +(\d+)", line)[1]) for line in lines] == [1, 2, 3]


@pytest.mark.parametrize("solver", SOLVERS)
def test_silent_by_default(data, capfd, solver):
    X, y = data
    model = classifier(solver=solver, early_stopping=True).fit(X, y)
    model.predict_proba(X), model.transform(X), model.score(X, y)
    if solver != "lbfgs":
        model.partial_fit(X, y)
    RNNRegressor(3, max_iter=2, solver=solver).fit(X, y).predict(X)
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
