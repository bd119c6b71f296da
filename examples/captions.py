"""Image captioning in small: from one vector to letters, on scikit-learn's digits.

The 64 pixels of an image are one vector; the answer is the name of the digit, letter by letter:
"three". The vector sets the state in which the network begins to write, and what it writes next
depends on what it wrote before. It decides itself when a name is complete.

The second table asks for more: an image of two digits side by side, described in words such as "a
seven, then a three". Most of such a sentence is grammar, which the network has to learn as well.
Test images are never seen in training, nor are 20 of the 100 pairs of digits.
"""

import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skrnn import RNNClassifier

NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])

images, digits = load_digits(return_X_y=True)
images = (images / 16).astype("float32")
X_train, X_test, d_train, d_test = train_test_split(
    images, digits, test_size=0.3, stratify=digits, random_state=0
)
print(f"{len(X_train)} images to learn from, {len(X_test)} to test on.\n")

model = RNNClassifier(mode="one_to_many", hidden_layer_sizes=64, max_iter=40, random_state=0)
started = time.perf_counter()
model.fit(X_train, NAMES[d_train])
seconds = time.perf_counter() - started
said = model.predict(X_test)
simple = LogisticRegression(max_iter=1000).fit(X_train, d_train).score(X_test, d_test)
print(f"whole names right                        {np.mean(said == NAMES[d_test]):.3f}")
print(f"(logistic regression, ten classes        {simple:.3f})")
print(f"names that are none                      {np.mean(~np.isin(said, NAMES)):.3f}")
print(f"seconds                                  {seconds:.1f}\n")


def pairs(X, d, n, rng, *, held_out):
    """Two images side by side and a sentence about them, of pairs of digits that go together."""
    i, j = rng.integers(len(X), size=(2, 4 * n))
    is_rare = (3 * d[i] + d[j]) % 5 == 0
    i, j = (index[is_rare == held_out][:n] for index in (i, j))
    names = zip(NAMES[d[i]], NAMES[d[j]], strict=True)
    one = {name: f"an {name}" if name == "eight" else f"a {name}" for name in NAMES}
    sentences = [f"{one[a]} , then {one[b]}" if a != b else f"{a} and {a} again" for a, b in names]
    return np.hstack([X[i], X[j]]), [sentence.split() for sentence in sentences]


rng = np.random.default_rng(0)
X_pairs, y_pairs = pairs(X_train, d_train, 3000, rng, held_out=False)
model = RNNClassifier(
    mode="one_to_many", hidden_layer_sizes=96, embedding_dim=16, max_iter=20, random_state=0
)
model.fit(X_pairs, y_pairs)
print("two digits in words, test images         whole sentences right")
for name, held_out in (("pairs of digits as in training", False), ("pairs never seen", True)):
    X_new, y_new = pairs(X_test, d_test, 400, rng, held_out=held_out)
    said = model.predict(X_new)
    right = np.mean([list(own) == true for own, true in zip(said, y_new, strict=True)])
    print(f"{name:40s} {right:.3f}")
print("\nof pairs never seen:")
for own, true in list(zip(said, y_new, strict=True))[:6]:
    mark = "" if list(own) == true else f"   (right: {' '.join(true)})"
    print(f"  {' '.join(own)}{mark}".replace(" ,", ","))
