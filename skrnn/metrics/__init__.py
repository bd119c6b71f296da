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
from skrnn.metrics.scorers import (
    ForecastScorer,
    neg_continuous_ranked_probability_score,
    neg_mean_absolute_error,
    neg_mean_absolute_percentage_error,
    neg_mean_absolute_scaled_error,
    neg_root_mean_squared_error,
    neg_root_mean_squared_scaled_error,
    neg_symmetric_mean_absolute_percentage_error,
)

__all__ = [
    "ForecastScorer",
    "continuous_ranked_probability_score",
    "interval_coverage",
    "mean_absolute_scaled_error",
    "mean_interval_width",
    "neg_continuous_ranked_probability_score",
    "neg_mean_absolute_error",
    "neg_mean_absolute_percentage_error",
    "neg_mean_absolute_scaled_error",
    "neg_root_mean_squared_error",
    "neg_root_mean_squared_scaled_error",
    "neg_symmetric_mean_absolute_percentage_error",
    "root_mean_squared_scaled_error",
    "seasonal_naive_error",
    "symmetric_mean_absolute_percentage_error",
]
