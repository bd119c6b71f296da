"""Tiles of a matrix product in LLVM IR: the one place where instructions decide the speed.

A tile keeps a few rows by one or two vector registers of C in registers while it runs down the
shared dimension, one fused multiply-add for each of them and step. Heights are what the host's
registers hold. There are three kinds of tile:

*whole*
    as wide as its vectors;
*tail*
    for the last columns of a C that is wider than the tile: it reaches back over columns that are
    done already and leaves them as they are, which costs nothing inside the loop;
*narrow*
    for a C that is narrower than the tile: loads and stores are masked.
"""

from __future__ import annotations

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic


def _host_tile():
    """Return vector bytes and rows of the tallest tile that the host's registers hold."""
    try:
        features = llvm.get_host_cpu_features()
    except RuntimeError:  # LLVM cannot tell on this host
        features = {}
    if features.get("avx512f"):
        return 64, 8
    if features.get("avx2") or features.get("avx"):
        return 32, 6
    return 16, 6


VECTOR_BYTES, TALL = _host_tile()
SHORT = 4
# Rows of a tile of one vector: as many sums as keep two adders of four cycles busy.
THIN = 8
# Vectors of columns of a tile of one row.
WIDE = 4
CACHE_LINE = 64


def _broadcast(builder, scalar, lanes):
    """Fill every lane of a vector with one number."""
    vector_type = ir.VectorType(scalar.type, lanes)
    zero = ir.Constant(ir.IntType(32), 0)
    single = builder.insert_element(ir.Constant(vector_type, ir.Undefined), scalar, zero)
    mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(single, ir.Constant(vector_type, ir.Undefined), mask)


def _first_lanes(builder, count, lanes):
    """Return the mask that is set in the first `count` lanes."""
    index = ir.Constant(ir.VectorType(count.type, lanes), list(range(lanes)))
    return builder.icmp_signed("<", index, _broadcast(builder, count, lanes))


class _Memory:
    """Vector loads and stores at plain addresses, of all lanes or of the first few."""

    def __init__(self, builder, element, lanes, mask=None):
        self.builder = builder
        self.element = element
        self.vector = ir.VectorType(element, lanes)
        self.align = 4 if isinstance(element, ir.FloatType) else 8
        self.bytes = lanes * self.align
        self.mask = mask

    def _pointer(self, address, kind):
        return self.builder.inttoptr(address, ir.PointerType(kind))

    def load_scalar(self, address):
        return self.builder.load(self._pointer(address, self.element), align=self.align)

    def load(self, address):
        pointer = self._pointer(address, self.vector)
        if self.mask is None:
            return self.builder.load(pointer, align=self.align)
        align = ir.Constant(ir.IntType(32), self.align)
        nothing = ir.Constant(self.vector, None)
        return self._call("masked.load", ".p0", self.vector, [pointer, align, self.mask, nothing])

    def store(self, value, address):
        pointer = self._pointer(address, self.vector)
        if self.mask is None:
            self.builder.store(value, pointer, align=self.align)
            return
        align = ir.Constant(ir.IntType(32), self.align)
        self._call("masked.store", ".p0", ir.VoidType(), [value, pointer, align, self.mask])

    def fused_multiply_add(self, a, b, c):
        return self._call("fma", "", self.vector, [a, b, c])

    def _call(self, name, suffix, result, args):
        """Call the variant of an LLVM intrinsic for this kind of vector."""
        kind = "f32" if isinstance(self.element, ir.FloatType) else "f64"
        function = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(result, [arg.type for arg in args]),
            f"llvm.{name}.v{self.vector.count}{kind}{suffix}",
        )
        return self.builder.call(function, args)


def _row_offsets(builder, height, rows, *row_sizes):
    """Return the offset of each row of a tile, for each of some row sizes.

    A tile with fewer rows than its height repeats its last row: the same numbers are computed and
    stored again, which needs no second version of the loop.
    """
    last = builder.sub(rows, rows.type(1))
    indices = []
    for i in range(height):
        index = rows.type(i)
        indices.append(builder.select(builder.icmp_signed("<", index, last), index, last))
    return [[builder.mul(index, size) for index in indices] for size in row_sizes]


def _run_down(builder, memory, a, a_offsets, a_step, b, b_step, depth, initial):
    """Emit the loop over the shared dimension; return the sums after it."""
    word, lanes = a.type, memory.vector.count
    before = builder.block
    loop = builder.append_basic_block("depth")
    after = builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", depth, word(0)), loop, after)
    builder.position_at_end(loop)
    left, a_now, b_now = (builder.phi(word) for _ in range(3))
    sums = [builder.phi(memory.vector) for _ in initial]
    b_vector = memory.load(b_now)
    updated = []
    for offset, total in zip(a_offsets, sums, strict=True):
        scalar = memory.load_scalar(builder.add(a_now, offset))
        updated.append(
            memory.fused_multiply_add(_broadcast(builder, scalar, lanes), b_vector, total)
        )
    left_next = builder.sub(left, word(1))
    starts = [(left, depth), (a_now, a), (b_now, b), *zip(sums, initial, strict=True)]
    nexts = [left_next, builder.add(a_now, a_step), builder.add(b_now, b_step), *updated]
    for (phi, start), following in zip(starts, nexts, strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed(">", left_next, word(0)), loop, after)
    builder.position_at_end(after)
    results = []
    for start, following in zip(initial, updated, strict=True):
        result = builder.phi(memory.vector)
        result.add_incoming(start, before)
        result.add_incoming(following, loop)
        results.append(result)
    return results


def _prefetch_below(builder, c, c_row, height, n_bytes):
    """Ask for the part of C of the next tile below, while this one runs.

    Beyond the last row it is a wrong guess, which costs nothing: no address is an error here.
    """
    flag = ir.IntType(32)
    pointer = ir.PointerType(ir.IntType(8))
    ask = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag]),
        "llvm.prefetch.p0",
    )
    for i in range(height, 2 * height):
        row = builder.add(c, builder.mul(c_row, c.type(i)))
        for line in range(0, n_bytes, CACHE_LINE):
            address = builder.inttoptr(builder.add(row, c.type(line)), pointer)
            # To be written, to stay in all caches, data.
            builder.call(ask, [address, flag(1), flag(3), flag(1)])


def emit_tile(builder, element, height, lanes, kind, args):
    """Emit one tile: load what the sums begin with, run down the shared dimension, store them.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
        Where to.
    element : llvmlite.ir.Type
        Type of the numbers.
    height, lanes : int
        Rows and columns of the tile.
    kind : {"whole", "tail", "narrow"}
        What happens at the last columns.
    args : sequence of llvmlite.ir.Value
        Addresses, strides in bytes and counts, as `make_tile` lists them.
    """
    a, a_row, a_step, b, b_step, start, start_row, c, c_row, rows, depth, columns = args
    first = _first_lanes(builder, columns, lanes) if kind != "whole" else None
    memory = _Memory(builder, element, lanes, first if kind == "narrow" else None)
    a_offsets, start_offsets, c_offsets = _row_offsets(
        builder, height, rows, a_row, start_row, c_row
    )
    initial = [memory.load(builder.add(start, offset)) for offset in start_offsets]
    if kind == "whole" and height > 1:
        _prefetch_below(builder, c, c_row, height, memory.bytes)
    results = _run_down(builder, memory, a, a_offsets, a_step, b, b_step, depth, initial)
    for offset, result in zip(c_offsets, results, strict=True):
        address = builder.add(c, offset)
        if kind == "tail":
            result = builder.select(first, memory.load(address), result)
        memory.store(result, address)


def make_tile(height, n_vectors, kind):
    """Make the intrinsic of a tile.

    Its arguments are `zero`, which brings the element type, then addresses, strides in bytes and
    counts: a, a_row, a_step, b, b_step, start, start_row, c, c_row, rows, depth, columns. The sums
    begin with what is at `start`. For a narrow tile `columns` is how many there are, for a tail how
    many to leave as they are.

    Parameters
    ----------
    height, n_vectors : int
        Rows and vectors of columns.
    kind : {"whole", "tail", "narrow"}
        What happens at the last columns.
    """

    @intrinsic
    def tile(
        typingctx, zero, a, a_row, a_step, b, b_step, start, start_row, c, c_row, rows, depth,
        columns,
    ):  # numpydoc ignore # fmt: skip
        lanes = n_vectors * VECTOR_BYTES // (zero.bitwidth // 8)
        signature = types.void(zero, *[types.intp] * 12)

        def codegen(context, builder, signature, args):
            element = context.get_value_type(signature.args[0])
            emit_tile(builder, element, height, lanes, kind, args[1:])
            return context.get_dummy_value()

        return signature, codegen

    return tile
