"""Products given by addresses, cut into panels of columns and blocks of depth.

This decides which tile of :mod:`skrnn._tiles` runs where, and knows of no arrays: `a`, `b`, `s` and
`c` are addresses, `a_row`, `a_step` and the like distances in bytes. The sums begin with what is at
`s` and end up at `c`.
"""

from __future__ import annotations

from skrnn._jit import inlined, kernel_part
from skrnn._tiles import SHORT, TALL, THIN, VECTOR_BYTES, WIDE, make_tile

_tall = make_tile(TALL, 2, "whole")
_short = make_tile(SHORT, 2, "whole")
_single = make_tile(1, 2, "whole")
_single_wide = make_tile(1, WIDE, "whole")
_tall_tail = make_tile(TALL, 2, "tail")
_single_tail = make_tile(1, 2, "tail")
_thin_tail = make_tile(THIN, 1, "tail")
_single_thin = make_tile(1, 1, "tail")
_narrow = make_tile(THIN, 1, "narrow")


@inlined
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


@inlined
def _whole_panel(zero, a, a_row, a_step, b, b_step, s, s_row, c, c_row, rows, depth):
    """Run the tiles of a panel of two whole vectors of columns."""
    tall_rows = rows - SHORT * _count_short_tiles(rows)
    i = 0
    while i < tall_rows:
        height = rows - i
        _tall(
            zero, a + i * a_row, a_row, a_step, b, b_step, s + i * s_row, s_row,
            c + i * c_row, c_row, height, depth, 0,
        )  # fmt: skip
        i += TALL
    while i < rows:
        height = rows - i
        _short(
            zero, a + i * a_row, a_row, a_step, b, b_step, s + i * s_row, s_row,
            c + i * c_row, c_row, height, depth, 0,
        )  # fmt: skip
        i += SHORT


@inlined
def _whole_row(zero, lanes, size, columns, a, a_step, b, b_step, s, c, depth):
    """Run the tiles of a single row, wide ones first: two sums would wait for each other."""
    j, width = 0, WIDE * lanes
    while j + width <= columns:
        k = j * size
        _single_wide(zero, a, 0, a_step, b + k, b_step, s + k, 0, c + k, 0, 1, depth, 0)
        j += width
    while j < columns:
        k = j * size
        _single(zero, a, 0, a_step, b + k, b_step, s + k, 0, c + k, 0, 1, depth, 0)
        j += 2 * lanes


@inlined
def _tail_panel(zero, kept, a, a_row, a_step, b, b_step, s, s_row, c, c_row, rows, depth):
    """Run the tiles of the last two vectors of columns, of which the first `kept` are done."""
    if rows == 1:
        _single_tail(zero, a, a_row, a_step, b, b_step, s, s_row, c, c_row, 1, depth, kept)
        return
    for i in range(0, rows, TALL):
        _tall_tail(
            zero, a + i * a_row, a_row, a_step, b, b_step, s + i * s_row, s_row,
            c + i * c_row, c_row, rows - i, depth, kept,
        )  # fmt: skip


@kernel_part
def _thin_panel(zero, kept, a, a_row, a_step, b, b_step, s, s_row, c, c_row, rows, depth):
    """Run the tiles of the last vector of columns, of which the first `kept` are done."""
    if rows == 1:
        _single_thin(zero, a, a_row, a_step, b, b_step, s, s_row, c, c_row, 1, depth, kept)
        return
    for i in range(0, rows, THIN):
        _thin_tail(
            zero, a + i * a_row, a_row, a_step, b, b_step, s + i * s_row, s_row,
            c + i * c_row, c_row, rows - i, depth, kept,
        )  # fmt: skip


@inlined
def _narrow_panel(zero, columns, a, a_row, a_step, b, b_step, s, s_row, c, c_row, rows, depth):
    """Run the tiles of a product with fewer columns than a vector."""
    for i in range(0, rows, THIN):
        _narrow(
            zero, a + i * a_row, a_row, a_step, b, b_step, s + i * s_row, s_row,
            c + i * c_row, c_row, rows - i, depth, columns,
        )  # fmt: skip


@inlined
def _few_columns(
    zero, lanes, size, columns, a, a_row, a_step, b, b_step, s, s_row, c, c_row, rows, depth
):
    """Run a product with fewer columns than two vectors."""
    if columns < lanes:
        _narrow_panel(zero, columns, a, a_row, a_step, b, b_step, s, s_row, c, c_row, rows, depth)
        return
    for second in range(2 if columns > lanes else 1):
        k, kept = second * (columns - lanes) * size, second * (2 * lanes - columns)
        _thin_panel(
            zero, kept, a, a_row, a_step, b + k, b_step, s + k, s_row, c + k, c_row, rows, depth
        )


@inlined
def _last_columns(
    zero, lanes, size, rest, a, a_row, a_step, b, b_step, s, s_row, c, c_row, rows, depth
):
    """Run the last two vectors of columns, of which only the last `rest` columns are to do."""
    if rest > lanes:
        _tail_panel(
            zero, 2 * lanes - rest, a, a_row, a_step, b, b_step, s, s_row, c, c_row, rows, depth
        )
        return
    k = lanes * size
    _thin_panel(
        zero, lanes - rest, a, a_row, a_step, b + k, b_step, s + k, s_row, c + k, c_row, rows, depth
    )


@kernel_part
def _add_block(
    zero, size, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows, depth, columns
):
    """Run a product with a depth that the cache holds, panel by panel."""
    lanes = VECTOR_BYTES // size
    width = 2 * lanes
    whole = columns - columns % width
    if whole == 0:
        _few_columns(
            zero, lanes, size, columns, a, a_row, a_step, b, b_step, s, s_row, c, c_row, rows, depth
        )
        return
    panel = b_panel if b_panel > 0 else width * size
    if rows == 1 and b_panel == 0:
        _whole_row(zero, lanes, size, whole, a, a_step, b, b_step, s, c, depth)
    else:
        for j in range(0, whole, width):
            k = j * size
            _whole_panel(
                zero, a, a_row, a_step, b + j // width * panel, b_step, s + k, s_row, c + k, c_row,
                rows, depth,
            )  # fmt: skip
    if whole < columns:
        k = (columns - width) * size
        last = whole // width * panel if b_panel > 0 else k
        _last_columns(
            zero, lanes, size, columns - whole, a, a_row, a_step, b + last, b_step, s + k, s_row,
            c + k, c_row, rows, depth,
        )  # fmt: skip


@inlined
def _run_down(
    zero, size, deepest, a, a_row, a_step, b, b_step, b_panel, s, s_row, c, c_row, rows, depth,
    columns,
):  # fmt: skip
    """Run a product a block of its depth at a time."""
    k = 0
    while k == 0 or k < depth:  # counting the turns of a range would be a division
        if k > 0:
            s, s_row = c, c_row
        _add_block(
            zero, size, a + k * a_step, a_row, a_step, b + k * b_step, b_step, b_panel, s, s_row,
            c, c_row, rows, deepest if k + deepest <= depth else depth - k, columns,
        )  # fmt: skip
        k += deepest


@inlined
def products(
    zero, size, deepest, count, a, a_next, a_row, a_step, b, b_next, b_step, b_panel,
    s, s_next, s_row, c, c_next, c_row, rows, depth, columns,
):  # fmt: skip
    """Run products one after another; the factors of each are `a_next`, ... after those before.

    Machines with vectors of different widths may share a cache: if this was compiled on one and the
    panels were cut on another, each panel is a product of its own. The last panel begins with
    columns of the one before it.
    """
    is_foreign = b_panel > 0 and b_step != 2 * VECTOR_BYTES
    width = b_step // size if is_foreign else columns
    first, panel = 0, b
    if rows == 0 or columns == 0:
        count = 0
    # One call in the source: the compiler copies all tiles into each.
    while count > 0:
        skipped = first + width - columns if first + width > columns else 0
        k = first * size
        _run_down(
            zero, size, deepest, a, a_row, a_step, panel + skipped * size, b_step,
            0 if is_foreign else b_panel, s + k, s_row, c + k, c_row, rows, depth, width - skipped,
        )  # fmt: skip
        first += width
        panel += b_panel
        if first >= columns:
            first, count = 0, count - 1
            a, b, s, c = a + a_next, b + b_next, s + s_next, c + c_next
            panel = b


__all__ = ["products"]
