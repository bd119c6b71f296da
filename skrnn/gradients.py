"""The flat gradient of some sequences, sparse where a network has tables."""

from __future__ import annotations

from skrnn.embedding import SparseGradient
from skrnn.workspace import aligned_empty


class PieceGradient:
    """The gradient of a piece of a batch.

    Parameters
    ----------
    vector : ndarray of shape (layout.size,)
        The flat gradient; the part of the tables is not used.
    views : NetworkWeights or PairWeights
        Views of its parts; ``views.tables`` holds the gradients of tables.
    network : Network or EncoderDecoder
        Whose gradient.
    """

    def __init__(self, vector, views, network):
        self.vector = vector
        self.views = views
        self.views.tables = []
        self._dense = vector[: network.n_dense]
        self._is_sparse = bool(network.inputs.tables)

    def clear(self, tables):
        """Set it to zero; `tables` are the rows of tables that the piece touches."""
        self._dense[:] = 0
        self.views.tables = tables

    def add(self, other):
        """Add the gradient of another piece, whose ids are all among those of this one."""
        self._dense += other._dense
        for own, table in zip(self.views.tables, other.views.tables, strict=True):
            own.values[own.slots[table.rows]] += table.values

    def result(self):
        """Return the flat gradient, sparse where the network has tables."""
        if not self._is_sparse:
            return self.vector
        return SparseGradient(self._dense, self.views.tables, self.vector.size)


def empty_gradient(network, make_views, dtype):
    """Return a gradient with undefined content.

    Parameters
    ----------
    network : Network or EncoderDecoder
        Whose gradient.
    make_views : callable
        ``make_views(network, vector)`` returns views of the parts of a flat vector.
    dtype : numpy dtype
        Its type.
    """
    vector = aligned_empty(network.layout.size, dtype)
    return PieceGradient(vector, make_views(network, vector), network)
