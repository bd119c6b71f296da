"""Pictures of backtests, following scikit-learn's Display convention.

`from_backtest` computes and draws, `plot` draws again (for example onto other axes), and what was
drawn can be restyled afterwards through the attributes `ax_`, `figure_` and the lines.
"""

from skrnn._drawing import check_matplotlib, draw_legend, line_style, make_label, prepare_axes
from skrnn.forecasting.backtest import backtest_scores, coverages_of
from skrnn.forecasting.drawing import (
    FORECAST,
    HISTORY,
    draw_fan,
    draw_series,
    format_times,
    time_label,
    value_label,
)

__all__ = ["BacktestDisplay", "HorizonErrorDisplay"]


class BacktestDisplay:
    """Forecasts of one series from many origins, over what happened.

    Use :meth:`from_backtest` to make one from the frame that `RNNForecaster.backtest` returned.

    Parameters
    ----------
    frame : DataFrame
        The rows of one series and target, with the columns `cutoff`, `time`, `step`, `y`,
        `forecast` and, for bands, `lower_80`, `upper_80` and so on.
    history : Series, default=None
        The series itself, by time, where more of it than the forecasts cover is to be drawn.
    coverage : float, default=None
        Which interval to draw as a band; none if None.
    name : str, default=None
        Prefix of the forecasts' label in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the lines.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    actual_line_ : matplotlib Line2D
        What happened.
    forecast_lines_ : list of matplotlib Line2D
        One line an origin, in the order of time.
    intervals_ : list of matplotlib collections
        The bands, in the same order.

    See Also
    --------
    HorizonErrorDisplay : How the error grows with the horizon.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrnn.forecasting import BacktestDisplay
    >>> times = pd.date_range("2024-01-01", periods=4, freq="D")
    >>> frame = pd.DataFrame({"series": 0, "cutoff": times[[0, 0, 1, 1]], "step": [1, 2, 1, 2]})
    >>> frame = frame.assign(time=times[[1, 2, 2, 3]], y=[5.0, 6, 6, 4], forecast=5.0)
    >>> len(BacktestDisplay.from_backtest(frame).forecast_lines_)
    2
    """

    def __init__(self, *, frame, history=None, coverage=None, name=None):
        self.frame = frame
        self.history = history
        self.coverage = coverage
        self.name = name

    @classmethod
    def from_backtest(
        cls,
        frame,
        *,
        series=None,
        target=None,
        history=None,
        coverage=None,
        name=None,
        ax=None,
        actual_kw=None,
        forecast_kw=None,
    ):
        """Draw one series of a backtest.

        Parameters
        ----------
        frame : DataFrame
            What `RNNForecaster.backtest` returned.
        series, target : label, default=None
            Which series and target, where there are several; the first if None.
        history : Series, default=None
            The series itself, by time, where more of it is to be drawn.
        coverage : float, default=None
            Which interval of the backtest to draw as a band; none if None.
        name : str, default=None
            Prefix of the forecasts' label in the legend.
        ax : matplotlib Axes, default=None
            Axes to draw on. A new figure if None.
        actual_kw, forecast_kw : dict, default=None
            Passed on to matplotlib for the lines.

        Returns
        -------
        display : BacktestDisplay
            The display, drawn.
        """
        for column, wanted in (("series", series), ("target", target)):
            if column in frame:
                frame = _select(frame, column, wanted)
        display = cls(frame=frame, history=history, coverage=coverage, name=name)
        return display.plot(ax=ax, actual_kw=actual_kw, forecast_kw=forecast_kw)

    def plot(self, ax=None, *, name=None, actual_kw=None, forecast_kw=None):
        """Draw the series and the forecasts from every origin.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. A new figure if None.
        name : str, default=None
            Prefix of the forecasts' label in the legend; that of the display if None.
        actual_kw, forecast_kw : dict, default=None
            Passed on to matplotlib for the lines. The bands take the colour of the forecasts.

        Returns
        -------
        display : BacktestDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        percent = self._checked_coverage()
        name = self.name if name is None else name
        self.ax_ = ax = prepare_axes(ax, title="Backtest")
        self.figure_ = ax.figure
        actual = self.history
        if actual is None:
            actual = self.frame.drop_duplicates("time").set_index("time")["y"].sort_index()
        self.actual_line_ = draw_series(
            ax, actual, line_style("actual", "-", actual_kw, color=HISTORY)
        )
        style = line_style(None, "-", forecast_kw, color=FORECAST, linewidth=1.4, zorder=2.5)
        self.forecast_lines_, self.intervals_ = [], []
        windows = list(self.frame.groupby("cutoff", sort=True))
        for i, (_, window) in enumerate(windows):
            window = window.sort_values("step").set_index("time")
            if percent is not None:
                band = (self.coverage, window[f"lower_{percent}"], window[f"upper_{percent}"])
                fan = draw_fan(ax, window.index, [band], style["color"], name, labelled=i == 0)
                self.intervals_ += fan
            text = f"forecasts from {len(windows)} origins" if i == 0 else "_nolegend_"
            label = make_label(name, text) if i == 0 else text
            self.forecast_lines_.append(
                draw_series(ax, window["forecast"], {**style, "label": label})
            )
        ax.set(xlabel=time_label(actual.index), ylabel=value_label(actual.name, "y"))
        format_times(ax, actual.index)
        draw_legend(ax)
        return self

    def _checked_coverage(self):
        if self.coverage is None:
            return None
        percent = f"{100 * self.coverage:g}"
        present = coverages_of(self.frame)
        if percent not in present:
            raise ValueError(
                f"coverage={self.coverage} is not among those of the backtest: "
                f"{[float(name) / 100 for name in present]}. Pass backtest(coverage=...)."
            )
        return percent


class HorizonErrorDisplay:
    """Error of a backtest by step of the horizon, beside that of the seasonal naive forecast.

    Use :meth:`from_backtest` to make one from the frame that `RNNForecaster.backtest` returned.

    Parameters
    ----------
    errors : Series
        Error by step, counted from 1.
    naive_errors : Series, default=None
        That of the seasonal naive forecast.
    measure : str, default="MAE"
        What the errors are, for the axis.
    name : str, default=None
        Label of the errors in the legend; "forecast" if None.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the lines.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    line_ : matplotlib Line2D
        The errors.
    naive_line_ : matplotlib Line2D or None
        Those of the seasonal naive forecast.

    See Also
    --------
    BacktestDisplay : The forecasts themselves.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrnn.forecasting import HorizonErrorDisplay
    >>> errors = pd.Series([1.0, 1.5, 1.8], index=[1, 2, 3])
    >>> HorizonErrorDisplay(errors=errors).plot().ax_.get_xlabel()
    'Step of the horizon'
    """

    def __init__(self, *, errors, naive_errors=None, measure="MAE", name=None):
        self.errors = errors
        self.naive_errors = naive_errors
        self.measure = measure
        self.name = name

    @classmethod
    def from_backtest(
        cls, frame, *, measure="MAE", name=None, ax=None, line_kw=None, naive_line_kw=None
    ):
        """Score a backtest step by step and draw the errors.

        Parameters
        ----------
        frame : DataFrame
            What `RNNForecaster.backtest` returned, or some of its series.
        measure : {"MAE", "RMSE", "MAPE", "sMAPE", "MASE", "RMSSE"}, default="MAE"
            What to draw. Averages over many series of unequal size want one of the last four.
        name : str, default=None
            Label of the errors in the legend; "forecast" if None.
        ax : matplotlib Axes, default=None
            Axes to draw on. A new figure if None. If the seasonal naive forecast is drawn there
            already, it is not drawn again.
        line_kw, naive_line_kw : dict, default=None
            Passed on to matplotlib for the two lines.

        Returns
        -------
        display : HorizonErrorDisplay
            The display, drawn.
        """
        naive = frame.assign(forecast=frame["naive"])
        errors, naive_errors = (_errors_by_step(part, measure) for part in (frame, naive))
        display = cls(errors=errors, naive_errors=naive_errors, measure=measure, name=name)
        return display.plot(ax=ax, line_kw=line_kw, naive_line_kw=naive_line_kw)

    def plot(self, ax=None, *, name=None, line_kw=None, naive_line_kw=None):
        """Draw the errors.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. A new figure if None.
        name : str, default=None
            Label of the errors in the legend; that of the display if None.
        line_kw, naive_line_kw : dict, default=None
            Passed on to matplotlib for the two lines.

        Returns
        -------
        display : HorizonErrorDisplay
            The display itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        name = self.name if name is None else name
        self.ax_ = ax = prepare_axes(ax, title="Error by step of the horizon")
        self.figure_ = ax.figure
        self.naive_line_ = None
        labels = [line.get_label() for line in ax.get_lines()]
        if self.naive_errors is not None and "seasonal naive" not in labels:
            style = line_style(
                "seasonal naive", "--", naive_line_kw, color="0.45", marker="o", markersize=3
            )
            (self.naive_line_,) = ax.plot(self.naive_errors.index, self.naive_errors, **style)
        style = line_style(name or "forecast", "-", line_kw, marker="o", markersize=4)
        (self.line_,) = ax.plot(self.errors.index, self.errors, **style)
        ax.set(xlabel="Step of the horizon", ylabel=self.measure)
        ax.set_ylim(bottom=0)
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        draw_legend(ax)
        return self


def _errors_by_step(frame, measure):
    scores = backtest_scores(frame, by="step")
    if measure not in ("MAE", "RMSE", "MAPE", "sMAPE", "MASE", "RMSSE"):
        raise ValueError(
            f"measure must be 'MAE', 'RMSE', 'MAPE', 'sMAPE', 'MASE' or 'RMSSE'; got {measure!r}."
        )
    return scores[measure]


def _select(frame, column, wanted):
    """Return the rows of one series or target; the first, if none is named."""
    wanted = frame[column].iloc[0] if wanted is None else wanted
    rows = (
        frame[column] == wanted
        if not isinstance(wanted, tuple)
        else [label == wanted for label in frame[column]]
    )
    chosen = frame[rows]
    if chosen.empty:
        present = list(frame[column].unique()[:5])
        raise ValueError(f"There is no {column} {wanted!r}; the first of them are {present}.")
    return chosen
