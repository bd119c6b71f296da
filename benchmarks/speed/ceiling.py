"""The limit: how many fused multiply-adds a core does if nothing but registers is involved.

A loop of independent chains over the widest vectors of the host, in LLVM IR, compiled by llvmlite,
which Numba brings.
"""

import ctypes
import time

CHAINS = 12  # enough to hide the latency of two units, few enough for 16 registers
REPEATS = 5


def _vector_bits(features):
    if features.get("avx512f"):
        return 512
    return 256 if features.get("avx") else 128


def _source(scalar, lanes):
    vector = f"<{lanes} x {scalar}>"
    suffix = f"v{lanes}{'f32' if scalar == 'float' else 'f64'}"
    phis = "\n".join(
        f"  %a{i} = phi {vector} [%start{i}, %entry], [%n{i}, %loop]" for i in range(CHAINS)
    )
    steps = "\n".join(
        f"  %n{i} = call {vector} @llvm.fma.{suffix}({vector} %a{i}, {vector} %m, {vector} %c)"
        for i in range(CHAINS)
    )

    def spread(name, value):
        return (
            f"  %{name}_one = insertelement {vector} undef, {scalar} {value}, i32 0\n"
            f"  %{name} = shufflevector {vector} %{name}_one, {vector} undef, "
            f"<{lanes} x i32> zeroinitializer"
        )

    starts = "\n".join(
        f"  %s{i} = fadd {scalar} %x, {i}.0\n" + spread(f"start{i}", f"%s{i}")
        for i in range(CHAINS)
    )
    sums, last = [], "%n0"
    for i in range(1, CHAINS):
        sums.append(f"  %t{i} = fadd {vector} {last}, %n{i}")
        last = f"%t{i}"
    return f"""
declare {vector} @llvm.fma.{suffix}({vector}, {vector}, {vector})
define double @chains(i64 %count, double %start) {{
entry:
  %x = {"fptrunc double %start to float" if scalar == "float" else "fadd double %start, 0.0"}
  %unit = fdiv {scalar} %x, %x
{spread("m", "%unit")}
{spread("c", "%x")}
{starts}
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
{phis}
{steps}
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %done
done:
{chr(10).join(sums)}
  %e = extractelement {vector} {last}, i32 0
  %r = {"fpext float %e to double" if scalar == "float" else "fadd double %e, 0.0"}
  ret double %r
}}
"""


def _build(scalar, lanes):
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=3
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_source(scalar, lanes)), target)
    engine.finalize_object()
    address = engine.get_function_address("chains")
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, ctypes.c_double)(address)
    return engine, function  # the engine owns the code


def measure(smoke=False):
    """Return the best GFLOP/s of one core seen for each type; noise only ever lowers it."""
    import llvmlite.binding as llvm

    bits = _vector_bits(llvm.get_host_cpu_features())
    count, found = (10_000 if smoke else 5_000_000), {"vector_bits": bits}
    for dtype, scalar, size in (("float32", "float", 32), ("float64", "double", 64)):
        lanes = bits // size
        _engine, chains = _build(scalar, lanes)
        times = []
        for _ in range(REPEATS):
            started = time.process_time()
            chains(count, 1e-3)
            times.append(time.process_time() - started)
        found[dtype] = 2 * CHAINS * lanes * count / min(times) / 1e9
    return found
