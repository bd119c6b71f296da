"""One network for many series: the daily sales of shops, from a tidy table.

Sales of 48 shops in three towns come as the usual long table, one row for each shop and day. Shops
opened at different times, some sell thirty times as much as others, and some days are missing. The
table needs only ``set_index``; the forecast comes back as the same table, continued. One network
learns from all shops, each measured in its own unit.

Look at three things. The error beside that of repeating the last week: for shops with a history,
for one that the network has never met, and for shops that are weeks or days old (a single week is
hard to beat by anything but itself). The ``skill_`` that `fit` measured on rows it held out. And
the intervals, which should cover what they claim.

Data: generated below, so that what is known of it is known exactly: each shop has a level, a
trend, a week of its own and a summer; Saturdays matter in town, Sundays at the lake.
"""

import numpy as np
import pandas as pd

from skrnn import RNNForecaster

HORIZON = 14
LAST_DAY = pd.Timestamp("2024-06-30")
rng = np.random.default_rng(0)
TOWNS = {  # Monday to Sunday
    "centre": [0.9, 0.9, 1.0, 1.0, 1.2, 1.7, 0.3],
    "suburb": [1.0, 1.0, 1.0, 1.0, 1.1, 1.2, 0.7],
    "lake": [0.6, 0.6, 0.7, 0.8, 1.1, 1.6, 1.6],
}


def make_sales(shop, town, n_days):
    """Return the daily sales of a shop as a tidy table."""
    days = pd.date_range(end=LAST_DAY, periods=n_days, name="day")
    level = 20 * np.exp(rng.normal(1.5, 0.8))
    season = 1 + 0.3 * np.sin(2 * np.pi * (days.day_of_year - 110) / 365.25)
    trend = np.exp(rng.normal(0, 0.2) * np.arange(len(days)) / 365)
    noise = np.exp(0.12 * rng.standard_normal(len(days)))
    sales = level * np.array(TOWNS[town])[days.day_of_week] * np.asarray(season) * trend * noise
    sales[rng.random(len(days)) < 0.02] = np.nan  # nobody wrote them down
    return pd.DataFrame({"shop": shop, "day": days, "town": town, "sales": sales.round(1)})


ages = [400, 550, 700, 900] * 10 + [
    30,
    26,
    22,
    20,
    7,
    7,
    7,
    7,
]  # in days, before the two weeks to forecast
tables = [
    make_sales(f"shop {i:02d}", list(TOWNS)[i % 3], age + HORIZON) for i, age in enumerate(ages)
]
table = pd.concat(tables, ignore_index=True).astype({"town": "category"})
print(f"{len(table)} rows of {table['shop'].nunique()} shops:\n{table.head(3)}\n")

X = table.set_index(["shop", "day"])
past = X[X.index.get_level_values("day") <= LAST_DAY - pd.Timedelta(days=HORIZON)]

print("Fitting ...\n")
model = RNNForecaster(HORIZON, target="sales", static=["town"], random_state=0)
model.fit(past.drop("shop 17"))
forecast = model.predict(past)  # the shops of the training, and one that was not among them
print(f"The forecast goes on where each shop ended:\n{forecast.head(3)}\n")

frame = model.backtest(X, n_windows=1, coverage=[0.5, 0.8, 0.95])
frame = frame.dropna(subset="y")
size = frame.groupby("series")["y"].mean()
gaps = {
    "last week again": frame["naive"] - frame["y"],
    "RNNForecaster": frame["forecast"] - frame["y"],
}
errors = pd.DataFrame(
    {name: 100 * gap.abs().groupby(frame["series"]).mean() / size for name, gap in gaps.items()}
)
n_days = past.groupby(level="shop").size()
kinds = pd.cut(n_days, [0, 10, 40, 10_000], labels=["one week", "three or four weeks", "longer"])
kinds = kinds.astype(str)
kinds["shop 17"] = "longer, but not seen in training"
print("Mean absolute error of the last 14 days in percent of sales, by what is known of a shop")
print(errors.groupby(kinds.rename("")).mean().round(1).to_string(), "\n")
print(
    f"Rows held out inside fit said: {100 * model.skill_:.0f} % less error than last week again\n"
)

print("Share of the days that the intervals cover")
for percent in (50, 80, 95):
    inside = frame["y"].between(frame[f"lower_{percent}"], frame[f"upper_{percent}"])
    print(f"  {percent} % intervals: {100 * inside.mean():.0f} %")
