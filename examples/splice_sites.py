"""Where does a gene pause? Introns in DNA, letter by letter.

Genes are interrupted by introns, which the cell cuts out. They begin with GT and end with AG, but
so do countless stretches that are no introns; what tells them apart lies around and between those
letters. Each letter gets a label, inside or outside, from a network that reads both ways: the
letters are tokens, and the network learns a vector for each.

Look at the scores. Most letters are outside, so saying so everywhere gets most of them right;
a window of 21 letters in a logistic regression sees the ends but not the stretch; the network sees
both. Below, one strand with its introns as they are and as they are found.

The strands are generated: introns have the consensus GTAAGT ... (a run rich in C and T) ... AG,
with errors, and decoys are everywhere.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skrnn import RNNClassifier, SequenceTokenizer
from skrnn.metrics import span_f1_score, step_accuracy_score

LETTERS = np.array(list("ACGT"))


def noisy(consensus, rng, error=0.15):
    return [c if rng.random() > error else rng.choice(LETTERS) for c in consensus]


def strand(rng):
    letters, tags = [], []
    for _ in range(rng.integers(2, 4)):
        exon = list(rng.choice(LETTERS, rng.integers(15, 35)))
        body = list(rng.choice(LETTERS, rng.integers(6, 16), p=[0.4, 0.1, 0.1, 0.4]))
        run = list(rng.choice(LETTERS, 8, p=[0.05, 0.45, 0.05, 0.45]))
        intron = ["G", "T", *noisy("AAGT", rng), *body, *run, "A", "G"]
        letters += exon + intron
        tags += ["O"] * len(exon) + ["B-intron"] + ["I-intron"] * (len(intron) - 1)
    exon = list(rng.choice(LETTERS, rng.integers(15, 35)))
    return "".join(letters + exon), tags + ["O"] * len(exon)


def windows(strands, half=10):
    padded = ["-" * half + s + "-" * half for s in strands]
    return [list(p[i : i + 2 * half + 1]) for p in padded for i in range(len(p) - 2 * half)]


def split(values, strands):
    return np.split(values, np.cumsum([len(s) for s in strands])[:-1])


rng = np.random.default_rng(0)
X, y = zip(*(strand(rng) for _ in range(400)), strict=True)
X_train, y_train, X_test, y_test = X[:300], y[:300], X[300:], y[300:]

logistic = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=200))
logistic.fit(windows(X_train), np.concatenate(y_train))
network = make_pipeline(
    SequenceTokenizer(analyzer="char", lowercase=False),
    RNNClassifier(
        24,
        cell="lstm",
        mode="many_to_many",
        bidirectional=True,
        embedding_dim=4,
        head="crf",
        max_iter=25,
        random_state=0,
    ),
)
network.fit(X_train, y_train)

print("                      letters right   introns found exactly (F1)")
guesses = {
    "all outside": [["O"] * len(s) for s in X_test],
    "window, logistic": split(logistic.predict(windows(X_test)), X_test),
    "LSTM, both ways": network.predict(X_test),
}
for name, tags in guesses.items():
    accuracy, f1 = step_accuracy_score(y_test, tags), span_f1_score(y_test, tags)
    print(f"{name:22}{accuracy:13.3f}   {f1:26.3f}")

text, truth, found = X_test[1], y_test[1], guesses["LSTM, both ways"][1]
print("\n" + text[:90])
for name, tags in (("truth", truth), ("found", found)):
    print("".join("." if tag == "O" else "=" for tag in tags)[:90], name)
