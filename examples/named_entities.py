"""Who, where, which company? Named entities with a bidirectional LSTM, an output at every word.

Every word gets a tag: B- begins a name, I- goes on, O is outside. What a name stands for is often
said only after it: "Jordan slept badly" is about a person, "Jordan flooded" about a country. A
bidirectional network sees both sides of a word. The conditional random field on top
(``head="crf"``) learns which tag may follow which, so that no name begins with its second word.

Look at the span scores, where a name counts only if its first word, its last word and its kind are
right, and at the tagged sentences: "Zelda" is nowhere in the training data.

The sentences are generated from templates.
"""

import numpy as np
from sklearn.pipeline import make_pipeline

from skrnn import RNNClassifier, SequenceTokenizer
from skrnn.metrics import span_f1_score, span_report

FIRST = ["Ada", "Grace", "Kofi", "Wangari", "Michael", "George", "Paris"]
NAMES = {
    "PER": ["Lovelace", "Hopper", "Annan", "Maathai", "Jordan", "Washington", "Lima"],
    "LOC": ["Jordan", "Washington", "Paris", "Lima", "Oslo", "New York", "Addis Ababa"],
    "ORG": ["Acme", "Globex", "Paris", "Lima", "Jordan", "Washington Post", "Oslo Motors"],
}
TEMPLATES = [
    "{PER} slept badly in {LOC} .",
    "{LOC} flooded after the storm .",
    "{ORG} hired {PER} last year .",
    "{ORG} lost money , said {PER} .",
    "{LOC} elected {PER} again .",
    "Yesterday {PER} left {ORG} for {ORG} .",
]


def sentence(rng):
    words, tags = [], []
    for token in TEMPLATES[rng.integers(len(TEMPLATES))].split():
        kind = token.strip("{}")
        if kind == token:
            words.append(token)
            tags.append("O")
            continue
        name = str(rng.choice(NAMES[kind])).split()
        if kind == "PER" and rng.random() < 0.5:
            name = [str(rng.choice(FIRST)), *name]
        words += name
        tags += [f"{'I' if i else 'B'}-{kind}" for i in range(len(name))]
    return words, tags


rng = np.random.default_rng(0)
X, y = zip(*(sentence(rng) for _ in range(500)), strict=True)
X_train, y_train, X_test, y_test = X[:350], y[:350], X[350:], y[350:]


def tagger(**parameters):
    network = RNNClassifier(
        16,
        cell="lstm",
        mode="many_to_many",
        embedding_dim=16,
        max_iter=15,
        random_state=0,
        **parameters,
    )
    # Rare words become unknown ones, and what surrounds them is learned instead.
    return make_pipeline(SequenceTokenizer(min_df=12, lowercase=False), network)


forward = tagger().fit(X_train, y_train)
both = tagger(bidirectional=True, head="crf").fit(X_train, y_train)
predicted = both.predict(X_test)
print("Span F1 on 150 new sentences:")
print(f"  forward only:            {span_f1_score(y_test, forward.predict(X_test)):.3f}")
print(f"  both directions and CRF: {span_f1_score(y_test, predicted):.3f}\n")
print(span_report(y_test, predicted) + "\n")

for text in ("Jordan flooded after the storm .", "Zelda Lima left Paris for Oslo Motors ."):
    words = text.split()
    tags = both.predict([words])[0]
    print("  ".join(w if t == "O" else f"{w}[{t}]" for w, t in zip(words, tags, strict=True)))
