"""The toy text generator of the textbooks, and a better one.

The textbook version: every window of three characters of one sentence, each character one-hot, goes
through 50 ReLU units, and a softmax says which character follows. After 100 epochs of Adam it
continues "This is G" greedily, each time reading the last three characters from scratch.

Look at the two lines of text. Three characters do not say where in the sentence they are: after
"are" or "ing" the first model knows where it is, after " a " or "ini" it may not, and past the end
it circles. The second reads the sentence as it is, one sequence with an output at every step, and
carries its state along: it remembers everything since the first letter, stops where the sentence
does, and each new character costs one step instead of a window of them.
"""

import numpy as np

from skrnn import RNNClassifier, SequenceTokenizer

TEXT = "This is GeeksforGeeks a software training institute"
PROMPT = "This is G"

letters = sorted(set(TEXT))
one_hot = dict(zip(letters, np.eye(len(letters)), strict=True))

# As textbooks have it.
X = np.array([[one_hot[letter] for letter in TEXT[i : i + 3]] for i in range(len(TEXT) - 3)])
y = list(TEXT[3:])
model = RNNClassifier(
    50, cell="rnn", activation="relu", max_iter=100, learning_rate="constant", random_state=0
)
model.fit(X, y)

text = PROMPT
for _ in range(50):
    text += model.predict([[one_hot[letter] for letter in text[-3:]]])[0]
print(f"Windows of three characters, {model.score(X, y):.0%} of the next ones right:\n  {text}")

# The whole sentence as one sequence, of ids; a line end says that it is over.
tokenizer = SequenceTokenizer(analyzer="char", lowercase=False).fit([TEXT + "\n"])
ids = tokenizer.transform([TEXT + "\n"])
better = RNNClassifier(50, mode="many_to_many", embedding_dim=16, max_iter=300, random_state=0)
better.fit([ids[0][:-1]], [ids[0][1:]])

text = PROMPT + better.generate(PROMPT, 50, tokenizer=tokenizer, top_k=1, stop="\n")
print(f"One sequence, the state carried along:\n  {text}")
