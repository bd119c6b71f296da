"""Is "I love this movie" praise? Sentiment from raw strings, in a pipeline and a grid search.

Strings go in: `SequenceTokenizer` turns them into ids of words, in their order, and the network
learns a vector for each id. Two classes give a logistic output, trained with cross-entropy.

Look at the two scores. The reviews are made so that order matters: what follows "but" is what
counts. Counting words cannot tell "good but boring" from "boring but good"; reading them can.

The sentences are generated from a few templates.
"""

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skrnn import RNNClassifier, SequenceTokenizer

PRAISE = ["good", "great", "moving", "funny", "clever", "beautiful"]
BLAME = ["bad", "boring", "silly", "dull", "awful", "tired"]
THINGS = ["movie", "plot", "cast", "ending", "film"]


def review(rng):
    positive = bool(rng.integers(2))
    right, wrong = (PRAISE, BLAME) if positive else (BLAME, PRAISE)
    right, wrong, thing = rng.choice(right), rng.choice(wrong), rng.choice(THINGS)
    verb = "love" if positive else "hate"
    templates = [
        f"The {thing} is {right}.",
        f"A {wrong} {thing}? Not {wrong} at all!",
        f"{wrong.capitalize()} but {right}.",
        f"The {thing} may be {wrong}, but it is {right}.",
        f"I {verb} this {thing}!",
    ]
    return templates[rng.integers(len(templates))], "positive" if positive else "negative"


rng = np.random.default_rng(0)
texts, labels = zip(*(review(rng) for _ in range(600)), strict=True)
train, test = slice(0, 400), slice(400, None)

counting = make_pipeline(CountVectorizer(), LogisticRegression())
counting.fit(texts[train], labels[train])

reading = make_pipeline(
    SequenceTokenizer(), RNNClassifier(16, embedding_dim=8, max_iter=15, random_state=0)
)
search = GridSearchCV(reading, {"rnnclassifier__pooling": ["last", "max"]}, cv=2)
search.fit(texts[train], labels[train])

print(f"accuracy, counting words:         {counting.score(texts[test], labels[test]):.3f}")
print(f"accuracy, reading them in order: {search.score(texts[test], labels[test]):.3f}")
for text in ("I love this movie", "Good but boring.", "Boring but good.", "Not bad at all!"):
    probability = search.predict_proba([text])[0, 1]
    print(f"  {text:20} praise with probability {probability:.2f}")
