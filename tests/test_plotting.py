import builtins
import doctest
import importlib.util

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import Bunch

from skrnn import plotting
from skrnn.plotting import GradientFlowDisplay, LossCurveDisplay

plt = pytest.importorskip("matplotlib.pyplot")


class FittedModel(BaseEstimator):
    """A fitted estimator that has the given attributes and nothing else."""

    def __init__(self, **fitted):
        for name, value in fitted.items():
            setattr(self, name, value)

    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    @classmethod
    def _get_param_names(cls):
        return []


class UnfittedModel(FittedModel):
    def __sklearn_is_fitted__(self):
        return False


class ModelWithFlow(FittedModel):
    def gradient_flow(self, X, y):
        self.seen = (X, y)
        return Bunch(norms=self.norms, layer_names=self.layer_names)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def decay(n_epochs, start=2.0, end=0.1, rate=0.15):
    return end + (start - end) * np.exp(-rate * np.arange(n_epochs))


def names_of(n_layers, n_directions):
    directions = ["forward", "backward"][:n_directions]
    return [f"layer_{layer}.{way}" for layer in range(n_layers) for way in directions]


def flow_display(norms, **kwargs):
    norms = np.asarray(norms, dtype=float)
    return GradientFlowDisplay(norms=norms, layer_names=names_of(*norms.shape[:2]), **kwargs)


def legend_texts(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_loss_curve_of_training_only():
    model = FittedModel(loss_curve_=list(decay(20)), validation_scores_=None)
    display = LossCurveDisplay.from_estimator(model)
    assert display.ax_.figure is display.figure_
    np.testing.assert_array_equal(display.line_.get_xdata(), np.arange(1, 21))
    np.testing.assert_array_equal(display.line_.get_ydata(), decay(20))
    assert display.ax_.get_xlabel() == "Epoch"
    assert display.ax_.get_ylabel() == "Loss"
    assert legend_texts(display) == ["training loss"]
    assert display.validation_ax_ is None
    assert display.validation_line_ is None
    assert display.best_iter_line_ is None


def test_validation_loss_is_drawn_on_the_same_axes_and_wins_over_scores():
    model = FittedModel(
        loss_curve_=decay(20),
        validation_loss_curve_=decay(20) + 0.1,
        validation_scores_=1 - decay(20) / 2,
        best_iter_=17,
        _kept_best=True,
    )
    display = LossCurveDisplay.from_estimator(model)
    assert display.validation_ax_ is display.ax_
    np.testing.assert_array_equal(display.validation_line_.get_ydata(), decay(20) + 0.1)
    assert display.validation_line_.get_color() != display.line_.get_color()
    assert display.validation_line_.get_linestyle() == "--"
    np.testing.assert_array_equal(display.best_iter_line_.get_xdata(), [17, 17])
    assert legend_texts(display) == [
        "training loss",
        "validation loss",
        "weights kept (epoch 17)",
    ]


def test_validation_scores_have_an_axis_of_their_own():
    model = FittedModel(loss_curve_=decay(20), validation_scores_=1 - decay(20) / 2)
    display = LossCurveDisplay.from_estimator(model)
    assert display.validation_ax_ is not display.ax_
    assert display.validation_ax_.get_ylabel() == "Validation score"
    np.testing.assert_array_equal(display.validation_line_.get_ydata(), 1 - decay(20) / 2)
    assert legend_texts(display) == ["training loss", "validation score (right axis)"]
    entry = display.ax_.get_legend().get_lines()[1]
    assert entry.get_color() == display.validation_line_.get_color() != display.line_.get_color()


def test_two_models_share_the_axes_with_colours_and_labels_of_their_own():
    model = FittedModel(
        loss_curve_=decay(9),
        validation_scores_=1 - decay(9) / 2,
        best_iter_=9,
        _kept_best=True,
    )
    first = LossCurveDisplay.from_estimator(model, name="GRU")
    second = LossCurveDisplay.from_estimator(model, name="LSTM", ax=first.ax_)
    assert second.ax_ is first.ax_
    assert second.validation_ax_ is first.validation_ax_
    lines = [first.line_, first.validation_line_, second.line_, second.validation_line_]
    assert len({line.get_color() for line in lines}) == 4
    assert "LSTM: training loss" in legend_texts(second)
    assert len(legend_texts(second)) == 6


def test_subplots_that_share_x_do_not_share_the_score_axis():
    _, axes = plt.subplots(1, 2, sharex=True)
    model = FittedModel(loss_curve_=decay(9), validation_scores_=1 - decay(9) / 2)
    left, right = (LossCurveDisplay.from_estimator(model, ax=ax) for ax in axes)
    assert left.validation_ax_ is not right.validation_ax_


def test_styles_reach_matplotlib_under_any_of_its_names():
    display = LossCurveDisplay(
        loss_curve=decay(5), validation_scores=1 - decay(5), best_iter=3, name="a"
    )
    display.plot(
        name="b",
        line_kw={"c": "red", "lw": 3},
        validation_line_kw={"ls": "-.", "c": "black"},
        best_iter_kw={"color": "blue"},
    )
    assert display.line_.get_color() == "red"
    assert display.line_.get_linewidth() == 3
    assert display.validation_line_.get_linestyle() == "-."
    assert display.validation_line_.get_color() == "black"
    assert display.best_iter_line_.get_color() == "blue"
    assert all(text.startswith("b: ") for text in legend_texts(display))


def test_the_axes_of_the_caller_keep_their_title():
    _, ax = plt.subplots()
    ax.set_title("mine")
    LossCurveDisplay(loss_curve=[1.0, 0.5]).plot(ax)
    assert ax.get_title() == "mine"


@pytest.mark.parametrize("n_epochs", [1, 2])
def test_few_epochs_can_be_seen(n_epochs):
    display = LossCurveDisplay(loss_curve=decay(n_epochs), best_iter=1).plot()
    display.figure_.canvas.draw()
    assert (display.line_.get_marker() == "o") == (n_epochs == 1)


@pytest.mark.parametrize("best_iter", [0, 6, -1])
def test_best_iter_must_be_an_epoch(best_iter):
    with pytest.raises(ValueError, match=r"best_iter=.* 5 epochs are counted from 1"):
        LossCurveDisplay(loss_curve=decay(5), best_iter=best_iter).plot()


@pytest.mark.parametrize("curve", [[], [[1.0]]])
def test_a_curve_is_one_dimensional_and_not_empty(curve):
    with pytest.raises(ValueError, match="loss_curve must be 1-D"):
        LossCurveDisplay(loss_curve=curve).plot()


def test_gradient_flow_has_a_line_for_each_layer_and_direction():
    steps = np.arange(30)
    norms = np.stack([[0.9**steps, 0.8**steps], [0.7**steps, 0.6**steps]])
    model = ModelWithFlow(norms=norms, layer_names=names_of(2, 2))
    display = GradientFlowDisplay.from_estimator(model, "X", "y")
    assert model.seen == ("X", "y")
    assert display.ax_.get_yscale() == "log"
    assert legend_texts(display) == names_of(2, 2)
    for line, expected in zip(display.lines_, norms.reshape(4, 30), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), steps + 1)
        np.testing.assert_array_equal(line.get_ydata(), expected)
    colours = [line.get_color() for line in display.lines_]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert [line.get_linestyle() for line in display.lines_] == ["-", "--", "-", "--"]
    assert display.zero_markers_ is None
    assert display.overflow_markers_ is None


def test_gradient_flow_marks_what_a_logarithmic_axis_cannot_show():
    display = flow_display([[[0.0, 1e-3, 0.0, 1.0, 2.0, np.inf, np.nan]]]).plot()
    display.figure_.canvas.draw()
    np.testing.assert_array_equal(
        display.lines_[0].get_ydata(), [np.nan, 1e-3, np.nan, 1.0, 2.0, np.nan, np.nan]
    )
    assert display.lines_[0].get_markevery() == [1]
    np.testing.assert_array_equal(display.zero_markers_.get_xdata(), [1, 3])
    np.testing.assert_array_equal(display.overflow_markers_.get_xdata(), [6])
    assert legend_texts(display) == ["layer_0.forward", "exactly zero", "overflow"]


@pytest.mark.parametrize("value", [1.0, 0.0, np.nan, np.inf, 1e-300])
def test_gradient_flow_of_one_step_can_be_drawn(value):
    display = flow_display([[[value]]]).plot()
    display.figure_.canvas.draw()
    low, high = display.ax_.get_ylim()
    assert 0 < low < high < np.inf


def test_gradient_flow_of_two_models_shares_the_axes():
    first = flow_display([[[0.1, 0.5, 1.0]]], name="RNN").plot()
    limits = first.ax_.get_ylim()
    second = flow_display([[[0.0, 0.0, 0.0]]], name="GRU").plot(first.ax_)
    assert second.ax_ is first.ax_
    assert second.lines_[0].get_color() != first.lines_[0].get_color()
    assert second.ax_.get_ylim() == limits
    assert legend_texts(second) == [
        "RNN",
        "GRU",
        "GRU: exactly zero",
    ]


def test_gradient_flow_takes_styles():
    display = flow_display(np.ones((1, 2, 4))).plot(line_kw={"c": "red", "marker": "s"})
    assert {line.get_color() for line in display.lines_} == {"red"}
    assert {line.get_marker() for line in display.lines_} == {"s"}


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 1, 0)])
def test_gradient_flow_names_the_shape_it_wants(shape):
    with pytest.raises(ValueError, match=r"\(n_layers, n_directions, n_timesteps\)"):
        GradientFlowDisplay(norms=np.ones(shape), layer_names=[]).plot()


def test_gradient_flow_wants_a_name_for_each_line():
    with pytest.raises(ValueError, match="1 names for 2 layers x 1 directions = 2 lines"):
        GradientFlowDisplay(norms=np.ones((2, 1, 5)), layer_names=["one"]).plot()


@pytest.mark.parametrize(
    ("display", "data", "attribute"),
    [(LossCurveDisplay, (), "loss_curve_"), (GradientFlowDisplay, ("X", "y"), "gradient_flow")],
)
def test_estimators_that_do_not_fit_are_told_apart(display, data, attribute):
    with pytest.raises(NotFittedError):
        display.from_estimator(UnfittedModel(), *data)
    with pytest.raises(ValueError, match=rf"'{attribute}'; FittedModel has none.*pipeline\[-1\]"):
        display.from_estimator(FittedModel(), *data)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    real_import = builtins.__import__

    def import_all_but_matplotlib(name, *args, **kwargs):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", import_all_but_matplotlib)
    for draw in (
        LossCurveDisplay(loss_curve=[1.0]).plot,
        lambda: LossCurveDisplay.from_estimator(FittedModel(loss_curve_=[1.0])),
        flow_display([[[1.0]]]).plot,
        lambda: GradientFlowDisplay.from_estimator(FittedModel(), "X", "y"),
    ):
        with pytest.raises(ImportError, match=r"pip install skrnn\[plot\]"):
            draw()


@pytest.mark.skipif(
    importlib.util.find_spec("skrnn.estimators") is None, reason="the examples fit an estimator"
)
def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(plotting).failed == 0
