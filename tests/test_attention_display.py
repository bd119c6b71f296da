"""The picture of attention: what is drawn, labelled and refused."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skrnn import AttentionDisplay

WEIGHTS = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


class Looking(BaseEstimator):
    """An estimator that looks at the same place whatever it reads."""

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return ["ab" for _ in X]

    def attention_weights(self, X, y):
        assert list(y) == ["ab" for _ in X]
        return [WEIGHTS for _ in X]


class Blind(BaseEstimator):
    """An estimator without attention."""

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True


def test_plot_shows_the_weights_and_the_labels():
    display = AttentionDisplay(
        weights=WEIGHTS, input_labels=["the", "cat", "."], output_labels=["chat", "."]
    ).plot()
    np.testing.assert_array_equal(display.image_.get_array(), WEIGHTS)
    assert display.image_.get_clim() == (0, 1)
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["the", "cat", "."]
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["chat", "."]
    assert display.ax_.get_ylabel() == "Output"
    assert display.colorbar_ is not None
    assert display.figure_ is display.ax_.figure


def test_axes_and_style_may_be_given():
    _, ax = plt.subplots()
    display = AttentionDisplay(weights=WEIGHTS)
    assert display.plot(ax, im_kw={"cmap": "Reds"}, colorbar=False) is display
    assert display.ax_ is ax
    assert display.image_.get_cmap().name == "Reds"
    assert display.colorbar_ is None


def test_from_estimator_labels_the_output():
    display = AttentionDisplay.from_estimator(Looking(), [[1, 2, 3]])
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["a", "b"]
    display = AttentionDisplay.from_estimator(Looking(), [[1, 2, 3]], ["ab"], output_labels="xy")
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["x", "y"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": [0.5, 0.5]}, r"n_output_steps, n_input_steps.*\(2,\)"),
        ({"weights": np.empty((0, 3))}, r"\(0, 3\)"),
        ({"input_labels": ["a"]}, "input_labels has 1 labels for 3 steps"),
        ({"output_labels": ["a"]}, "output_labels has 1 labels for 2 steps"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        AttentionDisplay(**{"weights": WEIGHTS, **change}).plot()


def test_estimators_that_cannot_be_drawn():
    with pytest.raises(ValueError, match=r"attention_weights.*mode='encoder_decoder'"):
        AttentionDisplay.from_estimator(Blind(), [[1, 2, 3]])
    with pytest.raises(ValueError, match="2 sequences; one is drawn"):
        AttentionDisplay.from_estimator(Looking(), [[1, 2, 3], [1, 2, 3]])
