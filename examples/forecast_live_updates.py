"""Living with a forecaster: new values arrive, the forecast moves on, and so do its intervals.

A machine reports its load every quarter of an hour. The forecaster is fitted once; from then on
``update`` appends each new value to its history, at a cost that does not grow with the history, and
``predict`` continues from there. The network stays as it is, and may be pickled and loaded at any
time in between. Its intervals do not stay: their errors are those of the last forecasts, so that
they widen when the machine becomes less predictable.

After four days the machine is changed: it works at a third more load and twice the noise. Look at
the table by day: the error after the change, with updates alone, with ``update(refit=True)`` once a
night, which goes on training for a few epochs, and with no updates at all. The last lines say how
long one value takes.

Data: generated below.
"""

import pickle
import time

import numpy as np
import pandas as pd

from skrnn import RNNForecaster

STEPS_A_DAY, HORIZON = 96, 8
rng = np.random.default_rng(0)
times = pd.date_range("2024-03-04", periods=38 * STEPS_A_DAY, freq="15min", name="time")
phase = 2 * np.pi * np.arange(len(times)) / STEPS_A_DAY
wander = np.zeros(len(times))
for t in range(1, len(times)):
    wander[t] = 0.95 * wander[t - 1] + rng.normal(scale=0.8)
is_changed = np.arange(len(times)) >= 34 * STEPS_A_DAY
load = 60 + 20 * np.sin(phase - 2) + 8 * np.sin(2 * phase) + wander
load = np.where(is_changed, 1.33 * load, load)
load += np.where(is_changed, 3.0, 1.5) * rng.standard_normal(len(times))
load = pd.Series(load, index=times, name="load")
train, live = load[: 30 * STEPS_A_DAY], load[30 * STEPS_A_DAY :]

print(f"Fitting on {len(train)} values, then {len(live)} arrive one after the other ...")
model = RNNForecaster(HORIZON, max_iter=60, random_state=0).fit(train)
nightly = pickle.loads(pickle.dumps(model))  # the same forecaster, to be trained further
once = model.predict(horizon=len(live))  # no updates: the forecast of the first evening

rows, durations = [], []
for number, (now, value) in enumerate(live.items()):
    if number % HORIZON == 0:
        ahead = live.iloc[number : number + HORIZON]
        bounds = model.predict_interval(coverage=0.9)
        rows.append(
            pd.DataFrame(
                {
                    "day": 1 + number // STEPS_A_DAY,
                    "no updates": (once.loc[ahead.index] - ahead).abs(),
                    "update": (model.predict() - ahead).abs(),
                    "update, trained nightly": (nightly.predict() - ahead).abs(),
                    "90 % intervals cover": ahead.between(bounds.iloc[:, 0], bounds.iloc[:, 1]),
                    "their width": bounds.iloc[:, 1] - bounds.iloc[:, 0],
                }
            )
        )
    new = pd.Series([value], index=pd.DatetimeIndex([now], freq="15min"), name="load")
    started = time.perf_counter()
    model.update(new)
    durations.append(time.perf_counter() - started)
    nightly.update(new, refit=(number + 1) % STEPS_A_DAY == 0)

table = pd.concat(rows).groupby("day").mean().round(2)
print("\nMean absolute error of the next two hours; the machine is changed after day 4")
print(table.to_string())


def typical_time(function, n=200):
    """Median over calls, in seconds: other work on the machine disturbs some of them."""
    durations = []
    for _ in range(n):
        started = time.perf_counter()
        function()
        durations.append(time.perf_counter() - started)
    return np.median(durations)


early, late = np.median(durations[:100]), np.median(durations[-100:])
print(
    f"\nTaking in one value: {1e3 * early:.1f} ms at first, {1e3 * late:.1f} ms after {len(live)}"
)
print(f"of them. One forecast of {HORIZON} steps as a pandas Series: ", end="")
print(f"{1e3 * typical_time(model.predict):.1f} ms.")
# Where microseconds count, the state is in your own hands, and arrays come back instead of pandas.
state = model.init_state()
per_step = typical_time(lambda: model.step(float(live.iloc[-1]), state))
print(f"With step(value, state), value in and forecast out: {1e6 * per_step:.0f} microseconds.")

copy = pickle.loads(pickle.dumps(model))
assert copy.predict().equals(model.predict())
print("Pickled and loaded, it goes on from the same place.")
