"""Translation with attention: dates as people write them into dates as computers do.

An encoder reads a date letter by letter, "12th of March 1987" or "3.12.1987"; a decoder writes
"1987-03-12". The two have no length in common and the order changes, so no letter of the output
stands where its reason stands in the input. With attention the decoder looks back at the letters
it needs; without, all has to fit into the state that the encoder ends with. The picture shows where
the network looked for each character that it wrote.

The phrases are made here; no two of the test part are in the training part.
"""

import argparse
import time
from datetime import date, timedelta

import numpy as np
from sklearn.model_selection import train_test_split

from skrnn import AttentionDisplay, RNNClassifier, SequenceTokenizer

MONTHS = "January February March April May June July August September October November December"


def ordinal(day):
    return f"{day}{'th' if 10 < day < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"


def written(day, rng):
    """A date in one of many ways to write it."""
    month = MONTHS.split()[day.month - 1]
    ways = [
        f"{day.day} {month} {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{ordinal(day.day)} of {month} {day.year}",
        f"{day.day}.{day.month}.{day.year}",
        f"{month[:3].lower()} {day.day} {day.year}",
        f"{ordinal(day.day)} {month[:3]}. {day.year}",
    ]
    return ways[rng.integers(len(ways))]


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--save", metavar="PATH", help="write the picture to this file")
path = parser.parse_args().save

rng = np.random.default_rng(0)
days = [date(1950, 1, 1) + timedelta(days=int(n)) for n in rng.integers(29000, size=2500)]
phrases = sorted({(written(day, rng), day.isoformat()) for day in days})
texts, targets = (list(part) for part in zip(*phrases, strict=True))
texts_train, texts_test, y_train, y_test = train_test_split(
    texts, targets, test_size=500, random_state=0
)
tokenizer = SequenceTokenizer(analyzer="char", lowercase=False).fit(texts_train)
X_train, X_test = tokenizer.transform(texts_train), tokenizer.transform(texts_test)
print(f"{len(X_train)} phrases to learn from, {len(X_test)} to test on.\n")

models = {}
print(f"{'attention':16s} {'letters':>8s} {'whole dates':>12s} {'seconds':>8s}")
for attention in (None, "multiplicative", "additive"):
    model = RNNClassifier(
        mode="encoder_decoder",
        attention=attention,
        bidirectional=True,
        embedding_dim=16,
        hidden_layer_sizes=48,
        max_iter=15,
        random_state=0,
    )
    started = time.perf_counter()
    model.fit(X_train, y_train)
    seconds = time.perf_counter() - started
    exact = np.mean(
        [said == true for said, true in zip(model.predict(X_test), y_test, strict=True)]
    )
    letters = model.score(X_test, y_test)
    print(f"{attention or 'none':16s} {letters:8.3f} {exact:12.3f} {seconds:8.1f}")
    models[attention] = model

model = models["additive"]
print("\nwritten                     read by the network")
for text in texts_test[:8]:
    (said,) = model.predict(tokenizer.transform([text]))
    print(f"{text:27s} {said}")

text = max(texts_test, key=len)
try:
    display = AttentionDisplay.from_estimator(
        model, tokenizer.transform([text]), input_labels=list(text)
    )
except ImportError as error:  # matplotlib is an extra
    print(f"\nNo picture: {error}")
else:
    import matplotlib.pyplot as plt

    display.ax_.set_title("Where the network looks for each character that it writes")
    if path:
        display.figure_.savefig(path, dpi=150)
        print(f"\nPicture written to {path}.")
    elif plt.get_backend().lower() != "agg":  # there is a display
        plt.show()
