"""Choosing a forecaster by its errors on later data, never on shuffled data.

`GridSearchCV` with `TimeSeriesSplit` cuts a series into ever longer beginnings, each with the weeks
that follow. The forecaster is fitted on a beginning and `score` forecasts what follows, all steps
of it, so the search picks by what counts: error on later data, of the whole horizon. Scale, season
and everything else that is learned from data is learned inside `fit`, from the beginning alone.

The grid varies the forecasting side (which season, and whether to correct its repetition or the
level) and the network's side (the cell) at once. It is scored in visitors: a scaled error such as
MASE, which `score` returns by default, is divided by that of the naive forecast of the same season,
and so cannot choose between seasons.

Look at the table: how much the choices matter, next to their spread over the splits. Then at the
last one: the two weeks after the search, which nothing has seen, by what was chosen, by the
defaults, and by two forecasts that need no model.

Data: generated below, hourly visitors of a swimming pool.
"""

import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from skrnn import RNNForecaster
from skrnn.forecasting import backtest_scores
from skrnn.metrics import neg_mean_absolute_error, neg_root_mean_squared_error

N_DAYS = 7 * 14
rng = np.random.default_rng(0)
hours = pd.date_range("2024-05-06", periods=24 * N_DAYS, freq="h", name="hour")
of_day = np.exp(-0.5 * ((hours.hour - 15) / 3.5) ** 2)
of_week = np.where(hours.day_of_week >= 5, 1.8, 1.0)
weather = np.zeros(N_DAYS)  # good days and bad days, which come in spells
for day in range(1, N_DAYS):
    weather[day] = 0.75 * weather[day - 1] + rng.normal(scale=0.25)
visitors = pd.Series(
    np.round(
        120
        * of_day
        * of_week
        * np.exp(np.repeat(weather, 24))
        * np.exp(0.1 * rng.standard_normal(len(hours)))
    ),
    index=hours,
    name="visitors",
)
train, later = visitors[: -24 * 14], visitors[-24 * 14 :]
print(f"{len(train)} hours to search in; the {len(later)} after them are kept back.\n")

base = RNNForecaster(
    horizon=24, calibrate=False, max_iter=40, hidden_layer_sizes=32, random_state=0
)
search = GridSearchCV(
    base,
    {
        "season_length": [24, 168],
        "baseline": ["level", "seasonal_naive"],
        "cell": ["gru", "lstm"],
    },
    cv=TimeSeriesSplit(n_splits=3, test_size=24 * 3),
    scoring={"MAE": neg_mean_absolute_error, "RMSE": neg_root_mean_squared_error},
    refit="MAE",
    n_jobs=2,
).fit(train)

results = pd.DataFrame(search.cv_results_)
table = results[["param_season_length", "param_baseline", "param_cell"]].copy()
table.columns = ["season", "baseline", "cell"]
table["MAE"] = -results["mean_test_MAE"]
table["+/-"] = results["std_test_MAE"]
table["RMSE"] = -results["mean_test_RMSE"]
print("Errors three days ahead, mean of three splits")
print(table.sort_values("MAE").round(2).to_string(index=False))
print(f"\nChosen: {search.best_params_}")

print("\nThe 14 days after the search, a day ahead at each midnight")
default = RNNForecaster(horizon=24, calibrate=False, random_state=0).fit(train)
frames = {
    "chosen": search.best_estimator_.backtest(later, n_windows=None),
    "defaults": default.backtest(later, n_windows=None),
}
for name, n_hours in (("the day before", 24), ("a week before", 168)):
    earlier = visitors.shift(n_hours).reindex(frames["chosen"]["time"]).to_numpy()
    frames[name] = frames["chosen"].assign(forecast=earlier)
scores = pd.concat({name: backtest_scores(frame) for name, frame in frames.items()}).droplevel(1)
print(scores[["n", "MAE", "RMSE"]].round(2).to_string())
