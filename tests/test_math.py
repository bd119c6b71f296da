"""exp, tanh and logistic against the correctly rounded value, over everything a float can hold."""

from decimal import Decimal, Overflow, localcontext

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn import _math, _tiles
from skrnn._jit import JIT_DISABLED, jit

MOST_ULPS = 4
BITS = {np.float32: np.int32, np.float64: np.int64}
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


@jit
def exp_all(x, out):
    for k in range(x.size):
        out[k] = _math.exp(x[k])


@jit
def tanh_all(x, out):
    for k in range(x.size):
        out[k] = _math.tanh(x[k])


@jit
def logistic_all(x, out):
    for k in range(x.size):
        out[k] = _math.logistic(x[k])


def exact_exp(x):
    return Decimal(x).exp()


def exact_tanh(x):
    small = (-2 * abs(Decimal(x))).exp()
    return ((1 - small) / (1 + small)).copy_sign(Decimal(x))


def exact_logistic(x):
    small = (-abs(Decimal(x))).exp()
    return (small if x < 0 else 1) / (1 + small)


FUNCTIONS = {
    "exp": (exp_all, exact_exp),
    "tanh": (tanh_all, exact_tanh),
    "logistic": (logistic_all, exact_logistic),
}
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def apply(name, x):
    out = np.full_like(x, 123)
    FUNCTIONS[name][0](x, out)
    return out


def correctly_rounded(name, x):
    """By decimal arithmetic of 60 digits."""
    exact = FUNCTIONS[name][1]
    with localcontext() as context:
        # tanh cancels leading digits of small arguments.
        context.prec, context.traps[Overflow] = 60, False
        values = [float(exact(value)) for value in x.tolist()]
    with np.errstate(over="ignore", under="ignore"):
        return np.array(values).astype(x.dtype)


def place(values):
    """Position of each float in the order of all floats, so that neighbours differ by one."""
    kind = BITS[values.dtype.type]
    bits = values.view(kind)
    return np.where(bits < 0, np.iinfo(kind).min - bits, bits).astype(np.int64)


def assert_within_ulps(name, x, expected):
    actual = apply(name, x)
    ulps = np.abs(place(actual) - place(expected))  # both have one sign
    np.testing.assert_array_equal(np.sign(actual), np.sign(expected))
    worst = int(ulps.argmax())
    assert ulps[worst] <= MOST_ULPS, (
        f"{name}({x[worst]!r}) is {actual[worst]!r}, {ulps[worst]} ulp from {expected[worst]!r}"
    )


def arguments(dtype):
    """Dense where the functions bend or end, and over all magnitudes, subnormal ones included."""
    rng = np.random.default_rng(0)
    n = 800
    info = np.finfo(dtype)
    ends = [88.7, -87.3, -103.9] if dtype == np.float32 else [709.7, -708.3, -745.1]
    parts = [
        rng.uniform(-1, 1, n),
        rng.uniform(-20, 20, n),
        rng.uniform(min(ends) - 10, max(ends) + 10, 2 * n),
        *(end + rng.uniform(-1.5, 1.5, n // 2) for end in ends),
        0.625 + rng.uniform(-1e-3, 1e-3, n // 4),
        np.arange(-60, 61) * np.log(2) / 2,
        np.ldexp(rng.uniform(-1, 1, n), rng.integers(info.minexp - 20, 12, n)),
        [0.0, info.tiny, info.smallest_subnormal, info.max, -info.max, 1.0, -1.0],
    ]
    return np.concatenate(parts).astype(dtype)


@each_dtype
@each_function
def test_within_four_ulps_of_the_truth(name, dtype):
    x = arguments(dtype)
    if name == "tanh":
        # Decimals lose what tanh keeps: below this it is x to the last bit but one.
        x = x[(np.abs(x) > 1e-20) | (x == 0)]
    assert_within_ulps(name, x, correctly_rounded(name, x))


@each_function
def test_a_sample_of_all_of_float32(name):
    """Every 20011th bit pattern there is; float64 is exact enough to judge."""
    bits = np.arange(0, 2**32, 20011, dtype=np.uint64).astype(np.uint32)
    x = bits.view(np.float32)
    x = x[np.isfinite(x)]
    wide = x.astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        if name == "logistic":
            small = np.exp(-np.abs(wide))
            expected = np.where(wide < 0, small, 1) / (1 + small)
        else:
            expected = getattr(np, name)(wide)
        expected = expected.astype(np.float32)
    assert_within_ulps(name, x, expected)


@each_dtype
def test_tanh_of_a_tiny_number_is_that_number(dtype):
    info = np.finfo(dtype)
    x = np.ldexp(np.ones(60), np.arange(-60, 0) - 14).astype(dtype)
    x = np.concatenate([x, -x, [info.tiny, info.smallest_subnormal, 0.0]]).astype(dtype)
    np.testing.assert_allclose(apply("tanh", x), x, rtol=1e-8)
    assert (apply("tanh", x[-3:]) == x[-3:]).all()
    assert np.signbit(apply("tanh", np.array([-0.0], dtype)))[0]


@each_dtype
def test_results_fade_out_gradually(dtype):
    """No flush to zero: the subnormal results are there, one by one."""
    info = np.finfo(dtype)
    x = np.linspace(np.log(float(info.tiny)), np.log(float(info.smallest_subnormal)), 50)
    x = x.astype(dtype)[:-1]
    for name in ("exp", "logistic"):
        values = apply(name, x)
        assert (values[:-1] > 0).all()
        assert (np.diff(values) <= 0).all()
        assert (values[1:-1] < info.tiny).all()


@each_dtype
@each_function
def test_limits_at_infinity(name, dtype):
    low, high = {"exp": (0, np.inf), "tanh": (-1, 1), "logistic": (0, 1)}[name]
    x = np.array([-np.inf, np.inf, -np.finfo(dtype).max, np.finfo(dtype).max], dtype)
    np.testing.assert_array_equal(apply(name, x), np.array([low, high, low, high], dtype))


@each_dtype
@each_function
def test_nan_gives_nan_and_spoils_no_neighbour(name, dtype):
    x = np.linspace(-3, 3, 41).astype(dtype)
    clean = apply(name, x)
    x[[0, 7, 40]] = [np.nan, -np.nan, np.nan]
    result = apply(name, x)
    assert np.isnan(result[[0, 7, 40]]).all()
    kept = ~np.isnan(x)
    np.testing.assert_array_equal(result[kept], clean[kept])


@each_dtype
@each_function
def test_nan_of_any_payload_gives_nan(name, dtype):
    bits, exponent = BITS[dtype], {np.float32: 0xFF << 23, np.float64: 0x7FF << 52}[dtype]
    payloads = np.random.default_rng(0).integers(1, exponent & -exponent, size=1000)
    x = np.array(payloads + exponent, dtype=bits).view(dtype)
    assert np.isnan(x).all()
    assert np.isnan(apply(name, np.concatenate([x, -x]))).all()


@each_dtype
@each_function
def test_no_result_leaves_its_range(name, dtype):
    x = np.sort(arguments(dtype))
    result = apply(name, x)
    low, high = {"exp": (0, np.inf), "tanh": (-1, 1), "logistic": (0, 1)}[name]
    assert ((result >= low) & (result <= high)).all()
    if name == "tanh":
        np.testing.assert_array_equal(apply(name, -x), -result)


@pytest.mark.skipif(JIT_DISABLED, reason="there are no vectors without the compiler")
@each_dtype
@each_function
@given(start=st.integers(0, 70), size=st.integers(1, 70))
def test_the_bits_do_not_depend_on_the_place_in_a_vector(name, dtype, start, size):
    x = np.random.default_rng(1).choice(arguments(dtype), 140)
    whole = apply(name, x)
    part = slice(start, start + size)
    np.testing.assert_array_equal(apply(name, x[part].copy()), whole[part])
    np.testing.assert_array_equal(apply(name, x[start : start + 1].copy())[0], whole[start])


@pytest.mark.skipif(JIT_DISABLED or _tiles.VECTOR_BYTES < 64, reason="no vectors of 512 bits here")
def test_loops_take_the_widest_vectors_where_they_may():
    @numba.njit(error_model="numpy")
    def add_one(x):
        _math.use_widest_vectors()
        for k in range(x.size):
            x[k] += 1

    x = np.zeros(40, np.float32)
    add_one(x)
    assert (x == 1).all()
    assert all("zmm" in code for code in add_one.inspect_asm().values())
