"""The forecaster."""

from __future__ import annotations

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.callback import with_callbacks
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skrnn.estimators.base import unchanged_on_error
from skrnn.forecasting.backtesting import Backtesting
from skrnn.forecasting.base import BaseForecaster
from skrnn.forecasting.intervals import probabilities
from skrnn.forecasting.live import Live
from skrnn.forecasting.output import (
    forecast_output,
    future_frame,
    interval_output,
    quantile_output,
    sample_output,
)
from skrnn.forecasting.parameters import document_forecaster, positive_integer
from skrnn.forecasting.sampling import continued_paths, sample_paths
from skrnn.forecasting.scoring import score_series
from skrnn.forecasting.updating import Updating


@document_forecaster
class RNNForecaster(Backtesting, Live, Updating, BaseForecaster):
    """Recurrent network that continues series, one or many, with intervals.

    ``RNNForecaster(horizon=12).fit(y).predict()`` returns the next twelve values of a series, in
    pandas if `y` is. Many series train one network together. Transforms, scaling, the season and
    the errors that make the intervals are all learned inside, from the training data alone, and
    undone in the forecasts.

    The network reads the last `lookback` rows of a series a segment at a time (a season, where
    there is one), after the level of these rows was taken out, and gives all steps of the horizon
    at once as deviations from it.

    Parameters
    ----------
    horizon : int, default=1
        Steps that the network learns to forecast. `predict` goes further by feeding forecasts back.
    lookback : int or "auto", default="auto"
        Rows of history that the network reads. Shorter histories are read as they are, down to a
        single value. ``"auto"`` is four seasons or four horizons, whichever is longer (without a
        season five horizons and at least 64 rows), at most a third of the median series but not
        below two seasons.
    target : label or list of labels, default=None
        Columns to forecast (their numbers, for arrays). None is all that are nothing else.
    known_future : label or list of labels, default=None
        Covariates known ahead of time; `predict` asks for them as `X_future`. All other columns
        are covariates of the past.
    static : list of labels, DataFrame or array of shape (n_series, n_static), default=None
        Covariates that do not change within a series: columns of X, or a table by series.
    freq : str, DateOffset or int, default=None
        Frequency of the index, such as ``"B"`` or ``"15min"``; None takes or infers it.
    strategy : {"direct", "recursive"}, default="direct"
        Whether the network gives all steps at once, or one that is fed back for the next.
    scaling : {"auto", "window", "standard"} or None, default="auto"
        ``"window"`` takes the level of each window of history out and measures it in its own unit:
        one for transformed values, the mean size of the window for values of zero and above, its
        spread for others unless all series spread alike. ``"standard"`` uses one mean and standard
        deviation for all. ``"auto"`` is ``"window"`` for series, and ``"standard"`` for
        ``fit(X, y)``.
    power_transform : {"auto", "log", "box-cox"} or None, default="auto"
        How values are bent before anything else. ``"auto"`` is the logarithm if all values of the
        training series are positive. Where there are zeros, one is added.
    difference : {0, 1}, default=0
        Whether the network reads and gives changes instead of values.
    season_length : int, "auto" or None, default="auto"
        Rows of a season. ``"auto"`` tells it from the frequency: 12 for months, 4 for quarters, 7
        for days, 5 for business days, a day for steps from five minutes up; none for weeks, years
        and arrays, or if no series holds two.
    baseline : {"level", "seasonal_naive"}, default="level"
        What the network corrects: the mean of the last season, or this season come again.
    smoothing : bool or "auto", default="auto"
        Whether the forecast is the mean of the network's and of exponential smoothing of each
        series by itself, with damped trend and additive season, on transformed values. They err
        differently, and few rows teach a network little: ``"auto"`` is True for series of at most
        200 rows (the median of them), unless there are covariates that change over time or targets
        are forecast jointly, of which smoothing knows nothing.
    segment_length : int or "auto", default="auto"
        Rows that the network reads in one step (Lin et al., 2023). ``"auto"`` is a season, or
        without one the horizon, between 8 and 24.
    multivariate : {"separate", "joint"}, default="separate"
        How several targets are forecast: ``"separate"`` gives each the same network, which reads
        the past of this target (and all covariates); ``"joint"`` lets one network read and give
        all of them, for targets of which one leads another.
    calendar : "auto", list of str or None, default=None
        Features of the calendar to read, such as ``["weekday", "month"]``; ``"auto"`` goes by the
        frequency.
    loss : {"absolute_error", "squared_error", "huber"}, default="absolute_error"
        What to minimise, on normalised values.
    huber_delta : float, default=1.35
        Normalised error from which on ``"huber"`` is absolute.
    quantiles : list of float, default=None
        Levels that the network learns by the pinball loss, instead of points; the median, which is
        the point forecast, is always among them.
    calibrate : bool, default=True
        Whether to train a second network on all but the last rows of each series first. The errors
        of its forecasts of those rows make the intervals and `skill_`.
    windows_per_epoch : int, "auto" or None, default="auto"
        Windows drawn for each epoch, at most; None is all of them, ``"auto"`` is 512.
    {network}
    {training}
    {threads}

    Attributes
    ----------
    skill_ : float
        One minus the error of the forecasts of the held-out rows over that of the seasonal naive
        forecast: positive is better, 1 perfect. Missing after ``fit(X, y)`` or `calibrate=False`.
    season_length_, lookback_, segment_length_, horizon_ : int
        The values in use.
    {attributes}

    See Also
    --------
    RNNRegressor : Recurrent network that gives each sequence a number.

    References
    ----------
    S. Lin et al., "SegRNN: Segment Recurrent Neural Network for Long-Term Time Series
    Forecasting", arXiv:2308.11200, 2023.

    E. S. Gardner and E. McKenzie, "Forecasting Trends in Time Series", Management Science 31(10),
    1985.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skrnn import RNNForecaster
    >>> months = pd.period_range("2015-01", periods=96, freq="M")
    >>> y = pd.Series(100 + np.arange(96) + 20 * np.sin(np.arange(96) * np.pi / 6), months)
    >>> model = RNNForecaster(horizon=3, hidden_layer_sizes=8, max_iter=50, random_state=0)
    >>> forecast = model.fit(y).predict()
    >>> forecast.index
    PeriodIndex(['2023-01', '2023-02', '2023-03'], dtype='period[M]')
    >>> model.predict_interval(coverage=0.8).shape
    (3, 2)
    """

    def __init__(
        self,
        horizon=1,
        lookback="auto",
        *,
        target=None,
        known_future=None,
        static=None,
        freq=None,
        strategy="direct",
        scaling="auto",
        power_transform="auto",
        difference=0,
        season_length="auto",
        baseline="level",
        smoothing="auto",
        segment_length="auto",
        multivariate="separate",
        calendar=None,
        loss="absolute_error",
        huber_delta=1.35,
        quantiles=None,
        calibrate=True,
        windows_per_epoch="auto",
        hidden_layer_sizes=(64,),
        cell="gru",
        activation="tanh",
        bidirectional=False,
        pooling="last",
        dropout=0.0,
        recurrent_dropout=0.0,
        solver="adam",
        alpha=1.0,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=0.005,
        power_t=0.5,
        max_iter=200,
        max_grad_norm=1.0,
        bptt_steps=None,
        checkpoint_steps=None,
        n_timesteps=None,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        rho=0.9,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        n_jobs=None,
    ):
        self.horizon = horizon
        self.lookback = lookback
        self.target = target
        self.known_future = known_future
        self.static = static
        self.freq = freq
        self.strategy = strategy
        self.scaling = scaling
        self.power_transform = power_transform
        self.difference = difference
        self.season_length = season_length
        self.baseline = baseline
        self.smoothing = smoothing
        self.segment_length = segment_length
        self.multivariate = multivariate
        self.calendar = calendar
        self.loss = loss
        self.huber_delta = huber_delta
        self.quantiles = quantiles
        self.calibrate = calibrate
        self.windows_per_epoch = windows_per_epoch
        self.hidden_layer_sizes = hidden_layer_sizes
        self.cell = cell
        self.activation = activation
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.max_grad_norm = max_grad_norm
        self.bptt_steps = bptt_steps
        self.checkpoint_steps = checkpoint_steps
        self.n_timesteps = n_timesteps
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.rho = rho
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None):
        """Learn to continue series.

        Parameters
        ----------
        X : Series, DataFrame, array-like of 1, 2 or 3 dimensions, or list of these
            Without `y` the series themselves. One series: a 1-D array, a Series, or a DataFrame
            with the time as its index. Many: a (series, time) MultiIndex, a 2-D array with a
            series a row, a 3-D array of shape (n_series, n_steps, n_columns), or a list. NaN is a
            missing value. With `y`, histories in any layout that `RNNRegressor.fit` takes, one a
            row.
        y : array-like of shape (n_rows,) or (n_rows, horizon), default=None
            What followed each row of X. `predict` is then a function of each row.

        Returns
        -------
        self : RNNForecaster
            The fitted forecaster.

        Raises
        ------
        ValueError, TypeError
            If the data or a parameter are not as described; the message names the series, column
            and time. The forecaster is then as it was before.
        """
        with unchanged_on_error(self):
            if y is None:
                self._fit_series(X)
            else:
                self._fit_rows(X, y)
        return self

    def predict(self, X=None, *, X_future=None, horizon=None):
        """Forecast what follows.

        Parameters
        ----------
        X : series in any layout that `fit` takes, default=None
            The histories to continue, of series seen in training or not. None continues those of
            training. After ``fit(X, y)`` the rows to continue.
        X_future : DataFrame or array, default=None
            Covariates that are known ahead, at the times of the forecast; `future_frame` returns
            the frame to fill in.
        horizon : int, default=None
            Steps to forecast, any number; None is `horizon` of training.

        Returns
        -------
        forecast : Series, DataFrame, list or ndarray
            pandas for pandas, with the index continued; for arrays of shape (horizon,),
            (n_series, horizon) or (n_series, horizon, n_targets), as X was; after ``fit(X, y)``
            in the shape of y.
        """
        if self._reads_rows():
            point = self._forecast_rows(X, X_future, horizon).point()[..., 0]
            point = point.astype(self._model.regressor.dtype)
            return point[:, 0] if self._one_dimensional else point
        series_set, forecasts = self._forecast(X, X_future, horizon)
        return forecast_output(series_set, forecasts.point().astype(series_set.dtype))

    def predict_interval(self, X=None, coverage=0.9, *, X_future=None, horizon=None):
        """Forecast intervals that cover what follows with a given probability.

        Conformal: the errors of forecasts of the rows that were held out, in units of the scale of
        each window, at each step of the horizon. Intervals of a higher coverage contain those of a
        lower one.

        Parameters
        ----------
        X, X_future, horizon
            As of `predict`.
        coverage : float or list of float, default=0.9
            The probability of each interval.

        Returns
        -------
        intervals : DataFrame, list or ndarray
            pandas: columns (target, coverage, "lower" or "upper"). Arrays: as `predict` returns
            with one more axis for (lower, upper), and one before it if there are several coverages.
        """
        coverages = probabilities(coverage, "coverage")
        alphas = [(1 - c) / 2 for c in coverages] + [(1 + c) / 2 for c in coverages]
        n = len(coverages)
        if self._reads_rows():
            bounds = self._row_quantiles(X, X_future, horizon, alphas)
            stacked = np.stack([bounds[:n], bounds[n:]], axis=1)
            stacked = stacked[0] if np.ndim(coverage) == 0 else stacked
            return np.moveaxis(stacked, list(range(stacked.ndim - bounds.ndim + 1)),
                               list(range(-(stacked.ndim - bounds.ndim + 1), 0)))  # fmt: skip
        series_set, forecasts = self._forecast(X, X_future, horizon)
        bounds = self._quantiles(forecasts, alphas).astype(series_set.dtype)
        return interval_output(series_set, bounds[:n], bounds[n:], coverage)

    def predict_quantiles(self, X=None, alpha=(0.1, 0.5, 0.9), *, X_future=None, horizon=None):
        """Forecast quantiles.

        Parameters
        ----------
        X, X_future, horizon
            As of `predict`.
        alpha : float or list of float, default=(0.1, 0.5, 0.9)
            The probability that what follows lies below each.

        Returns
        -------
        quantiles : DataFrame, list or ndarray
            pandas: columns (target, alpha). Arrays: as `predict` returns, with a last axis of
            levels if there are several.
        """
        alphas = probabilities(alpha, "alpha")
        if self._reads_rows():
            quantiles = self._row_quantiles(X, X_future, horizon, alphas)
            return quantiles[0] if np.ndim(alpha) == 0 else np.moveaxis(quantiles, 0, -1)
        series_set, forecasts = self._forecast(X, X_future, horizon)
        quantiles = self._quantiles(forecasts, alphas).astype(series_set.dtype)
        return quantile_output(series_set, quantiles, alpha)

    def predict_samples(
        self, X=None, n_samples=100, *, X_future=None, horizon=None, random_state=None
    ):
        """Draw paths that what follows might take, for questions about several steps together.

        Each path is the point forecast plus the errors of one past forecast, all steps of it; so
        the errors of neighbouring steps (and of several targets) belong together as they did then.
        Beyond the trained horizon each path goes on from where it has led.

        Parameters
        ----------
        X, X_future, horizon
            As of `predict`.
        n_samples : int, default=100
            Paths of each series.
        random_state : int, RandomState instance or None, default=None
            Source of the draws; None gives the same paths in every call.

        Returns
        -------
        samples : DataFrame, list or ndarray
            pandas: columns (target, number of the path). Arrays: n_samples, then the shape of what
            `predict` returns.
        """
        by_row = self._reads_rows()
        n_samples = positive_integer(n_samples, "n_samples")
        rng = check_random_state(self._seed if random_state is None else random_state)
        errors = self._needed_errors()
        if by_row:
            forecasts = self._forecast_rows(X, X_future, horizon)
            samples = sample_paths(errors, forecasts, n_samples, rng)[..., 0]
            samples = samples.astype(self._model.regressor.dtype)
            return samples[..., 0] if self._one_dimensional else samples
        horizon = self._check_horizon(horizon)
        series_set = self._histories(X)
        places = self._origins(series_set, X_future, horizon)
        samples = continued_paths(self._model, errors, *places, horizon, n_samples, rng)
        return sample_output(series_set, samples.astype(series_set.dtype))

    def future_frame(self, n=None, *, X=None):
        """Return the empty frame of covariates that are known ahead, to be filled in.

        Parameters
        ----------
        n : int, default=None
            Steps after the end of the series; None is `horizon`.
        X : series in any layout that `fit` takes, default=None
            The histories that `predict` is to continue; None is those of training.

        Returns
        -------
        frame : DataFrame
            All NaN, with the continued index and the columns of `known_future`.
        """
        return future_frame(self._histories(X), self._check_horizon(n))

    def score(self, X, y=None):
        """Score forecasts of series by the negative mean absolute scaled error; higher is better.

        Rows that continue the training series, by their index (or, for a lone 1-D array, always),
        are forecast from the end of training. The last `horizon` rows of other series are forecast
        from what comes before them in X.

        Parameters
        ----------
        X : series in any layout that `fit` takes
            The series, with covariates if `fit` had them. After ``fit(X, y)`` rows.
        y : array-like, default=None
            After ``fit(X, y)`` what followed each row; the score is then the R².

        Returns
        -------
        score : float
            The score.
        """
        check_is_fitted(self)
        if y is not None:
            return RegressorMixin.score(self, X, y)
        return score_series(self, self._histories(X))

    @property
    def weights_(self):
        """Weights of the network by name, as `RNNRegressor.weights_` has them."""
        check_is_fitted(self)
        return self._model.regressor.weights_

    # ----------------------------------------------------------------- helpers

    def _reads_rows(self):
        check_is_fitted(self)
        return self._series is None

    def _check_horizon(self, horizon):
        return self.horizon_ if horizon is None else positive_integer(horizon, "horizon")

    def _forecast(self, X, X_future, horizon):
        horizon = self._check_horizon(horizon)
        series_set = self._histories(X)
        places = self._origins(series_set, X_future, horizon)
        return series_set, self._model.forecast(*places, horizon)

    def _forecast_rows(self, X, X_future, horizon):
        if X is None:
            self._histories(None)
        if X_future is not None:
            raise ValueError("X_future has no meaning after fit(X, y): pass all there is in X.")
        if self._check_horizon(horizon) != self.horizon_:
            raise ValueError(
                f"horizon={horizon}, but after fit(X, y) forecasts have the {self.horizon_} "
                "step(s) of y. For any horizon pass the series themselves to fit(X)."
            )
        return self._model.forecast(self._read_rows(X))

    def _row_quantiles(self, X, X_future, horizon, alphas):
        """Return quantiles of shape (n_alphas, n_rows) or (n_alphas, n_rows, horizon)."""
        quantiles = self._quantiles(self._forecast_rows(X, X_future, horizon), alphas)[..., 0]
        quantiles = quantiles.astype(self._model.regressor.dtype)
        return quantiles[:, :, 0] if self._one_dimensional else quantiles
