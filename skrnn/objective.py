"""The training objective: mean loss over weighted sequences or steps plus the L2 penalty."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from skrnn import bptt, checkpointing, inference
from skrnn._subnormals import begin, end
from skrnn.batching import PackedBatch, even_batches, longest_first
from skrnn.descent import MOST_WORK, Descent, add_penalty
from skrnn.gradients import empty_gradient
from skrnn.losses import Loss
from skrnn.network import NO_DROPOUT, DropoutMasks, NetworkWeights
from skrnn.prepared import numbers_a_step
from skrnn.prepared_training import BatchSource, PreparedGradients
from skrnn.sequences import Sequences
from skrnn.teams import Team
from skrnn.threads import ALONE
from skrnn.workspace import Workspaces

# Sequences in a piece of a batch, and bytes of weights from which there are half as many: what is
# kept of their steps stays in the cache longer, and even a small batch has pieces for two threads.
PIECE = 32
MANY_BYTES = 40_000
# Steps times weights of a batch below which another thread costs more than it saves, if calls are
# ready for it and if it has to go through the interpreter.
WORTH_A_TEAM = 1_000_000
WORTH_SHARING = 10_000_000
# Steps, all sequences together, that are run at a time in training where nothing is read backwards
# and there are more than twice as many, whose buffers take more than so many bytes: gradients of
# outputs are then held for these steps alone.
STRETCH_ROWS = 2048
AT_ONCE_BYTES = 40_000_000
# Threads share so many pieces of a batch before the gradients are added up, if those take no more
# than so many numbers together.
GRADIENT_NUMBERS = 1_000_000
PIECES_A_THREAD = 4
# Sizes of pieces that calls were made ready for, beyond which an objective is not kept for others.
MOST_KEPT = 8


class Dropout:
    """Draws the dropout masks of a batch, always the same for the same random state.

    Every mask is one row a sequence, the same at each step, as in Y. Gal and Z. Ghahramani, "A
    Theoretically Grounded Application of Dropout in Recurrent Neural Networks", NeurIPS 2016.

    Parameters
    ----------
    inputs : float
        Probability of dropping a unit between layers and before the head.
    recurrent : float
        Probability of dropping a unit of the previous state from the recurrent products.
    """

    def __init__(self, inputs, recurrent):
        self.inputs = inputs
        self.recurrent = recurrent

    def draw(self, network, n_sequences, rng, dtype):
        """Return the masks of a batch, rows in its given order."""

        def mask(probability, n_units):
            kept = rng.uniform(size=(n_sequences, n_units)) >= probability
            return kept.astype(dtype) / dtype.type(1 - probability)

        inputs = recurrent = None
        sizes = network.hidden_layer_sizes
        if self.inputs > 0:
            inputs = [mask(self.inputs, n * network.n_directions) for n in sizes]
        if self.recurrent > 0:
            recurrent = {
                (layer, direction): mask(self.recurrent, n)
                for layer, n in enumerate(sizes)
                for direction in range(network.n_directions)
            }
        return DropoutMasks(recurrent, inputs)


class Objective:
    """Loss and gradient of a network on given data.

    Parameters
    ----------
    network : Network
        The network.
    loss : Loss
        The loss.
    sequences : Sequences or LazySequences
        The inputs.
    target : ndarray of shape (rows,) or (rows, n_outputs)
        The targets, as the loss takes them, for each sequence or step as the network's head has it.
    weight : ndarray of shape (rows,)
        Weight of each of them.
    alpha : float, default=0
        Strength of the L2 penalty on weights, divided by `mean_weight` times
        the sequences of a batch.
    dropout : Dropout or None
        What to drop in training.
    walk : callable, default=bptt.full
        How to walk back through time.
    checkpoint_steps : int, "auto" or None, default=None
        Steps of the stretches after which states are kept, to compute the rest again (see
        :mod:`skrnn.checkpointing`); it needs ``walk=bptt.full``. None keeps everything.
    mean_weight : float or None, default=None
        Weight by which a batch is divided for each of its sequences; None is the mean over all
        data, of the sum over a sequence's steps where each has a target. It is the same for all
        batches: a batch of heavy sequences counts for more.
    """

    # Views of the parts of a flat vector.
    _views = NetworkWeights

    def __init__(
        self,
        network,
        loss,
        sequences,
        target,
        weight,
        *,
        alpha=0.0,
        dropout=None,
        walk=bptt.full,
        checkpoint_steps=None,
        mean_weight=None,
    ):
        self.network = network
        self.loss = loss
        self.alpha = alpha
        self.dropout = dropout
        self.walk = walk
        self.checkpoint_steps = checkpoint_steps
        self._weight_slices = network.layout.weight_slices()
        self._tasks = network.gradient_tasks()
        self._may_cut = walk is bptt.full and network.n_directions == 1
        self._workspaces = Workspaces()
        self._gradients = {}
        self._waiting = np.empty((0, 0))  # gradients of pieces that a team has run
        self._teams = {}  # by the size of a batch, how many threads there are, and kind of data
        self._prepared = PreparedGradients(network, loss)
        self.read_from(sequences, target, weight, mean_weight)

    def __len__(self):
        return len(self.sequences)

    def is_for(self, network, loss, options):
        """Tell whether this would be made for such a network, loss and options."""
        own = {"alpha": self.alpha, "dropout": self.dropout, "walk": self.walk}
        return options == own and loss == self.loss and network.is_like(self.network)

    @property
    def is_worth_keeping(self):
        """Whether calls were made ready that other data may use, and not too many."""
        return 0 < len(self._prepared) <= MOST_KEPT and len(self._teams) <= MOST_KEPT

    @property
    def n_bytes(self):
        """Bytes that it holds besides data: buffers, weights, and a gradient for each piece."""
        n_vectors = 1 + len(self._workspaces) + len(self._gradients) + len(self._waiting)
        return self._workspaces.n_bytes + n_vectors * self._n_weight_bytes

    def read_from(self, sequences, target, weight, mean_weight=None):
        """Go on with other data of the same type.

        Parameters
        ----------
        sequences, target, weight, mean_weight
            As for the class.
        """
        self.sequences, self.target, self.weight = sequences, target, weight
        self.mean_weight = weight.sum() / len(sequences) if mean_weight is None else mean_weight
        self._n_weight_bytes = self.network.layout.size * sequences.dtype.itemsize
        self._piece_size = PIECE if self._n_weight_bytes < MANY_BYTES else PIECE // 2
        row_bytes = numbers_a_step(self.network) * sequences.dtype.itemsize
        self._most_rows = max(2 * STRETCH_ROWS, AT_ONCE_BYTES // row_bytes)
        self._equal_pieces = {}  # by the size of a batch
        for team in self._teams.values():
            team.forget_tables()
        most = self._count_prepared()
        self._prepared.read_from(BatchSource(sequences, target, weight) if most else None, most)

    def let_go(self):
        """Hold no data any more, until it is given other."""
        self.sequences = self.target = self.weight = None
        self._prepared.read_from(None, 0)

    def own(self, params):
        """Return the vector of weights that batches are made ready for, with these numbers."""
        return self._prepared.own(params)

    def gradient(self, params, indices, threads, rng=None):
        """Return loss and gradient of a batch.

        The batch is cut into pieces by its size alone, and the pieces' gradients are added in
        their order, so the result has the same bits for any number of threads.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The weights.
        indices : ndarray of int64
            The sequences of the batch.
        threads : Threads
            Who runs it.
        rng : numpy.random.RandomState or None
            Source of dropout masks.

        Returns
        -------
        loss : float
            Weighted mean loss plus penalty.
        gradient : ndarray of shape (layout.size,) or SparseGradient
            Its gradient, valid until the next call; sparse where the network has tables.
        """
        flags = begin()
        try:
            return self._gradient(params, indices, threads, rng)
        finally:
            end(flags)

    def _gradient(self, params, indices, threads, rng):
        """Do what `gradient` does, in a thread that takes subnormal numbers for zero."""
        total_weight, most_prepared = self.begin_batch(params, indices.size)
        if indices.size <= min(most_prepared, self._piece_size):
            with self._workspaces.borrow() as workspace:
                loss, gradient = self._prepared.evaluate(indices, workspace)
            loss += self._penalize(params, gradient.vector, total_weight)
            return loss, gradient.vector
        pieces = self._pieces_made_ready(indices.size, most_prepared)
        if pieces is not None:
            loss = self._run_prepared(indices, pieces, threads)
        else:
            loss = self._run_pieces(params, indices, total_weight, threads, rng)
        total = self._gradients[0]
        loss += self._penalize(params, total.vector, total_weight)
        return loss, total.result()

    def begin_batch(self, params, n_sequences):
        """Begin batches of so many sequences, which any number of calls made ready may run.

        Returns
        -------
        total_weight : float
            What the loss of a batch is divided by.
        most : int
            How many sequences may be run at a time by calls made ready.
        """
        total_weight = self.mean_weight * n_sequences
        return total_weight, self._prepared.begin(params, total_weight)

    def descent(self, params, n_sequences, solver, max_norm):
        """Return what makes steps for batches of so many sequences in machine code.

        Parameters
        ----------
        params : ndarray of shape (layout.size,)
            The weights.
        n_sequences : int
            How many sequences a batch has.
        solver : Solver
            What steps along the gradients.
        max_norm : float or None
            The largest norm of a gradient.

        Returns
        -------
        descent : Descent or None
            What makes the steps; None where something of it needs Python, perhaps for now.
        """
        total_weight, most = self.begin_batch(params, n_sequences)
        if n_sequences > min(most, self._piece_size):
            return None
        with self._workspaces.borrow() as workspace:
            prepared = self._prepared.make(n_sequences, workspace)
        if any(table is None for table in prepared.tables):
            return None
        n_steps = n_sequences * int(self.sequences.offsets[1])
        n_at_once = max(1, MOST_WORK // (n_steps * self.network.n_dense))
        penalty = self.alpha / total_weight, self._weight_slices
        descent = Descent(prepared, params, solver, penalty, max_norm, n_at_once)
        return descent if descent.is_ready() else None

    def _pieces_made_ready(self, n_sequences, most):
        """Return the pieces of a batch of sequences of one length; None if any is too large."""
        if most == 0:
            return None
        if n_sequences not in self._equal_pieces:
            some = np.arange(n_sequences)
            pieces = self._pieces(some, self.sequences.lengths_of(some))
            fit = all(piece.size <= most for piece in pieces)
            self._equal_pieces[n_sequences] = pieces if fit else None
        return self._equal_pieces[n_sequences]

    def _run_prepared(self, indices, pieces, threads):
        """Return the loss of pieces that calls are ready for, and write the gradient of all."""
        n_steps = int(self.sequences.offsets[1])
        if not self._is_worth(WORTH_A_TEAM, pieces, indices.size * n_steps):
            threads = ALONE
        team = self._team(indices.size, pieces, min(threads.count, len(pieces)))
        if team.is_ready():
            total = self._gradient_at(0, self.sequences.dtype).vector
            loss = team.run(indices, self._prepared.n_batches, threads, total)
            if loss is not None:
                return loss
        return self._run_in_turns(indices, pieces, threads)

    def _run_in_turns(self, indices, pieces, threads):
        """Run pieces that calls are ready for from Python, each in the thread that takes it."""
        n_at_once = self._n_at_once(threads.count)

        def run(piece, slot):
            with self._workspaces.borrow() as workspace:
                loss, own = self._prepared.evaluate(indices[piece], workspace)
                if n_at_once == 1 and slot > 0:
                    return loss, own  # which is added before the workspace is used again
                gradient = self._gradient_at(slot, own.vector.dtype)
                gradient.vector[:] = own.vector
                return loss, gradient

        return self._add_up(run, pieces, n_at_once, threads)

    def _run_pieces(self, params, indices, total_weight, threads, rng):
        """Return the loss of a batch of any kind, and write its gradient."""
        masks = NO_DROPOUT
        if self.dropout is not None and rng is not None:
            masks = self.dropout.draw(self.network, indices.size, rng, params.dtype)
        sequences, positions = self.sequences.load(indices)
        lengths = sequences.lengths_of(positions)
        pieces = self._pieces(indices, lengths)
        if not self._is_worth(WORTH_SHARING, pieces, lengths.sum()):
            threads = ALONE

        def run(piece, slot):
            with self._workspaces.borrow() as workspace:
                gradient = self._gradient_at(slot, params.dtype)
                touched = positions if slot == 0 else positions[piece]
                gradient.clear(self.network.inputs.begin_gradient(sequences, touched))
                batch = PackedBatch(sequences, positions[piece], lengths[piece])
                loss = self._run_piece(
                    params, batch, indices[piece], total_weight, masks.take(piece), workspace,
                    gradient.views,
                )  # fmt: skip
                return loss, gradient

        return self._add_up(run, pieces, self._n_at_once(threads.count), threads)

    def _is_worth(self, least, pieces, n_rows):
        """Tell whether a batch is worth more than one thread."""
        return len(pieces) > 1 and n_rows * self.network.n_dense >= least

    def _add_up(self, run, pieces, n_at_once, threads):
        """Run all pieces, return their loss and leave the sum of their gradients in the first."""
        loss = 0.0
        for first in range(0, len(pieces), n_at_once):
            wave = pieces[first : first + n_at_once]
            # The first piece writes to the gradient of the batch; the others are added to it.
            slots = range(min(first, 1), min(first, 1) + len(wave))
            for slot, (part, gradient) in zip(slots, threads.map(run, wave, slots), strict=True):
                loss += part
                if slot > 0:
                    self._gradients[0].add(gradient)
        return loss

    def batches(self, order, size):
        """Return what `gradient` takes, for each batch of an epoch.

        Parameters
        ----------
        order : ndarray of int64
            All numbers below the length of the objective, in any order.
        size : int
            How many of them a batch has at most.

        Returns
        -------
        batches : list of ndarray of int64
            The sequences of each batch.
        """
        return even_batches(order, size)

    def _pieces(self, indices, lengths):
        """Cut a batch into pieces that are run at a time."""
        size, most_rows = self._piece_size, inference.most_rows(self.network)
        if lengths.size <= size and lengths.size * lengths.max() <= most_rows:
            return [longest_first(lengths)]
        pieces = inference.cut(longest_first(lengths), size)
        return [
            part
            for piece in pieces
            for part in inference.cut(piece, max(1, most_rows // int(lengths[piece[0]])))
        ]

    def _count_prepared(self):
        """Return how many sequences may be run at a time by calls made ready once; 0 for none."""
        network, lengths = self.network, self.sequences.lengths
        is_plain = network.inputs.tables is None and not network.head.each_step
        at_once = self.dropout is None and self.walk is bptt.full and self.checkpoint_steps is None
        is_known = isinstance(self.loss, Loss) and isinstance(self.sequences, Sequences)
        if not (is_plain and at_once and is_known):
            return 0
        # Whatever runs it, a batch is cut into the same pieces.
        most = min(self._most_rows, inference.most_rows(network))
        return most // int(lengths[0]) if (lengths == lengths[0]).all() else 0

    def _team(self, n_sequences, pieces, n_threads):
        """Return who shares batches of this size."""
        key = n_sequences, n_threads, *self._prepared.kind
        if key not in self._teams:
            members = self._make_ready({piece.size for piece in pieces}, n_threads)
            n_at_once = min(self._n_at_once(n_threads), len(pieces))
            if n_threads > 1 and len(self._waiting) < n_at_once:
                vector = self._gradient_at(0, self.sequences.dtype).vector
                self._waiting = np.empty_like(vector, shape=(n_at_once, vector.size))
            self._teams[key] = Team(pieces, members, self._waiting[:n_at_once])
        return self._teams[key]

    def _make_ready(self, sizes, n_threads):
        """Make the calls for pieces of these sizes in this thread, for all that will run them.

        Made by each thread for itself, at the same time, they would wait for the interpreter, and
        what a new thread allocates is fresh memory.
        """
        with ExitStack() as stack:
            borrowed = [stack.enter_context(self._workspaces.borrow()) for _ in range(n_threads)]
            return [
                {size: self._prepared.make(size, w, is_shared=n_threads > 1) for size in sizes}
                for w in borrowed
            ]

    def _n_at_once(self, n_threads):
        """Return how many pieces threads share before their gradients are added up."""
        if n_threads == 1:
            return 1
        each = GRADIENT_NUMBERS // (self.network.layout.size * n_threads)
        return n_threads * max(1, min(PIECES_A_THREAD, each))

    def _gradient_at(self, slot, dtype):
        """Return one of the gradients that are kept from batch to batch."""
        if slot not in self._gradients:
            self._gradients[slot] = empty_gradient(self.network, self._views, dtype)
        return self._gradients[slot]

    def _run_piece(self, params, batch, indices, total_weight, masks, workspace, gradient):
        """Return the loss of a piece of a batch and add its gradient to views of the flat one."""
        # A piece is sorted already, so the batch keeps its order and the masks fit.
        way = self._way(params, batch, masks, workspace, gradient)
        if way is not None:
            trace = way.forward()
            loss, d_raw = self._evaluate(params, trace, indices, total_weight, workspace)
            way.backward(trace, d_raw)
            return loss
        trace = self._forward(params, batch, indices, masks, workspace)
        loss, d_raw = self._evaluate(params, trace, indices, total_weight, workspace)
        self.network.backward(params, trace, d_raw, workspace, self.walk)
        self._add_weight_gradients(trace, d_raw, gradient)
        return loss

    def _way(self, params, batch, masks, workspace, gradient):
        """Return what runs a batch a stretch at a time; None to run it at once."""
        where = self.network, params, batch, masks
        if self.checkpoint_steps is not None:
            return checkpointing.through(*where, self.checkpoint_steps, workspace, gradient)
        if self._may_cut and batch.n_rows > self._most_rows:
            n_steps = max(1, STRETCH_ROWS // batch.n_sequences)
            return checkpointing.OneWay(*where, n_steps, workspace, gradient, holds_all=True)
        return None

    def _evaluate(self, params, trace, indices, total_weight, workspace):
        """Return the loss of a piece, and its gradient with respect to the raw outputs."""
        d_raw = workspace.take("d_raw", trace.raw.shape, params.dtype)
        rows = self.network.head.rows(trace.batch, indices)
        scale = (self.weight[rows] / total_weight).astype(params.dtype)
        loss = self.network.value_and_gradient(
            self.loss, params, trace, self.target[rows], scale, d_raw
        )
        return loss, d_raw

    def _add_weight_gradients(self, trace, d_raw, gradient):
        for task in self._tasks:
            self.network.add_weight_gradients(task, trace, d_raw, gradient)

    def _forward(self, params, batch, indices, masks, workspace):
        return self.network.forward(params, batch, workspace, masks)

    def _penalize(self, params, gradient, total_weight):
        """Add the penalty's gradient and return its value."""
        if self.alpha == 0:
            return 0.0
        strength, squares = np.array([self.alpha / total_weight]), np.zeros(1)
        for part in self._weight_slices:
            add_penalty(params[part], strength, gradient[part], squares)
        return float(0.5 * strength[0] * squares[0])
