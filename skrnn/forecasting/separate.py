"""Several targets, each forecast from its own past by one network for all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skrnn.forecasting.channels import Standard
from skrnn.forecasting.model import Forecasts, Model
from skrnn.forecasting.normalisation import fit_transform
from skrnn.sequences import lengths_to_offsets


class SeparateModel(Model):
    """A model of one target, applied to each of several as if they were series of their own.

    Each is transformed and standardised by itself first. What holds for linear networks (Nie et
    al., "A Time Series is Worth 64 Words", ICLR 2023) and segments (Lin et al., 2023) holds here:
    many targets are forecast better apart than jointly, unless one really leads another.
    """

    def fit_normalisation(self, panel):
        """Fit transforms and scales of the targets, then the normalisation of their windows."""
        n_targets = panel.target.shape[1]
        self.transforms = [
            fit_transform(self.plan.transform, panel.target[:, k], f"target {k}")
            for k in range(n_targets)
        ]
        self.standard = Standard.of(self._bent(panel.target))
        inner = replace(self.plan, transform=None)
        self._single = Model(inner, self.regressor)
        self._single.fit_normalisation(self._apart(panel))
        return self

    def train(self, panel, *, n_held_out=None, owner=None):
        """Train the network; parameters as of :meth:`Model.fit`."""
        if n_held_out is not None:
            n_held_out = np.repeat(n_held_out, self._n_targets)
        self._single.regressor = self.regressor
        self._single.train(self._apart(panel), n_held_out=n_held_out, owner=owner)
        return self

    @property
    def yardstick(self):
        """What all units of errors have as a factor that another fit would not, by target."""
        return self.standard.scale * self._single.yardstick

    @property
    def _n_targets(self):
        return len(self.transforms)

    def _bent(self, target):
        z = np.empty_like(target)
        for k, transform in enumerate(self.transforms):
            z[:, k] = transform.forward(target[:, k])
        return z

    def _apart(self, panel):
        """Return a panel in which every target is a series, those of one series side by side."""
        n = self._n_targets
        z = self.standard(self._bent(panel.target))
        rows, offsets = _repeated(panel.offsets, n)
        ahead_rows, ahead_offsets = _repeated(panel.ahead_offsets, n)
        which = np.repeat(np.tile(np.arange(n), len(panel)), np.repeat(panel.lengths, n))
        return replace(
            panel,
            target=np.ascontiguousarray(z[rows, which][:, np.newaxis]),
            offsets=offsets,
            past=panel.past[rows],
            ahead=panel.ahead[ahead_rows],
            ahead_offsets=ahead_offsets,
            static=np.repeat(panel.static, n, axis=0),
        )

    def forecast(self, panel, series, positions, horizon):
        """Forecast from places in series; as :meth:`Model.forecast`."""
        n = self._n_targets
        apart = (series[:, np.newaxis] * n + np.arange(n)).ravel()
        single = self._single.forecast(self._apart(panel), apart, np.repeat(positions, n), horizon)
        return self.together(single, len(series))

    @property
    def single(self):
        """The model of one target."""
        return self._single

    def rows_of_series(self, panel):
        """Return the rows of the targets as series."""
        return self._single.channels.read(self._apart(panel))

    def entering(self, target):
        """Return new rows of targets as one new value of each target's series."""
        return self.standard(self._bent(target)).reshape(-1, 1)

    def together(self, single, n_places):
        """Return forecasts of the targets' series as forecasts of the targets."""
        n, horizon = self._n_targets, single.centre.shape[1]
        mean, scale = self.standard.mean, self.standard.scale
        centre = single.centre.reshape(n_places, n, horizon).swapaxes(1, 2) * scale + mean
        quantiles = single.quantiles
        if quantiles is not None:
            quantiles = quantiles.reshape(n_places, n, horizon, -1).swapaxes(1, 2)
            quantiles = quantiles * scale[:, np.newaxis] + mean[:, np.newaxis]
        spread = single.spread.reshape(n_places, n) * scale
        return Forecasts(np.ascontiguousarray(centre), spread, quantiles, self.transforms)

    def transformed(self, target):
        """Return targets on the scale on which the model works."""
        return self._bent(target)


def _repeated(offsets, n):
    """Return the rows of series that are repeated n times each, and their new offsets."""
    lengths = np.repeat(np.diff(offsets), n)
    new = lengths_to_offsets(lengths)
    return np.repeat(np.repeat(offsets[:-1], n) - new[:-1], lengths) + np.arange(new[-1]), new
