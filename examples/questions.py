"""A question answered from a short passage: where is Mary?

Passages are generated as in the first of the bAbI tasks: people go from room to room, and the
answer is the last room that the person in question went to. Passage and question are read as one
sequence of words by a GRU, which names a room.

Look at the table. A bag of words does not know who went where, nor what came last, and does little
better than guess among the rooms that are named. The network is given the same words in two orders.
With the question at the end it must keep track of everyone on the way, and has not learned that
from these passages: it guesses as well. With the question first it knows whom to look for, and
makes no mistake. How data are laid out may matter more than any parameter.

After: J. Weston et al., "Towards AI-Complete Question Answering: A Set of Prerequisite Toy Tasks",
arXiv:1502.05698.
"""

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skrnn import RNNClassifier, SequenceTokenizer

PEOPLE = ("Mary", "John", "Sandra", "Daniel")
ROOMS = ("kitchen", "garden", "office", "bathroom", "hallway", "bedroom")
VERBS = ("went to", "moved to", "travelled to", "journeyed to")

rng = np.random.default_rng(0)


def draw_passage():
    """Return sentences, a question and the answer."""
    sentences, room_of = [], {}
    for _ in range(rng.integers(3, 7)):
        person, room = rng.choice(PEOPLE), rng.choice(ROOMS)
        sentences.append(f"{person} {rng.choice(VERBS)} the {room}.")
        room_of[person] = room
    asked = rng.choice(list(room_of))
    return " ".join(sentences), f"Where is {asked}?", room_of[asked]


passages, questions, answers = zip(*(draw_passage() for _ in range(6000)), strict=True)
asked_last = [f"{p} {q}" for p, q in zip(passages, questions, strict=True)]
asked_first = [f"{q} {p}" for p, q in zip(passages, questions, strict=True)]
n_train = 5000
y_train, y_test = answers[:n_train], answers[n_train:]


def reader():
    """Return a pipeline that reads words and names a room."""
    network = RNNClassifier(
        64, embedding_dim=32, learning_rate="one_cycle", max_iter=15, random_state=0
    )
    return make_pipeline(SequenceTokenizer(), network)


models = {
    "most frequent room": (DummyClassifier(), asked_last),
    "bag of words": (make_pipeline(CountVectorizer(), LogisticRegression()), asked_last),
    "GRU, question at the end": (reader(), asked_last),
    "GRU, question first": (reader(), asked_first),
}
print(f"{asked_last[n_train]}  ->  {y_test[0]}\n")
for name, (model, texts) in models.items():
    model.fit(texts[:n_train], y_train)
    print(f"{name:26s} {model.score(texts[n_train:], y_test):.3f}")

# `model` is the last one: it may be asked about a passage of one's own, word by word.
passage = "Mary went to the garden. John moved to the office. Mary travelled to the kitchen."
print(f"\n{passage}")
for person in ("Mary", "John"):
    print(f"Where is {person}? {model.predict([f'Where is {person}? {passage}'])[0]}")

ids = model[0].transform([f"Where is Mary? {passage}"])
network, state = model[-1], model[-1].init_state(1)
print("\nWhat it believes of Mary after each sentence:")
for word, token in zip(model[0].inverse_transform([[i] for i in ids[0]]), ids[0], strict=True):
    room, state = network.step([token], state)
    if word == ".":
        print(f"  {room[0]}")
