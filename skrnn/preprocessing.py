"""Scaling of the channels of sequences, in every layout that the estimators read."""

from copy import deepcopy
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils._param_validation import Interval
from sklearn.utils._set_output import _wrap_data_with_container
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skrnn.layouts import layout_of, plain_input, restore_layout
from skrnn.sequences import Sequences, all_finite, first_not_finite
from skrnn.validation import check_sequences

_MOMENTS = ("mean_", "var_", "scale_", "n_samples_seen_")


class _LayoutKeepingTransforms:
    """The transforms, out of reach of scikit-learn's automatic wrapping of their output.

    That wrapping would turn every output into a 2-D container as soon as `set_output` asks for
    one. Here only tables are wrapped, and the layouts that hold sequences stay as they are.
    """

    def fit_transform(self, X, y=None, sample_weight=None):
        """Fit to X and return it scaled.

        Parameters
        ----------
        X : array-like, list of array-like, or DataFrame
            Sequences in any layout.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of every step of each sequence.

        Returns
        -------
        object
            X scaled, in the layout it came in.
        """
        return self.fit(X, y, sample_weight=sample_weight).transform(X)

    def transform(self, X):
        """Scale each channel.

        Parameters
        ----------
        X : array-like, list of array-like, or DataFrame
            Sequences in any layout.

        Returns
        -------
        object
            X scaled, in the layout it came in. A 2-D input gives an ndarray, or what `set_output`
            asks for.
        """
        result = self._convert(X, "transform")
        if layout_of(X) == "table" and isinstance(result, np.ndarray) and result.ndim == 2:
            return _wrap_data_with_container("transform", result, X, self)
        return result


class SequenceScaler(
    _LayoutKeepingTransforms,
    CallbackSupportMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Standardise each channel over all steps of all sequences.

    The mean and the standard deviation of a channel are taken over the true steps only, so
    neither padding nor the length of the other sequences has a say. The output has the layout of
    the input: a 2-D or 3-D array (NaN padding kept), a list, an object array, or a frame with its
    index and columns. float32 stays float32.

    Parameters
    ----------
    with_mean : bool, default=True
        Subtract the mean of each channel.
    with_std : bool, default=True
        Divide by the standard deviation of each channel. A constant channel is divided by 1.
    copy : bool, default=True
        If False, try to write the result into X. Without a guarantee: what has to be converted
        is copied all the same.
    n_timesteps : int or None, default=None
        How many steps a row of a 2-D X holds, each of ``n_features / n_timesteps`` channels,
        time-major. None reads a row as one univariate sequence: one mean for all columns.

    Attributes
    ----------
    mean_ : ndarray of shape (n_channels_,) or None
        Mean of each channel. None if neither `with_mean` nor `with_std`.
    var_ : ndarray of shape (n_channels_,) or None
        Variance of each channel. None if not `with_std`.
    scale_ : ndarray of shape (n_channels_,) or None
        What each channel is divided by. None if not `with_std`.
    n_samples_seen_ : int or float
        Number of steps seen, or the sum of their weights.
    n_features_in_ : int
        Columns of a 2-D X, channels of any other.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of those, if X has names that are all strings.
    n_channels_ : int
        Number of channels.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : Scales each column of a 2-D X by itself.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.preprocessing import SequenceScaler
    >>> X = [np.array([[0.0, 10.0], [1.0, 20.0]]), np.array([[2.0, 30.0]])]
    >>> scaler = SequenceScaler().fit(X)
    >>> scaler.mean_
    array([ 1., 20.])
    >>> [sequence.round(2) for sequence in scaler.transform(X)]
    [array([[-1.22, -1.22],
           [ 0.  ,  0.  ]]), array([[1.22, 1.22]])]
    """

    _parameter_constraints: dict = {
        "with_mean": ["boolean"],
        "with_std": ["boolean"],
        "copy": ["boolean"],
        "n_timesteps": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, *, with_mean=True, with_std=True, copy=True, n_timesteps=None):
        self.with_mean = with_mean
        self.with_std = with_std
        self.copy = copy
        self.n_timesteps = n_timesteps

    @_fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(self, X, y=None, sample_weight=None):
        """Compute the mean and standard deviation of each channel.

        Parameters
        ----------
        X : array-like, list of array-like, or DataFrame
            Sequences in any layout.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of every step of each sequence.

        Returns
        -------
        SequenceScaler
            The fitted scaler.
        """
        task = self._init_callback_context().call_on_fit_task_begin(estimator=self, X=X, y=y)
        self._accumulate(X, sample_weight, first=True)
        task.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Add more sequences to the mean and standard deviation, exactly.

        Parameters
        ----------
        X : array-like, list of array-like, or DataFrame
            Sequences in any layout.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weight of every step of each sequence.

        Returns
        -------
        SequenceScaler
            The fitted scaler.
        """
        return self._accumulate(X, sample_weight, first=not hasattr(self, "n_samples_seen_"))

    def inverse_transform(self, X):
        """Undo the scaling.

        Parameters
        ----------
        X : array-like, list of array-like, or DataFrame
            Scaled sequences in any layout.

        Returns
        -------
        object
            The sequences on their original scale, in the layout of X.
        """
        return self._convert(X, "inverse_transform")

    def _accumulate(self, X, sample_weight, first):
        attributes = vars(self)
        before = dict(attributes)
        try:
            sequences = check_sequences(self, X, reset=first)
            weights = _step_weights(sample_weight, sequences)
            if first:
                from sklearn.preprocessing import StandardScaler

                scaler = StandardScaler(with_mean=self.with_mean, with_std=self.with_std)
                # A global transform_output is meant for the output of this class, not of its parts.
                scaler.set_output(transform="default")
            else:
                scaler = deepcopy(self._scaler)
            with np.errstate(over="ignore", invalid="ignore"):
                scaler.partial_fit(sequences.values, sample_weight=weights)
            _check_moments(scaler)
        except BaseException:
            attributes.clear()
            attributes.update(before)
            raise
        self._scaler = scaler
        for name in _MOMENTS:
            setattr(self, name, getattr(scaler, name))
        return self

    def _convert(self, X, method):
        check_is_fitted(self)
        sequences = check_sequences(self, X, reset=False)
        X = plain_input(X)
        values = sequences.values
        may_be_users = not isinstance(X, np.ndarray) or np.may_share_memory(values, X)
        if may_be_users and (self.copy or not values.flags.writeable):
            values = values.copy()
        dtype = values.dtype
        if self.scale_ is not None and self.scale_.min() < np.finfo(dtype).tiny:
            # The scale of float32 subnormals is zero in float32.
            values = values.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            values = getattr(self._scaler, method)(values, copy=False).astype(dtype, copy=False)
        scaled = Sequences(values, sequences.offsets)
        if not all_finite(values):
            row, step, channel, _ = first_not_finite(scaled)
            raise ValueError(
                f"{method} overflows {dtype} in sequence {row}, step {step}, channel "
                f"{channel}: the value is too far from those seen in fit. Pass float64, or "
                "clip the values first."
            )
        return restore_layout(X, scaled)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _step_weights(sample_weight, sequences):
    if sample_weight is None:
        return None
    lengths = sequences.lengths
    weights = _check_sample_weight(
        sample_weight, lengths, dtype=sequences.values.dtype, ensure_non_negative=True
    )
    if not weights.any():
        raise ValueError("sample_weight is zero for every sequence: give at least one a weight.")
    return np.repeat(weights, lengths)


def _check_moments(scaler):
    for name in ("mean_", "var_"):
        moments = getattr(scaler, name)
        if moments is not None and not np.isfinite(moments).all():
            channel = int(np.isfinite(moments).argmin())
            raise ValueError(
                f"The values of channel {channel} of X are too large: their "
                f"{'mean' if name == 'mean_' else 'variance'} overflows. Divide them by a constant "
                "first."
            )
