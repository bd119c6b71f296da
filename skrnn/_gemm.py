"""Matrix products of the sizes that recurrent networks need: small, thousands of times a second.

``C += A @ B`` is cut into tiles of a few rows by two vector registers of columns. A tile keeps its
part of C in registers while it runs down the shared dimension; that loop is LLVM IR, because it is
the one place where the choice of instruction decides the speed of the whole library.

Each element of C is one chain of fused multiply-adds in the order of the shared dimension,
whatever the tile, the number of rows or the vector width. Hence a row of a product has the same
bits alone and among others, and on one machine and another.
"""

from __future__ import annotations

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from skrnn._jit import JIT_DISABLED, jit


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
TILE_BYTES = 2 * VECTOR_BYTES
SHORT = 4
# Rows of the shared dimension taken at a time, so that the panels in use stay in the cache.
DEPTH_BLOCK = 256


def _broadcast(builder, scalar, lanes):
    """Fill every lane of a vector with one number."""
    vector_type = ir.VectorType(scalar.type, lanes)
    zero = ir.Constant(ir.IntType(32), 0)
    single = builder.insert_element(ir.Constant(vector_type, ir.Undefined), scalar, zero)
    mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(single, ir.Constant(vector_type, ir.Undefined), mask)


def _lane_mask(builder, count, lanes):
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


def _emit_tile(builder, element, height, lanes, args, masked):
    """Emit one tile: load its part of C, run down the shared dimension, store it back."""
    a, a_row, a_step, b, b_step, c, c_row, rows, depth, columns = args
    word = a.type
    memory = _Memory(
        builder, element, lanes, _lane_mask(builder, columns, lanes) if masked else None
    )
    # A tile with fewer rows than its height repeats its last row: the same numbers are computed
    # and stored again, which needs no second version of the loop.
    last = builder.sub(rows, ir.Constant(word, 1))
    a_rows, c_rows = [], []
    for i in range(height):
        index = ir.Constant(word, i)
        index = builder.select(builder.icmp_signed("<", index, last), index, last)
        a_rows.append(builder.add(a, builder.mul(index, a_row)))
        c_rows.append(builder.add(c, builder.mul(index, c_row)))
    initial = [memory.load(address) for address in c_rows]

    before = builder.block
    loop = builder.append_basic_block("depth")
    after = builder.append_basic_block("done")
    zero = ir.Constant(word, 0)
    builder.cbranch(builder.icmp_signed(">", depth, zero), loop, after)
    builder.position_at_end(loop)
    k = builder.phi(word)
    sums = [builder.phi(memory.vector) for _ in range(height)]
    b_vector = memory.load(builder.add(b, builder.mul(k, b_step)))
    offset = builder.mul(k, a_step)
    updated = []
    for row, total in zip(a_rows, sums, strict=True):
        scalar = memory.load_scalar(builder.add(row, offset))
        updated.append(
            memory.fused_multiply_add(_broadcast(builder, scalar, lanes), b_vector, total)
        )
    k_next = builder.add(k, ir.Constant(word, 1))
    k.add_incoming(zero, before)
    k.add_incoming(k_next, loop)
    builder.cbranch(builder.icmp_signed("<", k_next, depth), loop, after)
    builder.position_at_end(after)
    for i in range(height):
        sums[i].add_incoming(initial[i], before)
        sums[i].add_incoming(updated[i], loop)
        result = builder.phi(memory.vector)
        result.add_incoming(initial[i], before)
        result.add_incoming(updated[i], loop)
        updated[i] = result
    for value, address in zip(updated, c_rows, strict=True):
        memory.store(value, address)


def _make_tile(height, masked):
    """Make the intrinsic of a tile of `height` rows; `masked` for the last, narrower columns.

    Its arguments are addresses, strides in bytes and counts; `zero` brings the element type.
    """

    @intrinsic
    def tile(
        typingctx, zero, a, a_row, a_step, b, b_step, c, c_row, rows, depth, columns
    ):  # numpydoc ignore
        lanes = TILE_BYTES // (zero.bitwidth // 8)
        signature = types.void(zero, *[types.intp] * 10)

        def codegen(context, builder, signature, args):
            element = context.get_value_type(signature.args[0])
            _emit_tile(builder, element, height, lanes, args[1:], masked)
            return context.get_dummy_value()

        return signature, codegen

    return tile


_tall_tile = _make_tile(TALL, masked=False)
_short_tile = _make_tile(SHORT, masked=False)
_single_tile = _make_tile(1, masked=False)
_tall_edge = _make_tile(TALL, masked=True)
_short_edge = _make_tile(SHORT, masked=True)
_single_edge = _make_tile(1, masked=True)


@intrinsic
def address_of(typingctx, array):
    """Return the address of an array's first element."""

    def codegen(context, builder, signature, args):
        struct = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.ptrtoint(struct.data, context.get_value_type(types.intp))

    return types.intp(array), codegen


@jit
def _count_short_tiles(rows):
    """Choose how many short tiles leave the tall ones with the fewest rows to waste."""
    if rows <= SHORT:
        return 1
    best, least = 0, TALL
    for count in range(3):
        rest = rows - SHORT * count
        waste = -rest % TALL if rest > 0 else -rest
        if waste < least:
            best, least = count, waste
    return best


@jit
def _column_panel(zero, a, a_row, a_step, b, b_step, c, c_row, rows, depth, columns, full):
    """Run the tiles of one panel of columns from the first row to the last."""
    if rows == 1:
        if full:
            _single_tile(zero, a, a_row, a_step, b, b_step, c, c_row, rows, depth, columns)
        else:
            _single_edge(zero, a, a_row, a_step, b, b_step, c, c_row, rows, depth, columns)
        return
    tall_rows = rows - SHORT * _count_short_tiles(rows)
    i = 0
    while i < rows:
        a_tile, c_tile = a + i * a_row, c + i * c_row
        if i < tall_rows:
            height = min(TALL, rows - i)
            if full:
                _tall_tile(
                    zero, a_tile, a_row, a_step, b, b_step, c_tile, c_row, height, depth, columns
                )
            else:
                _tall_edge(
                    zero, a_tile, a_row, a_step, b, b_step, c_tile, c_row, height, depth, columns
                )
            i += TALL
        else:
            height = min(SHORT, rows - i)
            if full:
                _short_tile(
                    zero, a_tile, a_row, a_step, b, b_step, c_tile, c_row, height, depth, columns
                )
            else:
                _short_edge(
                    zero, a_tile, a_row, a_step, b, b_step, c_tile, c_row, height, depth, columns
                )
            i += SHORT


@jit
def _product(zero, size, a, a_row, a_step, b, b_step, c, c_row, rows, depth, columns):
    """Add a product given by addresses and strides in bytes, panel by panel."""
    width = TILE_BYTES // size
    for k in range(0, depth, DEPTH_BLOCK):
        block = min(DEPTH_BLOCK, depth - k)
        for j in range(0, columns, width):
            _column_panel(
                zero,
                a + k * a_step,
                a_row,
                a_step,
                b + k * b_step + j * size,
                b_step,
                c + j * size,
                c_row,
                rows,
                block,
                columns - j,
                columns - j >= width,
            )


@jit
def _add_product(A, B, C):
    if C.size > 0:
        _product(
            C.dtype.type(0),
            C.itemsize,
            address_of(A),
            A.strides[0],
            A.itemsize,
            address_of(B),
            B.strides[0],
            address_of(C),
            C.strides[0],
            A.shape[0],
            A.shape[1],
            B.shape[1],
        )


@jit
def _add_transposed_product(A, B, C):
    if C.size > 0:
        _product(
            C.dtype.type(0),
            C.itemsize,
            address_of(A),
            A.itemsize,
            A.strides[0],
            address_of(B),
            B.strides[0],
            address_of(C),
            C.strides[0],
            A.shape[1],
            A.shape[0],
            B.shape[1],
        )


def _add_product_plain(A, B, C):
    C += A @ B


def _add_transposed_product_plain(A, B, C):
    C += A.T @ B


# Intrinsics exist only in compiled code; without the compiler NumPy multiplies.
add_product = _add_product_plain if JIT_DISABLED else _add_product
"""``C += A @ B`` for two-dimensional arrays of one float type whose rows are contiguous."""

add_transposed_product = _add_transposed_product_plain if JIT_DISABLED else _add_transposed_product
"""``C += A.T @ B``, read in place: a transposed A costs nothing."""

__all__ = ["add_product", "add_transposed_product"]
