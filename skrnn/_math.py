"""Branch-free exp, tanh and logistic that LLVM turns into vector code.

All three work in the precision of their argument, float32 or float64. Multiplications and
additions are fused explicitly, so that a value has the same bits in a vector lane and in the
scalar rest of a loop. Infinities give the exact limits, NaN gives NaN, and results in the
subnormal range are gradual. The tests hold every function to 4 units in the last place of the
correctly rounded value.
"""

from __future__ import annotations

import math
from math import factorial

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from skrnn._jit import JIT_DISABLED
from skrnn._tiles import VECTOR_BYTES

_LOG2_E = 1.4426950408889634
# Exponentials overflow or are zero past these ends; a NaN is beyond neither.
_ENDS = {32: (-104.0, 89.0), 64: (-746.0, 710.0)}
# ln 2 in two parts: the first has trailing zeros, so that its products with small integers are
# exact; the second is what is missing.
_LN_2 = {
    32: (0.693359375, -2.12194440054690583e-4),
    64: (0.693145751953125, 1.42860682030941723212e-6),
}
# Adding and subtracting this rounds to the nearest integer, which it leaves in the low bits.
_ROUND = {32: 12582912.0, 64: 6755399441055744.0}
# Bits of the mantissa, and what is added to an exponent.
_MANTISSA = {32: (23, 127), 64: (52, 1023)}
# Degree of the Taylor series of exp - 1, below 0.1 ulp of exp for |r| <= ln(2) / 2.
_DEGREE = {32: 7, 64: 13}


class _Emitter:
    """Emits the arithmetic of one function for one argument, float32 or float64.

    Instructions are written one by one instead of being compiled from Python: a first fit would
    spend as much time on these few lines as on a cell.
    """

    def __init__(self, builder, bits):
        self._builder = builder
        self.kind = ir.FloatType() if bits == 32 else ir.DoubleType()
        self._integer = ir.IntType(bits)
        self.bits = bits
        self.shift = self.number(_ROUND[bits])
        self.one = self.number(1.0)

    def number(self, value):
        return ir.Constant(self.kind, value)

    def add(self, a, b):
        return self._builder.fadd(a, b)

    def subtract(self, a, b):
        return self._builder.fsub(a, b)

    def multiply(self, a, b):
        return self._builder.fmul(a, b)

    def divide(self, a, b):
        return self._builder.fdiv(a, b)

    def negate(self, a):
        return self._builder.fneg(a)

    def fused(self, a, b, c):
        """Multiply a by b and add c, rounded once."""
        return self._builder.fma(a, b, c)

    def absolute(self, a):
        function = self._builder.module.declare_intrinsic("llvm.fabs", [self.kind])
        return self._builder.call(function, [a])

    def choose(self, comparison, a, b, first, second):
        """Return `first` where the comparison of a and b holds, else `second`: also for a NaN."""
        return self._builder.select(self._builder.fcmp_ordered(comparison, a, b), first, second)

    def power_of_two(self, shifted):
        """Return ``2 ** n`` for an integer n of the normal range, given with the shift added."""
        mantissa, bias = _MANTISSA[self.bits]
        n = self._builder.bitcast(shifted, self._integer)
        exponent = self._builder.add(n, self._integer(bias))
        bits = self._builder.shl(exponent, self._integer(mantissa))
        return self._builder.bitcast(bits, self.kind)

    def expm1_of_rest(self, x, n):
        """Return ``exp(x - n ln 2) - 1`` for the integer `n` nearest to ``x / ln 2``."""
        high, low = _LN_2[self.bits]
        r = self.fused(n, self.number(-high), x)
        return self._expm1(self.fused(n, self.number(-low), r))

    def _expm1(self, r):
        """Return the Taylor series of exp - 1.

        Powers are taken in pairs: half as many steps wait for each other.
        """
        square, degree = self.multiply(r, r), _DEGREE[self.bits]
        series = self._pair(r, degree - 1)
        for power in range(degree - 3, 1, -2):
            series = self.fused(series, square, self._pair(r, power))
        return self.fused(series, square, r)

    def _pair(self, r, power):
        """Emit the terms of `power` and the next, divided by r to that power."""
        even, odd = self.number(1 / factorial(power)), self.number(1 / factorial(power + 1))
        return self.fused(odd, r, even)


def _emit_exp(emit, x):
    low, high = map(emit.number, _ENDS[emit.bits])
    bounded = emit.choose("<", x, low, low, emit.choose(">", x, high, high, x))
    n = emit.subtract(emit.fused(bounded, emit.number(_LOG2_E), emit.shift), emit.shift)
    p = emit.add(emit.expm1_of_rest(bounded, n), emit.one)
    # Two factors, each a normal number, reach the subnormal results and the infinity.
    half = emit.fused(n, emit.number(0.5), emit.shift)
    rest = emit.subtract(n, emit.subtract(half, emit.shift))
    p = emit.multiply(p, emit.power_of_two(half))
    return emit.multiply(p, emit.power_of_two(emit.add(rest, emit.shift)))


def _emit_logistic(emit, x):
    lowest, size = emit.number(_ENDS[emit.bits][0]), emit.negate(emit.absolute(x))
    bounded = emit.choose("<", size, lowest, lowest, size)
    shifted = emit.fused(bounded, emit.number(_LOG2_E), emit.shift)
    p = emit.expm1_of_rest(bounded, emit.subtract(shifted, emit.shift))
    # The exponential of a negative number: too large by 2 ** 64 it is a normal number throughout.
    power = emit.power_of_two(emit.add(shifted, emit.number(64.0)))
    e = emit.multiply(emit.multiply(emit.add(p, emit.one), power), emit.number(2.0**-64))
    return emit.divide(emit.choose("<", x, emit.number(0.0), e, emit.one), emit.add(emit.one, e))


def _emit_tanh(emit, x):
    """Emit ``u / (u + 2)`` for u = exp(2 |x|) - 1, which keeps small arguments exact."""
    limit, two, size = emit.number(20.0), emit.number(2.0), emit.absolute(x)
    twice = emit.multiply(emit.choose(">", size, limit, limit, size), two)
    shifted = emit.fused(twice, emit.number(_LOG2_E), emit.shift)
    power = emit.power_of_two(shifted)
    p = emit.expm1_of_rest(twice, emit.subtract(shifted, emit.shift))
    u = emit.fused(p, power, emit.subtract(power, emit.one))
    result = emit.divide(u, emit.add(u, two))
    return emit.choose("<", x, emit.number(0.0), emit.negate(result), result)


def _make_function(emit_result):
    @intrinsic
    def function(typingctx, x):  # numpydoc ignore
        def codegen(context, builder, signature, args):
            return emit_result(_Emitter(builder, signature.args[0].bitwidth), args[0])

        return x(x), codegen

    return function


_exp, _logistic, _tanh = map(_make_function, (_emit_exp, _emit_logistic, _emit_tanh))


@intrinsic
def _use_widest_vectors(typingctx):
    def codegen(context, builder, signature, args):
        # An attribute of LLVM's that llvmlite does not know, so its own method would refuse it.
        attribute = f'"prefer-vector-width"="{8 * VECTOR_BYTES}"'
        set.add(builder.function.attributes, attribute)
        return context.get_dummy_value()

    return types.void(), codegen


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
