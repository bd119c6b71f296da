"""Estimators whose outputs are sequences of their own length: what they learn, say and refuse."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

from skrnn import AttentionDisplay, RNNClassifier, RNNRegressor

RNG = np.random.default_rng(0)
WORDS = ["".join(RNG.choice(list("abc"), size=n)) for n in RNG.integers(1, 5, size=80)]
ONE_HOT = [np.eye(3)[["abc".index(c) for c in word]] for word in WORDS]
IDS = [np.array(["abc".index(c) for c in word]) for word in WORDS]
MIRRORED = [word[::-1].upper() for word in WORDS]
NAMES = np.array(["zero", "one", "two"])[np.arange(80) % 3]
VECTORS = np.eye(3)[np.arange(80) % 3] + 0.1 * RNG.normal(size=(80, 3))
WAVES = np.sin(np.arange(6) * 0.7 + VECTORS[:, :1]) * 20 + 300
RAGGED = [wave[: 3 + 3 * (i % 3 == 1)] for i, wave in enumerate(WAVES)]

QUICK = {"hidden_layer_sizes": 5, "max_iter": 2, "random_state": 0}


def classifier(**options):
    options = {"mode": "encoder_decoder", **QUICK, **options}
    return RNNClassifier(**options)


def regressor(**options):
    options = {"mode": "encoder_decoder", **QUICK, **options}
    return RNNRegressor(**options)


# ------------------------------------------------------------------ what is learned


@pytest.mark.parametrize("attention", [None, "additive", "multiplicative"])
def test_words_are_mirrored(attention):
    model = classifier(hidden_layer_sizes=24, max_iter=70, attention=attention, bidirectional=True)
    model.fit(ONE_HOT, MIRRORED)
    assert model.score(ONE_HOT, MIRRORED) > 0.97
    said = model.predict(ONE_HOT)
    assert isinstance(said, list)
    assert np.mean([a == b for a, b in zip(said, MIRRORED, strict=True)]) > 0.9


def test_attention_looks_where_the_answer_is():
    model = classifier(hidden_layer_sizes=24, max_iter=60, attention="additive")
    model.fit(ONE_HOT, MIRRORED)
    for i in range(20):
        (weights,) = model.attention_weights(ONE_HOT[i : i + 1], MIRRORED[i : i + 1])
        assert weights.shape == (len(WORDS[i]), len(WORDS[i]))
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    display = AttentionDisplay.from_estimator(model, ONE_HOT[:1])
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == list(MIRRORED[0])


def test_vectors_get_their_names():
    model = classifier(mode="one_to_many", hidden_layer_sizes=16, max_iter=60)
    model.fit(VECTORS, NAMES)
    assert model.score(VECTORS, NAMES) == 1
    said = model.predict(VECTORS)
    assert isinstance(said, np.ndarray)
    assert said.tolist() == NAMES.tolist()


@pytest.mark.parametrize("repeat_vector", [False, True])
def test_vectors_become_waves(repeat_vector):
    model = regressor(
        mode="one_to_many", hidden_layer_sizes=16, max_iter=80, repeat_vector=repeat_vector
    )
    model.fit(VECTORS, WAVES)
    assert model.predict(VECTORS).shape == (80, 6)
    assert model.score(VECTORS, WAVES) > 0.95


def test_numbers_end_where_the_network_says():
    model = regressor(mode="one_to_many", hidden_layer_sizes=16, max_iter=80)
    model.fit(VECTORS, RAGGED)
    said = model.predict(VECTORS)
    assert [len(own) for own in said] == [len(own) for own in RAGGED]
    assert model.score(VECTORS, RAGGED) > 0.9


def test_ids_go_in_and_vectors_for_them_are_learned():
    model = classifier(embedding_dim=4, hidden_layer_sizes=20, max_iter=60, attention="additive")
    model.fit(IDS, MIRRORED)
    assert model.score(IDS, MIRRORED) > 0.95
    assert model.weights_["embedding.0"].shape == (3, 4)
    assert model.weights_["decoder.embedding"].shape == (4, 4)


def test_a_wider_beam_never_needs_training_again():
    model = classifier(max_iter=15, attention="multiplicative").fit(ONE_HOT, MIRRORED)
    assert 0 < model.score(ONE_HOT, MIRRORED) < 1
    one, many = model.predict(ONE_HOT), model.set_params(beam_width=5).predict(ONE_HOT)
    assert one != many


# ------------------------------------------------------------------ layouts of y


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (MIRRORED, list),
        (np.array(MIRRORED), np.ndarray),
        (pd.Series(MIRRORED), np.ndarray),
        ([list(word) for word in MIRRORED], list),
        ([np.array(list(word)) for word in MIRRORED], list),
        ([np.arange(len(word)) for word in MIRRORED], list),
    ],
)
def test_outputs_come_as_they_were_given(y, kind):
    model = classifier(attention="additive").fit(ONE_HOT, y)
    said = model.predict(ONE_HOT)
    assert type(said) is kind
    assert len(said) == 80
    first = y.iloc[0] if isinstance(y, pd.Series) else y[0]
    assert isinstance(said[0], str if isinstance(first, str) else np.ndarray)
    assert 0 <= model.score(ONE_HOT, y) <= 1


@pytest.mark.parametrize("attention", [None, "additive"])
def test_an_array_says_how_long_outputs_are(attention):
    y = np.array([[len(word), 7, 9] for word in WORDS])
    model = classifier(attention=attention, max_iter=30).fit(ONE_HOT, y)
    assert model.n_outputs_ == model.classes_.size
    assert model.predict(ONE_HOT).shape == (80, 3)
    assert (model.predict(ONE_HOT)[:, 1:] == [7, 9]).all()
    assert model.predict(ONE_HOT, n_steps=5).shape == (80, 5)
    lengths = np.arange(80) % 4 + 1
    assert [len(own) for own in model.predict(ONE_HOT, n_steps=lengths)] == lengths.tolist()


def test_n_steps_is_the_most_where_outputs_end():
    model = classifier().fit(ONE_HOT, MIRRORED)
    assert max(map(len, model.predict(ONE_HOT, n_steps=2))) <= 2
    assert max(map(len, model.predict(ONE_HOT))) <= 4


def test_a_frame_of_outputs_is_read_by_sequence():
    index = pd.MultiIndex.from_tuples(
        [(i, t) for i, own in enumerate(RAGGED) for t in range(len(own))]
    )
    y = pd.Series(np.concatenate(RAGGED), index=index)
    framed, listed = (regressor(mode="one_to_many").fit(VECTORS, own) for own in (y, RAGGED))
    assert framed.loss_ == listed.loss_


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_follows_x(dtype):
    model = regressor().fit([x.astype(dtype) for x in ONE_HOT], WAVES[..., np.newaxis])
    assert model.predict(ONE_HOT).shape == (80, 6, 1)
    assert model.predict(ONE_HOT).dtype == dtype
    assert model.transform(ONE_HOT).dtype == dtype


# ------------------------------------------------------------------ promises

CASES = {
    "labels": (classifier(attention="additive", bidirectional=True), ONE_HOT, MIRRORED),
    "labels_stacked": (
        classifier(attention="multiplicative", hidden_layer_sizes=(5, 4), cell="lstm"),
        ONE_HOT,
        MIRRORED,
    ),
    "ids": (classifier(attention="additive", embedding_dim=3), IDS, MIRRORED),
    "numbers": (regressor(attention="additive", cell="rnn"), ONE_HOT, RAGGED),
    "names": (classifier(mode="one_to_many"), VECTORS, list(NAMES)),
    "waves": (regressor(mode="one_to_many", repeat_vector=True), VECTORS, WAVES),
}
each_case = pytest.mark.parametrize("case", CASES)


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@each_case
def test_the_same_bits_for_any_number_of_threads(case):
    model, X, y = CASES[case]
    options = {"dropout": 0.2, "recurrent_dropout": 0.1, "batch_size": 70}
    one = clone(model).set_params(**options).fit(X, y)
    two = clone(model).set_params(n_jobs=2, **options).fit(X, y)
    np.testing.assert_array_equal(one._params, two._params)
    same(one.predict(X), two.predict(X))


@each_case
def test_a_sequence_is_alone_among_others(case):
    model, X, y = CASES[case]
    model = clone(model).fit(X, y)
    everything, features = model.predict(X), model.transform(X)
    for i in range(0, 80, 13):
        same(model.predict(X[i : i + 1]), everything[i : i + 1])
        np.testing.assert_array_equal(model.transform(X[i : i + 1])[0], features[i])


@each_case
def test_pickled_models_say_the_same(case, tmp_path):
    model, X, y = CASES[case]
    model = clone(model).fit(X, y)
    joblib.dump(model, tmp_path / "model")
    for copy in (
        pickle.loads(pickle.dumps(model)),
        joblib.load(tmp_path / "model", mmap_mode="r"),
    ):
        same(copy.predict(X), model.predict(X))
        assert copy.score(X, y) == model.score(X, y)
        copy.partial_fit(X, y)


@each_case
def test_partial_fit_goes_on(case):
    model, X, y = CASES[case]
    model = clone(model)
    options = {}
    if isinstance(model, RNNClassifier):
        options = {"classes": sorted({label for word in y for label in word})}
    first = model.partial_fit(X[:40], y[:40], **options).loss_
    for _ in range(15):
        model.partial_fit(X[40:], y[40:])
    assert model.n_iter_ == 16
    assert model.loss_ < first
    assert len(model.predict(X)) == 80


@each_case
def test_early_stopping_keeps_the_best(case):
    model, X, y = CASES[case]
    model = clone(model).set_params(early_stopping=True, max_iter=4, validation_fraction=0.25)
    model.fit(X, y)
    assert len(model.validation_scores_) == len(model.validation_loss_curve_)
    given = clone(model).fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    assert given.validation_scores_[given.best_iter_ - 1] == given.score(X[60:], y[60:])


@pytest.mark.filterwarnings("ignore:lbfgs stopped")
@pytest.mark.parametrize("case", ["labels", "numbers", "names"])
def test_lbfgs_and_warm_start(case):
    model, X, y = CASES[case]
    model = clone(model).set_params(solver="lbfgs", max_iter=5, warm_start=True).fit(X, y)
    before = model.loss_
    assert model.fit(X, y).loss_ < before


def test_weights_count_as_repetitions():
    weight = np.arange(20) % 3
    model = classifier(attention="additive", max_iter=5, batch_size=100)
    weighted = clone(model).fit(ONE_HOT[:20], MIRRORED[:20], sample_weight=weight)
    repeated = np.repeat(np.arange(20), weight)
    longer = clone(model).fit([ONE_HOT[i] for i in repeated], [MIRRORED[i] for i in repeated])
    np.testing.assert_allclose(weighted._params, longer._params, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", ["encoder_decoder", "one_to_many"])
def test_steps_may_weigh(mode):
    X, y = (VECTORS, NAMES) if mode == "one_to_many" else (ONE_HOT, np.array(MIRRORED))
    weight = [np.full(len(word), 1.0 + i % 3) for i, word in enumerate(y)]
    model = classifier(mode=mode)
    of_sequence = clone(model).fit(X, y, sample_weight=[own[0] for own in weight])
    of_step = clone(model).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(of_sequence._params, of_step._params)
    weight[3][0] = 9.0
    assert (clone(model).fit(X, y, sample_weight=weight)._params != of_step._params).any()
    index = pd.MultiIndex.from_tuples([(i, t) for i, own in enumerate(y) for t in range(len(own))])
    framed = clone(model).fit(X, y, sample_weight=pd.Series(np.concatenate(weight), index=index))
    listed = clone(model).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(framed._params, listed._params)


def test_a_step_without_weight_is_not_taught():
    weight = np.ones(WAVES.shape)
    weight[:, -1] = 0.0
    other = WAVES.copy()
    other[::2, -1] += 500.0
    model = regressor(mode="one_to_many")
    fits = [clone(model).fit(VECTORS, y, sample_weight=weight) for y in (WAVES, other)]
    np.testing.assert_array_equal(fits[0]._params, fits[1]._params)
    assert (model.fit(VECTORS, other)._params != fits[1]._params).any()
    scores = [fits[0].score(VECTORS, y, sample_weight=weight) for y in (WAVES, other)]
    assert scores[0] == scores[1] != fits[0].score(VECTORS, other)


def test_the_score_counts_steps_by_weight():
    model = classifier(max_iter=1).fit(ONE_HOT, MIRRORED)
    said = model.predict(ONE_HOT)
    rng = np.random.default_rng(5)
    weight = [rng.uniform(0.5, 2, size=len(word)) for word in MIRRORED]
    right = total = 0.0
    for own, word, w in zip(said, MIRRORED, weight, strict=True):
        right += sum(w[t] for t, letter in enumerate(word[: len(own)]) if own[t] == letter)
        total += w.sum() + max(0, len(own) - len(word)) * w.mean()
    assert model.score(ONE_HOT, MIRRORED, sample_weight=weight) == pytest.approx(right / total)


def test_classes_may_weigh():
    plain = classifier(max_iter=10).fit(ONE_HOT, MIRRORED)
    heavy = classifier(max_iter=10, class_weight={"A": 50.0}).fit(ONE_HOT, MIRRORED)
    count = [sum(word.count("A") for word in m.predict(ONE_HOT)) for m in (plain, heavy)]
    assert count[1] > count[0]
    classifier(class_weight="balanced").fit(ONE_HOT, MIRRORED)


@each_case
def test_grids_are_searched_in_two_processes(case):
    model, X, y = CASES[case]
    grid = {"learning_rate_init": [0.001, 0.01]}
    search = GridSearchCV(clone(model), grid, cv=2, n_jobs=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.predict(X)) == 80


def test_cross_validated_predictions():
    said = cross_val_predict(classifier(), ONE_HOT, np.array(MIRRORED), cv=2)
    assert said.shape == (80,)
    listed = [list(word) for word in MIRRORED]
    assert 0 <= cross_val_score(classifier(), ONE_HOT, listed, cv=2).mean() <= 1
    arrays = [np.array(word) for word in listed]
    assert 0 <= cross_val_score(classifier(), ONE_HOT, arrays, cv=2).mean() <= 1


# ------------------------------------------------------------------ bad input


def refuse(message, model, X, y, **options):
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **options)
    assert not hasattr(model, "_params")


def test_weights_of_steps_that_do_not_fit():
    weight = [np.ones(len(word)) for word in MIRRORED]
    longer = [*weight[:5], np.ones(len(MIRRORED[5]) + 2), *weight[6:]]
    message = f"y of sequence 5 has {len(MIRRORED[5])} steps, but sample_weight has"
    refuse(message, classifier(), ONE_HOT, MIRRORED, sample_weight=longer)
    refuse("sample_weight holds 79", classifier(), ONE_HOT, MIRRORED, sample_weight=weight[:79])
    weight[2] = -weight[2]
    refuse("Negative values in data", classifier(), ONE_HOT, MIRRORED, sample_weight=weight)


def test_bad_outputs_are_named():
    refuse(r"\[80, 79\]", classifier(), ONE_HOT, MIRRORED[:79])
    refuse("sequence 3 is empty", classifier(), ONE_HOT, [*MIRRORED[:3], "", *MIRRORED[4:]])
    labels = [np.arange(len(word)) for word in WORDS]
    refuse("2 for sequence 1, which is no seq", classifier(), ONE_HOT, [labels[0], 2, *labels[2:]])
    refuse("'a'.*number", classifier(), ONE_HOT, [labels[0], "a", *labels[2:]])
    floats = [labels[0], labels[1] + 0.5, *labels[2:]]
    refuse(r"0\.5 in sequence 1, step 0; labels are integers", classifier(), ONE_HOT, floats)
    refuse(r"2 columns at each step.*RNNRegressor", classifier(), ONE_HOT, np.zeros((80, 3, 2)))
    broken = [RAGGED[0], np.array([1.0, np.nan]), *RAGGED[2:]]
    refuse("nan in sequence 1, step 1", regressor(), ONE_HOT, broken)
    refuse("holds 'a' in sequence 0.*numbers", regressor(), ONE_HOT, ["ab"] * 80)
    words = [["a", "b"]] * 79
    refuse("None in sequence 79, step 1", classifier(), ONE_HOT, [*words, ["a", None]])
    refuse("y holds 3 in sequence 79, step 1, but 'a' in sequence 0, step 0",
           classifier(), ONE_HOT, [*words, ["a", 3]])  # fmt: skip
    uneven = [RAGGED[0], np.ones((2, 2)), *RAGGED[2:]]
    refuse(r"sequence 1 has shape \(2, 2\)", regressor(), ONE_HOT, uneven)


def test_outputs_in_another_order_than_the_sequences():
    index = pd.MultiIndex.from_tuples([(f"w{i}", t) for i in (3, 1, 2) for t in range(2)])
    X = pd.DataFrame({"x": np.arange(6.0)}, index=index)
    y = pd.Series(list("aabbab"), index=index)
    model = classifier().fit(X, y)
    turned = y.sort_index()
    refuse("number 0 is 'w1' in y, but 'w3' in X", classifier(), X, turned)
    with pytest.raises(ValueError, match="number 0 is 'w1' in y"):
        model.score(X, turned)
    refuse("number 2 is missing in y, but 'w2' in X", classifier(), X, y[:4])
    words = pd.Series(["ab", "b", "a"], index=["w3", "w1", "w2"])
    assert len(model.fit(X, words).predict(X)) == 3
    refuse("target 0 is indexed 'w1', but sequence 0 of X is 'w3'", classifier(), X,
           words.sort_index())  # fmt: skip


def test_parameters_that_do_not_fit_the_mode():
    refuse("ignore_label='x'.*sample_weight 0", classifier(ignore_label="x"), ONE_HOT, MIRRORED)
    fitted = classifier().fit(ONE_HOT, MIRRORED).set_params(beam_width=0)
    with pytest.raises(ValueError, match="beam_width must be an integer of at least 1, got 0"):
        fitted.predict(ONE_HOT)
    refuse("attention='additive'.*mode='one_to_many' has none",
           classifier(mode="one_to_many", attention="additive"), VECTORS, NAMES)  # fmt: skip
    refuse("attention='additive'.*mode='many_to_one'",
           RNNClassifier(attention="additive"), VECTORS, NAMES)  # fmt: skip
    refuse("repeat_vector=True", classifier(repeat_vector=True), ONE_HOT, MIRRORED)
    refuse("loss='hinge'", classifier(loss="hinge"), ONE_HOT, MIRRORED)
    refuse("'beam_width' parameter", classifier(beam_width=0), ONE_HOT, MIRRORED)
    refuse("'attention' parameter", classifier(attention="soft"), ONE_HOT, MIRRORED)
    refuse("one vector a sample.*encoder_decoder",
           classifier(mode="one_to_many"), np.zeros((80, 2, 3)), NAMES)  # fmt: skip
    refuse("one vector a sample", classifier(mode="one_to_many"), ONE_HOT, NAMES)
    refuse("embeddings", classifier(mode="one_to_many", embeddings=np.eye(3)), VECTORS, NAMES)


def test_unseen_labels_and_ids():
    model = classifier().fit(ONE_HOT, MIRRORED)
    with pytest.raises(ValueError, match="'Z' in sequence 1, step 2, a label that was not there"):
        model.partial_fit(ONE_HOT[:2], ["A", "ABZ"])
    with pytest.raises(ValueError, match="'Z' in sequence 0"):
        model.score(ONE_HOT[:1], ["Z"])
    model = classifier(embedding_dim=3).fit(IDS, MIRRORED)
    with pytest.raises(ValueError, match=r"Sequence 1, step 0.*id 9"):
        model.predict([np.array([0, 1]), np.array([9])])


def test_methods_for_one_output_a_step_are_refused():
    model = classifier().fit(ONE_HOT, MIRRORED)
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "decision_function")
    assert not hasattr(model, "attention_weights")
    for method, arguments in {
        "gradient_flow": (ONE_HOT, MIRRORED),
        "init_state": (),
        "to_torch": (),
    }.items():
        with pytest.raises(ValueError, match=f"{method} is not available with mode='encoder_dec"):
            getattr(model, method)(*arguments)


def test_n_steps_is_checked():
    model = classifier().fit(ONE_HOT, MIRRORED)
    for wrong in (0, [1, 2], 1.5, True, "a"):
        with pytest.raises(ValueError, match="n_steps must be"):
            model.predict(ONE_HOT, n_steps=wrong)
    plain = RNNClassifier(**QUICK).fit(VECTORS, NAMES)
    with pytest.raises(ValueError, match="n_steps=3 is for mode='encoder_decoder'"):
        plain.predict(VECTORS, n_steps=3)


def test_unfitted_and_overflowing():
    for method in ("predict", "transform"):
        with pytest.raises(NotFittedError):
            getattr(classifier(), method)(ONE_HOT)
    model = classifier(attention="additive").fit(ONE_HOT, MIRRORED)
    W = np.full((5, model.n_outputs_), 1.7e308)
    W[:, 1] *= -1  # whatever the sign of what it meets, one of the two overflows
    model.set_weights({"head.b_y": np.full(model.n_outputs_, 1.7e308), "head.W_hy": W})
    with pytest.raises(ValueError, match="overflows float64 in sequence 0"):
        model.predict(ONE_HOT)


def test_features_of_a_frame_have_its_sequences():
    framed = pd.concat({f"s{i}": pd.DataFrame(x) for i, x in enumerate(ONE_HOT)})
    model = classifier().fit(framed, MIRRORED).set_output(transform="pandas")
    features = model.transform(framed)
    assert features.shape == (80, 5)
    assert features.index.tolist() == [f"s{i}" for i in range(80)]
    assert features.columns.tolist() == model.get_feature_names_out().tolist()
    assert model.predict(framed) == classifier().fit(ONE_HOT, MIRRORED).predict(ONE_HOT)
