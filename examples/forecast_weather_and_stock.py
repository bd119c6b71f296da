"""What can be forecast and what cannot: a temperature, a share price, and the naive forecast.

Two daily series, forecast a week ahead by the same forecaster. The temperature returns to its
season, and a cold spell lasts some days: there is something to learn. The price is a random walk
whose daily moves come in calm and wild months: its best forecast is its last value, whatever one
does, and a model that claims more has fitted noise.

On a plot of a price, any model that repeats the last value looks wonderful, since the line follows
the price a day late. Hence the tables: errors beside forecasts that need no model, from 250 origins
that training has not seen. With its defaults the network loses to the last value of the price: what
it learned was noise. `skill_`, known from `fit` alone, says so before any test, and a warning says
what to try. A small network that learns quantiles comes out level with the last value, which is as
good as it gets.

The intervals of the price are as wide as the errors of the rows held out in `fit`. See in the last
lines what that means when calm months and wild months follow each other.

Run with ``--save picture.png`` to write a picture of both to a file.

Data: generated below; for the price, volatility follows a GARCH(1, 1) process.
"""

import argparse
import warnings

import numpy as np
import pandas as pd

from skrnn import RNNForecaster
from skrnn.forecasting import ForecastDisplay, backtest_scores

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--save", metavar="PATH", help="write the picture to this file")
path = parser.parse_args().save
rng = np.random.default_rng(1)
N, N_TEST, HORIZON = 1500, 256, 7

days = pd.date_range("2020-01-01", periods=N, freq="D", name="day")
season = 10 - 9 * np.cos(2 * np.pi * (days.day_of_year.to_numpy() - 20) / 365.25)
anomaly = np.zeros(N)
for t in range(2, N):
    anomaly[t] = 0.85 * anomaly[t - 1] - 0.1 * anomaly[t - 2] + rng.normal(scale=2.2)
temperature = pd.Series(season + anomaly, index=days, name="temperature (°C)")

business_days = pd.bdate_range("2018-01-01", periods=N, name="day")
moves, variance = np.zeros(N), np.full(N, 1e-4)
for t in range(1, N):
    variance[t] = 2e-6 + 0.10 * moves[t - 1] ** 2 + 0.88 * variance[t - 1]
    moves[t] = np.sqrt(variance[t]) * rng.standard_normal()
price = pd.Series(100 * np.exp(np.cumsum(moves)), index=business_days, name="price")

settings = {
    "temperature": (temperature, {"calendar": ["day_of_year"], "season_length": None}),
    "price": (price, {"season_length": None}),
    "price, small network": (
        price,
        {"season_length": None, "hidden_layer_sizes": 8, "quantiles": [0.1, 0.25, 0.5, 0.75, 0.9]},
    ),
}
fitted, frames = {}, {}
for name, (y, kwargs) in settings.items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = RNNForecaster(HORIZON, max_iter=100, random_state=0, **kwargs)
        model.fit(y[:-N_TEST])
    frame = model.backtest(y, n_windows=N_TEST - HORIZON + 1, step=1, coverage=[0.5, 0.8])
    fitted[name], frames[name] = model, frame
    print(f"{name}: skill_ = {model.skill_:.2f}, from fit alone")
    for warning in caught:
        print(f"  warning: {str(warning.message).split(';')[0]}.")
    by_step = {
        "last value again": backtest_scores(frame.assign(forecast=frame["naive"]), by="step"),
        "RNNForecaster": backtest_scores(frame, by="step"),
    }
    if name == "temperature":
        usual = y[:-N_TEST].groupby(y[:-N_TEST].index.day_of_year).mean().rolling(
            31, center=True, min_periods=1).mean()  # fmt: skip
        of_season = frame.assign(forecast=frame["time"].dt.day_of_year.map(usual))
        by_step["usual for the season"] = backtest_scores(of_season, by="step")
    table = pd.DataFrame({label: scores["MAE"] for label, scores in by_step.items()}).T
    table["all"] = table.mean(axis=1)
    print(f"Mean absolute error by day ahead, {frame['cutoff'].nunique()} origins")
    print(table.round(2).to_string(), "\n")

frame = frames["price"]
move = frame["cutoff"].map(price.pct_change().rolling(20).std())
calm = move < move.median()
print("Intervals of the price: relative width, and share of what happened inside")
for label, part in {"after calm months": frame[calm], "after wild months": frame[~calm]}.items():
    width = ((part["upper_80"] - part["lower_80"]) / part["forecast"]).mean()
    inside = part["y"].between(part["lower_80"], part["upper_80"]).mean()
    print(f"  {label}: width {100 * width:4.1f} %, 80 % intervals cover {100 * inside:.0f} %")

try:
    import matplotlib.pyplot as plt
except ImportError as error:  # matplotlib is an extra
    print(f"\nNo picture: {error}")
else:
    figure, axes = plt.subplots(2, figsize=(8, 6), layout="constrained")
    for ax, name in zip(axes, ("temperature", "price")):
        model, y = fitted[name], settings[name][0]
        known = y[: -N_TEST + 60]
        ForecastDisplay.from_estimator(
            model, known, actual=y[len(known) :][:HORIZON], coverage=[0.5, 0.8], ax=ax
        )
        ax.set_title(f"{name}, a week ahead")
    if path:
        figure.savefig(path, dpi=150)
        print(f"\nPicture written to {path}.")
    elif plt.get_backend().lower() != "agg":  # there is a display
        plt.show()
