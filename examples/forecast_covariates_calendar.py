"""Covariates and the calendar: the power that a town needs, hour by hour.

Power follows the clock, the day of the week and the temperature, and drops on holidays. The clock
and the week come from the index with ``calendar="auto"``, by local time, also on the day that has
23 hours. The weather forecast and the holidays are covariates known ahead: they are columns of the
frame named in ``known_future``, and their future is asked for when a forecast is made.
``future_frame`` returns the frame to fill in.

Look at the table: the error of the next day, averaged over 28 days, of networks that are told less
and less. Then at what happens on a holiday, and at what is said when a covariate is missing.

Data: generated below. Heating below 15 degrees and cooling above 22; a factory that rests on
weekends and holidays; noise of two percent. The temperatures passed as a forecast are the true ones
plus an error of one degree.
"""

import numpy as np
import pandas as pd

from skrnn import RNNForecaster

HORIZON = 24
N_TEST_DAYS = 28
rng = np.random.default_rng(1)


def make_power():
    """Return hourly power (MW), temperature (degrees) and kind of day from January to May."""
    hours = pd.date_range("2023-01-01", "2023-05-28 23:00", freq="h", tz="Europe/Paris")
    n = len(hours)
    hour, day = np.asarray(hours.hour), np.asarray(hours.day_of_year)
    weather = np.repeat(np.convolve(rng.normal(0, 2.5, n // 24 + 6), np.ones(5) / 2, "valid"), 24)
    seasonal = 12 - 9 * np.cos(2 * np.pi * (day - 20) / 365)
    temperature = seasonal + weather[:n] + 4 * np.sin(2 * np.pi * (hour - 9) / 24)
    holiday = hours.strftime("%m-%d").isin(["01-01", "04-10", "05-01", "05-08", "05-18"])
    rests = holiday | (hours.day_of_week >= 5)
    households = (
        40 + 15 * np.exp(-(((hour - 8) / 2.5) ** 2)) + 25 * np.exp(-(((hour - 19) / 3) ** 2))
    )
    factory = np.where(rests, 5, 30) * ((hour > 5) & (hour < 21))
    climate = 1.6 * np.maximum(15 - temperature, 0) + 2.0 * np.maximum(temperature - 22, 0)
    power = (households + factory + climate) * np.exp(0.02 * rng.standard_normal(n))
    kind = np.where(holiday, "holiday", "ordinary")
    forecast_of_weather = temperature + rng.normal(0, 1, n)
    return pd.DataFrame(
        {"power": power, "temperature": forecast_of_weather, "kind": pd.Categorical(kind)},
        index=hours,
    )


data = make_power()
n_train = len(data) - 24 * N_TEST_DAYS
train, test = data.iloc[:n_train], data.iloc[n_train:]
print(f"{n_train} hours to learn from, then {N_TEST_DAYS} days, each forecast at midnight.\n")

SETTINGS = {
    "power alone": ({}, ["power"]),
    "and the calendar": ({"calendar": "auto"}, ["power"]),
    "and the weather": (
        {"calendar": "auto", "known_future": ["temperature"]},
        ["power", "temperature"],
    ),
    "and the holidays": (
        {"calendar": "auto", "known_future": ["temperature", "kind"]},
        ["power", "temperature", "kind"],
    ),
}
models, errors = {}, {}
for name, (options, columns) in SETTINGS.items():
    model = RNNForecaster(HORIZON, target="power", calibrate=False, random_state=0, **options)
    models[name] = model.fit(train[columns])
    frame = model.backtest(test[columns], n_windows=N_TEST_DAYS).set_index("time")
    errors["the day before again"] = (frame["naive"] - frame["y"]).abs()
    errors[name] = (frame["forecast"] - frame["y"]).abs()

errors = pd.DataFrame(errors)
table = pd.DataFrame(
    {"28 days": errors.mean(), "18 May, a holiday": errors.loc["2023-05-18"].mean()}
)
print("Mean absolute error in MW")
print(table.round(2).to_string(), "\n")

model = models["and the holidays"].update(test.iloc[:-HORIZON])
tomorrow = model.future_frame(HORIZON)
print(f"What a forecast needs to know:\n{tomorrow.head(2)}\n")
tomorrow["kind"] = "ordinary"
tomorrow["temperature"] = test["temperature"]
print(f"The forecast:\n{model.predict(X_future=tomorrow).tail(3)}\n")

print("What a missing covariate leads to:")
tomorrow.iloc[5, tomorrow.columns.get_loc("temperature")] = np.nan
try:
    model.predict(X_future=tomorrow)
except ValueError as error:
    print(f"  ValueError: {error}")
