"""Branch-free exp, tanh and logistic that LLVM turns into vector code.

All three work in the precision of their argument, float32 or float64. Multiplications and
additions are fused explicitly, so that a value has the same bits in a vector lane and in the
scalar rest of a loop. Infinities give the exact limits, NaN gives NaN, and results in the
subnormal range are gradual. The tests hold every function to 4 units in the last place of the
correctly rounded value.
"""

from __future__ import annotations

import math

from numba.core import types
from numba.extending import intrinsic

from skrnn._jit import JIT_DISABLED, jit
from skrnn._tiles import VECTOR_BYTES


@intrinsic
def _use_widest_vectors(typingctx):
    def codegen(context, builder, signature, args):
        # An attribute of LLVM's that llvmlite does not know, so its own method would refuse it.
        attribute = f'"prefer-vector-width"="{8 * VECTOR_BYTES}"'
        set.add(builder.function.attributes, attribute)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def _fused(typingctx, a, b, c):
    def codegen(context, builder, signature, args):
        return builder.fma(*args)

    return a(a, a, a), codegen


@intrinsic
def _typed(typingctx, like, value):
    """Return a number in the type of `like`."""

    def codegen(context, builder, signature, args):
        return context.cast(builder, args[1], signature.args[1], signature.args[0])

    return like(like, value), codegen


@intrinsic
def _power_of_two(typingctx, shifted):
    """Return ``2 ** n`` for an integer n of the normal range, given as n plus the rounding shift.

    The shift leaves n in the low bits of the float, from where it moves to the exponent.
    """
    bits, mantissa, bias = (32, 23, 127) if shifted.bitwidth == 32 else (64, 52, 1023)

    def codegen(context, builder, signature, args):
        integer = context.get_value_type(types.Integer.from_bitwidth(bits))
        exponent = builder.add(builder.bitcast(args[0], integer), integer(bias))
        return builder.bitcast(builder.shl(exponent, integer(mantissa)), args[0].type)

    return shifted(shifted), codegen


@intrinsic
def _times_power_of_two(typingctx, x, shifted):
    """Return ``x 2 ** n`` for an integer n as above, if x and the result are normal numbers."""
    bits, mantissa = (32, 23) if shifted.bitwidth == 32 else (64, 52)

    def codegen(context, builder, signature, args):
        integer = context.get_value_type(types.Integer.from_bitwidth(bits))
        exponent = builder.shl(builder.bitcast(args[1], integer), integer(mantissa))
        product = builder.add(builder.bitcast(args[0], integer), exponent)
        return builder.bitcast(product, args[0].type)

    return x(x, shifted), codegen


@intrinsic
def _is_single(typingctx, x):
    """Tell at compile time whether a number is a float32."""
    single = x.bitwidth == 32

    def codegen(context, builder, signature, args):
        return context.get_constant(types.boolean, single)

    return types.boolean(x), codegen


_LOG2_E = 1.4426950408889634
# ln 2 in two parts: the first has trailing zeros, so that its products with small integers are
# exact; the second is what is missing.
_LN2_HIGH_SINGLE, _LN2_LOW_SINGLE = 0.693359375, -2.12194440054690583e-4
_LN2_HIGH_DOUBLE, _LN2_LOW_DOUBLE = 0.693145751953125, 1.42860682030941723212e-6
# Adding and subtracting this rounds to the nearest integer.
_ROUND_SINGLE, _ROUND_DOUBLE = 12582912.0, 6755399441055744.0


@jit
def _pair(r, even, odd):
    return _fused(_typed(r, odd), r, _typed(r, even))


@jit
def _expm1_single(r):
    """Taylor series of exp - 1 to degree 7: below 0.1 ulp of exp for ``|r| <= ln(2) / 2``.

    Powers are taken in pairs, here and in double precision: half as many steps wait for each other.
    """
    square = r * r
    p = _fused(_pair(r, 1 / 720, 1 / 5040), square, _pair(r, 1 / 24, 1 / 120))
    p = _fused(p, square, _pair(r, 0.5, 1 / 6))
    return _fused(p, square, r)


@jit
def _expm1_double(r):
    """Taylor series of exp - 1 to degree 13: below 0.1 ulp of exp for ``|r| <= ln(2) / 2``."""
    square = r * r
    p = _pair(r, 1 / 479001600, 1 / 6227020800)
    p = _fused(p, square, _pair(r, 1 / 3628800, 1 / 39916800))
    p = _fused(p, square, _pair(r, 1 / 40320, 1 / 362880))
    p = _fused(p, square, _pair(r, 1 / 720, 1 / 5040))
    p = _fused(p, square, _pair(r, 1 / 24, 1 / 120))
    p = _fused(p, square, _pair(r, 0.5, 1 / 6))
    return _fused(p, square, r)


@jit
def _shift(like):
    return _typed(like, _ROUND_SINGLE) if _is_single(like) else _typed(like, _ROUND_DOUBLE)


@jit
def _expm1_of_rest(x, n):
    """Return ``exp(x - n ln 2) - 1`` for the integer `n` nearest to ``x / ln 2``."""
    if _is_single(x):
        r = _fused(n, _typed(x, -_LN2_HIGH_SINGLE), x)
        return _expm1_single(_fused(n, _typed(x, -_LN2_LOW_SINGLE), r))
    r = _fused(n, _typed(x, -_LN2_HIGH_DOUBLE), x)
    return _expm1_double(_fused(n, _typed(x, -_LN2_LOW_DOUBLE), r))


@jit
def _exp(x):
    # Past these ends the result is an exact zero or infinity; a NaN passes both tests.
    if _is_single(x):
        low, high = _typed(x, -104.0), _typed(x, 89.0)
    else:
        low, high = _typed(x, -746.0), _typed(x, 710.0)
    bounded = low if x < low else (high if x > high else x)
    shift = _shift(x)
    n = _fused(bounded, _typed(x, _LOG2_E), shift) - shift
    p = _expm1_of_rest(bounded, n) + _typed(x, 1.0)
    # Two factors, each a normal number, reach the subnormal results and the infinity.
    half = _fused(n, _typed(x, 0.5), shift)
    rest = n - (half - shift)
    return p * _power_of_two(half) * _power_of_two(rest + shift)


@jit
def _logistic(x):
    one, shift = _typed(x, 1.0), _shift(x)
    lowest = _typed(x, -104.0) if _is_single(x) else _typed(x, -746.0)
    size = -abs(x)
    bounded = lowest if size < lowest else size
    shifted = _fused(bounded, _typed(x, _LOG2_E), shift)
    p = _expm1_of_rest(bounded, shifted - shift) + one
    # The exponential of a negative number: too large by 2 ** 64 it is a normal number throughout.
    e = _times_power_of_two(p, shifted + _typed(x, 64.0)) * _typed(x, 2.0**-64)
    return (e if x < _typed(x, 0.0) else one) / (one + e)


@jit
def _tanh(x):
    """Return ``u / (u + 2)`` for u = exp(2 |x|) - 1, which keeps small arguments exact."""
    limit, shift = _typed(x, 20.0), _shift(x)
    size = abs(x)
    twice = (limit if size > limit else size) * _typed(x, 2.0)
    shifted = _fused(twice, _typed(x, _LOG2_E), shift)
    power = _power_of_two(shifted)
    u = _fused(_expm1_of_rest(twice, shifted - shift), power, power - _typed(x, 1.0))
    result = u / (u + _typed(x, 2.0))
    return -result if x < _typed(x, 0.0) else result


def _use_widest_vectors_plain():
    pass


def _exp_plain(x):
    try:
        return type(x)(math.exp(x))
    except OverflowError:
        return type(x)(math.inf)


def _logistic_plain(x):
    e = math.exp(-abs(x))
    return type(x)((e if x < 0 else 1.0) / (1.0 + e))


def _tanh_plain(x):
    return type(x)(math.tanh(x))


# Intrinsics exist only in compiled code; without the compiler the C library computes.
use_widest_vectors = _use_widest_vectors_plain if JIT_DISABLED else _use_widest_vectors
"""Compile the loops of the kernel that calls this for the widest vectors of the host.

By itself LLVM takes half of them on most processors with 512 bits, to keep the clock high; the
matrix products between the loops use all of them anyway."""

exp = _exp_plain if JIT_DISABLED else _exp
"""Exponential of a float32 or float64 number."""

logistic = _logistic_plain if JIT_DISABLED else _logistic
"""Logistic function ``1 / (1 + exp(-x))`` of a float32 or float64 number."""

tanh = _tanh_plain if JIT_DISABLED else _tanh
"""Hyperbolic tangent of a float32 or float64 number."""

__all__ = ["exp", "logistic", "tanh", "use_widest_vectors"]
