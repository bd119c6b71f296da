"""The bridge from training to scikit-learn's callbacks."""

from __future__ import annotations


class EpochCallbacks:
    """Reports training and every epoch of it to the callbacks of an estimator.

    Parameters
    ----------
    estimator : estimator instance
        The estimator in whose `fit` training runs.
    context : CallbackContext
        The context of that `fit`.
    data : dict
        The ``X``, ``y`` and ``metadata`` that `fit` was given.
    fitted_attributes : callable
        ``fitted_attributes(params)`` returns the attributes that make the estimator a fitted one.
    """

    def __init__(self, estimator, context, data, fitted_attributes):
        self._estimator = estimator
        self._context = context
        self._data = data
        self._fitted_attributes = fitted_attributes
        self._epoch = None

    def begin(self):
        """Report that training begins, and its first epoch."""
        self._context.call_on_fit_task_begin(estimator=self._estimator, **self._data)
        self._begin_epoch()

    def _begin_epoch(self):
        self._epoch = self._context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def __call__(self, history, params):
        """Report that an epoch has ended, and that the next begins; return whether to stop."""
        stop = self._epoch.call_on_fit_task_end(
            estimator=self._estimator,
            **self._data,
            reconstruction_attributes=lambda: self._fitted_attributes(params.copy()),
        )
        self._epoch = None
        if not stop and history.n_epochs < self._context.max_subtasks:
            self._begin_epoch()
        return stop

    def end(self):
        """Report that the estimator is fitted; an epoch that began but never ran ends before."""
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(estimator=self._estimator, **self._data)
            self._epoch = None
        self._context.call_on_fit_task_end(
            estimator=self._estimator, **self._data, reconstruction_attributes={}
        )
