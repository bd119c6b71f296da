"""Picture of attention: which steps of the input each step of the output looked at.

The class follows scikit-learn's Display convention. matplotlib is imported when something is drawn.
"""

import numpy as np
from sklearn.utils.validation import check_is_fitted

__all__ = ["AttentionDisplay"]

# Beyond this many labels an axis gets numbers at matplotlib's choice.
_MOST_LABELS = 80


class AttentionDisplay:
    """Attention weights of one sequence: a row for each step of the output.

    A row sums to one. In a translation that keeps the order of words the dark cells lie along the
    diagonal.

    Use :meth:`from_estimator` to make one from a fitted estimator and a sequence.

    Parameters
    ----------
    weights : array-like of shape (n_output_steps, n_input_steps)
        Attention weights.
    input_labels : sequence of str, default=None
        What stands at each step of the input; its numbers if None.
    output_labels : sequence of str, default=None
        What stands at each step of the output; its numbers if None.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    image_ : matplotlib AxesImage
        The picture.
    colorbar_ : matplotlib Colorbar or None
        Scale of the weights.

    See Also
    --------
    LossCurveDisplay : The loss of each epoch.

    Examples
    --------
    >>> from skrnn import AttentionDisplay
    >>> display = AttentionDisplay(
    ...     weights=[[0.9, 0.1], [0.2, 0.8]],
    ...     input_labels=["good", "morning"],
    ...     output_labels=["bon", "matin"],
    ... )
    >>> display.plot().ax_.get_xlabel()
    'Input'
    """

    def __init__(self, *, weights, input_labels=None, output_labels=None):
        self.weights = weights
        self.input_labels = input_labels
        self.output_labels = output_labels

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        input_labels=None,
        output_labels=None,
        ax=None,
        im_kw=None,
        colorbar=True,
    ):
        """Draw where a fitted estimator looks.

        Parameters
        ----------
        estimator : estimator instance
            Fitted with ``mode="encoder_decoder"`` and an `attention`.
        X : sequences, in any layout that the estimator takes
            One sequence.
        y : array-like, default=None
            The output to follow, one sequence; the prediction if None.
        input_labels : sequence of str, default=None
            What stands at each step of the input; its numbers if None.
        output_labels : sequence of str, default=None
            What stands at each step of the output; its labels or, of numbers, their places if None.
        ax : matplotlib Axes, default=None
            Axes to draw on. A new figure if None.
        im_kw : dict, default=None
            Passed on to :meth:`matplotlib.axes.Axes.imshow`.
        colorbar : bool, default=True
            Whether to draw the scale.

        Returns
        -------
        display : AttentionDisplay
            The display, drawn.
        """
        _check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        if not hasattr(estimator, "attention_weights"):
            raise ValueError(
                f"{cls.__name__} needs an estimator with 'attention_weights'; this "
                f"{type(estimator).__name__} has none. It is there with mode='encoder_decoder' and "
                "attention='additive' or 'multiplicative'; of a Pipeline pass the last step, "
                "pipeline[-1]."
            )
        y = estimator.predict(X) if y is None else y
        weights = estimator.attention_weights(X, y)
        if len(weights) != 1:
            raise ValueError(f"X holds {len(weights)} sequences; one is drawn. Pass X[i:i + 1].")
        if output_labels is None and np.ndim(y[0]) < 2:
            output_labels = _labels_of(y[0])
        display = cls(weights=weights[0], input_labels=input_labels, output_labels=output_labels)
        return display.plot(ax=ax, im_kw=im_kw, colorbar=colorbar)

    def plot(self, ax=None, *, im_kw=None, colorbar=True):
        """Draw the weights.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. A new figure if None.
        im_kw : dict, default=None
            Passed on to :meth:`matplotlib.axes.Axes.imshow`.
        colorbar : bool, default=True
            Whether to draw the scale.

        Returns
        -------
        display : AttentionDisplay
            The display itself.
        """
        _check_matplotlib(f"{type(self).__name__}.plot")
        import matplotlib.pyplot as plt

        weights = self._checked_weights()
        n_outputs, n_inputs = weights.shape
        if ax is None:
            size = np.clip([2.2 + 0.34 * n_inputs, 1.6 + 0.34 * n_outputs], 3.2, 14)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        style = {"cmap": "Blues", "vmin": 0, "vmax": 1, "aspect": "auto", **(im_kw or {})}
        self.image_ = ax.imshow(weights, **style)
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(self.image_, ax=ax, label="Attention weight")
        _set_labels(ax.xaxis, self.input_labels, n_inputs)
        _set_labels(ax.yaxis, self.output_labels, n_outputs)
        ax.xaxis.tick_top()
        ax.xaxis.set_label_position("top")
        if self.input_labels is not None and max(map(len, self.input_labels)) > 2:
            plt.setp(ax.get_xticklabels(), rotation=45, ha="left", rotation_mode="anchor")
        ax.set(xlabel="Input", ylabel="Output")
        return self

    def _checked_weights(self):
        weights = np.asarray(self.weights, dtype=np.float64)
        if weights.ndim != 2 or weights.size == 0:
            raise ValueError(
                "weights must have the shape (n_output_steps, n_input_steps), none of them 0; got "
                f"{weights.shape}."
            )
        for name, labels, count in (
            ("input_labels", self.input_labels, weights.shape[1]),
            ("output_labels", self.output_labels, weights.shape[0]),
        ):
            if labels is not None and len(labels) != count:
                raise ValueError(f"{name} has {len(labels)} labels for {count} steps.")
        return weights


def _check_matplotlib(caller):
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} requires matplotlib. Install it with `pip install skrnn[plot]`."
        ) from error


def _labels_of(y):
    return [str(label) for label in y]


def _set_labels(axis, labels, count):
    if labels is None:
        axis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    elif count <= _MOST_LABELS:
        axis.set_ticks(np.arange(count), labels=_labels_of(labels))
