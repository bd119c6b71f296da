"""Lists of calls do what the calls do, in tables and out of them."""

import weakref

import numpy as np
import pytest

from skrnn import _calls
from skrnn._calls import CallList
from skrnn._jit import JIT_DISABLED, jit

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="tables hold machine code")


@jit
def add_scaled(values, factor, total):
    for i in range(values.shape[0]):
        for k in range(values.shape[1]):
            total[i, k] += factor * values[i, k]


@jit
def refuse_negative(line):
    for k in range(line.size):
        if line[k] < 0:
            raise ValueError("a value is negative")


@jit
def share(line, factor):
    for k in range(line.size):
        line[k] *= factor


@jit
def give_size(line):
    return line.size


def test_kernels_are_put_in_tables_and_do_the_same(monkeypatch):
    monkeypatch.setattr(_calls, "RUNS_BEFORE", 2)
    rng = np.random.default_rng(0)
    values, whole = rng.normal(size=(3, 4)), rng.normal(size=(3, 8))
    expected, total = np.zeros((3, 4)), np.zeros((3, 4))
    every_second = whole[:, ::2]  # strides are handed over as they are
    calls = [(add_scaled, (values, 3, total)), (add_scaled, (every_second, 2, total))]
    listed = CallList(calls)
    for number in range(5):
        values[0, 0] = number
        expected += 3 * values
        expected += 2 * every_second
        listed.run()
    np.testing.assert_array_equal(total, expected)
    assert len(listed.parts) == 1
    assert listed.parts[0][0].__name__ == "run"


def test_a_call_can_be_exchanged(monkeypatch):
    monkeypatch.setattr(_calls, "RUNS_BEFORE", 1)
    before, after, total = np.ones((2, 2)), np.full((2, 2), 5.0), np.zeros((2, 2))
    listed = CallList([(add_scaled, (before, 1, total)), (add_scaled, (before, 2, total))])
    listed.exchange_first([(add_scaled, (after, 1, total))])  # not in a table yet
    listed.run()
    np.testing.assert_array_equal(total, 7)
    alive = weakref.ref(after)
    listed.exchange_first([None])
    del after
    assert alive() is None
    listed.exchange_first([(add_scaled, (10 * before, 1, total))])
    listed.run()
    np.testing.assert_array_equal(total, 19)
    assert len(listed.parts) == 1
    # One whose kernel nobody has compiled is called from Python once.
    strange = np.asfortranarray(np.full((2, 2), 100.0))
    listed.exchange_first([(add_scaled, (strange, 1, total))])
    for expected in (121, 223):
        listed.run()
        np.testing.assert_array_equal(total, expected)
        assert len(listed.parts) == 1


def test_a_call_that_stays_out_of_tables_can_be_exchanged(monkeypatch):
    monkeypatch.setattr(_calls, "RUNS_BEFORE", 1)
    noted, line = [], np.ones(3)
    listed = CallList([(noted.append, (1,)), (refuse_negative, (line,))])
    listed.run()
    listed.exchange_first([None])
    listed.exchange_first([(noted.append, (2,))])
    listed.run()
    assert noted == [1, 2]


def test_what_needs_python_stays_in_its_place():
    line, noted = np.arange(4.0), []
    share(line, 1.0)
    give_size(line)
    refuse_negative(line)
    calls = [
        (refuse_negative, (line,)),
        (noted.append, (1,)),  # no kernel
        (share, (line, 2.0)),  # a float is handed over in another way
        (give_size, (line,)),  # gives something back
        (refuse_negative, (line,)),
        (refuse_negative, (line[::2],)),  # never compiled so far
    ]
    parts = _calls._in_tables(calls)
    kept = {id(call) for call in calls}
    assert [id(part) in kept for part in parts] == [False, True, True, True, False, True]
    for function, arguments in parts:
        function(*arguments)
    assert noted == [1]
    np.testing.assert_array_equal(line, 2 * np.arange(4.0))


def test_beside_other_threads_tables_are_made_as_soon_as_there_is_machine_code():
    @jit
    def double(line):
        for k in range(line.size):
            line[k] *= 2

    line, own = np.ones(4), np.ones(4)
    share(line, 1)
    listed = CallList([(share, (line, 3)), (double, (own,))], is_shared=True)
    assert [part[0] is double for part in listed.parts] == [False, True]
    listed.run()  # compiles what was not
    assert len(listed.parts) == 1
    listed.run()
    np.testing.assert_array_equal(line, 9 * np.ones(4))
    np.testing.assert_array_equal(own, 4 * np.ones(4))
    assert len(CallList([(share, (line, 3)), (double, (own,))], is_shared=True).parts) == 1


def test_addresses_of_views_that_lend_no_buffer():
    line, empty = np.arange(12.0).reshape(3, 4), np.empty((0, 3))
    fixed = line.copy()
    fixed.flags.writeable = False
    for array in (line, line[:, 1:], line[1:, ::2], line[::-1], fixed, empty):
        assert _calls.address_of(array) == array.__array_interface__["data"][0]


def test_an_error_is_raised_and_nothing_after_it_is_called():
    line, after = np.arange(4.0), np.ones((1, 1))
    refuse_negative(line)
    add_scaled(after, 1, after)
    parts = _calls._in_tables([(refuse_negative, (line,)), (add_scaled, (after, 1, after))])
    line[2] = -1
    with pytest.raises(ValueError, match="a value is negative"):
        parts[0][0]()
    assert after[0, 0] == 2
    line[2] = 1
    parts[0][0]()
    assert after[0, 0] == 4


@pytest.mark.parametrize("name", ["_ARRAY_PARTS", "MOST_WORDS"])
def test_without_the_expected_layout_everything_is_called_from_python(name, monkeypatch):
    monkeypatch.setattr(_calls, "_found", {})
    line = np.arange(4.0)
    refuse_negative(line)
    calls = [(refuse_negative, (line,))]
    monkeypatch.setattr(_calls, name, {"_ARRAY_PARTS": ("data",), "MOST_WORDS": 3}[name])
    assert _calls._in_tables(calls) == calls
