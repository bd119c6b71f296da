"""Greedy and beam search against every possible sequence, and sequences of values step by step."""

import itertools

import networks
import numpy as np
import pytest
from scipy.special import log_softmax

from skrnn.batching import PackedBatch
from skrnn.cells import resolve_cell
from skrnn.encoder_decoder import EncoderDecoder
from skrnn.inference import Overflow
from skrnn.outputs import Outputs
from skrnn.search import search_tokens, unroll_values
from skrnn.threads import Threads
from skrnn.workspace import Workspace

N_TOKENS, START, END = 3, 3, 3  # the end is said, never read; the start is read, never said
LONGEST = 3


def make_network(ends=True, attention="additive", n_tokens=N_TOKENS):
    return EncoderDecoder(
        resolve_cell("gru", "tanh"),
        2,
        (4,),
        n_tokens + ends,
        attention=attention,
        n_tokens=n_tokens + 1,
        n_values=3,
    )


@pytest.fixture(scope="module")
def setting():
    rng = np.random.default_rng(0)
    network = make_network()
    params = rng.standard_normal(network.layout.size)
    rows = [rng.standard_normal((n, 2)) for n in rng.integers(1, 6, size=40)]
    return network, params, networks.to_sequences(rows)


def search(network, params, sequences, n_jobs=None, **options):
    options = {"start": START, "end": END, **options}
    n_steps = np.full(len(sequences), options.pop("n_steps", LONGEST))
    with Threads(n_jobs) as threads:
        return search_tokens(network, params, sequences, threads, n_steps=n_steps, **options)


def log_probabilities(network, params, sequences, i, tokens, start=START):
    """Log probability of each token given the ones before, for one source, all at once."""
    said = np.array(tokens)
    given = np.concatenate([[start], said[:-1]])
    outputs = Outputs(given, said, np.ones(said.size), np.array([0, said.size]))
    source = PackedBatch(sequences.take([i]), np.array([0]))
    trace = network.forward(params, source, outputs, np.array([0]), Workspace())
    return log_softmax(trace.raw, axis=1)


def score(network, params, sequences, i, tokens):
    log_p = log_probabilities(network, params, sequences, i, tokens)
    return log_p[np.arange(len(tokens)), tokens].mean()


def test_a_beam_as_wide_as_all_sequences_finds_the_best(setting):
    network, params, sequences = setting
    few = sequences.take(range(6))
    tokens, scores = search(network, params, few, beam_width=60)
    possible = [
        (*words, END)
        for n in range(1, LONGEST + 1)
        for words in itertools.product(range(N_TOKENS), repeat=n)
    ]
    for i in range(6):
        expected = max(possible, key=lambda said, i=i: score(network, params, few, i, said))
        assert (*tokens[i], END) == expected
        assert scores[i] == pytest.approx(score(network, params, few, i, expected), rel=1e-12)


def test_without_an_end_all_have_the_given_length(setting):
    _, _, sequences = setting
    network, few = make_network(ends=False), sequences.take(range(4))
    params = 1.5 * np.random.default_rng(1).standard_normal(network.layout.size)
    tokens, _ = search(network, params, few, beam_width=40, end=None)
    possible = list(itertools.product(range(N_TOKENS), repeat=LONGEST))
    for i in range(4):
        expected = max(possible, key=lambda said, i=i: score(network, params, few, i, said))
        assert tuple(tokens[i]) == expected


def test_a_beam_of_one_takes_the_likeliest_token_at_each_step(setting):
    network, params, sequences = setting
    tokens, _ = search(network, params, sequences, n_steps=8)
    assert len({len(own) for own in tokens}) > 1
    for i, own in enumerate(tokens):
        said = [*own, END]
        log_p = log_probabilities(network, params, sequences, i, said)
        log_p[0, END] = -np.inf
        likeliest = log_p.argmax(axis=1)
        assert likeliest[:-1].tolist() == said[:-1]
        assert likeliest[-1] == END or own.size == 8


@pytest.mark.parametrize("width", [2, 3])
def test_a_narrow_beam_keeps_the_likeliest_of_all_continuations(setting, width):
    """Of a vocabulary much wider than the beam, against all continuations ranked."""
    sequences = setting[2].take(range(8))
    network = make_network(ends=False, n_tokens=20)
    params = 0.7 * np.random.default_rng(2).standard_normal(network.layout.size)
    tokens, scores = search(network, params, sequences, beam_width=width, start=20, end=None)

    def total(i, said):
        log_p = log_probabilities(network, params, sequences, i, said, start=20)
        return log_p[np.arange(len(said)), said].sum()

    for i in range(8):
        beam = [()]
        for _ in range(LONGEST):
            extended = [(*said, token) for said in beam for token in range(20)]
            beam = sorted(extended, key=lambda said, i=i: -total(i, said))[:width]
        assert tuple(tokens[i]) == beam[0]
        assert scores[i] == pytest.approx(total(i, beam[0]) / LONGEST, rel=1e-12)


@pytest.mark.parametrize("width", [1, 3])
def test_a_source_is_alone_among_others(setting, width):
    network, params, sequences = setting
    tokens, scores = search(network, params, sequences, beam_width=width, n_steps=6)
    threaded = search(network, params, sequences, n_jobs=2, beam_width=width, n_steps=6)
    assert threaded[1] == scores
    for i in range(0, 40, 7):
        alone, own_score = search(network, params, sequences.take([i]), beam_width=width, n_steps=6)
        np.testing.assert_array_equal(alone[0], tokens[i])
        np.testing.assert_array_equal(threaded[0][i], tokens[i])
        assert own_score == [scores[i]]


def test_a_wider_beam_is_no_worse_on_the_whole(setting):
    network, params, sequences = setting
    means = [np.mean(search(network, params, sequences, beam_width=w)[1]) for w in (1, 2, 8)]
    assert means == sorted(means)
    assert means[-1] > means[0]


@pytest.mark.parametrize("ends", [False, True])
def test_values_are_read_back_and_sequences_end(ends):
    rng = np.random.default_rng(2)
    network = EncoderDecoder(resolve_cell("lstm", "tanh"), 2, (4, 3), 2 + ends, n_values=2)
    params = rng.standard_normal(network.layout.size)
    rows = [rng.standard_normal((n, 2)) for n in [3, 5, 1, 4, 2]]
    sequences = networks.to_sequences(rows)
    n_steps = np.array([6, 2, 5, 6, 6])
    options = {"link_inverse": np.tanh, "n_steps": n_steps, "ends": ends}
    with Threads(None) as threads:
        made = unroll_values(network, params, sequences, threads, **options)
    assert all(len(own) <= n for own, n in zip(made, n_steps, strict=True))
    if ends:
        assert any(len(own) < n for own, n in zip(made, n_steps, strict=True))
    for i, own in enumerate(made):
        given = np.concatenate([np.zeros((1, 2)), np.tanh(own[:-1])])
        outputs = Outputs(given, given, np.ones(len(given)), np.array([0, len(given)]))
        source = PackedBatch(sequences.take([i]), np.array([0]))
        raw = network.forward(params, source, outputs, np.array([0]), Workspace()).raw
        np.testing.assert_array_equal(raw[:, :2], own)
        if ends:
            assert (raw[:-1, 2] <= 0).all()
            assert raw[-1, 2] > 0 or len(own) == n_steps[i]
        else:
            assert len(own) == n_steps[i]


def test_an_overflow_names_the_source(setting):
    network, params, _ = setting
    broken = networks.to_sequences([np.zeros((2, 2)), np.full((2, 2), np.nan)])
    with pytest.raises(Overflow, match="row 1"):
        search(network, params, broken)
