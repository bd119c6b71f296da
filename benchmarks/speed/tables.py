"""Markdown of what was measured."""

import re
from statistics import median

from speed.measure import compare
from speed.peers import PEERS
from speed.sections import OWN, geometric_mean

TITLES = {
    "train": "Training, one epoch",
    "infer": "Inference of the whole set",
    "one": "One sequence, latency of a call",
    "step": "One streamed step, latency of a call",
}
MEGABYTE = 1e6


def table(header, rows):
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def strongest(times, clock="wall"):
    """Return the label of the quickest peer besides this library, or None."""
    others = {k: median(v[clock]) for k, v in times.items() if k != OWN and clock in v}
    return min(others, key=others.get) if others else None


def show_grid(rows, peak, clock="wall"):
    parts = []
    for threads in sorted({row["threads"] for row in rows}):
        for operation, title in TITLES.items():
            chosen = [r for r in rows if (r["threads"], r["operation"]) == (threads, operation)]
            if chosen:
                parts.append(f"### {title}, {threads} thread{'s' * (threads > 1)}")
                # Latencies are wall time; so is what several threads share.
                timed = operation in ("train", "infer") and threads == 1
                used = clock if timed else "wall"
                parts.append(_grid_table(chosen, operation, threads, peak, used))
    return "\n\n".join(parts)


def _grid_table(rows, operation, threads, peak, clock):
    peers = [p for p in PEERS if p != OWN and any(p in row["times"] for row in rows)]
    is_call = operation in ("one", "step")
    header = ["case", "skrnn, µs" if is_call else "skrnn, ms"]
    header += [PEERS[peer].title for peer in peers]
    header += ["strongest / skrnn"] if peers else []
    header += ["skrnn, 99 %, µs"] if is_call else ["GFLOP/s", "of peak"]
    lines = []
    for row in rows:
        times = row["times"]
        own = times.get(OWN, {})
        if "wall" not in own:
            lines.append([row["case"], own.get("error", "failed")])
            continue
        line = [row["case"], f"{median(own[clock]) * (1e6 if is_call else 1e3):.3g}"]
        line += [_factor(times.get(peer), own, clock) for peer in peers]
        if peers:
            best = strongest(times, clock)
            line.append(_with_quartiles(compare(times[best], own, clock)) if best else "")
        if is_call:
            line.append(f"{median(own['slowest_percent']) * 1e6:.3g}")
        else:
            speed = row["flops"] / median(own[clock]) / 1e9
            line += [f"{speed:.1f}", f"{100 * speed / peak / threads:.0f} %"]
        lines.append(line)
    return table(header, lines)


def _factor(result, own, clock):
    if result is None:
        return ""
    return f"{compare(result, own, clock)['ratio']:.2f}" if clock in result else "failed"


def _with_quartiles(comparison):
    low, high = comparison["quartiles"]
    return f"**{comparison['ratio']:.2f}** ({low:.2f} to {high:.2f})"


def show_agreement(rows):
    lines = []
    for row in rows:
        for label, distances in row["peers"].items():
            if label != OWN:
                after = f"{distances['after']:.1e}" if "after" in distances else ""
                lines.append([row["case"], PEERS[label].title, f"{distances['before']:.1e}", after])
    return table(["case", "peer", "before training", "after an epoch"], lines)


def show_profile(rows):
    names = (
        "recurrent products", "element-wise", "input's share", "weight gradients", "copies",
        "output and loss", "solver", "Python",
    )  # fmt: skip
    lines = []
    for row in rows:
        total = sum(row["parts"].values())
        shares = [f"{100 * row['parts'].get(name, 0) / total:.0f} %" for name in names]
        times = [f"{seconds * 1e3:.3g}" for seconds in (total, row["limit"])]
        lines.append([row["case"], *times, *shares])
    return table(["case", "epoch, ms", "at peak, ms", *names], lines)


def show_against_itself(rows, other):
    names = {"train": "training", "infer": "inference"}
    lines = [[row["case"], names[row["operation"]], _with_quartiles(row["speed"])] for row in rows]
    mean = geometric_mean([row["speed"]["ratio"] for row in rows])
    return table(["case", "", other], lines) + f"\n\nGeometric mean: {mean:.2f}."


def show_sweep(rows):
    lines = [
        [row["cell"], row["worst"]["units"], f"{row['worst']['factor']:.2f}"]
        for row in rows
        if row["worst"]
    ]
    return table(["cell", "worst H above 16", "cost / cheaper neighbour's"], lines)


def show_growth(rows):
    names = {"n_sequences": "sequences", "n_steps": "steps"}
    lines = [
        [
            row["cell"],
            names[row["axis"]],
            f"{row['sizes'][0]} to {row['sizes'][-1]}",
            f"{row['exponent']:.3f}",
        ]
        for row in rows
    ]
    return table(["cell", "axis", "range", "exponent"], lines)


def show_curves(rows):
    lines = [
        [row["case"], *(f"{label} {_speed(row, t)}" for label, t in row["times"].items())]
        for row in rows
    ]
    width = max(map(len, lines))
    lines = [line + [""] * (width - len(line)) for line in lines]
    return table(["case", *["GFLOP/s"] * (width - 1)], lines)


def _speed(row, result):
    return f"{row['flops'] / median(result['wall']) / 1e9:.1f}" if "wall" in result else "failed"


def show_cold_start(found):
    imports = table(
        ["import", "CPU s"], [[f"`{k}`", f"{v:.2f}"] for k, v in found["import"].items()]
    )
    lines = []
    for cell, fits in found["fits"].items():
        for what in ("first ever", "later process", "predict alone, first ever"):
            values = fits[what]
            numbers = [f"{values[key]:.2f}" for key in ("wall", "cpu")]
            numbers += [f"{values[key]:.0f}" for key in ("compiled", "loaded")]
            lines.append([cell, what, *numbers])
    header = ["cell", "", "wall s", "CPU s", "kernels compiled", "loaded"]
    caches = ", ".join(
        f"{cell} {fits['cache_bytes'] / MEGABYTE:.1f} MB" for cell, fits in found["fits"].items()
    )
    grown = sum(fits["cache_growth_bytes"] for fits in found["fits"].values())
    note = f"Cache after the first fit: {caches}; later processes add {grown} bytes."
    return "\n\n".join([imports, table(header, lines), note])


def show_memory(found):
    lines = []
    for row in found["training"]:
        name = f"{row['cell']}, H={row['n_units']}, T={row['n_steps']}, batch {row['batch_size']}"
        megabytes = [f"{row[key] / MEGABYTE:.1f}" for key in ("needed", "added", "predicting")]
        lines.append([name, *megabytes, f"{row['ratio']:.2f}"])
    header = ["training", "formula, MB", "added, MB", "predicting, MB", "added / formula"]
    flat = table(
        ["resident after", "MB"],
        [[name, f"{size / MEGABYTE:.1f}"] for name, size in found["flat"].items()],
    )
    return table(header, lines) + "\n\n" + flat


def show_checkpoints(rows):
    lines = []
    for row in rows:
        at_once, checkpoints = row["at once"], row["checkpoints"]
        megabytes = [f"{found['added'] / MEGABYTE:.1f}" for found in (at_once, checkpoints)]
        slower = checkpoints["seconds"] / at_once["seconds"]
        lines.append([row["cell"], row["n_steps"], *megabytes, f"{slower:.2f}"])
    header = ["cell", "steps T", "at once, MB", "with checkpoints, MB", "time / time at once"]
    return table(header, lines)


def show_subnormals(rows):
    names = [name for name in rows[0] if name != "cell"]
    lines = [[row["cell"], *(f"{row[name]:.2f}" for name in names)] for row in rows]
    return table(["cell", *names], lines)


def show_file(found):
    return table(["", ""], [[name, value] for name, value in found.items()])


def show_search(found):
    if "error" in found:
        return found["error"]
    lines = [[name, f"{median(seconds):.2f}"] for name, seconds in found.items()]
    return table(["search", "wall s"], lines)


SECTIONS = {
    "profile": ("Where the time of an epoch goes", show_profile),
    "agreement": ("The same computation: largest difference of probabilities", show_agreement),
    "threads": (
        "Two threads: time with one / time with two",
        lambda rows: show_against_itself(rows, "speed-up"),
    ),
    "float64": (
        "float64: time in float32 / time in float64",
        lambda rows: show_against_itself(rows, "relative speed"),
    ),
    "sweep": ("Cost of an operation over H = 1 to 300", show_sweep),
    "growth": ("Growth of the time of an epoch", show_growth),
    "curves": ("Over N and T", show_curves),
    "cold_start": ("Cold start", show_cold_start),
    "memory": ("Memory", show_memory),
    "checkpoints": ("Memory over T with and without checkpoints", show_checkpoints),
    "subnormals": ("Subnormal numbers: time / time with normal ones", show_subnormals),
    "larger_than_memory": ("A file larger than memory", show_file),
    "search": ("GridSearchCV, eight fits", show_search),
}


def blocks(document):
    """Return each part of the run as Markdown without its title, by name."""
    machine = ", ".join(f"{name} {value}" for name, value in document["machine"].items())
    peak, found = document["ceiling"], document["sections"]
    result = {
        "machine": f"{machine}. Peak of one core: {peak['float32']:.0f} GFLOP/s in float32, "
        f"{peak['float64']:.0f} in float64 ({peak['vector_bits']}-bit vectors)."
    }
    if "grid" in found:
        result["grid"] = show_grid(found["grid"], peak["float32"], document.get("clock", "wall"))
    shown = {name: show(found[name]) for name, (_, show) in SECTIONS.items() if name in found}
    return {**result, **shown}


def report(document):
    """Return the whole run as Markdown."""
    parts = ["# Speed"]
    titles = {"grid": "Side by side", **{name: title for name, (title, _) in SECTIONS.items()}}
    for name, block in blocks(document).items():
        parts += [block] if name == "machine" else [f"## {titles[name]}", block]
        if name == "machine":
            parts.append(
                "A peer's column is its median time over skrnn's: above one, skrnn is quicker. In "
                "brackets: quartiles of the rounds."
            )
    return "\n\n".join(parts)


def replaced(text, document):
    """Return a page with the blocks of a run between its marks ``<!-- name -->``, ``<!-- end -->``.

    Marks of what was not measured keep what they hold.
    """
    for name, block in blocks(document).items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", flags=re.DOTALL)
        text = pattern.sub(lambda found, block=block: f"{found[1]}{block}\n{found[2]}", text)
    return text
