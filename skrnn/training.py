"""Training: epochs of batches or full-batch L-BFGS, with what stops them and what is kept."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from skrnn._subnormals import begin, end
from skrnn.descent import clip_norm

# Steps for batches of one size, in a whole training, below which it costs more than it saves to
# make calls ready for all of them.
FEWEST_STEPS = 16


@dataclass
class History:
    """What training has seen so far, and the best weights.

    Attributes
    ----------
    losses : list of float
        Training loss of each epoch.
    validation_scores, validation_losses : list of float
        Of each epoch, where there is validation data.
    best_loss : float
        Lowest training loss.
    best_score : float or None
        Highest validation score.
    best_epoch : int
        Number of the epoch, from 1, whose weights are the best.
    best_params : ndarray or None
        Its weights: by validation score, ties broken by validation loss; without validation data,
        by training loss.
    n_stalled : int
        Epochs since the last improvement by more than the tolerance.
    stops_by_validation : bool
        Whether that is an improvement on validation data, or else of the training loss.
    """

    losses: list = field(default_factory=list)
    validation_scores: list = field(default_factory=list)
    validation_losses: list = field(default_factory=list)
    best_loss: float = np.inf
    best_score: float | None = None
    best_epoch: int = 0
    best_params: np.ndarray | None = None
    n_stalled: int = 0
    stops_by_validation: bool = False
    _best_validation_loss: float = np.inf

    @property
    def n_epochs(self):
        """Epochs noted."""
        return len(self.losses)

    def copy(self):
        """Return a history that can go on without this one noticing."""
        return replace(
            self,
            losses=list(self.losses),
            validation_scores=list(self.validation_scores),
            validation_losses=list(self.validation_losses),
        )

    def add(self, params, loss, validation, tolerance):
        """Note an epoch.

        Parameters
        ----------
        params : ndarray
            Weights at its end; copied if they are the best.
        loss : float
            Its training loss.
        validation : tuple of (float, float) or None
            Score and loss on validation data.
        tolerance : float
            How much better counts as an improvement.
        """
        self.losses.append(float(loss))
        training_stalled = stalled = loss > self.best_loss - tolerance
        best = loss < self.best_loss
        if validation is not None:
            score, validation_loss = validation
            self.validation_scores.append(score)
            self.validation_losses.append(validation_loss)
            lowest = self._best_validation_loss
            if np.isnan(score):
                # As the R² of a single sequence is: the loss decides alone.
                stalled = validation_loss > lowest - tolerance
                best = validation_loss < lowest
            else:
                highest = -np.inf if self.best_score is None else self.best_score
                stalled = score < highest + tolerance
                best = score > highest or (score == highest and validation_loss < lowest)
            if best:
                self.best_score, self._best_validation_loss = score, validation_loss
        self.best_loss = min(self.best_loss, float(loss))
        stalled = stalled if self.stops_by_validation else training_stalled
        self.n_stalled = self.n_stalled + 1 if stalled else 0
        if best:
            self.best_epoch = self.n_epochs
            self.best_params = params.copy()


@dataclass(frozen=True)
class Settings:
    """How long to train and what to keep, under the estimators' names.

    An epoch is `epoch_size` sequences of a shuffled pass over all, or the pass itself.
    """

    max_iter: int
    batch_size: int
    shuffle: bool
    tol: float
    n_iter_no_change: int
    max_grad_norm: float | None
    max_fun: int
    early_stopping: bool
    verbose: int
    epoch_size: int | None = None


def raise_if_diverged(loss, params, epoch):
    """Refuse weights that are not finite.

    Raises
    ------
    ValueError
        If the loss or a weight is NaN or infinite.
    """
    if np.isfinite(loss) and np.isfinite(params).all():
        return
    raise ValueError(
        f"Training diverged in epoch {epoch}: the loss is {loss} or a weight is not finite. "
        "Lower learning_rate_init or max_grad_norm, and check that the inputs are scaled "
        "(see skrnn.SequenceScaler)."
    )


def describe(history, max_iter, rate, seconds):
    """Return one line about the newest epoch."""
    epoch = f"epoch {history.n_epochs:{len(str(max_iter))}d}"
    if history.n_epochs <= max_iter:
        epoch += f"/{max_iter}"  # partial_fit goes on beyond its single epoch
    parts = [epoch, f"loss {history.losses[-1]:.5f}"]
    if history.validation_scores:
        parts.append(f"validation loss {history.validation_losses[-1]:.5f}")
        parts.append(f"validation score {history.validation_scores[-1]:.4f}")
    if rate is not None:
        parts.append(f"rate {rate:.2e}")
    parts.append(f"{seconds:.2f} s")
    return "  ".join(parts)


def _tell(history, settings, rate, started):
    """Print the newest epoch if its turn has come."""
    if settings.verbose and (history.n_epochs - 1) % settings.verbose == 0:
        print(describe(history, settings.max_iter, rate, time.perf_counter() - started))


def _warn_interrupted(history):
    warnings.warn(
        f"Training interrupted after {history.n_epochs} epochs; the best weights so far are kept.",
        stacklevel=2,
    )


class StochasticTraining:
    """Epochs of shuffled batches.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    solver : object
        Steps along gradients; keeps its state between runs.
    schedule : object
        Gives the step size.
    settings : Settings
        How long and how.
    rng : numpy.random.RandomState
        Source of shuffling and dropout.
    threads : Threads
        Who computes gradients.
    n_seen : int, default=0
        Sequences seen before, for schedules that depend on it.
    """

    def __init__(self, objective, solver, schedule, settings, rng, threads, n_seen=0):
        self.objective = objective
        self.solver = solver
        self.schedule = schedule
        self.settings = settings
        self.rng = rng
        self.threads = threads
        self.n_seen = n_seen
        self._rate = None
        self._descents = {}  # by the size of a batch
        # What is left of a shuffled pass over all data, where an epoch is a part of it.
        self._deck = np.empty(0, np.int64)

    def run(self, params, history, validate=None, on_epoch=None):
        """Train until an end is reached.

        Parameters
        ----------
        params : ndarray
            The weights, changed in place.
        history : History
            Receives the epochs.
        validate : callable or None
            ``validate(params)`` returns score and loss on validation data.
        on_epoch : callable or None
            ``on_epoch(history, params)`` after each epoch; a true result ends training.

        Returns
        -------
        params : ndarray
            The weights to use.
        """
        settings, converged = self.settings, False
        start, n_before = params.copy(), history.n_epochs
        try:
            for epoch in range(settings.max_iter):
                started = time.perf_counter()
                loss = self._run_epoch(params, epoch)
                raise_if_diverged(loss, params, history.n_epochs + 1)
                history.add(
                    params, loss, None if validate is None else validate(params), settings.tol
                )
                _tell(history, settings, self._rate, started)
                if (on_epoch is not None and on_epoch(history, params)) or self._has_ended(history):
                    converged = True
                    break
        except KeyboardInterrupt:
            _warn_interrupted(history)
            if history.best_epoch > n_before:
                return history.best_params
            # No epoch of this run has ended well; losses of earlier runs were of other data.
            return params if np.isfinite(params).all() else start
        expected_to_stop = self.schedule.stops_on_plateau and settings.n_iter_no_change < np.inf
        if not converged and expected_to_stop and settings.max_iter > 1:
            warnings.warn(
                f"Stochastic optimizer: maximum iterations ({settings.max_iter}) reached and the "
                "optimization has not converged yet. Raise max_iter, or use "
                "learning_rate='cosine', which ends by design.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return history.best_params if settings.early_stopping else params

    def _run_epoch(self, params, epoch):
        """Pass once over all data and return the mean loss met on the way."""
        batches = self.objective.batches(self._draw(), self.settings.batch_size)
        total, n_before = 0.0, 0
        for size, group in groupby(batches, lambda batch: batch.size):
            alike, n_made = list(group), 0
            while n_made < len(alike):
                where = epoch, n_before + n_made, len(batches)
                losses = self._descend(params, alike, n_made, where)
                n_made += len(losses)
                for loss in losses:
                    total += loss * size
            n_before += n_made
        return total / sum(batch.size for batch in batches)

    def _descend(self, params, alike, first, where):
        """Make steps for some batches of one size, from one of them on; return their losses."""
        size, n_steps_before = alike[first].size, self.solver.n_steps
        descent = self._descent(params, size, len(alike))
        few = alike[first : first + (1 if descent is None else descent.n_at_once)]
        rates = self._rates(few, *where)
        try:
            losses = [] if descent is None else descent.run(few, rates)
            return losses or [self._step(params, few[0], rates[0])]
        finally:
            self.n_seen += size * (self.solver.n_steps - n_steps_before)

    def _rates(self, batches, epoch, first, n_batches):
        """Return the step size of some of the batches of an epoch."""
        rates, n_seen = [], self.n_seen
        for number, batch in enumerate(batches, first):
            progress = (epoch + number / n_batches) / self.settings.max_iter
            rates.append(self.schedule.rate(progress, n_seen))
            n_seen += batch.size
        self._rate = rates[-1]
        return rates

    def _step(self, params, batch, rate):
        """Make a step along the gradient of a batch and return its loss."""
        flags = begin()
        try:
            loss, gradient = self.objective.gradient(params, batch, self.threads, self.rng)
            clip_norm(gradient, self.settings.max_grad_norm)
            self.solver.step(params, gradient, rate)
        finally:
            end(flags)
        return loss

    def _descent(self, params, size, n_batches):
        """Return what makes steps for batches of a size; None if each is made by itself."""
        if size not in self._descents:
            if n_batches == 1 or n_batches * self.settings.max_iter < FEWEST_STEPS:
                return None
            descent = self.objective.descent(params, size, self.solver, self.settings.max_grad_norm)
            if descent is None:
                return None
            self._descents[size] = descent
        _, most = self.objective.begin_batch(params, size)
        return self._descents[size] if size <= most else None

    def _draw(self):
        """Return the sequences of an epoch in their order; a short one goes on in the next."""
        n, size = len(self.objective), self.settings.epoch_size
        if size is None or size >= n:
            order = np.arange(n)
            if self.settings.shuffle and self.settings.batch_size < n:
                self.rng.shuffle(order)
            return order
        if self._deck.size < size:
            self._deck = np.arange(n)
            self.rng.shuffle(self._deck)
        order, self._deck = self._deck[:size], self._deck[size:]
        return order

    def _has_ended(self, history):
        if history.n_stalled <= self.settings.n_iter_no_change:
            return False
        if self.settings.early_stopping:
            return True
        history.n_stalled = 0
        return self.schedule.on_plateau()


def train_lbfgs(objective, params, settings, threads, history, validate=None, on_epoch=None):
    """Minimise the objective over all data with SciPy's L-BFGS-B.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    params : ndarray
        Where to start.
    settings : Settings
        How long and how.
    threads : Threads
        Who computes gradients.
    history : History
        Receives the iterations.
    validate, on_epoch : callable or None
        As in :meth:`StochasticTraining.run`.

    Returns
    -------
    params : ndarray
        The weights to use.
    """
    everything = np.arange(len(objective))
    latest = {"loss": np.inf, "time": time.perf_counter()}

    def evaluate(vector):
        loss, gradient = objective.gradient(vector.astype(params.dtype), everything, threads)
        return loss, gradient.astype(np.float64)

    def after_iteration(intermediate_result):
        current = intermediate_result.x.astype(params.dtype)
        latest["loss"] = float(intermediate_result.fun)
        raise_if_diverged(latest["loss"], current, history.n_epochs + 1)
        history.add(
            current, latest["loss"], None if validate is None else validate(current), settings.tol
        )
        _tell(history, settings, None, latest["time"])
        latest["time"] = time.perf_counter()
        stopped = on_epoch is not None and on_epoch(history, current)
        if stopped or (settings.early_stopping and history.n_stalled > settings.n_iter_no_change):
            raise StopIteration

    try:
        result = minimize(
            evaluate,
            params.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=after_iteration,
            options={
                "maxiter": settings.max_iter,
                "maxfun": settings.max_fun,
                "gtol": settings.tol,
                # As scikit-learn does: not to stop while the gradient is still worth following.
                "ftol": 64 * np.finfo(np.float64).eps,
            },
        )
    except KeyboardInterrupt:
        _warn_interrupted(history)
        return params if history.best_params is None else history.best_params
    final = result.x.astype(params.dtype)
    raise_if_diverged(float(result.fun), final, max(1, history.n_epochs))
    if not history.losses:
        # The start was a minimum already, or max_fun ended the first line search.
        history.add(
            final, float(result.fun), None if validate is None else validate(final), settings.tol
        )
    if result.status == 1:
        warnings.warn(
            f"lbfgs stopped before it converged ({result.message}): raise max_iter "
            f"({settings.max_iter}) or max_fun ({settings.max_fun}).",
            ConvergenceWarning,
            stacklevel=2,
        )
    return history.best_params if settings.early_stopping else final
