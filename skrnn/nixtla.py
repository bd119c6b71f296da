"""The forecaster behind the interface of Nixtla's libraries: long frames in, long frames out."""

import numpy as np
from sklearn.base import clone

from skrnn.forecasting import RNNForecaster

__all__ = ["RNNForecast"]


class RNNForecast:
    """Fit and predict on frames with the columns `unique_id`, `ds` and `y`.

    As `StatsForecast` and `MLForecast` do, so that their frames, plots and evaluation
    (`utilsforecast`) take the results. It needs none of these libraries itself.

    Parameters
    ----------
    models : RNNForecaster, list of RNNForecaster, or dict of str to RNNForecaster
        What forecasts; copies are fitted. The keys of a dict name the columns of the results;
        without, a column is named after the class, with a number from the second on. Covariates
        are further columns of the frames: those in a model's `known_future` are known ahead,
        those in its `static` are constant for a series, the rest are known in the past only.
    freq : str, DateOffset or int
        Frequency of the times, of pandas; an int is the step of whole numbers.

    Attributes
    ----------
    models_ : dict of str to RNNForecaster
        The fitted models.

    See Also
    --------
    skrnn.RNNForecaster : The forecaster itself, with series and frames by their index.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrnn import RNNForecaster
    >>> from skrnn.nixtla import RNNForecast
    >>> months = pd.date_range("2020-01-31", periods=36, freq="ME")
    >>> df = pd.DataFrame({"unique_id": "a", "ds": months, "y": [5.0, 6.0, 9.0] * 12})
    >>> model = RNNForecaster(horizon=3, season_length=3, max_iter=5, random_state=0)
    >>> forecast = RNNForecast(model, freq="ME").fit(df).predict(h=2, level=[80])
    >>> list(forecast.columns)
    ['unique_id', 'ds', 'RNNForecaster', 'RNNForecaster-lo-80', 'RNNForecaster-hi-80']
    """

    def __init__(self, models, freq):
        self.models = models
        self.freq = freq

    def fit(self, df, *, id_col="unique_id", time_col="ds", target_col="y"):
        """Fit the models.

        Parameters
        ----------
        df : DataFrame
            One row a series and time, in any order.
        id_col, time_col, target_col : str
            The columns that name the series, its times and what is forecast.

        Returns
        -------
        self : RNNForecast
            The fitted object.
        """
        self._columns = (id_col, time_col, target_col)
        series = self._series(df)
        self.models_ = {
            name: clone(model).set_params(target=target_col, freq=self.freq).fit(series)
            for name, model in _named(self.models).items()
        }
        return self

    def predict(self, h=None, *, X_df=None, level=None):
        """Forecast the next steps of every series.

        Parameters
        ----------
        h : int, default=None
            Steps to forecast; those of each model's `horizon` if None.
        X_df : DataFrame, default=None
            Covariates known ahead, one row a series and future time.
        level : list of float, default=None
            Coverages of prediction intervals in percent, such as `[80, 95]`.

        Returns
        -------
        forecast : DataFrame
            Columns `unique_id`, `ds`, then for each model its name and for each level `-lo-` and
            `-hi-` bounds, in the order of their size.
        """
        self._check_is_fitted()
        future = None if X_df is None else self._indexed(X_df)
        frames = [_forecast(name, model, h, future, level) for name, model in self.models_.items()]
        id_col, time_col, _ = self._columns
        result = frames[0].join(frames[1:]) if len(frames) > 1 else frames[0]
        return result.rename_axis([id_col, time_col]).reset_index()

    def update(self, df):
        """Append new observations to the history, without fitting.

        Parameters
        ----------
        df : DataFrame
            Rows that follow on in time, with all columns of the training frame.

        Returns
        -------
        self : RNNForecast
            The updated object.
        """
        self._check_is_fitted()
        series = self._series(df)
        for model in self.models_.values():
            model.update(series)
        return self

    def cross_validation(
        self,
        df,
        h,
        *,
        n_windows=1,
        step_size=None,
        refit=True,
        level=None,
        id_col="unique_id",
        time_col="ds",
        target_col="y",
    ):
        """Forecast from several cutoffs and return the forecasts beside what happened.

        Parameters
        ----------
        df : DataFrame
            One row a series and time, in any order.
        h : int
            Steps to forecast.
        n_windows : int, default=1
            Number of cutoffs.
        step_size : int, default=None
            Rows between cutoffs; `h` if None.
        refit : bool, default=True
            Fit at every cutoff. False fits once, on what precedes the first.
        level : list of float, default=None
            Coverages of prediction intervals in percent.
        id_col, time_col, target_col : str
            The columns that name the series, its times and what is forecast.

        Returns
        -------
        forecasts : DataFrame
            Columns `unique_id`, `ds`, `cutoff`, `y`, then the models' as in `predict`.
        """
        self._columns = (id_col, time_col, target_col)
        series = self._series(df)
        result = None
        for name, model in _named(self.models).items():
            frame = (
                clone(model)
                .set_params(target=target_col, freq=self.freq)
                .backtest(
                    series,
                    n_windows=n_windows,
                    step=step_size,
                    horizon=h,
                    coverage=_coverages(level),
                    refit=True if refit else "once",
                )
            )
            columns = {"series": id_col, "time": time_col, "y": target_col, "forecast": name}
            for percent in _levels(level):
                columns[f"lower_{percent:g}"] = f"{name}-lo-{percent:g}"
                columns[f"upper_{percent:g}"] = f"{name}-hi-{percent:g}"
            frame = frame.rename(columns=columns)
            if result is None:
                result = frame[[id_col, time_col, "cutoff", target_col]].copy()
            result[_result_columns(name, level)] = frame[_result_columns(name, level)]
        return result

    def _check_is_fitted(self):
        if not hasattr(self, "models_"):
            raise ValueError("This RNNForecast is not fitted yet. Call fit(df) first.")

    def _series(self, df):
        _check_columns(df, self._columns)
        return self._indexed(df)

    def _indexed(self, df):
        keys = list(self._columns[:2])
        _check_columns(df, keys)
        return df.set_index(keys).sort_index()


def _named(models):
    """Return the models by the name of their column."""
    if isinstance(models, dict):
        named = models
    else:
        named = {}
        for model in models if isinstance(models, (list, tuple)) else [models]:
            name = type(model).__name__
            name = f"{name}{len(named) + 1}" if name in named else name
            named[name] = model
    for name, model in named.items():
        if not isinstance(model, RNNForecaster):
            raise TypeError(f"models must be RNNForecasters; {name!r} is {model!r}.")
    if not named:
        raise ValueError("models is empty: pass at least one RNNForecaster.")
    return named


def _forecast(name, model, h, future, level):
    point = model.predict(X_future=future, horizon=h)
    frame = point.to_frame(name) if point.ndim == 1 else point.set_axis([name], axis=1)
    if _levels(level):
        bounds = model.predict_interval(coverage=_coverages(level), X_future=future, horizon=h)
        for percent, coverage in zip(_levels(level), _coverages(level)):
            for side, text in (("lower", "lo"), ("upper", "hi")):
                column = bounds.columns.get_loc((bounds.columns[0][0], coverage, side))
                frame[f"{name}-{text}-{percent:g}"] = bounds.iloc[:, column]
    return frame[_result_columns(name, level)]


def _result_columns(name, level):
    levels = _levels(level)
    lower = [f"{name}-lo-{percent:g}" for percent in reversed(levels)]
    return [name, *lower, *[f"{name}-hi-{percent:g}" for percent in levels]]


def _levels(level):
    if level is not None and np.ndim(level) != 1:
        raise TypeError(f"level must be a list of percentages such as [80, 95], got {level!r}.")
    levels = [] if level is None else sorted(level)
    bad = [percent for percent in levels if not 0 < percent < 100]
    if bad:
        raise ValueError(f"level must hold percentages between 0 and 100; got {bad[0]!r}.")
    return levels


def _coverages(level):
    return [percent / 100 for percent in _levels(level)] or None


def _check_columns(df, columns):
    missing = [name for name in columns if name not in df.columns]
    if missing:
        raise ValueError(
            f"The frame has no column {missing[0]!r}; its columns are {list(df.columns)}. Name "
            "yours with id_col, time_col and target_col."
        )
