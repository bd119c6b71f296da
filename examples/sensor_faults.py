"""Is the sensor faulty, right now? An answer at every time step, as the readings come in.

A sensor follows a temperature. From time to time it sticks (its value only trembles), becomes
noisy, or spikes. At each step the network says what is the matter, from what it has seen so far.
Faults are rare, so ``class_weight="balanced"`` keeps it from always saying "ok".

Look at the recall of each fault, beside that of a random forest that sees the same reading and its
last change but remembers nothing: one small change may be a stuck sensor or chance, six in a row
are a stuck sensor. Below, one day is read one step at a time, as it would come in. The first steps
of a fault cannot be told yet.

The data are generated.
"""

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import recall_score

from skrnn import RNNClassifier, SequenceScaler

KINDS = ("ok", "stuck", "noisy", "spike")


def day(rng, n_steps=150):
    truth = 20 + np.cumsum(rng.normal(0, 0.5, n_steps))
    readings, labels = truth + rng.normal(0, 0.1, n_steps), ["ok"] * n_steps
    start = 10
    while (start := start + rng.integers(15, 50)) < n_steps - 16:
        kind = rng.choice(KINDS[1:])
        length = 1 if kind == "spike" else rng.integers(8, 16)
        span = slice(start, start + length)
        if kind == "stuck":
            readings[span] = readings[start] + rng.normal(0, 0.1, length)
        elif kind == "noisy":
            readings[span] += rng.normal(0, 1.2, length)
        else:
            readings[start] += rng.choice([-4, 4])
        labels[span] = [kind] * length
        start += length
    return readings, labels


rng = np.random.default_rng(0)
X, y = zip(*(day(rng) for _ in range(100)), strict=True)
X = [np.column_stack([x, np.diff(x, prepend=x[0])]) for x in X]  # the reading, and its change
X_train, y_train, X_test, y_test = X[:80], y[:80], X[80:], y[80:]
scaler = SequenceScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

model = RNNClassifier(
    32, mode="many_to_many", class_weight="balanced", max_iter=40, batch_size=8, random_state=0
)
model.fit(X_train, y_train)
forest = RandomForestClassifier(
    100, class_weight="balanced", min_samples_leaf=20, random_state=0
).fit(np.concatenate(X_train), np.concatenate(y_train))

truth = np.concatenate(y_test)
print("recall       " + "".join(f"{kind:>8}" for kind in KINDS) + "    mean")
for name, answers in (
    ("forest", forest.predict(np.concatenate(X_test))),
    ("network", np.concatenate(model.predict(X_test))),
):
    recall = recall_score(truth, answers, labels=KINDS, average=None)
    print(f"{name:13}" + "".join(f"{r:8.2f}" for r in recall) + f"{recall.mean():8.2f}")

print("\nOne day as it comes in (. ok, s stuck, n noisy, ! spike):")
day = max(range(20), key=lambda i: len(set(y_test[i][:90])))
marks = dict(zip(KINDS, ".sn!", strict=True))
state, answers = model.init_state(), []
for reading in X_test[day]:
    answer, state = model.step(reading, state)
    answers.append(marks[answer[0]])
print("  truth    " + "".join(marks[label] for label in y_test[day][:90]))
print("  network  " + "".join(answers[:90]))
