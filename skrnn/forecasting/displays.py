"""The picture of a forecast, following scikit-learn's Display convention.

`from_estimator` computes and draws, `plot` draws again (for example onto other axes), and what was
drawn can be restyled afterwards through the attributes `ax_`, `figure_` and the lines.
"""

import numpy as np
import pandas as pd

from skrnn._drawing import (
    check_matplotlib,
    check_offers,
    draw_legend,
    line_style,
    make_label,
    prepare_axes,
)
from skrnn.forecasting.drawing import (
    ACTUAL,
    FORECAST,
    HISTORY,
    draw_fan,
    draw_series,
    format_times,
    time_label,
    value_label,
)
from skrnn.forecasting.intervals import probabilities

__all__ = ["ForecastDisplay"]


class ForecastDisplay:
    """One series, its forecast, a fan of prediction intervals and, where known, what happened.

    Use :meth:`from_estimator` to make one from a fitted forecaster.

    Parameters
    ----------
    history : Series
        The series up to the forecast, by time.
    forecast : Series
        The forecast, by time.
    intervals : dict of float to (lower, upper), default=None
        Bounds by coverage, each array-like of the length of `forecast`. The wider the interval,
        the paler it is drawn.
    actual : Series, default=None
        What happened, by time.
    name : str, default=None
        Prefix of the forecast's labels in the legend, to tell several models on one axes apart.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the lines.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    history_line_, forecast_line_ : matplotlib Line2D
        The series and its forecast.
    actual_line_ : matplotlib Line2D or None
        What happened.
    intervals_ : list of matplotlib collections
        The fan, from the widest interval to the narrowest.

    See Also
    --------
    BacktestDisplay : Forecasts from many origins.
    HorizonErrorDisplay : How the error grows with the horizon.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrnn.forecasting import ForecastDisplay
    >>> months = pd.period_range("2024-01", periods=15, freq="M")
    >>> display = ForecastDisplay(
    ...     history=pd.Series(range(12), index=months[:12], name="visitors"),
    ...     forecast=pd.Series([12.0, 13.0, 14.0], index=months[12:]),
    ...     intervals={0.8: ([11, 11, 11], [13, 15, 17])},
    ... ).plot()
    >>> display.ax_.get_ylabel()
    'visitors'
    """

    def __init__(self, *, history, forecast, intervals=None, actual=None, name=None):
        self.history = history
        self.forecast = forecast
        self.intervals = intervals
        self.actual = actual
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X=None,
        *,
        X_future=None,
        horizon=None,
        coverage=(0.8, 0.95),
        actual=None,
        series=None,
        target=None,
        n_history=None,
        name=None,
        ax=None,
        history_kw=None,
        forecast_kw=None,
        actual_kw=None,
    ):
        """Forecast and draw.

        Parameters
        ----------
        estimator : RNNForecaster
            Fitted on series.
        X, X_future, horizon
            As of `RNNForecaster.predict`: the histories (those of training if None), covariates
            that are known ahead, and steps.
        coverage : float, list of float or None, default=(0.8, 0.95)
            Coverage of the intervals of the fan; None draws none.
        actual : Series, array, or series in the layout of X, default=None
            What happened after the history.
        series, target : label, default=None
            Which series and column to draw, where there are several; the first if None.
        n_history : int, default=None
            Rows of history to draw, from the last; ten times the horizon, but not below 60, if
            None.
        name : str, default=None
            Prefix of the forecast's labels in the legend.
        ax : matplotlib Axes, default=None
            Axes to draw on. A new figure if None.
        history_kw, forecast_kw, actual_kw : dict, default=None
            Passed on to matplotlib for the three lines.

        Returns
        -------
        display : ForecastDisplay
            The display, drawn.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        check_offers(estimator, "predict_interval", cls.__name__)
        series_set, forecasts = estimator._forecast(X, X_future, horizon)
        i, k = _place(series_set, series, target)
        coverages = [] if coverage is None else probabilities(coverage, "coverage")
        alphas = [(1 - c) / 2 for c in coverages] + [(1 + c) / 2 for c in coverages]
        bounds = estimator._quantiles(forecasts, alphas)[:, i, :, k] if alphas else []
        point = forecasts.point()[i, :, k]
        n_history = max(60, 10 * len(point)) if n_history is None else n_history
        history = _one_series(series_set, i, k).iloc[-n_history:]
        if actual is not None and (np.ndim(actual) != 1 or _is_stacked(actual)):
            newer = estimator._histories(actual)
            there, _ = _place(newer, None if newer.keys is None else series_set.keys[i], None)
            actual = _one_series(newer, there, k)
        future = series_set.future(i, max(len(point), 0 if actual is None else len(actual)))
        if actual is not None and not isinstance(actual, pd.Series):
            actual = pd.Series(actual, index=future[: len(actual)])
        display = cls(
            history=history,
            forecast=pd.Series(point, index=future[: len(point)]),
            intervals={c: (bounds[j], bounds[len(coverages) + j]) for j, c in enumerate(coverages)},
            actual=actual,
            name=name,
        )
        return display.plot(
            ax=ax, history_kw=history_kw, forecast_kw=forecast_kw, actual_kw=actual_kw
        )

    def plot(self, ax=None, *, name=None, history_kw=None, forecast_kw=None, actual_kw=None):
        """Draw the series, the fan and the forecast.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. A new figure if None.
        name : str, default=None
            Prefix of the forecast's labels in the legend; that of the display if None.
        history_kw, forecast_kw, actual_kw : dict, default=None
            Passed on to matplotlib for the three lines. The fan takes the colour of the forecast.

        Returns
        -------
        display : ForecastDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        bounds = self._checked_intervals()
        name = self.name if name is None else name
        self.ax_ = ax = prepare_axes(ax, title="Forecast")
        self.figure_ = ax.figure
        self.history_line_ = draw_series(
            ax, self.history, line_style("history", "-", history_kw, color=HISTORY)
        )
        style = line_style(
            make_label(name, "forecast"), "-", forecast_kw, color=FORECAST, zorder=2.5
        )
        self.intervals_ = draw_fan(ax, self.forecast.index, bounds, style["color"], name)
        self.forecast_line_ = draw_series(ax, self.forecast, style)
        self.actual_line_ = None
        if self.actual is not None:
            self.actual_line_ = draw_series(
                ax, self.actual, line_style("actual", "--", actual_kw, color=ACTUAL, zorder=2.4)
            )
        ax.set(xlabel=time_label(self.history.index), ylabel=value_label(self.history.name))
        format_times(ax, self.history.index)
        draw_legend(ax)
        return self

    def _checked_intervals(self):
        """Return (coverage, lower, upper), the widest first."""
        checked = []
        for coverage, bounds in sorted((self.intervals or {}).items(), reverse=True):
            lower, upper = (np.asarray(bound, dtype=np.float64) for bound in bounds)
            if not lower.shape == upper.shape == (len(self.forecast),):
                raise ValueError(
                    f"The bounds of coverage {coverage} must have the length of the forecast, "
                    f"{len(self.forecast)}; got shapes {lower.shape} and {upper.shape}."
                )
            checked.append((coverage, lower, upper))
        return checked


def _place(series_set, series, target):
    """Return the positions of a series and of a target by their labels; the first by default."""
    i = k = 0
    if series is not None:
        found = [] if series_set.keys is None else series_set.keys.get_indexer([series])
        if len(found) == 0 or found[0] < 0:
            raise ValueError(f"There is no series {series!r}; there are {_names_of(series_set)}.")
        i = int(found[0])
    if target is not None:
        names = list(series_set.target_names)
        if target not in names:
            raise ValueError(f"There is no target {target!r}; the targets are {names}.")
        k = names.index(target)
    return i, k


def _names_of(series_set):
    if series_set.keys is None:
        return "none with a name: it is a lone one"
    more = ", ..." if len(series_set) > 5 else ""
    return ", ".join(repr(key) for key in series_set.keys[:5]) + more


def _one_series(series_set, i, k):
    """Return one series and target by time, named after the target or else the series."""
    form = series_set.form
    name = form.name_of(i) if form.is_flat else series_set.target_names[k]
    if name is None and series_set.keys is not None:
        name = f"series {series_set.keys[i]}"
    values = series_set.series(i)[:, series_set.targets[k]]
    times = series_set.times(i)
    if form.is_pandas and len(form.index_names):
        times = times.rename(form.index_names[-1])
    return pd.Series(values, index=times, name=name)


def _is_stacked(values):
    return isinstance(values, pd.Series) and isinstance(values.index, pd.MultiIndex)
