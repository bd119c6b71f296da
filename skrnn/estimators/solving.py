"""From parameters to what trains: solver, schedule, settings and objective."""

from __future__ import annotations

from skrnn import bptt, solvers
from skrnn.estimators import keeping
from skrnn.estimators.modes import MODES
from skrnn.training import Settings


class Solving:
    """Mixin: how a network is trained, by the parameters of the estimator."""

    def _is_one_batch(self, n_sequences):
        return self.solver == "lbfgs" or self._batch_size(n_sequences) == n_sequences

    def _batch_size(self, n_sequences):
        if self.batch_size == "auto":
            return min(n_sequences, max(32, min(64, n_sequences // 8)))
        return min(n_sequences, self.batch_size)

    def _make_objective(self, network, loss, examples, mean_weight=None):
        options = self._objective_options(network)
        return MODES[self.mode].make_objective(
            self, network, loss, examples, mean_weight=mean_weight, **options
        )

    def _go_on_with(self, network, loss, examples):
        """Return the objective of the last `partial_fit` for other data, or a new one."""
        # What one call holds says nothing about the mean weight of all of them.
        mean_weight, options = examples.mean_count, self._objective_options(network)
        kept = keeping.take(vars(self).pop("_kept_objective", None))
        if kept is None or not kept.is_for(network, loss, options):
            return self._make_objective(network, loss, examples, mean_weight)
        kept.read_from(examples.sequences, examples.target, examples.weight, mean_weight)
        return kept

    def _keep(self, objective):
        """Keep an objective without its data for the next `partial_fit`, if that is worth it."""
        objective.let_go()
        kept = keeping.keep(objective) if objective.is_worth_keeping else None
        if kept is not None:
            self._kept_objective = kept

    def _objective_options(self, network):
        if self.solver == "lbfgs" and (self.dropout > 0 or self.recurrent_dropout > 0):
            raise ValueError(
                "solver='lbfgs' minimises one fixed function and cannot drop units at random; set "
                "dropout=0 and recurrent_dropout=0, or choose solver='adam'."
            )
        dropout = None
        if self.dropout > 0 or self.recurrent_dropout > 0:
            dropout = MODES[self.mode].make_dropout(self.dropout, self.recurrent_dropout)
        return {"alpha": self.alpha, "dropout": dropout, **self._walk(network)}

    def _walk(self, network):
        """Return the options that say how gradients go back through time."""
        if self.checkpoint_steps is not None:
            return {"checkpoint_steps": self._checked_checkpoint_steps()}
        if self.bptt_steps is None:
            return {"walk": bptt.full}
        if network.can_carry and self.solver != "lbfgs":
            return {
                "n_steps": self.bptt_steps,
                "n_streams": 32 if self.batch_size == "auto" else self.batch_size,
            }
        return {"walk": bptt.Truncated(self.bptt_steps)}

    def _checked_checkpoint_steps(self):
        steps = self.checkpoint_steps
        if self.bptt_steps is not None:
            raise ValueError(
                f"checkpoint_steps={steps!r} computes the full gradient, which "
                f"bptt_steps={self.bptt_steps} cuts off: set one of them to None."
            )
        if MODES[self.mode].decodes:
            raise ValueError(
                f"checkpoint_steps={steps!r} is for mode='many_to_one' and 'many_to_many', got "
                f"mode={self.mode!r}: set checkpoint_steps=None."
            )
        return steps

    def _make_validate(self, network, loss, validation, threads):
        if validation is None:
            return None
        return MODES[self.mode].make_validate(self, network, loss, validation, threads)

    def _make_solver(self, params):
        if self.solver == "adam":
            return solvers.Adam(
                params, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon
            )
        if self.solver == "rmsprop":
            return solvers.RMSprop(params, rho=self.rho, epsilon=self.epsilon)
        return solvers.StochasticGradientDescent(
            params, momentum=self.momentum, nesterov=self.nesterovs_momentum
        )

    def _make_schedule(self, partial=False):
        """Return the schedule; what lasts for a whole training is constant in `partial_fit`."""
        if self.learning_rate == "invscaling":
            return solvers.InverseScaling(self.learning_rate_init, self.power_t)
        if partial or self.learning_rate == "constant":
            return solvers.Constant(self.learning_rate_init)
        kinds = {
            "adaptive": solvers.Adaptive,
            "cosine": solvers.Cosine,
            "one_cycle": solvers.OneCycle,
        }
        return kinds[self.learning_rate](self.learning_rate_init)

    def _settings(self, n_sequences, max_iter=None, early_stopping=None):
        return Settings(
            max_iter=self.max_iter if max_iter is None else max_iter,
            batch_size=self._batch_size(n_sequences),
            shuffle=self.shuffle,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            max_grad_norm=self.max_grad_norm,
            max_fun=self.max_fun,
            early_stopping=self.early_stopping if early_stopping is None else early_stopping,
            verbose=int(self.verbose),
        )
