"""Airline passengers: a first forecast, what it is worth, and a picture.

Twelve years of monthly passengers, the best-known series in forecasting: it grows, and every year
repeats its season on a larger scale. The forecaster learns from the first ten years. A pandas
Series goes in and a Series that continues its index comes out; nothing needs to be scaled,
transformed or made stationary before.

One forecast is an anecdote. Look at the table: six months ahead from each of the 19 months of the
last two years that leave six to compare with, beside two forecasts that need no model. The network
is the same for all of them, fitted once, before the first. Then look at the spread over seeds: a
small data set makes one lucky or unlucky.

Run with ``--save picture.png`` to write the picture to a file.

Data: Box and Jenkins, series G, public domain (see data/README.md).
"""

import argparse
from pathlib import Path

import pandas as pd

from skrnn import RNNForecaster
from skrnn.forecasting import ForecastDisplay, HorizonErrorDisplay, backtest_scores

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--save", metavar="PATH", help="write the picture to this file")
path = parser.parse_args().save

table = pd.read_csv(Path(__file__).parent / "data" / "airline_passengers.csv")
y = pd.Series(
    table["passengers"].to_numpy(float),
    index=pd.PeriodIndex(table["month"], freq="M"),
    name="passengers (thousands)",
)
train, test = y[:"1958"], y["1959":]

print(f"Learning from {len(train)} months, {train.index[0]} to {train.index[-1]} ...")
model = RNNForecaster(horizon=24, random_state=0).fit(train)
forecast = model.predict()
intervals = model.predict_interval(coverage=0.8).droplevel([0, 1], axis=1)
print("The next months, with an 80 % interval:\n")
print(pd.DataFrame({"forecast": forecast, **intervals, "actual": test})[:6].round(0).to_string())
print(f"\nskill_ = {model.skill_:.2f}: on rows held out inside fit, that much less error than the")
print("seasonal naive forecast, the value of a year ago.")

print("\nSix months ahead from 19 origins in 1959 and 1960, fitted once on data to 1958:")
scores = {}
for seed in range(3):
    short = RNNForecaster(horizon=6, calibrate=False, random_state=seed).fit(train)
    frame = short.backtest(test, n_windows=None, step=1)
    scores[f"RNNForecaster, seed {seed}"] = backtest_scores(frame)
scores["the value of a year ago"] = backtest_scores(frame.assign(forecast=frame["naive"]))
growth = frame["cutoff"].map(y.rolling(12).mean().pct_change(12))
with_growth = frame.assign(forecast=frame["naive"] * (1 + growth))
scores["... and grown as last year did"] = backtest_scores(with_growth)
table = pd.concat(scores).droplevel(1)[["MAE", "MAPE", "MASE", "skill"]]
table["MAPE"] = [f"{100 * share:.2f} %" for share in table["MAPE"]]
print(table.round(2).to_string())

try:
    import matplotlib.pyplot as plt
except ImportError as error:  # matplotlib is an extra
    print(f"\nNo picture: {error}")
else:
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 3.8), width_ratios=[2.2, 1], layout="constrained"
    )
    ForecastDisplay.from_estimator(model, actual=test, n_history=72, ax=left)
    left.set_title("Two years ahead, known up to 1958")
    HorizonErrorDisplay.from_backtest(frame, ax=right)
    right.set_title("Error by month ahead")
    if path:
        figure.savefig(path, dpi=150)
        print(f"\nPicture written to {path}.")
    elif plt.get_backend().lower() != "agg":  # there is a display
        plt.show()
