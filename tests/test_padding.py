"""Rectangles of ids, cut back to the sequences in them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skrnn import RNNClassifier, strip_padding

WORDS = [[5, 3], [2, 0, 7, 4], [9]]
AFTER = np.array([[5, 3, 0, 0], [2, 0, 7, 4], [9, 0, 0, 0]])
BEFORE = np.array([[0, 0, 5, 3], [2, 0, 7, 4], [0, 0, 0, 9]])


def lists(arrays):
    return [own.tolist() for own in arrays]


@pytest.mark.parametrize(
    "X", [AFTER, BEFORE, AFTER.tolist(), pd.DataFrame(AFTER), AFTER.astype(np.int8)]
)
def test_padding_goes_from_both_ends(X):
    assert lists(strip_padding(X)) == WORDS


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=1), st.data())
def test_what_was_filled_up_comes_back(words, data):
    words = [[1, *word, 1] for word in words]
    width = max(map(len, words))
    padding_id = data.draw(st.sampled_from([0, -1, 7]))
    X = np.array([word + [padding_id] * (width - len(word)) for word in words])
    steps = np.arange(X.size).reshape(X.shape)
    stripped, places = strip_padding(X, steps, padding_id=padding_id)
    assert lists(stripped) == words
    assert lists(places) == lists(row[: len(word)] for row, word in zip(steps, words, strict=True))


def test_channels_and_targets_are_cut_alike():
    X = np.stack([AFTER, np.where(AFTER > 0, 1, 0)], axis=2)
    X[1, 1] = [0, 1]
    y = np.arange(12).reshape(3, 4)
    stripped, targets, weights = strip_padding(X, y, list(y / 2.0))
    assert [own.shape for own in stripped] == [(2, 2), (4, 2), (1, 2)]
    assert lists(targets) == [[0, 1], [4, 5, 6, 7], [8]]
    assert lists(weights) == [[0.0, 0.5], [2.0, 2.5, 3.0, 3.5], [4.0]]


def test_in_a_pipeline_padding_changes_no_prediction():
    strip = FunctionTransformer(strip_padding, kw_args={"padding_id": -1})
    model = make_pipeline(strip, RNNClassifier(4, embedding_dim=3, max_iter=2, random_state=0))
    narrow = np.where(AFTER == 0, -1, AFTER)
    narrow[1, 1] = 0
    wide = np.hstack([np.full((3, 2), -1), narrow, np.full((3, 5), -1)])
    proba = model.fit(narrow, [0, 1, 0]).predict_proba(narrow)
    np.testing.assert_array_equal(model.predict_proba(wide), proba)
    np.testing.assert_array_equal(model.fit(wide, [0, 1, 0]).predict_proba(narrow), proba)
    with pytest.raises(ValueError, match=r"Sequence 0, step 2.* is -1.*strip_padding"):
        model[-1].fit(narrow, [0, 1, 0])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (([[1, 2], [0, 0]],), "Sequence 1 of X is nothing but padding"),
        (([[1, 2], []],), "Sequence 1 of X is nothing but padding"),
        ((AFTER, AFTER[:2]), "X holds 3 sequences, but Input 1 after X holds 2"),
        ((AFTER, AFTER, AFTER[:, :3]), "Sequence 0 of X has 4 steps, but Input 2 after X has 3"),
        (([3, 4],), "X holds 3 for sequence 0, which is no sequence"),
        (("text",), "X must hold sequences, got 'text'"),
    ],
)
def test_what_cannot_be_stripped(inputs, message):
    with pytest.raises(ValueError, match=message):
        strip_padding(*inputs)


def test_a_frame_of_true_lengths_is_refused():
    index = pd.MultiIndex.from_product([[0, 1], [0, 1]])
    with pytest.raises(ValueError, match="true lengths"):
        strip_padding(pd.DataFrame({"id": [1, 2, 3, 0]}, index=index))
