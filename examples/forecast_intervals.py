"""Prediction intervals, and whether they cover what they claim.

An interval of 80 % is a promise: of many such intervals, four in five contain what then happens.
Here the promise is checked where it can be, on simulated demand whose next days are drawn again and
again. The series swing with the week and wander, and on some days demand jumps, so that errors are
not normal and are wider upwards than downwards.

Two ways to make intervals. By default they are conformal: fit holds out the last rows, forecasts
them, and takes the size of the errors at each step from there. With `quantiles` the network learns
the quantiles itself, so that width may depend on what it sees, and the held-out rows correct them.

Look at three things: the coverage of each, by level and by step; its price, the width (the CRPS
weighs both); and the last lines, a question about seven days at once. Adding up seven upper bounds
does not answer it, since seven days are rarely high together. Sample paths do.

Data: generated below.
"""

import numpy as np
import pandas as pd

from skrnn import RNNForecaster
from skrnn.forecasting import backtest_scores

HORIZON, N_DAYS, N_TEST = 7, 500, 150
rng = np.random.default_rng(0)


def make_demand(n_days):
    """Weekly pattern, a level that wanders and returns, and a rush on one day in ten."""
    week = np.array([0.0, 2.0, 3.0, 2.0, 6.0, 12.0, 9.0])[np.arange(n_days) % 7]
    wander = np.zeros(n_days)
    for t in range(1, n_days):
        wander[t] = 0.9 * wander[t - 1] + rng.normal(scale=1.5)
    rush = np.where(rng.random(n_days) < 0.1, rng.exponential(8, n_days), 0.0)
    return 50 + week + wander + rush


days = pd.date_range("2023-01-02", periods=N_DAYS + N_TEST, freq="D", name="day")
shops = {
    f"shop {i}": pd.Series(make_demand(len(days)), index=days, name="demand") for i in range(8)
}
X = pd.concat(shops, names=["shop"])
train = X[X.index.get_level_values("day") < days[N_DAYS]]
print(
    f"{len(shops)} series, {N_DAYS} days to learn from; then {N_TEST} days, forecast from each.\n"
)

coverages = [0.5, 0.8, 0.9, 0.95]
models = {
    "conformal": RNNForecaster(HORIZON, random_state=0),
    "quantile loss": RNNForecaster(
        HORIZON, quantiles=[0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975], random_state=0
    ),
}
frames = {}
for name, model in models.items():
    frames[name] = model.fit(train).backtest(X, n_windows=N_TEST - HORIZON + 1, step=1,
                                             coverage=coverages)  # fmt: skip

print("Share of what happened inside the intervals, their mean width, and the CRPS")
rows = {name: backtest_scores(frame).iloc[0] for name, frame in frames.items()}
table = pd.DataFrame(rows).T
for coverage in coverages:
    percent = f"{100 * coverage:g}"
    shares = "   ".join(
        f"{name} {100 * row[f'coverage_{percent}']:5.1f} %, width {row[f'width_{percent}']:5.1f}"
        for name, row in table.iterrows()
    )
    print(f"  {percent:>3s} %:   {shares}")
print("  CRPS:    " + "   ".join(f"{name} {row['CRPS']:.3f}" for name, row in table.iterrows()))

print("\nThe same by day ahead, conformal")
by_step = backtest_scores(frames["conformal"], by="step")
print(by_step[["coverage_80", "width_80", "coverage_95", "width_95"]].round(2).T.to_string())

model = models["conformal"]
samples = model.predict_samples(n_samples=2000, random_state=0)  # paths of seven days
week = samples.groupby(level="shop").sum()  # the total of each path
upper = model.predict_interval(coverage=0.8).xs("upper", axis=1, level=-1)
added = upper.groupby(level="shop").sum().iloc[:, 0]
answer = pd.DataFrame(
    {
        "forecast": model.predict().groupby(level="shop").sum(),
        "exceeded by 1 in 10": week.quantile(0.9, axis=1),
        "upper bounds added up": added,
    }
)
print("\nHow much must be in stock for the coming week, so that it lasts in nine weeks of ten?")
print(answer.round(0).head(4).to_string())
