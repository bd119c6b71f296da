"""Pictures of training: the loss by epoch and the gradient by time step.

Both classes follow scikit-learn's Display convention: ``from_estimator`` computes and draws,
``plot`` draws again (for example onto another axes), and what was drawn can be restyled afterwards
through the attributes ``ax_``, ``figure_`` and the lines. matplotlib is imported when something is
drawn, so the rest of the library works without it.
"""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrnn._drawing import (
    check_matplotlib,
    check_offers,
    draw_legend,
    isolated_markers,
    line_style,
    make_label,
    prepare_axes,
)

__all__ = ["GradientFlowDisplay", "LossCurveDisplay"]

_DIRECTION_STYLES = ["-", "--"]
_SCORE_AXES_LABEL = "skrnn validation score"


class LossCurveDisplay:
    """Loss of each epoch, for the training and, where there is one, the validation data.

    Use :meth:`from_estimator` to make one from a fitted estimator.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Training loss after each epoch.
    validation_loss_curve : array-like of shape (n_epochs,), default=None
        Validation loss after each epoch, drawn on the same axes.
    validation_scores : array-like of shape (n_epochs,), default=None
        Validation score after each epoch. It has another unit than the loss and is drawn on a
        second y axis at the right; only used if `validation_loss_curve` is None.
    best_iter : int, default=None
        Epoch whose weights were kept, counted from 1 like the epochs of the picture.
    name : str, default=None
        Prefix of the labels in the legend, to tell several models on one axes apart.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the loss.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    line_ : matplotlib Line2D
        Training loss.
    validation_ax_ : matplotlib Axes or None
        Axes with the validation curve: `ax_` for a loss, its right-hand twin for a score.
    validation_line_ : matplotlib Line2D or None
        Validation loss or score.
    best_iter_line_ : matplotlib Line2D or None
        Vertical mark at the epoch of the kept weights.

    See Also
    --------
    GradientFlowDisplay : How the gradient fades or grows over the time steps.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrnn import RNNClassifier
    >>> from skrnn.plotting import LossCurveDisplay
    >>> digits = load_digits()
    >>> model = RNNClassifier(max_iter=5, tol=0, random_state=0)
    >>> model = model.set_params(early_stopping=True).fit(digits.images / 16, digits.target)
    >>> display = LossCurveDisplay.from_estimator(model)
    >>> display.ax_.get_xlabel()
    'Epoch'
    """

    def __init__(
        self,
        *,
        loss_curve,
        validation_loss_curve=None,
        validation_scores=None,
        best_iter=None,
        name=None,
    ):
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.validation_scores = validation_scores
        self.best_iter = best_iter
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        name=None,
        ax=None,
        line_kw=None,
        validation_line_kw=None,
        best_iter_kw=None,
    ):
        """Draw the curves that a fitted estimator recorded.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with a `loss_curve_`. Read as well, where they exist and are not
            None: `validation_loss_curve_`, otherwise `validation_scores_`, and, if it was
            fitted with early stopping, `best_iter_`.
        name : str, default=None
            Prefix of the labels in the legend.
        ax : matplotlib Axes, default=None
            Axes to draw on. A new figure if None.
        line_kw, validation_line_kw, best_iter_kw : dict, default=None
            Passed on to matplotlib for the training curve, the validation curve and the mark of
            the kept weights.

        Returns
        -------
        display : LossCurveDisplay
            The display, drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        check_offers(estimator, "loss_curve_", cls.__name__)
        display = cls(
            loss_curve=estimator.loss_curve_,
            validation_loss_curve=getattr(estimator, "validation_loss_curve_", None),
            validation_scores=getattr(estimator, "validation_scores_", None),
            best_iter=estimator.best_iter_ if _kept_the_best(estimator) else None,
            name=name,
        )
        return display.plot(
            ax=ax,
            line_kw=line_kw,
            validation_line_kw=validation_line_kw,
            best_iter_kw=best_iter_kw,
        )

    def plot(self, ax=None, *, name=None, line_kw=None, validation_line_kw=None, best_iter_kw=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. A new figure if None.
        name : str, default=None
            Prefix of the labels in the legend; that of the display if None.
        line_kw, validation_line_kw, best_iter_kw : dict, default=None
            Passed on to matplotlib for the training curve, the validation curve and the mark of
            the kept weights.

        Returns
        -------
        display : LossCurveDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        loss = _as_curve(self.loss_curve, "loss_curve")
        self._check_best_iter(loss.size)
        name = self.name if name is None else name
        self.ax_ = ax = prepare_axes(ax, title="Loss by epoch")
        self.figure_ = ax.figure
        self.validation_ax_ = self.validation_line_ = self.best_iter_line_ = None

        (self.line_,) = _draw_curve(ax, loss, make_label(name, "training loss"), "-", line_kw)
        if self.validation_loss_curve is not None:
            curve = _as_curve(self.validation_loss_curve, "validation_loss_curve")
            self.validation_ax_ = ax
            (self.validation_line_,) = _draw_curve(
                ax, curve, make_label(name, "validation loss"), "--", validation_line_kw
            )
        elif self.validation_scores is not None:
            self._plot_validation_scores(name, validation_line_kw)
        if self.best_iter is not None:
            self._mark_best_iter(name, best_iter_kw)

        ax.set(xlabel="Epoch", ylabel="Loss")
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        # Losses fall to the lower right, scores rise to the upper right: between them is room,
        # which matplotlib cannot find by itself because it sees the lines of one axes only.
        draw_legend(ax, "best" if _find_score_axes(ax) is None else "center right")
        return self

    def _check_best_iter(self, n_epochs):
        if self.best_iter is not None and not 1 <= self.best_iter <= n_epochs:
            raise ValueError(
                f"best_iter={self.best_iter} is not an epoch of the loss curve, whose "
                f"{n_epochs} epochs are counted from 1."
            )

    def _plot_validation_scores(self, name, validation_line_kw):
        scores = _as_curve(self.validation_scores, "validation_scores")
        label = make_label(name, "validation score (right axis)")
        # An empty line on the loss axes takes the next colour of that axes and gives the one
        # legend its entry; the values are drawn on the twin.
        (entry,) = self.ax_.plot([], [], **line_style(label, "--", validation_line_kw))
        twin = _find_score_axes(self.ax_)
        if twin is None:
            twin = self.ax_.twinx()
            twin.set_label(_SCORE_AXES_LABEL)
            twin.set_ylabel("Validation score")
        self.validation_ax_ = twin
        (self.validation_line_,) = _draw_curve(twin, scores, "_" + label, "--", validation_line_kw)
        self.validation_line_.set_color(entry.get_color())

    def _mark_best_iter(self, name, best_iter_kw):
        style = line_style(
            make_label(name, f"weights kept (epoch {self.best_iter})"),
            ":",
            best_iter_kw,
            color=self.line_.get_color() if name else "0.4",
            linewidth=1.4,
            zorder=1,
        )
        self.best_iter_line_ = self.ax_.axvline(self.best_iter, **style)


class GradientFlowDisplay:
    """Size of the gradient that reaches the hidden state of each time step.

    A line that falls towards the early steps shows a vanishing gradient: what happened there
    hardly changes the weights. A line that rises towards them shows an exploding one. (For the
    backward direction, which reads the sequence from its end, it is the other way round.)

    Use :meth:`from_estimator` to make one from a fitted estimator and data.

    Parameters
    ----------
    norms : array-like of shape (n_layers, n_directions, n_timesteps)
        Euclidean norm of the loss's gradient with respect to the hidden state h_t, averaged over
        the sequences, where t is counted from the first step; NaN where no sequence is that long.
    layer_names : list of str of length n_layers * n_directions
        Label of each line, all directions of the first layer first.
    name : str, default=None
        Prefix of the labels in the legend, to tell several models on one axes apart.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the lines.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    lines_ : list of matplotlib Line2D
        One line for each layer and direction, in the order of `layer_names`.
    zero_markers_ : matplotlib Line2D or None
        Triangles at the bottom of the axes where a gradient is exactly zero, which a logarithmic
        axis cannot show.
    overflow_markers_ : matplotlib Line2D or None
        Triangles at the top of the axes where a gradient is infinite.

    See Also
    --------
    LossCurveDisplay : The loss of each epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrnn import RNNClassifier
    >>> from skrnn.plotting import GradientFlowDisplay
    >>> digits = load_digits()
    >>> X, y = digits.images / 16, digits.target
    >>> model = RNNClassifier(max_iter=5, tol=0, random_state=0)
    >>> model = model.set_params(early_stopping=True).fit(X, y)
    >>> display = GradientFlowDisplay.from_estimator(model, X, y)
    >>> display.ax_.get_yscale()
    'log'
    """

    def __init__(self, *, norms, layer_names, name=None):
        self.norms = norms
        self.layer_names = layer_names
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, ax=None, line_kw=None):
        """Measure the gradient flow of a fitted estimator on data and draw it.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with a method `gradient_flow(X, y)`.
        X : sequences, in any layout that the estimator takes
            Data on which the gradient is measured.
        y : array-like
            Their targets.
        name : str, default=None
            Prefix of the labels in the legend.
        ax : matplotlib Axes, default=None
            Axes to draw on. A new figure if None.
        line_kw : dict, default=None
            Passed on to matplotlib for every line.

        Returns
        -------
        display : GradientFlowDisplay
            The display, drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        check_offers(estimator, "gradient_flow", cls.__name__)
        flow = estimator.gradient_flow(X, y)
        display = cls(norms=flow.norms, layer_names=flow.layer_names, name=name)
        return display.plot(ax=ax, line_kw=line_kw)

    def plot(self, ax=None, *, name=None, line_kw=None):
        """Draw one line for each layer and direction.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. A new figure if None.
        name : str, default=None
            Prefix of the labels in the legend; that of the display if None.
        line_kw : dict, default=None
            Passed on to matplotlib for every line.

        Returns
        -------
        display : GradientFlowDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        norms = self._checked_norms()
        name = self.name if name is None else name
        was_drawn = ax is not None and ax.has_data()
        self.ax_ = ax = prepare_axes(ax, title="Gradient flow through time")
        self.figure_ = ax.figure
        ax.set_yscale("log")
        self.lines_ = self._plot_lines(norms, name, line_kw)
        self.zero_markers_ = _mark_edge(ax, norms == 0, 0.02, "v", make_label(name, "exactly zero"))
        self.overflow_markers_ = _mark_edge(
            ax, np.isposinf(norms), 0.98, "^", make_label(name, "overflow")
        )
        # Without a single positive value the logarithmic axis has nothing to scale itself by.
        if not (was_drawn or _is_drawable(norms).any()):
            ax.set_ylim(np.finfo(np.float64).eps, 1)
        ax.set(xlabel="Time step $t$", ylabel=r"Mean of $\Vert\partial L / \partial h_t\Vert_2$")
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        draw_legend(ax)
        return self

    def _checked_norms(self):
        norms = np.asarray(self.norms, dtype=np.float64)
        if norms.ndim != 3 or norms.size == 0:
            raise ValueError(
                "norms must have the shape (n_layers, n_directions, n_timesteps), "
                f"none of them 0; got {norms.shape}."
            )
        n_lines = norms.shape[0] * norms.shape[1]
        if len(self.layer_names) != n_lines:
            raise ValueError(
                f"layer_names has {len(self.layer_names)} names for {norms.shape[0]} layers x "
                f"{norms.shape[1]} directions = {n_lines} lines."
            )
        return norms

    def _line_label(self, name, line):
        """Return the name alone where there is only one line to it."""
        if name is not None and len(self.layer_names) == 1:
            return name
        return make_label(name, self.layer_names[line])

    def _plot_lines(self, norms, name, line_kw):
        n_layers, n_directions, n_timesteps = norms.shape
        steps = np.arange(1, n_timesteps + 1)
        lines = []
        for layer in range(n_layers):
            colour = {}
            for direction in range(n_directions):
                values = norms[layer, direction]
                drawable = _is_drawable(values)
                style = line_style(
                    self._line_label(name, layer * n_directions + direction),
                    _DIRECTION_STYLES[direction % len(_DIRECTION_STYLES)],
                    line_kw,
                    **isolated_markers(drawable),
                    **colour,
                )
                lines += self.ax_.plot(steps, np.where(drawable, values, np.nan), **style)
                # One colour a layer, taken from the axes so that several models can share it.
                colour = {"color": lines[-1].get_color()}
        return lines


def _kept_the_best(estimator):
    """Tell whether the weights in use are those of the best epoch, not of the last."""
    return getattr(estimator, "_kept_best", False) and hasattr(estimator, "best_iter_")


def _as_curve(values, name):
    curve = np.asarray(values, dtype=np.float64)
    if curve.ndim != 1 or curve.size == 0:
        raise ValueError(f"{name} must be 1-D with at least one epoch; got shape {curve.shape}.")
    return curve


def _draw_curve(ax, curve, label, linestyle, overrides):
    style = line_style(label, linestyle, overrides)
    if curve.size == 1:
        style.setdefault("marker", "o")
    return ax.plot(np.arange(1, curve.size + 1), curve, **style)


def _find_score_axes(ax):
    siblings = ax.get_shared_x_axes().get_siblings(ax)
    same_place = (
        other
        for other in siblings
        if other.get_label() == _SCORE_AXES_LABEL
        and other.get_subplotspec() is ax.get_subplotspec()
    )
    return next(same_place, None)


def _is_drawable(values):
    values = np.asarray(values, dtype=np.float64)
    return np.isfinite(values) & (values > 0)


def _mark_edge(ax, mask, height, marker, label):
    """Mark the steps of `mask` at a height of the axes, in place of a value off the scale."""
    steps = np.flatnonzero(mask.any(axis=(0, 1))) + 1
    if steps.size == 0:
        return None
    (line,) = ax.plot(
        steps,
        np.full(steps.size, height),
        transform=ax.get_xaxis_transform(),
        color="0.3",
        linestyle="",
        marker=marker,
        markersize=5,
        label=label,
        clip_on=False,
    )
    return line
