"""From series or rows to a fitted model, and from the model to forecasts as arrays."""

from __future__ import annotations

import warnings
from copy import copy

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted

from skrnn.forecasting.calendar import calendar_features
from skrnn.forecasting.fitting import WindowRegressor
from skrnn.forecasting.intervals import ConformalErrors, forecast_quantiles
from skrnn.forecasting.model import Model
from skrnn.forecasting.output import read_future
from skrnn.forecasting.panel import Panel
from skrnn.forecasting.parameters import FORECASTER_CONSTRAINTS, NETWORK_PARAMETERS
from skrnn.forecasting.planning import (
    make_plan,
    network_levels,
    rows_to_calibrate,
    windows_in_epoch,
)
from skrnn.forecasting.reading import read_series
from skrnn.forecasting.rows import RowModel
from skrnn.forecasting.scoring import held_out
from skrnn.forecasting.separate import SeparateModel
from skrnn.forecasting.series import SeriesSet
from skrnn.forecasting.skill import mean_scaled_error, naive_errors, naive_forecasts
from skrnn.forecasting.windows import all_origins, rows_ahead
from skrnn.validation import check_sequences, check_target_length

# Rows of a row-wise reading whose errors make the intervals, at most and as a share.
_ROWS_TO_CALIBRATE = 200
_SHARE_TO_CALIBRATE = 0.2


class BaseForecaster(CallbackSupportMixin, RegressorMixin, BaseEstimator):
    """Everything between the public methods and the model."""

    _parameter_constraints = FORECASTER_CONSTRAINTS

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = False
        tags.target_tags.multi_output = True
        return tags

    # ------------------------------------------------------------------ series

    def _read_series(self, X):
        """Return series to learn from; a backtest passes those that it has cut off."""
        if isinstance(X, SeriesSet):
            return X
        return read_series(
            X,
            target=self.target,
            known_future=self.known_future,
            static=self.static,
            freq=self.freq,
        )

    def _fit_series(self, X):
        series_set = self._read_series(X)
        self._set_columns(series_set)
        rng = check_random_state(self.random_state)
        self._seed = rng.randint(np.iinfo(np.int32).max)
        lengths = series_set.lengths
        plan = make_plan(self, series_set)
        panel = self._panel(series_set)
        warm = self.warm_start and getattr(getattr(self, "_model", None), "plan", None) == plan
        before = self._model.regressor.set_params(**self._network_parameters()) if warm else None
        model = self._make_model(plan, panel.target.shape[1], before)
        model.regressor.warm_start = warm and model.regressor.is_trained
        self._series, self._errors = series_set, None
        self.season_length_, self.lookback_ = plan.season, plan.lookback
        self.segment_length_, self.horizon_ = plan.segment, int(self.horizon)
        probe = self._calibrate(panel, plan) if self.calibrate else None
        n_watching = self._rows_watching(lengths)
        self._train(
            model, lambda owner: model.fit(panel, n_held_out=n_watching, owner=owner), X, None
        )
        if probe is not None:
            self._errors = self._errors.rescaled(probe.yardstick / model.yardstick)
        self._warn_of_no_skill()

    def _calibrate(self, panel, plan):
        """Train on all but the last rows, and keep the errors of the forecasts of those.

        Returns
        -------
        model : Model
            What was trained, in whose units the errors are.
        """
        lengths, horizon = panel.lengths, int(self.horizon)
        n_rows = rows_to_calibrate(lengths, horizon)
        before = panel.truncated(lengths - n_rows)
        model = self._make_model(plan, panel.target.shape[1])
        model.regressor.verbose = False
        model.fit(before, n_held_out=self._rows_watching(before.lengths))
        series, positions = all_origins(lengths, lengths - n_rows)
        forecasts = model.forecast(panel, series, positions, horizon)
        errors = model.errors(forecasts, panel, series, positions)
        self._errors = ConformalErrors(errors, series, positions, plan.levels or (0.5,))
        actual = rows_ahead(panel.target, panel.offsets, series, positions, horizon)
        units = naive_errors(before, plan.season)
        naive = naive_forecasts(panel, series, positions, horizon, plan.season)
        error = mean_scaled_error(actual, forecasts.point(), series, units)
        naive_error = mean_scaled_error(actual, naive, series, units)
        self.skill_ = 1 - error / naive_error if naive_error > 0 else np.nan
        return model

    def _rows_watching(self, lengths):
        """Return how many rows at the end of each series only watch the training, if any do."""
        if not self.early_stopping:
            return None
        n_rows = np.ceil(self.validation_fraction * lengths).astype(np.int64)
        return np.where(lengths > 2, np.minimum(n_rows, lengths - 2), 0)

    def _warn_of_no_skill(self):
        if getattr(self, "skill_", 0.0) < 0:
            warnings.warn(
                "On the rows held out these forecasts are worse than the seasonal naive one "
                f"(skill_={self.skill_:.2f}, season_length_={self.season_length_}). Try another "
                "season_length or lookback, baseline='seasonal_naive', a smaller network, or "
                "covariates; or forecast with the naive method.",
                UserWarning,
                stacklevel=6,  # the caller of fit, behind two decorators
            )

    def _make_model(self, plan, n_targets, regressor=None):
        regressor = self._make_regressor(plan.levels) if regressor is None else regressor
        separate = self.multivariate == "separate" and n_targets > 1
        return SeparateModel(plan, regressor) if separate else Model(plan, regressor)

    def _panel(self, series_set, future=None, horizon=0):
        """Return the numbers of series, and what is known of `horizon` rows after them."""
        values, dtype = series_set.values, series_set.values.dtype
        offsets, n_series = series_set.offsets, len(series_set)
        known = values[:, series_set.known]
        if future is None:
            future = np.full((n_series, horizon, known.shape[1]), np.nan, dtype=dtype)
        if self.calendar is not None:
            freq, names = series_set.freq, self.calendar
            past_dates, _ = calendar_features(series_set.all_times(), freq, names)
            known = np.concatenate([known, past_dates], axis=1, dtype=dtype)
            if horizon:
                dates, _ = calendar_features(series_set.all_future(horizon), freq, names)
                dates = dates.reshape(n_series, horizon, -1)
            else:
                dates = np.empty((n_series, 0, past_dates.shape[1]))
            future = np.concatenate([future, dates], axis=2, dtype=dtype)
        ahead, ahead_offsets = known, offsets
        if horizon:
            ahead_offsets = offsets + horizon * np.arange(n_series + 1)
            ahead = np.empty((ahead_offsets[-1], known.shape[1]), dtype=dtype)
            is_future = np.zeros(len(ahead), dtype=bool)
            is_future[(offsets[1:, np.newaxis] + horizon * np.arange(n_series)[:, np.newaxis]
                       + np.arange(horizon)).ravel()] = True  # fmt: skip
            ahead[is_future] = future.reshape(n_series * horizon, known.shape[1])
            ahead[~is_future] = known
        static = series_set.static
        return Panel(
            np.ascontiguousarray(values[:, series_set.targets]),
            offsets,
            np.ascontiguousarray(values[:, series_set.past]),
            np.ascontiguousarray(ahead),
            ahead_offsets,
            series_set.known.size,
            np.empty((n_series, 0), dtype) if static is None else static.astype(dtype),
        )

    def _set_columns(self, series_set):
        schema = series_set.schema
        names = [*schema.encoding.names, *schema.static_names]
        self.n_features_in_ = len(names)
        vars(self).pop("feature_names_in_", None)
        if schema.is_named and all(isinstance(name, str) for name in names):
            self.feature_names_in_ = np.array(names, dtype=object)

    def _forecast_from(self, series_set, series, positions, horizon):
        """Return forecasts from any places in series, all in one pass.

        Parameters
        ----------
        series_set : SeriesSet
            The series, as `_histories` reads them.
        series, positions : ndarray of int64 of shape (n,)
            From which series, and after how many of its rows. What is known ahead is taken from
            the rows that follow.
        horizon : int
            Steps to forecast.

        Returns
        -------
        forecasts : Forecasts
            ``forecasts.point()`` has shape (n, horizon, n_targets).
        """
        return self._model.forecast(self._panel(series_set), series, positions, horizon)

    def _quantiles(self, forecasts, alphas):
        """Return quantiles of forecasts, of shape (n_alphas, n, horizon, n_targets)."""
        if self.quantiles is None:
            self._needed_errors()
        levels = network_levels(self.quantiles) or (0.5,)
        block = self.horizon_ if self._errors is None else self._errors.horizon
        return forecast_quantiles(forecasts, self._errors, levels, alphas, block)

    def _needed_errors(self):
        if self._errors is None:
            raise ValueError(
                "There are no errors to make intervals of: calibrate=False was set when this "
                "forecaster was fitted. Set calibrate=True, or quantiles=[0.05, 0.5, 0.95] for "
                "quantiles of the network alone, and fit again."
            )
        return self._errors

    def _histories(self, X):
        """Return the series to continue: those of training, or those passed."""
        check_is_fitted(self)
        if self._series is None:
            raise ValueError(
                "This forecaster was fitted with fit(X, y), row by row: pass the rows whose "
                "continuation is wanted to predict. For the continuation of series fit(X) alone."
            )
        if X is None:
            return self._series
        return read_series(X, like=self._series)

    def _held_out(self, X, y=None):
        """Forecast rows to score; see :class:`skrnn.metrics.ForecastScorer`.

        Returns
        -------
        histories : list of ndarray
            What was known of each series and target.
        actual : ndarray of shape (n_series * n_targets, horizon)
            What happened.
        forecasts : Forecasts
            What was forecast.
        """
        if y is None:
            history, actual, forecasts = held_out(self, self._histories(X))
            rows = [history.series(i)[:, k] for i in range(len(history)) for k in history.targets]
        else:
            sequences = self._read_rows(X)
            rows = np.split(sequences.values[:, 0], sequences.offsets[1:-1])
            actual = np.asarray(y, dtype=np.float64).reshape(len(rows), -1, 1)
            forecasts = self._model.forecast(sequences)
        return rows, actual.transpose(0, 2, 1).reshape(len(rows), -1), forecasts

    def _origins(self, series_set, X_future, horizon):
        """Return the panel of series, as far as it is needed, and the places at their ends."""
        future = read_future(X_future, series_set, horizon)
        recent = series_set.tail(self._model.plan.memory)
        if np.isnan(recent.values[:, recent.targets]).any():
            # What fills a gap may lie further back.
            recent = series_set
        return self._panel(recent, future, horizon), np.arange(len(recent)), recent.lengths

    # -------------------------------------------------------------------- rows

    def _fit_rows(self, X, y):
        _check_rows_are_histories(X)
        sequences = check_sequences(self, X, reset=True)
        check_target_length(sequences, y, X)
        y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y", estimator=self)
        columns = y.reshape(len(y), -1)
        if self.horizon not in (1, columns.shape[1]):
            raise ValueError(
                f"horizon={self.horizon}, but y has {columns.shape[1]} column(s): a row of y is "
                "what followed the same row of X, one column a step. Set horizon to the number of "
                "columns."
            )
        if self.strategy == "recursive":
            raise ValueError(
                "strategy='recursive' feeds forecasts back into a series, which fit(X, y) does "
                "not know. Pass the series themselves with fit(X), or set strategy='direct'."
            )
        self._one_dimensional, self.horizon_ = y.ndim == 1, columns.shape[1]
        self._series = self._errors = None
        rng = check_random_state(self.random_state)
        self._seed = rng.randint(np.iinfo(np.int32).max)
        n, levels = len(columns), network_levels(self.quantiles)
        scaling = "standard" if self.scaling == "auto" else self.scaling
        n_rows = min(_ROWS_TO_CALIBRATE, int(_SHARE_TO_CALIBRATE * n))
        if self.calibrate and n_rows > 0:
            probe = RowModel(scaling, levels, self._make_regressor(levels))
            probe.regressor.verbose = probe.regressor.early_stopping = False
            rows = np.arange(n)
            probe.fit(sequences.take(rows[:-n_rows]), columns[:-n_rows])
            late = rows[-n_rows:]
            errors = probe.forecast(sequences.take(late)).errors(columns[late][..., np.newaxis])
            self._errors = ConformalErrors(
                errors, np.zeros(n_rows, np.int64), late, levels or (0.5,)
            )
        n_held_out = 0
        if self.early_stopping:
            n_held_out = int(np.ceil(self.validation_fraction * n))
            if n_held_out >= n:
                raise ValueError(
                    f"early_stopping holds out {n_held_out} rows, which leaves none for training "
                    f"(n_samples={n}). Set early_stopping=False."
                )
        model = RowModel(scaling, levels, self._make_regressor(levels))
        self._train(
            model,
            lambda owner: model.fit(sequences, columns, n_held_out=n_held_out, owner=owner),
            X,
            y,
        )

    def _read_rows(self, X):
        return check_sequences(self, X, reset=False, dtype=self._model.regressor.dtype)

    # ---------------------------------------------------------------- training

    def _network_parameters(self):
        parameters = {name: getattr(self, name) for name in NETWORK_PARAMETERS}
        return {**parameters, "random_state": self._seed}

    def _make_regressor(self, levels):
        regressor = WindowRegressor(**self._network_parameters())
        regressor.levels = levels
        regressor.epoch_size = windows_in_epoch(self)
        return regressor

    def _train(self, model, fit, X, y):
        """Fit a model while callbacks listen, and take over what its training tells."""
        context = self._init_callback_context(max_subtasks=self.max_iter)

        def attributes(of_regressor):
            trained = copy(model)
            trained.regressor = copy(model.regressor)
            vars(trained.regressor).update(of_regressor)
            return {"_model": trained}

        data = {"X": X, "y": y, "metadata": None}
        fit((self, context, data, attributes))
        self._model = model
        self._take_over(model.regressor)

    def _take_over(self, regressor):
        for name in (
            "loss_", "best_loss_", "loss_curve_", "validation_scores_", "validation_loss_curve_",
            "best_validation_score_", "best_iter_", "n_iter_", "t_", "n_layers_", "n_outputs_",
            "n_parameters_", "out_activation_",
        ):  # fmt: skip
            if hasattr(regressor, name):
                setattr(self, name, getattr(regressor, name))


def _check_rows_are_histories(X):
    is_flat = isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype != object
    is_flat |= isinstance(X, pd.Series) and X.index.nlevels == 1 and X.dtype != object
    if is_flat:
        raise ValueError(
            f"Expected 2D array, got 1D array instead (shape {X.shape}). With y every row of X is "
            "a history, and the same row of y what followed it. If X is a series to be continued, "
            "call fit(X) without y; if its values are histories of one step each, reshape your "
            "data with X.reshape(-1, 1)."
        )
