"""Measures for sequences and forecasts that scikit-learn does not have."""

from skrnn.metrics.forecasting import (
    continuous_ranked_probability_score,
    interval_coverage,
    mean_absolute_scaled_error,
    mean_interval_width,
    root_mean_squared_scaled_error,
    seasonal_naive_error,
    symmetric_mean_absolute_percentage_error,
)

__all__ = [
    "continuous_ranked_probability_score",
    "interval_coverage",
    "mean_absolute_scaled_error",
    "mean_interval_width",
    "root_mean_squared_scaled_error",
    "seasonal_naive_error",
    "symmetric_mean_absolute_percentage_error",
]
