"""The row-wise reading: each row of X is a history, the same row of y what followed it."""

from __future__ import annotations

import numpy as np

from skrnn.forecasting.channels import Standard
from skrnn.forecasting.model import Forecasts
from skrnn.forecasting.normalisation import SPREAD, Transform, measure
from skrnn.forecasting.windows import Windows


class RowModel:
    """A network from histories to what followed, with its scaling.

    Parameters
    ----------
    scaling : {"standard", "window", None}
        By the mean and standard deviation of the training rows (X and y each by its own), by the
        level and spread of each row, or not at all.
    levels : tuple of float or None
        Quantiles that the network gives, 0.5 among them; None is one number.
    regressor : WindowRegressor
        The network, not fitted yet.
    """

    def __init__(self, scaling, levels, regressor):
        self.scaling = scaling
        self.levels = levels
        self.regressor = regressor

    def fit(self, sequences, y, *, n_held_out=0, owner=None):
        """Fit scaling and network.

        Parameters
        ----------
        sequences : Sequences
            The histories.
        y : ndarray of shape (n, horizon)
            What followed.
        n_held_out : int
            Rows at the end that only watch the training.
        owner : tuple or None
            Who hears of the epochs; see `WindowRegressor.fit_windows`.

        Returns
        -------
        self : RowModel
            The fitted model.
        """
        if self.scaling == "window" and sequences.n_channels > 1:
            raise ValueError(
                "scaling='window' takes y to continue the history, but X has "
                f"{sequences.n_channels} channels. Set scaling='standard' or None."
            )
        n_seen = len(sequences) - n_held_out
        seen = sequences.values[: sequences.offsets[n_seen]]
        self.inputs, self.targets = Standard.of(seen), Standard.of(y[:n_seen])
        if self.scaling is None:
            self.inputs = Standard(np.zeros(seen.shape[1]), np.ones(seen.shape[1]))
            self.targets = Standard(np.zeros(y.shape[1]), np.ones(y.shape[1]))
        windows, centre, scale = self._windows(sequences)
        moving = np.where(scale > 0, scale, 1.0)
        target = ((y - centre) / moving).astype(sequences.values.dtype)
        if self.levels is not None:
            target = np.repeat(target, len(self.levels), axis=1)
        rows = np.arange(len(sequences))
        examples = [(windows.take(part), target[part]) for part in (rows[:n_seen], rows[n_seen:])]
        watched = examples[1] if n_held_out else None
        self.regressor.fit_windows(*examples[0], watched, owner=owner)
        return self

    def forecast(self, sequences):
        """Return the forecasts from histories; their errors are in the unit of y or of each row."""
        windows, centre, scale = self._windows(sequences)
        n_levels = 1 if self.levels is None else len(self.levels)
        raw = self.regressor.raw(windows).astype(np.float64)
        raw = raw.reshape(len(sequences), -1, 1, n_levels)
        y = centre[..., np.newaxis, np.newaxis] + scale[..., np.newaxis, np.newaxis] * raw
        unit = scale if self.scaling == "window" else np.ones((len(sequences), 1))
        if self.levels is None:
            return Forecasts(y[..., 0], unit, None, [Transform()])
        y.sort(axis=3)
        return Forecasts(
            np.ascontiguousarray(y[..., self.levels.index(0.5)]), unit, y, [Transform()]
        )

    def _windows(self, sequences):
        """Return normalised histories, and the centre and scale of what follows."""
        dtype, n = sequences.values.dtype, len(sequences)
        ends, lengths = sequences.offsets[1:], sequences.lengths
        if self.scaling == "window":
            level, spread, unit = (np.empty((n, 1)) for _ in range(3))
            kinds, free = np.array([SPREAD]), np.array([np.inf])
            measure(
                sequences.values, np.ascontiguousarray(ends), lengths, 1, kinds, free, free,
                np.ones(1), free, level, spread, unit,
            )  # fmt: skip
            gain = 1 / unit
            shift, centre, scale = level, level, spread
        else:
            shift = np.broadcast_to(self.inputs.mean, (n, sequences.n_channels))
            gain = np.broadcast_to(1 / self.inputs.scale, shift.shape)
            centre, scale = self.targets.mean, self.targets.scale
        windows = Windows(
            sequences.values,
            np.ascontiguousarray(ends),
            lengths,
            np.ascontiguousarray(shift, dtype=dtype),
            np.ascontiguousarray(gain, dtype=dtype),
            np.empty((n, 0), dtype=dtype),
        )
        return windows, centre, scale
