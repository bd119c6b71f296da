"""The forecaster behind the interface of sktime, which must be installed: `skrnn[sktime]`."""

import warnings
from inspect import Parameter, Signature, signature

import pandas as pd

from skrnn import forecasting

try:
    from sktime.forecasting.base import BaseForecaster
except ImportError as error:
    raise ImportError(
        "skrnn.sktime requires sktime. Install it with `pip install skrnn[sktime]`."
    ) from error

__all__ = ["RNNForecaster"]

# What sktime says itself: y is the target, X what is known ahead.
_SAID_BY_SKTIME = {"horizon", "target", "known_future", "static"}


def _parameters():
    """Return the parameters of the constructor: all of the forecaster but what sktime says."""
    core = signature(forecasting.RNNForecaster).parameters.values()
    shared = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in core if p.name not in _SAID_BY_SKTIME]
    return [Parameter("horizon", Parameter.POSITIONAL_OR_KEYWORD, default=None), *shared]


class RNNForecaster(BaseForecaster):
    """Recurrent network that forecasts one series or many, for sktime.

    One network is fitted to all series and columns of `y`, and to panels and hierarchies whole.
    Covariates in `X` are known ahead: `predict` wants them for every step up to the last of `fh`.
    Missing values in `y` are welcome.

    Parameters
    ----------
    horizon : int, default=None
        Steps that the network forecasts at once; beyond, it reads its own forecasts. None is the
        largest step of `fh` if `fit` is told, otherwise that of `skrnn.RNNForecaster`.
    **parameters
        All others of :class:`skrnn.RNNForecaster`, by keyword: `lookback`, `cell`,
        `hidden_layer_sizes`, `random_state` and so on.

    Attributes
    ----------
    forecaster_ : skrnn.RNNForecaster
        The fitted forecaster.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from skrnn.sktime import RNNForecaster
    >>> y = load_airline()
    >>> forecaster = RNNForecaster(max_iter=5, random_state=0)
    >>> forecaster.fit(y[:120], fh=[1, 2, 3])
    RNNForecaster(max_iter=5, random_state=0)
    >>> list(forecaster.predict().index.astype(str))
    ['1959-01', '1959-02', '1959-03']
    """

    _tags = {
        "authors": "the skrnn developers",
        "maintainers": "the skrnn developers",
        "y_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "X_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "requires-fh-in-fit": False,
        "capability:multivariate": True,
        "capability:exogenous": True,
        "capability:categorical_in_X": True,
        "capability:missing_values": True,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:update": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
    }

    def __init__(self, *args, **kwargs):
        given = self._signature.bind(self, *args, **kwargs)
        given.apply_defaults()
        for name, value in list(given.arguments.items())[1:]:
            setattr(self, name, value)
        with warnings.catch_warnings():
            # Of a default that is to change and of no concern here: updates need no data kept.
            warnings.filterwarnings("ignore", "The default of config ``remember_data``")
            super().__init__()

    _signature = Signature([Parameter("self", Parameter.POSITIONAL_OR_KEYWORD), *_parameters()])
    __init__.__signature__ = _signature

    def _fit(self, y, X, fh):
        self._names = y.columns
        self._last_times = _last_times(y)
        frame = _joined(y, X)
        parameters = {name: getattr(self, name) for name in self.get_param_names()}
        parameters["target"] = _numbered("y", y)
        parameters["known_future"] = None if X is None else _numbered("x", X)
        if self.horizon is None:
            del parameters["horizon"]
            if fh is not None:
                parameters["horizon"] = self._n_steps(fh)
        self.forecaster_ = forecasting.RNNForecaster(**parameters).fit(frame)
        return self

    def _predict(self, fh, X):
        forecast = self.forecaster_.predict(**self._ahead(fh, X))
        return self._at(fh, forecast).set_axis(self._names, axis=1)

    def _predict_interval(self, fh, X, coverage):
        bounds = self.forecaster_.predict_interval(coverage=coverage, **self._ahead(fh, X))
        return self._at(fh, self._named(bounds))

    def _predict_quantiles(self, fh, X, alpha):
        quantiles = self.forecaster_.predict_quantiles(alpha=alpha, **self._ahead(fh, X))
        return self._at(fh, self._named(quantiles))

    def _update(self, y, X=None, update_params=True):
        # A comparison with a missing time is false: all rows of a new series are new.
        newer = y[~(y.index.get_level_values(-1) <= self._last_times_of(y))]
        if len(newer):
            X = None if X is None else X.loc[newer.index]
            self.forecaster_.update(_joined(newer, X), refit=update_params)
            self._last_times = _last_times(newer).combine_first(self._last_times)
        return self

    def _ahead(self, fh, X):
        """Return the arguments of a prediction that reaches the last step of `fh`."""
        n_steps = self._n_steps(fh)
        if X is not None:
            X = X.set_axis(_numbered("x", X), axis=1)
            X = _fill_between(X, self.forecaster_.future_frame(n_steps).index, self._times(fh))
        return {"horizon": n_steps, "X_future": X}

    def _times(self, fh):
        return fh.to_absolute_index(self.cutoff)

    def _n_steps(self, fh):
        """Return the steps to the last of `fh`, from where the shortest series ends."""
        end = self._last_times.min()
        if end == self.cutoff[0]:
            return int(max(fh.to_relative(self.cutoff)))
        start = self.cutoff[:1].map(lambda _: end)
        if isinstance(start, pd.DatetimeIndex):
            start.freq = self.cutoff.freq
        return int(max(fh.to_absolute(self.cutoff).to_relative(start)))

    def _at(self, fh, frame):
        """Return the rows of a prediction at the times of `fh`."""
        times = self._times(fh)
        if isinstance(frame.index, pd.MultiIndex):
            return frame[frame.index.get_level_values(-1).isin(times)]
        return frame.loc[times]

    def _named(self, frame):
        """Return a frame whose columns begin with the caller's names again."""
        names = dict(zip(_numbered("y", self._names), self._names))
        columns = [(names[first], *rest) for first, *rest in frame.columns]
        return frame.set_axis(pd.MultiIndex.from_tuples(columns), axis=1)

    def _last_times_of(self, y):
        """Return the last time so far of the series of each row; missing for a new one."""
        return self._last_times.reindex(_keys(y)).array

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Return settings for sktime's own tests, small ones.

        Parameters
        ----------
        parameter_set : str, default="default"
            Not used; there is one set.

        Returns
        -------
        params : list of dict
            Parameters of the constructor.
        """
        small = {"hidden_layer_sizes": (4,), "max_iter": 2, "lookback": 4, "random_state": 0}
        return [small, {**small, "strategy": "recursive", "horizon": 2, "scaling": "standard"}]


def _numbered(letter, frame):
    """Return one name a column: those of `y` and `X` may be anything, and the same."""
    n_columns = len(frame) if isinstance(frame, pd.Index) else frame.shape[1]
    return [f"{letter}{i}" for i in range(n_columns)]


def _joined(y, X):
    y = y.set_axis(_numbered("y", y), axis=1)
    return y if X is None else pd.concat([y, X.set_axis(_numbered("x", X), axis=1)], axis=1)


def _fill_between(X, index, wanted):
    """Return X at all steps; those between the wanted ones that it lacks repeat a neighbour."""
    filled = X.reindex(index)
    lacking = ~(index.isin(X.index) | index.get_level_values(-1).isin(wanted))
    if not lacking.any():
        return filled
    keys = list(range(index.nlevels - 1))
    parts = [part for _, part in filled.groupby(level=keys, sort=False)] if keys else [filled]
    neighbours = pd.concat([part.ffill().bfill() for part in parts])
    filled.loc[lacking] = neighbours.loc[lacking]
    return filled


def _keys(y):
    if isinstance(y.index, pd.MultiIndex):
        return y.index.droplevel(-1)
    return pd.Index([0]).repeat(len(y))


def _last_times(y):
    """Return the last time of each series, by key."""
    keys = _keys(y)
    times = pd.Series(y.index.get_level_values(-1), index=keys)
    return times.groupby(level=list(range(keys.nlevels)), sort=False).max()
