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
# Up to here exp(-2 x) is a normal number; the hyperbolic tangent of anything larger is one.
_FLAT = 40.0
_LN_2 = 0.6931471805599453
# The same in two parts: the first has trailing zeros, so that its products with small integers are
# exact; the second is what is missing.
_LN_2_PARTS = {
    32: (0.693359375, -2.12194440054690583e-4),
    64: (0.693145751953125, 1.42860682030941723212e-6),
}
# Bits of the mantissa, and what is added to an exponent.
_MANTISSA = {32: (23, 127), 64: (52, 1023)}
# Adding and subtracting this rounds to the nearest integer n; between the two, the low bits are the
# exponent of 2 ** n.
_ROUND = {32: 12582912.0 + 127, 64: 6755399441055744.0 + 1023}
# Coefficients of r ** 2, r ** 3 and so on in exp(r) - 1 for |r| <= ln(2) / 2. In single precision
# those whose largest error beside r is least, below 2e-8 of exp(r) - 1, or 0.3 ulp; in double
# precision of the Taylor series.
_SERIES = {
    32: (0.5, 0.1666654279, 0.04166628140, 0.008366610596, 0.001394649681),
    64: tuple(1 / factorial(power) for power in range(2, 14)),
}


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
        return self._call("fabs", a)

    def with_sign_of(self, a, b):
        return self._call("copysign", a, b)

    def _call(self, name, *args):
        """Call an LLVM intrinsic."""
        kind = ir.FunctionType(self.kind, [self.kind] * len(args))
        function = self._builder.module.declare_intrinsic(f"llvm.{name}", [self.kind], kind)
        return self._builder.call(function, args)

    def choose(self, comparison, a, b, first, second):
        """Return `first` where the comparison of a and b holds, else `second`: also for a NaN."""
        return self._builder.select(self._builder.fcmp_ordered(comparison, a, b), first, second)

    def round(self, x, factor, extra=0):
        """Return the integer n nearest to x times a factor, and ``2 ** (n + extra)``."""
        shift = self.number(_ROUND[self.bits] + extra)
        shifted = self.fused(x, self.number(factor), shift)
        exponent = self._builder.bitcast(shifted, self._integer)
        bits = self._builder.shl(exponent, self._integer(_MANTISSA[self.bits][0]))
        return self.subtract(shifted, shift), self._builder.bitcast(bits, self.kind)

    def rest(self, x, n):
        """Return ``x - n ln 2``."""
        high, low = _LN_2_PARTS[self.bits]
        return self.fused(n, self.number(-low), self.fused(n, self.number(-high), x))

    def expm1(self, r):
        """Return ``exp(r) - 1`` for |r| <= ln(2) / 2.

        Powers are taken in pairs: half as many steps wait for each other.
        """
        square, coefficients = self.multiply(r, r), _SERIES[self.bits]
        *pairs, last = [coefficients[i : i + 2] for i in range(0, len(coefficients), 2)]
        series = self._line(r, *last)
        for pair in reversed(pairs):
            series = self.fused(series, square, self._line(r, *pair))
        return self.fused(series, square, r)

    def _line(self, r, even, odd=None):
        even = self.number(even)
        return even if odd is None else self.fused(self.number(odd), r, even)


def _emit_exp(emit, x):
    low, high = map(emit.number, _ENDS[emit.bits])
    bounded = emit.choose("<", x, low, low, emit.choose(">", x, high, high, x))
    n, _ = emit.round(bounded, _LOG2_E)
    # Two factors, each a normal number, reach the subnormal results and the infinity.
    half, first = emit.round(n, 0.5)
    _, second = emit.round(emit.subtract(n, half), 1.0)
    p = emit.add(emit.expm1(emit.rest(bounded, n)), emit.one)
    return emit.multiply(emit.multiply(p, first), second)


def _emit_logistic(emit, x):
    lowest, size = emit.number(_ENDS[emit.bits][0]), emit.negate(emit.absolute(x))
    bounded = emit.choose("<", size, lowest, lowest, size)
    # The exponential of a negative number: too large by 2 ** 64 it is a normal number throughout.
    n, power = emit.round(bounded, _LOG2_E, extra=64)
    e, small = emit.fused(emit.expm1(emit.rest(bounded, n)), power, power), emit.number(2.0**-64)
    below = emit.choose("<", x, emit.number(0.0), emit.multiply(e, small), emit.one)
    return emit.divide(below, emit.fused(e, small, emit.one))


def _emit_tanh(emit, x):
    """Emit ``u / (u + 2)`` for u = exp(-2 |x|) - 1, which keeps small arguments exact."""
    limit, size = emit.number(_FLAT), emit.absolute(x)
    bounded = emit.choose(">", size, limit, limit, size)
    n, power = emit.round(bounded, -2 * _LOG2_E)
    # ln 2 in one part will do, for a large n belongs to an exponential that hardly matters.
    half = emit.fused(n, emit.number(_LN_2 / 2), bounded)
    p = emit.expm1(emit.multiply(half, emit.number(-2.0)))
    u = emit.fused(p, power, emit.subtract(power, emit.one))
    return emit.with_sign_of(emit.divide(u, emit.add(u, emit.number(2.0))), x)


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
