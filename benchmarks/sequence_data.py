"""The data of the sequence results table: text and music from the development data folder.

Every loader returns a `Split` whose three parts do not overlap. Choices are made by scores on the
validation part; the test part is for the final score alone. Where the data come without a
validation part, it is drawn from the training part with a fixed seed.
"""

import gzip
import itertools
from dataclasses import dataclass

import numpy as np
import synthetic
from datasets import data_folder
from sklearn.model_selection import train_test_split

SPLIT_SEED = 0


@dataclass(frozen=True)
class Split:
    """Inputs and targets of the three parts, each part a pair ``(X, y)``."""

    train: tuple
    valid: tuple
    test: tuple


def take(values, index):
    """Return some elements of a list."""
    return [values[i] for i in index]


def split_off(X, y, fraction, seed=SPLIT_SEED, stratify=None):
    """Cut (X, y) into two such pairs, the second holding `fraction` of them."""
    kept, other = train_test_split(
        np.arange(len(X)), test_size=fraction, random_state=seed, stratify=stratify
    )
    return (take(X, kept), take(y, kept)), (take(X, other), take(y, other))


def _lines(name):
    with gzip.open(data_folder() / "text" / name, "rt", encoding="utf-8") as file:
        return file.read().split("\n")


def piano_rolls(name):
    """Pieces of a music set: the keys of a frame are to be told from the frames before it."""
    with np.load(data_folder() / "music" / f"{name}.npz") as archive:
        parts = [_next_frames(archive, part) for part in ("train", "valid", "test")]
    return Split(*parts)


def _next_frames(archive, part):
    rolls = np.unpackbits(archive[part], axis=1)[:, :88]
    pieces = [rolls[i:j] for i, j in itertools.pairwise(archive[f"{part}_offset"])]
    X = [piece[:-1].astype(np.float32) for piece in pieces]
    return X, [piece[1:].astype(np.int64) for piece in pieces]


def names():
    """Surnames and their nationality: stratified 80/20, a tenth of the 80 for validation."""
    rows = [line.split("\t") for line in _lines("names_by_nationality.tsv.gz") if line]
    labels, X = zip(*rows, strict=True)
    rest, test = split_off(X, labels, 0.2, stratify=labels)
    train, valid = split_off(*rest, 0.1, stratify=rest[1])
    return Split(train, valid, test)


def sentences():
    """Sentences of film reviews and whether they are positive, in the order of the file."""
    rows = [line.split("\t", 1) for line in _lines("rt_polarity_MR.tsv.gz") if line]
    return [text for _, text in rows], np.array([int(label) for label, _ in rows])


def chunks():
    """Sentences of CoNLL-2000 as lists of (word, part of speech), and the chunk tags."""
    rest = _tagged_sentences("conll2000_train.txt.gz")
    train, valid = split_off(*rest, 0.1)
    return Split(train, valid, _tagged_sentences("conll2000_test.txt.gz"))


def _tagged_sentences(name):
    X, y, sentence = [], [], []
    for line in _lines(name):
        if line.strip():
            sentence.append(line.split())
        elif sentence:
            X.append([(word, part) for word, part, _ in sentence])
            y.append([tag for _, _, tag in sentence])
            sentence = []
    return X, y


def characters():
    """Tiny Shakespeare: the first 95 % to learn from, the rest for the test."""
    with gzip.open(data_folder() / "text" / "tinyshakespeare.txt.gz", "rt") as file:
        text = file.read()
    held_out = int(0.95 * len(text))
    return text[:held_out], text[held_out:]


def translations():
    """Short English and French sentences: 80/20, a tenth of the 80 for validation."""
    rows = [line.split("\t")[:2] for line in _lines("eng_fra_short.tsv.gz") if line]
    english, french = zip(*rows, strict=True)
    rest, test = split_off(english, french, 0.2)
    return Split(*split_off(*rest, 0.1), test)


def copying(n_train, n_other, n_timesteps, seed):
    """Copying memory with fresh sequences for validation and test."""
    return Split(
        synthetic.copying(n_train, seed, n_timesteps),
        synthetic.copying(n_other, 1_000_000, n_timesteps),
        synthetic.copying(n_other, 2_000_000, n_timesteps),
    )
