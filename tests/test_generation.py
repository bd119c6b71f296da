"""Sequences continued: classes, text, labels, numbers, and what cannot be continued."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skrnn import RNNClassifier, RNNRegressor, SequenceTokenizer
from skrnn.sampling import draw_class, draw_labels

MANY = {"mode": "many_to_many", "random_state": 0}
CYCLE = np.tile([0, 1, 2, 3], 40)
QUICK = {**MANY, "hidden_layer_sizes": 12, "max_iter": 40, "bptt_steps": 8, "batch_size": 4}


@pytest.fixture(scope="module")
def language():
    return RNNClassifier(**QUICK, embedding_dim=4).fit([CYCLE[:-1]], [CYCLE[1:]])


# ------------------------------------------------------------------------------------------ drawing


def frequencies(log_probabilities, n=4000, **options):
    rng = np.random.RandomState(0)
    drawn = [draw_class(log_probabilities, rng, **options) for _ in range(n)]
    return np.bincount(drawn, minlength=len(log_probabilities)) / n


def test_draws_follow_the_probabilities():
    p = np.array([0.5, 0.0, 0.3, 0.2])
    with np.errstate(divide="ignore"):
        logs = np.log(p)
    np.testing.assert_allclose(frequencies(logs), p, atol=0.03)
    colder = p**2 / (p**2).sum()
    np.testing.assert_allclose(frequencies(logs, temperature=0.5), colder, atol=0.03)
    np.testing.assert_allclose(frequencies(logs, top_k=2), [0.625, 0, 0.375, 0], atol=0.03)
    np.testing.assert_allclose(frequencies(logs, top_p=0.51), [0.625, 0, 0.375, 0], atol=0.03)
    np.testing.assert_allclose(frequencies(logs, top_p=0.5), [1, 0, 0, 0])
    np.testing.assert_allclose(frequencies(logs, top_k=1), [1, 0, 0, 0])
    np.testing.assert_allclose(frequencies(logs + 7.0, top_p=1.0), p, atol=0.03)


@given(
    logs=st.lists(st.floats(-50, 50), min_size=1, max_size=6),
    temperature=st.floats(1e-3, 1e3),
    top_k=st.none() | st.integers(1, 8),
    top_p=st.none() | st.floats(1e-9, 1),
    seed=st.integers(0, 2**31),
)
def test_a_draw_is_always_a_class_that_may_be_drawn(logs, temperature, top_k, top_p, seed):
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    chosen = draw_class(np.array(logs), np.random.RandomState(seed), **options)
    rank = sum(other > logs[chosen] for other in logs)
    assert rank < (top_k or len(logs))
    if top_p is not None:
        p = np.exp((np.array(logs) - max(logs)) / temperature)
        assert p[np.array(logs) > logs[chosen]].sum() <= top_p * p.sum() * (1 + 1e-9)


def test_labels_are_drawn_each_by_itself():
    rng = np.random.RandomState(0)
    odds = np.log([1.0, 3.0, 1e300, 1e-300])
    drawn = np.mean([draw_labels(odds, rng) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(drawn, [0.5, 0.75, 1, 0], atol=0.03)
    drawn = np.mean([draw_labels(odds, rng, temperature=0.5) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(drawn, [0.5, 0.9, 1, 0], atol=0.03)


# --------------------------------------------------------------------------------------- continuing


def test_ids_continue(language):
    np.testing.assert_array_equal(language.generate(CYCLE[2:13], 6, top_k=1), [1, 2, 3, 0, 1, 2])
    np.testing.assert_array_equal(language.generate(CYCLE[2:13], 6, top_k=1, stop=3), [1, 2])
    assert language.generate(CYCLE[:10], 3, top_k=1, stop=2).shape == (0,)


def test_same_seed_same_continuation(language):
    hot = {"temperature": 30.0}
    first = language.generate([0, 1], 40, random_state=1, **hot)
    np.testing.assert_array_equal(language.generate([0, 1], 40, random_state=1, **hot), first)
    assert (language.generate([0, 1], 40, random_state=2, **hot) != first).any()
    assert set(first) == {0, 1, 2, 3}


def test_each_step_is_drawn_from_what_predict_says_of_all_before(language):
    """With the same draws, a continuation is that of prompts that grow by a step each."""
    rng, ids = np.random.RandomState(5), [0, 1]
    for _ in range(12):
        p = language.predict_proba([np.array(ids)])[0][-1]
        ids.append(int(language.classes_[draw_class(np.log(p), rng, temperature=9.0)]))
    drawn = language.generate([0, 1], 12, temperature=9.0, random_state=5)
    np.testing.assert_array_equal(drawn, ids[2:])


def test_a_text_continues():
    texts = ["the cat sat on the mat. " * 12]
    tokenizer = SequenceTokenizer(analyzer="char").fit(texts)
    ids = tokenizer.transform(texts)[0]
    model = RNNClassifier(24, **MANY, embedding_dim=8, bptt_steps=12, batch_size=4, max_iter=60)
    model.fit([ids[:-1]], [ids[1:]])
    text = model.generate("the cat ", 16, tokenizer=tokenizer, top_k=1)
    assert text == "sat on the mat. "
    assert (
        model.generate("the cat ", 16, tokenizer=tokenizer, top_k=1, stop=".") == "sat on the mat"
    )
    with pytest.raises(ValueError, match=r"'the dog' has a token .* does not know.*position 4"):
        model.generate("the dog", 3, tokenizer=tokenizer)
    with pytest.raises(ValueError, match="stop='#' is no token"):
        model.generate("the ", 3, tokenizer=tokenizer, stop="#")
    with pytest.raises(ValueError, match="must be a text of one token or more, got ''"):
        model.generate("", 3, tokenizer=tokenizer)
    with pytest.raises(ValueError, match="pass the fitted SequenceTokenizer"):
        model.generate("the ", 3)


def test_numbers_and_one_hot_rows_of_classes_continue():
    names = np.array(["a", "b", "c", "d"])
    one_hot = RNNClassifier(**QUICK).fit([np.eye(4)[CYCLE[:-1]]], [names[CYCLE[1:]]])
    assert "".join(one_hot.generate(np.eye(4)[[1, 2]], 5, top_k=1)) == "dabcd"
    integers = RNNClassifier(**QUICK).fit([CYCLE[:-1]], [CYCLE[1:]])
    np.testing.assert_array_equal(integers.generate(CYCLE[:11], 5, top_k=1), [3, 0, 1, 2, 3])


def test_labels_continue():
    rolls = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0]])[np.tile([0, 1, 2], 40)]
    model = RNNClassifier(**QUICK).fit([rolls[:-1]], [rolls[1:]])
    drawn = model.generate(rolls[:4], 6, temperature=0.05, random_state=0)
    np.testing.assert_array_equal(drawn, rolls[4:10])
    with pytest.raises(ValueError, match="top_k and top_p choose among classes"):
        model.generate(rolls[:4], 6, top_k=2)


def test_numbers_continue():
    wave = np.sin(np.arange(200) * 0.4)
    model = RNNRegressor(**{**QUICK, "max_iter": 100}).fit([wave[:-1]], [wave[1:]])
    continued = model.generate(wave[:50], 20)
    assert continued.shape == (20,)
    np.testing.assert_allclose(continued, wave[50:70], atol=0.25)
    both = np.column_stack([wave, -wave])
    pair = RNNRegressor(**QUICK).fit([both[:-1]], [both[1:]])
    assert pair.generate(both[:9], 4).shape == (4, 2)
    table = RNNRegressor(**{**QUICK, "max_iter": 1}).fit(
        wave[:-8].reshape(8, 24), wave[:192].reshape(8, 24)
    )
    assert table.generate(wave[:5], 3).shape == (3,)


# --------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "'temperature' parameter of RNNClassifier.generate .*range"),
        ({"temperature": -1.0}, "'temperature'.*range"),
        ({"top_p": 0.0}, "'top_p'.*range"),
        ({"top_p": 1.5}, "'top_p'.*range"),
        ({"top_k": 0}, "'top_k'.*range"),
        ({"n_steps": 0}, "'n_steps'.*range"),
        ({"stop": 9}, r"stop=9 is none of the classes \[0, 1, 2, 3\]"),
        ({"prompt": [0, 7]}, "step 1, channel 0 of X is the id 7"),
        ({"prompt": []}, "The prompt is empty"),
    ],
)
def test_bad_options(language, options, message):
    arguments = {"prompt": [0, 1], "n_steps": 3, **options}
    with pytest.raises(ValueError, match=message):
        language.generate(**arguments)


def test_a_tokenizer_of_other_texts():
    model = RNNClassifier(**MANY, embedding_dim=3, max_iter=1).fit([[2, 3, 4]], [[3, 4, 2]])
    other = SequenceTokenizer(analyzer="char").fit(["ab"])
    with pytest.raises(ValueError, match="says 4, but the tokenizer has ids from 0 to 3"):
        model.generate("ab", 2, tokenizer=other)
    with pytest.raises(NotFittedError):
        model.generate("ab", 2, tokenizer=SequenceTokenizer())


def test_models_that_cannot_generate(language):
    X, y = [CYCLE[:-1]], [CYCLE[1:]]
    base = clone(language).set_params(max_iter=1)
    with pytest.raises(ValueError, match="'many_to_one' gives no output at every step"):
        clone(base).set_params(mode="many_to_one").fit(CYCLE.reshape(16, 10), CYCLE[::10]).generate(
            [0], 2
        )
    with pytest.raises(ValueError, match="bidirectional=False"):
        clone(base).set_params(bidirectional=True).fit(X, y).generate([0], 2)
    with pytest.raises(ValueError, match="loss='log_loss'"):
        clone(base).set_params(loss="hinge").fit(X, y).generate([0], 2)
    with pytest.raises(ValueError, match="head='linear'"):
        clone(base).set_params(head="crf", bptt_steps=None).fit(X, y).generate([0], 2)
    with pytest.raises(ValueError, match="its class 9 is none of the 4 ids"):
        clone(base).fit(X, [np.where(y[0] == 2, 9, y[0])]).generate([0], 2)
    with pytest.raises(ValueError, match="reads 1 channels and gives one of 4 classes, such as"):
        clone(base).fit(X, [np.array(list("abcd"))[y[0]]]).generate([0], 2)
    regressor = RNNRegressor(**{**QUICK, "max_iter": 1}).fit([np.eye(3)], [np.ones(3)])
    with pytest.raises(ValueError, match="reads 3 channels and gives 1 numbers"):
        regressor.generate(np.eye(3), 2)
