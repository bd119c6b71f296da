"""What all pictures share: colours, axes, labels, and the errors where something is missing.

matplotlib is imported when something is drawn, so the rest of the library works without it.
"""

import numpy as np

# Okabe & Ito's palette, told apart under every common kind of colour blindness (without yellow,
# which is too pale for a line on white).
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]


def check_matplotlib(caller):
    """Say which extra to install where there is no matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} requires matplotlib. Install it with `pip install skrnn[plot]`."
        ) from error


def check_offers(estimator, attribute, display_name):
    """Refuse an estimator that lacks what is to be drawn."""
    if not hasattr(estimator, attribute):
        raise ValueError(
            f"{display_name} needs an estimator with {attribute!r}; {type(estimator).__name__} "
            "has none. Of a Pipeline pass the last step, pipeline[-1]; of a search pass "
            "search.best_estimator_."
        )


def prepare_axes(ax, title):
    """Return axes in the common style, new ones where none are given."""
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    if not ax.has_data():
        ax.set_prop_cycle(color=PALETTE)
        ax.grid(visible=True, color="0.9", linewidth=0.8)
        ax.set_axisbelow(True)
    if not ax.get_title():
        ax.set_title(title)
    return ax


def make_label(name, text):
    """Return a label for the legend, with the name of the model if it has one."""
    return f"{name}: {text}" if name else text


def line_style(label, linestyle, overrides, **defaults):
    """Return the keywords of a line: the defaults, and the caller's own over them."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    # So that {"ls": ":"} replaces the default "linestyle" instead of clashing with it.
    overrides = normalize_kwargs(overrides or {}, Line2D)
    return {"label": label, "linestyle": linestyle, "linewidth": 1.8, **defaults, **overrides}


def isolated_markers(drawable):
    """Return a style that marks the points without neighbours, which make no line."""
    padded = np.concatenate(([False], drawable, [False]))
    isolated = np.flatnonzero(drawable & ~padded[:-2] & ~padded[2:]).tolist()
    return {"marker": "o", "markersize": 5, "markevery": isolated} if isolated else {}


def draw_legend(ax, loc="best"):
    """Draw the legend of the axes."""
    ax.legend(loc=loc, fontsize="small", framealpha=0.9)
