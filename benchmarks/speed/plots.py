"""Plots of speed against H, N, T and the number of threads, and of the sweep over H."""

from pathlib import Path
from statistics import median

from speed.peers import PEERS
from speed.sections import OWN


def draw(document, folder):
    """Write one PNG file for each kind of plot that the run has data for; return their paths."""
    import matplotlib

    matplotlib.use("Agg")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sections, clock, written = document["sections"], document.get("clock", "wall"), []
    if "grid" in sections:
        rows = [r for r in sections["grid"] if r["operation"] == "train" and _is_size(r["case"])]
        for threads in sorted({row["threads"] for row in rows}):
            chosen = [row for row in rows if row["threads"] == threads]
            name = f"speed_over_units_{threads}_threads.png"
            used = clock if threads == 1 else "wall"
            written.append(_speeds(chosen, "n_units", "hidden units H", folder / name, used))
    for axis, name in (("n_sequences", "sequences N"), ("n_steps", "steps T")):
        letter = name[-1]
        rows = [r for r in sections.get("curves", []) if r["case"].split("/")[1][0] == letter]
        if rows:
            written.append(_speeds(rows, axis, name, folder / f"speed_over_{axis}.png", clock))
    if "sweep" in sections:
        written.append(_sweep(sections["sweep"], folder / "sweep_over_units.png"))
    if "threads" in sections:
        written.append(_threads(sections["threads"], folder / "speed_over_threads.png"))
    if "checkpoints" in sections:
        written.append(_checkpoints(sections["checkpoints"], folder / "memory_over_steps.png"))
    return written


def _checkpoints(rows, path):
    import matplotlib.pyplot as plt

    cells = list(dict.fromkeys(row["cell"] for row in rows))
    figure, axes = plt.subplots(1, len(cells), figsize=(4 * len(cells), 3.4), squeeze=False)
    for ax, cell in zip(axes[0], cells, strict=True):
        chosen = [row for row in rows if row["cell"] == cell]
        steps = [row["n_steps"] for row in chosen]
        for name in ("at once", "checkpoints"):
            ax.loglog(steps, [row[name]["added"] / 1e6 for row in chosen], "o-", label=name)
        ax.set(title=cell, xlabel="steps T")
    axes[0][0].set_ylabel("memory that training adds, MB")
    axes[0][0].legend()
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
    return path


def _is_size(case):
    return case.split("/")[1][0] == "H"


def _cells(rows):
    return list(dict.fromkeys(row["case"].split("/")[0] for row in rows))


def _speeds(rows, axis, label, path, clock):
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullLocator

    cells = _cells(rows)
    figure, axes = plt.subplots(1, len(cells), figsize=(4 * len(cells), 3.4), squeeze=False)
    for ax, cell in zip(axes[0], cells, strict=True):
        chosen = [row for row in rows if row["case"].startswith(cell + "/")]
        for peer in PEERS:
            points = [
                (row["settings"][axis], row["flops"] / median(row["times"][peer][clock]) / 1e9)
                for row in chosen
                if clock in row["times"].get(peer, {})
            ]
            if points:
                width = 2.5 if peer == OWN else 1.2
                ax.plot(*zip(*points, strict=True), "o-", lw=width, label=PEERS[peer].title)
        sizes = sorted({row["settings"][axis] for row in chosen})
        ax.set(title=cell, xlabel=label, xscale="log", ylim=(0, None))
        ax.set_xticks(sizes, map(str, sizes))
        ax.xaxis.set_minor_locator(NullLocator())
    axes[0][0].set_ylabel("training, GFLOP/s")
    axes[0][0].legend(fontsize="small")
    return _save(figure, path)


def _sweep(rows, path):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(7, 3.4))
    for row in rows:
        cost = row["seconds_a_flop"]
        ax.plot(range(1, len(cost) + 1), [1e-9 / c for c in cost], lw=1, label=row["cell"])
    ax.set(xlabel="hidden units H", ylabel="training, GFLOP/s", ylim=(0, None))
    ax.legend()
    return _save(figure, path)


def _threads(rows, path):
    import matplotlib.pyplot as plt

    rows = [row for row in rows if row["operation"] == "train"]
    cells = _cells(rows)
    figure, axes = plt.subplots(1, len(cells), figsize=(4 * len(cells), 3.4), squeeze=False)
    for ax, cell in zip(axes[0], cells, strict=True):
        for row in rows:
            if row["case"].startswith(cell + "/"):
                label = row["case"].split("/")[1]
                ax.plot([1, 2], [1, row["speed"]["ratio"]], "o-", label=label)
        ax.set(title=cell, xlabel="threads", xticks=[1, 2], ylim=(0, 2.1))
    axes[0][0].set_ylabel("speed, one thread = 1")
    axes[0][-1].legend(fontsize="small")
    return _save(figure, path)


def _save(figure, path):
    import matplotlib.pyplot as plt

    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return str(path)
