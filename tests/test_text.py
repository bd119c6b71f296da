"""SequenceTokenizer: CountVectorizer's reading of documents, with their order kept."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils._param_validation import InvalidParameterError

from skrnn import SequenceTokenizer

REVIEWS = [
    "I love this movie, I do!",
    "A déjà vu of a movie.",
    "no plot, no point; no way",
    "the movie and the plot",
]
documents = st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=6)


def split_on_commas(text):
    return text.split(",")


def shout(text):
    return text.upper()


def pairs_of_letters(text):
    return [text[i : i + 2] for i in range(len(text) - 1)]


def counts(ids, n_tokens):
    return np.array([np.bincount(of_document, minlength=n_tokens) for of_document in ids])


# CountVectorizer's parameters ---------------------------------------------------------------------

PATTERN = CountVectorizer().token_pattern


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"lowercase": False},
        {"strip_accents": "unicode"},
        {"strip_accents": "ascii", "lowercase": False},
        {"stop_words": ["the", "no"]},
        {"stop_words": "english"},
        {"min_df": 2},
        {"min_df": 0.5},
        {"max_df": 2},
        {"max_df": 0.4},
        {"max_features": 3},
        {"vocabulary": ["movie", "plot", "boat"]},
        {"preprocessor": shout},
        {"tokenizer": split_on_commas, "token_pattern": None},
        {"token_pattern": r"\b\w"},
        {"analyzer": pairs_of_letters},
    ],
    ids=lambda parameters: "-".join(parameters),
)
def test_tokens_are_those_that_count_vectorizer_counts(parameters):
    parameters = {"token_pattern": PATTERN} | parameters
    tokenizer = SequenceTokenizer(**parameters)
    vectorizer = CountVectorizer(**parameters)
    ids = tokenizer.fit_transform(REVIEWS)
    expected = vectorizer.fit_transform(REVIEWS).toarray()
    names = tokenizer.get_feature_names_out()
    assert names[2:].tolist() == vectorizer.get_feature_names_out().tolist()
    np.testing.assert_array_equal(counts(ids, names.size)[:, 2:], expected)


def test_order_is_kept_and_punctuation_counts():
    tokenizer = SequenceTokenizer().fit(REVIEWS)
    names = tokenizer.get_feature_names_out()
    ids = tokenizer.transform(["Love: I do love this!"])[0]
    assert names[ids].tolist() == ["love", "<unk>", "i", "do", "love", "this", "!"]


def test_tokens_below_min_df_keep_their_place():
    tokenizer = SequenceTokenizer(min_df=2)
    ids = tokenizer.fit_transform(["a b c", "a c"])
    assert [row.tolist() for row in ids] == [[2, 1, 3], [2, 3]]


@given(documents)
def test_characters_come_back_exactly(texts):
    tokenizer = SequenceTokenizer(analyzer="char", lowercase=False)
    ids = tokenizer.fit_transform(texts)
    assert tokenizer.inverse_transform(ids) == texts
    assert all(row.min() >= 2 for row in ids)
    assert max(row.max() for row in ids) == tokenizer.n_tokens_ - 1


@given(documents, documents)
def test_unknown_characters_are_one_id(texts, others):
    tokenizer = SequenceTokenizer(analyzer="char", lowercase=False).fit(texts)
    known = set("".join(texts))
    for text, ids in zip(others, tokenizer.transform(others), strict=True):
        assert [i == tokenizer.unknown_id_ for i in ids] == [c not in known for c in text]


def test_white_space_is_kept():
    tokenizer = SequenceTokenizer(analyzer="char").fit(["a\n\n  b"])
    assert tokenizer.inverse_transform(tokenizer.transform(["b\n\na"])) == ["b\n\na"]


def test_output_is_ragged_int64():
    ids = SequenceTokenizer().fit_transform(REVIEWS)
    assert isinstance(ids, list) and {row.dtype for row in ids} == {np.dtype(np.int64)}
    assert [row.ndim for row in ids] == [1] * 4
    assert len({row.size for row in ids}) > 1


def test_fit_transform_is_fit_and_transform():
    once = SequenceTokenizer(min_df=2).fit_transform(REVIEWS)
    twice = SequenceTokenizer(min_df=2).fit(REVIEWS).transform(REVIEWS)
    assert [row.tolist() for row in once] == [row.tolist() for row in twice]


def test_vocabulary_of_another_tokenizer_gives_the_same_ids():
    first = SequenceTokenizer().fit(REVIEWS)
    second = SequenceTokenizer(vocabulary=first.vocabulary_).fit(["whatever"])
    assert second.fixed_vocabulary_ and not first.fixed_vocabulary_
    assert second.vocabulary_ == first.vocabulary_
    assert second.transform(REVIEWS)[1].tolist() == first.transform(REVIEWS)[1].tolist()


def test_gap_in_a_vocabulary_has_no_name():
    tokenizer = SequenceTokenizer(vocabulary={"b": 5, "a": 2}).fit(["a"])
    assert tokenizer.get_feature_names_out().tolist() == ["<pad>", "<unk>", "a", "", "", "b"]


def test_a_set_is_numbered_in_alphabetical_order():
    assert SequenceTokenizer(vocabulary={"b", "a"}).fit(["a"]).vocabulary_ == {"a": 2, "b": 3}


def test_texts_may_hold_the_names_of_the_special_ids():
    tokenizer = SequenceTokenizer()
    ids = tokenizer.fit_transform([["<unk>", "a", "<pad>"]])[0]
    assert ids.min() >= 2


# Documents of other types -------------------------------------------------------------------------


def test_lists_of_tokens_are_not_split():
    tokenizer = SequenceTokenizer(stop_words=["the"]).fit([["The", "Hague", "U.N."], ("hague",)])
    assert sorted(tokenizer.vocabulary_) == ["hague", "the", "u.n."]
    assert tokenizer.transform([["U.N.", "the"]])[0].size == 2


def test_every_collection_reads_the_same():
    expected = [row.tolist() for row in SequenceTokenizer().fit_transform(REVIEWS)]
    for X in (
        tuple(REVIEWS),
        np.array(REVIEWS),
        np.array(REVIEWS, dtype=object),
        pd.Series(REVIEWS, index=list("dcba")),
        pd.Series(REVIEWS, dtype="string"),
        (text for text in REVIEWS),
        [text.encode() for text in REVIEWS],
    ):
        assert [row.tolist() for row in SequenceTokenizer().fit_transform(X)] == expected


def test_bytes_of_another_encoding():
    tokenizer = SequenceTokenizer(encoding="latin-1").fit(["é".encode("latin-1")])
    assert tokenizer.vocabulary_ == {"é": 2}
    with pytest.raises(UnicodeDecodeError):
        SequenceTokenizer().fit(["é".encode("latin-1")])


# Citizenship --------------------------------------------------------------------------------------


def test_clone_pickle_and_set_params():
    tokenizer = SequenceTokenizer(max_features=3, analyzer=pairs_of_letters).fit(REVIEWS)
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.vocabulary_ == tokenizer.vocabulary_
    assert clone(tokenizer).get_params() == tokenizer.get_params()


def test_not_fitted():
    for method in ("transform", "inverse_transform"):
        with pytest.raises(NotFittedError):
            getattr(SequenceTokenizer(), method)(["a"])
    with pytest.raises(NotFittedError):
        SequenceTokenizer().get_feature_names_out()


def test_fit_leaves_parameters_and_documents_alone():
    vocabulary = {"movie": 7}
    tokenizer = SequenceTokenizer(vocabulary=vocabulary).fit(list(REVIEWS))
    tokenizer.vocabulary_["new"] = 9
    assert vocabulary == {"movie": 7}


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("a text", ValueError, r"string object received.*\['a text'\]"),
        ([], ValueError, "no documents"),
        (3, TypeError, "iterable of documents, got int"),
        (np.array([["a"], ["b"]]), ValueError, r"one-dimensional.*shape \(2, 1\)"),
        (pd.DataFrame({"text": ["a"]}), ValueError, "single column"),
        (["a", ""], ValueError, "Document 1 has no tokens: ''"),
        (["a", "  "], ValueError, "Document 1 has no tokens"),
        (["a", []], ValueError, r"Document 1 has no tokens: \[\]"),
        (["a", None], TypeError, "Document 1 is None .*Fill missing"),
        (["a", float("nan")], TypeError, "Document 1 is nan .*Fill missing"),
        (["a", 3], TypeError, "Document 1 is 3 of type int"),
        ([["a", 3]], TypeError, "document 0 it holds 3 of type int at position 1"),
    ],
    ids=str,
)
def test_bad_documents(X, error, message):
    with pytest.raises(error, match=message):
        SequenceTokenizer().fit(X)
    with pytest.raises(error, match=message):
        SequenceTokenizer().fit(["a"]).transform(X)


def test_long_documents_are_shortened_in_messages():
    with pytest.raises(ValueError, match="no tokens") as caught:
        SequenceTokenizer().fit([" " * 5000])
    assert len(str(caught.value)) < 300


def test_characters_must_be_single():
    with pytest.raises(ValueError, match="document 0 holds 'bc' at position 1"):
        SequenceTokenizer(analyzer="char").fit([["a", "bc"]])


def test_analyzer_must_return_strings():
    with pytest.raises(TypeError, match="the analyzer returned 1 of type int at position 0"):
        SequenceTokenizer(analyzer=list).fit([[1, 2]])


def test_unknown_token_as_an_error():
    tokenizer = SequenceTokenizer(handle_unknown="error").fit(["a b"])
    with pytest.raises(ValueError, match="Token 'c' of document 1, at position 2"):
        tokenizer.transform(["a", "b a c"])
    assert tokenizer.transform(["b a"])[0].tolist() == [3, 2]


@pytest.mark.parametrize(
    ("vocabulary", "error", "message"),
    [
        ([], ValueError, "empty"),
        ("abc", ValueError, "got the string"),
        (["a", "a"], ValueError, "'a' twice"),
        ([1], TypeError, "1, which is not a string"),
        ({"a": 0}, ValueError, "'a' the id 0; .*from 2"),
        ({"a": -1}, ValueError, "'a' the id -1"),
        ({"a": 2.5}, ValueError, "'a' the id 2.5"),
        ({"a": 2, "b": 2}, ValueError, "the id 2 to both 'a' and 'b'"),
    ],
    ids=str,
)
def test_bad_vocabulary(vocabulary, error, message):
    with pytest.raises(error, match=message):
        SequenceTokenizer(vocabulary=vocabulary).fit(["a"])


@pytest.mark.parametrize(
    "parameters",
    [{"analyzer": "char_wb"}, {"max_features": 0}, {"min_df": -1}, {"handle_unknown": "ignore"}],
    ids=str,
)
def test_bad_parameters(parameters):
    with pytest.raises(InvalidParameterError, match=next(iter(parameters))):
        SequenceTokenizer(**parameters).fit(REVIEWS)


def test_no_way_to_find_words():
    with pytest.raises(ValueError, match="token_pattern=None"):
        SequenceTokenizer(token_pattern=None).fit(REVIEWS)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([[2, 9]], "Id 9 of document 0, at position 1, is outside the vocabulary of 3 ids"),
        ([[2], [-1]], "Id -1 of document 1, at position 0"),
        ([[2.0]], "integer ids"),
        ([[[2]]], "one-dimensional"),
    ],
)
def test_bad_ids(ids, message):
    with pytest.raises(ValueError, match=message):
        SequenceTokenizer().fit(["a"]).inverse_transform(ids)


def test_padding_is_left_out_of_the_text():
    tokenizer = SequenceTokenizer().fit(["a b"])
    assert tokenizer.inverse_transform(np.array([[2, 3, 0], [1, 0, 0]])) == ["a b", "<unk>"]
