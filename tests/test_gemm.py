"""The matrix product: right for every shape, the same bits however it is cut, built for any CPU."""

import importlib.util
import re
import sys

import numba
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from llvmlite import binding, ir

from skrnn import _former_products, _gemm, _jit, _panels, _shared, _tiles
from skrnn._copies import copy_all

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
compiled = pytest.mark.skipif(
    _jit.JIT_DISABLED, reason="without the compiler NumPy multiplies, in an order of its own"
)

# Around the heights and widths of tiles, and the depth at which the product is cut.
rows = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 23, 33])
columns = st.sampled_from([0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 64, 65])
depths = st.sampled_from([0, 1, 2, 3, 8, 17, 255, 256, 257, 513])
seeds = st.integers(0, 2**32 - 1)


def draw(n_rows, depth, n_columns, dtype, seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(n_rows, depth), (depth, n_columns), (n_rows, n_columns)]
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def draw_stacks(n_matrices, n_rows, depth, n_columns, dtype, seed):
    drawn = [draw(n_rows, depth, n_columns, dtype, seed + g) for g in range(n_matrices)]
    return [np.stack(matrices) for matrices in zip(*drawn, strict=True)]


def stretch_of(stack):
    """The same numbers as a stretch of rows of a larger stack, as those of a step are."""
    n_matrices, n_rows, n_columns = stack.shape
    larger = np.full((n_matrices, n_rows + 5, n_columns), np.nan, dtype=stack.dtype)
    stretch = larger[:, 2 : n_rows + 2]
    stretch[...] = stack
    return stretch


def product(A, B, C, module=_gemm):
    """``C + A @ B`` by the kernel, written into a frame of NaN that must stay as it is."""
    frame = np.full((C.shape[0] + 2, C.shape[1] + 4), np.nan, dtype=C.dtype)
    inside = frame[1:-1, 2:-2]
    inside[...] = C
    result = inside.copy()
    module.add_product(A, B, result)
    if C.size:
        # Rows of one array among columns of others, as in a layer of two directions.
        module.add_product(A, B, inside)
        np.testing.assert_array_equal(inside, result)
        inside[...] = np.nan
        assert np.isnan(frame).all()
    return result


def transposed_product(A, B, C, module=_gemm):
    result = C.copy()
    module.add_transposed_product(np.ascontiguousarray(A.T), B, result)
    return result


def in_panels(B, module=_gemm):
    """Copies of matrices in panels; themselves where that does not pay."""
    factors, copies = module.panel_copies(B, lambda shape: np.empty(shape, B.dtype))
    copy_all(copies)
    return factors


def panel_product(A, B, C, module=_gemm):
    """``C + A @ B`` from a copy of B in panels; of B itself where that does not pay."""
    (factor,) = in_panels(B[np.newaxis], module)
    result = C.copy()
    module.add_product(A, factor, result)
    return result


def foreign_panels(B, width):
    """Panels as a machine with other vectors cuts them."""
    firsts = [min(first, B.shape[1] - width) for first in range(0, B.shape[1], width)]
    return np.concatenate([B[:, first : first + width] for first in firsts])


def assert_right(actual, A, B, C):
    """Within the rounding of a chain of multiply-adds."""
    exact = C.astype(np.longdouble) + A.astype(np.longdouble) @ B.astype(np.longdouble)
    size = np.abs(C).astype(np.longdouble) + np.abs(A.astype(np.longdouble)) @ np.abs(B)
    bound = (A.shape[1] + 1) * np.finfo(C.dtype).eps * size
    assert (np.abs(actual - exact) <= bound).all()


@compiled
@each_dtype
@pytest.mark.parametrize("n_bytes", [16, 64, 256])
def test_panels_of_another_machine_are_read_right(dtype, n_bytes):
    A, B, C = draw(5, 300, 70, dtype)
    expected, result = product(A, B, C), C.copy()
    width = n_bytes // np.dtype(dtype).itemsize
    _gemm.add_product(A, np.ascontiguousarray(foreign_panels(B, width)), result)
    np.testing.assert_array_equal(result, expected)


@compiled
@each_dtype
def test_kernels_of_a_cache_that_is_older_find_their_products(dtype):
    A, B, C = draw(5, 7, 40, dtype)
    expected, size = product(A, B, C), C.itemsize
    a, b = (A.ctypes.data, A.strides[0], size), (B.ctypes.data, B.strides[0])
    c, counts = (C.ctypes.data, C.strides[0]), (5, 7, 40)
    for name, args in {
        "product": (128, *a, *b, *c, *counts),
        "affine_product": (128, *a, *b, 0, *c, *c, *counts),
    }.items():
        before = C.copy()
        _former_products.FORMER[f"skrnn__gemm_{name}_{8 * size}"]._stand_in(*args)
        np.testing.assert_array_equal(C, expected)
        C[...] = before


@each_dtype
@given(n_rows=rows, depth=depths, n_columns=columns, seed=seeds)
@example(n_rows=1, depth=1, n_columns=1, seed=0)
@example(n_rows=33, depth=513, n_columns=65, seed=0)
def test_products_are_numpys(dtype, n_rows, depth, n_columns, seed):
    A, B, C = draw(n_rows, depth, n_columns, dtype, seed)
    assert_right(product(A, B, C), A, B, C)
    assert_right(transposed_product(A, B, C), A, B, C)


@each_dtype
@pytest.mark.parametrize("n_rows", range(1, 34))
def test_every_number_of_rows(dtype, n_rows):
    """Tall tiles, short ones, and what is left between them."""
    for n_columns in (1, 16, 37):
        A, B, C = draw(n_rows, 5, n_columns, dtype)
        assert_right(product(A, B, C), A, B, C)
        assert_right(transposed_product(A, B, C), A, B, C)


@each_dtype
@given(n_rows=rows, depth=depths, n_columns=columns, seed=seeds)
def test_a_product_that_begins_with_a_row(dtype, n_rows, depth, n_columns, seed):
    A, B, C = draw(n_rows, depth, n_columns, dtype, seed)
    row = np.random.default_rng(seed).normal(size=n_columns).astype(dtype)
    expected = product(A, B, np.tile(row, (n_rows, 1)))
    _gemm.affine_product(A, B, row, C)
    np.testing.assert_array_equal(C, expected)


@compiled
@each_dtype
@given(n_rows=rows, depth=depths.filter(bool), n_columns=columns, seed=seeds)
@example(n_rows=23, depth=257, n_columns=65, seed=0)
def test_panels_give_the_same_bits(dtype, n_rows, depth, n_columns, seed):
    A, B, C = draw(n_rows, depth, n_columns, dtype, seed)
    np.testing.assert_array_equal(panel_product(A, B, C), product(A, B, C))


@each_dtype
def test_a_row_to_begin_with_may_be_a_row_of_a_matrix(dtype):
    A, B, C = draw(3, 2, 4, dtype)
    many = np.random.default_rng(0).normal(size=(25, 4)).astype(dtype)
    expected = product(A, B, np.tile(many[0], (3, 1)))
    _gemm.affine_product(A, B, many[:1], C)
    np.testing.assert_array_equal(C, expected)
    stack = np.zeros((2, 3, 4), dtype)
    _gemm.affine_products(A, np.stack([B, B]), many[:2, np.newaxis], stack)
    np.testing.assert_array_equal(stack[0], expected)
    np.testing.assert_array_equal(stack[1], product(A, B, np.tile(many[1], (3, 1))))


@each_dtype
@pytest.mark.parametrize("width", [None, 4, 16])
@given(n_rows=rows, depth=depths, n_columns=columns, seed=seeds)
def test_stacks_of_products_have_the_bits_of_each(dtype, width, n_rows, depth, n_columns, seed):
    A, B, C = draw_stacks(3, n_rows, depth, n_columns, dtype, seed)
    if width is not None and n_columns > width and not _jit.JIT_DISABLED:
        factors = np.stack([foreign_panels(matrix, width) for matrix in B])
    else:
        factors = in_panels(B)
    expected = np.stack([product(*factors) for factors in zip(A, B, C, strict=True)])
    result = stretch_of(C)
    _gemm.add_products(stretch_of(A), factors, result)
    np.testing.assert_array_equal(result, expected)
    for g in range(3):
        result[g] = product(A[0], B[g], C[g])
    shared = C.copy()
    _gemm.add_products(A[0], factors, shared)
    np.testing.assert_array_equal(shared, result)
    total = C[0].copy()
    _gemm.add_products(A, factors, total)
    np.testing.assert_array_equal(
        total, product(A[2], B[2], product(A[1], B[1], product(A[0], B[0], C[0])))
    )
    bias = np.random.default_rng(seed).normal(size=(3, n_columns)).astype(dtype)
    for g in range(3):
        _gemm.affine_product(A[0], B[g], bias[g], shared[g])
    _gemm.affine_products(A[0], factors, bias, result)
    np.testing.assert_array_equal(result, shared)


@compiled
def test_panels_are_made_where_rows_share_cache_lines_or_sets():
    def shape_of(n_columns):
        matrices = np.zeros((2, 5, n_columns), dtype=np.float32)
        factors = in_panels(matrices)
        assert (factors is matrices) == (factors.shape == matrices.shape)
        return factors.shape

    width = 2 * _tiles.VECTOR_BYTES // 4
    assert shape_of(width) == (2, 5, width)
    assert shape_of(65) == (2, 5 * -(-65 // width), width)
    assert shape_of(96) == (2, 5, 96)
    assert shape_of(256) == (2, 5 * 256 // width, width)


@compiled
@each_dtype
@given(n_rows=rows.filter(bool), depth=depths, n_columns=columns, seed=seeds)
def test_a_row_has_the_same_bits_alone(dtype, n_rows, depth, n_columns, seed):
    A, B, C = draw(n_rows, depth, n_columns, dtype, seed)
    together, transposed = product(A, B, C), transposed_product(A, B, C)
    backwards = np.ascontiguousarray(A[:, ::-1]), np.ascontiguousarray(B[::-1])
    np.testing.assert_array_equal(transposed, product(*backwards, C))
    for i in {0, n_rows // 2, n_rows - 1}:
        one = slice(i, i + 1)
        np.testing.assert_array_equal(product(A[one], B, C[one]), together[one])
        np.testing.assert_array_equal(transposed_product(A[one], B, C[one]), transposed[one])


@compiled
@each_dtype
@pytest.mark.parametrize(("n_rows", "n_columns"), [(5, 19), (256, 256)])
def test_a_transposed_product_has_the_same_bits_in_parts(dtype, n_rows, n_columns):
    """From the last part to the first, as gradients are summed; the second shape is copied."""
    A, B, C = draw(n_rows, 200, n_columns, dtype)
    together = transposed_product(A, B, C)
    for first, last in ((130, 200), (129, 130), (0, 129)):
        C = transposed_product(A[:, first:last], B[first:last], C)
    np.testing.assert_array_equal(C, together)


@compiled
@each_dtype
@given(n_rows=rows, depth=depths, n_columns=columns.filter(bool), seed=seeds)
def test_a_column_has_the_same_bits_alone(dtype, n_rows, depth, n_columns, seed):
    A, B, C = draw(n_rows, depth, n_columns, dtype, seed)
    together = product(A, B, C)
    for j in {0, n_columns // 2, n_columns - 1}:
        one = slice(j, j + 1)
        alone = product(A, np.ascontiguousarray(B[:, one]), np.ascontiguousarray(C[:, one]))
        np.testing.assert_array_equal(alone, together[:, one])


@compiled
def test_each_element_is_one_chain_of_fused_multiply_adds():
    """In the order of the shared dimension: float64 rounds the exact sum of each link once."""
    A, B, C = draw(5, 300, 19, np.float32)
    expected = C.copy()
    for k in range(A.shape[1]):
        link = A[:, k : k + 1].astype(np.float64) * B[k].astype(np.float64)  # exact
        expected = (expected + link).astype(np.float32)
    # Rounding twice, to float64 and on to float32, differs from rounding once very rarely.
    assert np.mean(product(A, B, C) == expected) > 0.99


@compiled
@each_dtype
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_row_and_column(dtype, bad):
    A, B, C = draw(9, 7, 21, dtype)
    A[4, 3] = bad
    result = product(A, B, C)
    assert not np.isfinite(result[4]).any()
    assert np.isfinite(np.delete(result, 4, axis=0)).all()
    A[4, 3], B[2, 20] = 1, bad
    result = product(A, B, C)
    assert not np.isfinite(result[:, 20]).any()
    assert np.isfinite(result[:, :20]).all()


# Other machines -----------------------------------------------------------------------------------

CPUS = {
    "avx512": ("x86_64-unknown-linux-gnu", "skylake-avx512", {"avx512f": True, "avx2": True}),
    "avx2": ("x86_64-unknown-linux-gnu", "haswell", {"avx512f": False, "avx2": True, "avx": True}),
    "sse2": ("x86_64-unknown-linux-gnu", "x86-64", {"sse2": True, "avx": False}),
    "neon": ("aarch64-unknown-linux-gnu", "generic", {"neon": True}),
}
each_cpu = pytest.mark.parametrize("cpu", CPUS)


def tile_for(cpu, monkeypatch):
    monkeypatch.setattr(_tiles.llvm, "get_host_cpu_features", lambda: CPUS[cpu][2])
    return _tiles._host_tile()


def build(cpu, vector_bytes, height, element, n_vectors, kind):
    """Machine code of one tile for a CPU that need not be this one."""
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    triple, name, _ = CPUS[cpu]
    try:
        target = binding.Target.from_triple(triple)
    except RuntimeError:
        pytest.skip(f"this LLVM cannot build for {triple}")
    machine = target.create_target_machine(cpu=name, opt=3)
    module = ir.Module()
    module.triple = triple
    signature = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * 12)
    function = ir.Function(module, signature, "tile")
    builder = ir.IRBuilder(function.append_basic_block())
    lanes = n_vectors * vector_bytes // (4 if isinstance(element, ir.FloatType) else 8)
    _tiles.emit_tile(builder, element, height, lanes, kind, list(function.args))
    builder.ret_void()
    parsed = binding.parse_assembly(str(module))
    parsed.verify()
    options = binding.create_pipeline_tuning_options(speed_level=3)
    binding.create_pass_builder(machine, options).getModulePassManager().run(
        parsed, binding.create_pass_builder(machine, options)
    )
    return machine.emit_assembly(parsed).splitlines()


each_element = pytest.mark.parametrize("element", [ir.FloatType(), ir.DoubleType()], ids=str)


@each_element
@each_cpu
def test_every_tile_builds_for_every_cpu(cpu, element, monkeypatch):
    vector_bytes, tall = tile_for(cpu, monkeypatch)
    for height in (tall, _tiles.SHORT, 1):
        assert build(cpu, vector_bytes, height, element, 2, "whole")
    assert build(cpu, vector_bytes, 1, element, _tiles.WIDE, "whole")
    for height in (tall, 1):
        assert build(cpu, vector_bytes, height, element, 2, "tail")
    for height in (_tiles.THIN, 1):
        assert build(cpu, vector_bytes, height, element, 1, "tail")
        assert build(cpu, vector_bytes, height, element, 1, "narrow")


@each_element
@pytest.mark.parametrize("cpu", ["avx512", "avx2", "neon"])
def test_the_tall_tile_keeps_its_sums_in_registers(cpu, element, monkeypatch):
    """Twice as many fused multiply-adds as rows in the loop, and no vector goes to the stack."""
    vector_bytes, tall = tile_for(cpu, monkeypatch)
    lines = build(cpu, vector_bytes, tall, element, 2, "whole")
    fused = [i for i, line in enumerate(lines) if re.search(r"\t(vfmadd|fmla)", line)]
    assert len(fused) == 2 * tall
    loop = lines[fused[0] : fused[-1]]
    assert not [
        line for line in loop if re.search(r"mm.*\(%rsp\)|\(%rsp\).*mm|\bq\d.*\[sp|call", line)
    ]


def test_a_host_that_llvm_does_not_know_gets_the_smallest_tile(monkeypatch):
    def unknown():
        raise RuntimeError("no features here")

    monkeypatch.setattr(_tiles.llvm, "get_host_cpu_features", unknown)
    assert _tiles._host_tile() == (16, 6)


def copy_of(module, name, monkeypatch):
    spec = importlib.util.spec_from_file_location(name, module.__file__)
    copy = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, copy)
    spec.loader.exec_module(copy)
    return copy


def module_for(cpu, monkeypatch):
    """A second copy of the modules with another CPU's tiles, compiled here and never cached."""
    features = CPUS[cpu][2]

    def compile_anew(signature, function):
        # The cache would give the product that was compiled from the same lines for this machine.
        return numba.cfunc(signature, error_model="numpy")(function)

    monkeypatch.setattr(_shared, "compile_for_pointer", compile_anew)
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: features)
    for decorator in ("jit", "kernel_part"):
        monkeypatch.setattr(_jit, decorator, numba.njit(**_jit._FLAGS))
    for module in (_tiles, _panels):
        monkeypatch.setitem(sys.modules, module.__name__, None)
        copy_of(module, module.__name__, monkeypatch)
    return copy_of(_gemm, f"skrnn_gemm_{cpu}", monkeypatch)


@compiled
@pytest.mark.parametrize(
    ("cpu", "dtype"), [("avx512", np.float64), ("avx2", np.float32), ("sse2", np.float64)]
)
def test_the_tiles_of_other_machines_give_the_same_bits(cpu, dtype, monkeypatch):
    module = module_for(cpu, monkeypatch)
    theirs = sys.modules["skrnn._tiles"]
    if (theirs.VECTOR_BYTES, theirs.TALL) == (_tiles.VECTOR_BYTES, _tiles.TALL):
        pytest.skip("these are this machine's own tiles, which the other tests cover")
    for n_rows, depth, n_columns in [
        (1, 3, 40),
        (5, 17, 9),
        (23, 260, 37),
        (13, 2, 1),
        (8, 64, 64),
    ]:
        A, B, C = draw(n_rows, depth, n_columns, dtype)
        np.testing.assert_array_equal(product(A, B, C, module), product(A, B, C))
        np.testing.assert_array_equal(panel_product(A, B, C, module), product(A, B, C))
        np.testing.assert_array_equal(
            transposed_product(A, B, C, module), transposed_product(A, B, C)
        )
