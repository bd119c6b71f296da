"""One direction of one recurrent layer: what surrounds the cell's two kernels.

A layer holds no weights, only where they live in the flat vector. Its two directions are two
objects of this class; the backward one is handed its input in reverse.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from skrnn import bptt
from skrnn._copies import copy_all
from skrnn._gemm import add_products, add_transposed_product, affine_products, panel_copies
from skrnn._jit import jit
from skrnn._sums import add_column_sums
from skrnn._views import empty, flat
from skrnn.buffers import Buffers, Kept
from skrnn.cells import clear
from skrnn.params import chrono_bias, glorot_uniform, orthogonal

# Rows of a batch, all steps together, from which copies of the weights in panels pay.
WORTH_PANELS = 256


@jit
def _project(x, W_x, b_x, b_h, added, gates):
    """Form the input's share of every gate at every step: one product a gate."""
    bias = empty(b_x.dtype.type(0), b_x.shape)
    for g in range(bias.shape[0]):
        for k in range(bias.shape[1]):
            bias[g, k] = b_x[g, k] + added[g] * b_h[g, k]
    affine_products(x, W_x, bias, gates)


@jit
def _input_gradient(gates, W_x, d_x):
    """Form the loss gradient of a layer's input; `W_x` is transposed."""
    clear(flat(d_x, 0, d_x.shape[0]))
    add_products(gates, W_x, d_x)


@jit
def _add_gate_gradient(x, operand, d_gate, d_recurrent, is_added, d_W_x, d_W_h, d_b_x, d_b_h):
    """Add the gradients of one gate's weights: products over all steps at once."""
    add_transposed_product(x, d_gate, d_W_x)
    add_transposed_product(operand, d_recurrent, d_W_h)
    add_column_sums(d_gate, d_b_x)
    if is_added:
        # Both biases are added to the gate and never had another gradient.
        for k in range(d_b_h.size):  # an assignment of slices would compile its error messages
            d_b_h[k] = d_b_x[k]
    else:
        add_column_sums(d_recurrent, d_b_h)


class LayerWeights:
    """Views of the weights of one direction of one layer in a flat vector.

    Parameters
    ----------
    layer : Layer
        Whose weights.
    vector : ndarray of shape (layout.size,)
        The flat vector, of weights or of their gradients.
    """

    def __init__(self, layer, vector):
        self.W_x, self.W_h, self.b_x, self.b_h = (block.view(vector) for block in layer.blocks)
        # 1 where the recurrent bias is simply added, 0 where the cell sees to it.
        self.added = np.array(
            [gate not in layer.cell.inner_gates for gate in layer.cell.gates], dtype=vector.dtype
        )
        self.no_mask = np.empty((0, layer.n_units), dtype=vector.dtype)


class Layer:
    """One direction of one layer.

    Parameters
    ----------
    cell : Cell
        The cell.
    name : str
        Prefix of its weights' names, such as ``"layer_0.forward"``.
    n_inputs : int
        Numbers that a step brings.
    n_units : int
        Units.
    layout : ParameterLayout
        Where its weights are added.
    """

    def __init__(self, cell, name, n_inputs, n_units, layout):
        self.cell = cell
        self.name = name
        self.n_units = n_units
        n_gates = len(cell.gates)
        self.blocks = (
            layout.add(f"{name}.W_x", (n_gates, n_inputs, n_units)),
            layout.add(f"{name}.W_h", (n_gates, n_units, n_units)),
            layout.add(f"{name}.b_x", (n_gates, n_units), is_bias=True),
            layout.add(f"{name}.b_h", (n_gates, n_units), is_bias=True),
        )

    def initialise(self, params, rng, n_steps):
        """Draw fresh weights for this layer into a flat vector of zeros."""
        W_x, W_h, b_x, _ = (block.view(params) for block in self.blocks)
        for g, gate in enumerate(self.cell.gates):
            W_x[g] = glorot_uniform(W_x.shape[1:], rng)
            W_h[g] = self.cell.recurrent_gain * orthogonal(self.n_units, rng)
            b_x[g] = self.cell.initial_bias.get(gate, 0.0)
            if gate in self.cell.memory_gates:
                b_x[g] += chrono_bias(self.n_units, n_steps, rng)

    def transposed_copies(self, weights, workspace, which="W_h"):
        """Return the matrices that the way back multiplies by: each gate's transposed, as it is.

        Parameters
        ----------
        weights : LayerWeights
            The weights.
        workspace : Workspace
            Where they are until the next call.
        which : {"W_h", "W_x"}, default="W_h"
            The recurrent weights or those of the input.

        Returns
        -------
        turned : ndarray of shape (G, ...)
            The matrices, of shape (H, H) or (H, n_inputs), as factors of products (see
            :func:`skrnn._gemm.panel_copies`).
        copies : list of (ndarray, ndarray)
            What must be copied for them, target and source, each time the weights have changed.
        """
        matrices = getattr(weights, which)

        def take(shape):
            return workspace.take((self.name, "transposed", which), shape, matrices.dtype)

        turned = matrices.transpose(0, 2, 1)
        if which == "W_x" or self.cell.takes_panels:
            return panel_copies(turned, take)
        copy = take(turned.shape)
        return copy, [(copy, turned)]

    def transposed(self, weights, workspace, which="W_h"):
        """Return the matrices of :meth:`transposed_copies`, copied."""
        turned, copies = self.transposed_copies(weights, workspace, which)
        copy_all(copies)
        return turned

    def factor_copies(self, weights, shape, workspace):
        """Return the matrices that the way forward multiplies by, as they are read soonest.

        Parameters
        ----------
        weights : LayerWeights
            The weights.
        shape : Shape
            Lengths and rows of what will be run.
        workspace : Workspace
            Where copies are until the next call.

        Returns
        -------
        factors : tuple of ndarray of shape (G, ...)
            Right-hand factors of products for inputs and states, those of the weights themselves
            where copies would not pay.
        copies : list of (ndarray, ndarray)
            What must be copied for them, target and source, each time the weights have changed.
        """
        if shape.n_rows < WORTH_PANELS:
            return (weights.W_x, weights.W_h), []

        def panels(which):
            matrices = getattr(weights, which)
            key = (self.name, "panels", which)
            return panel_copies(matrices, lambda size: workspace.take(key, size, matrices.dtype))

        W_h, copies = panels("W_h") if self.cell.takes_panels else (weights.W_h, [])
        W_x, more = panels("W_x")
        return (W_x, W_h), [*copies, *more]

    def factors(self, weights, shape, workspace):
        """Return the matrices of :meth:`factor_copies`, copied."""
        factors, copies = self.factor_copies(weights, shape, workspace)
        copy_all(copies)
        return factors

    def _buffers(self, shape, workspace, dtype, mask):
        n, n_rows, H = shape.n_sequences, shape.n_rows, self.n_units
        cell = self.cell
        shares = (
            cell.reads_states and not cell.own_operands and mask is None
            and n_rows == n * shape.n_steps
        )  # fmt: skip

        def take(key, *lengths):
            return workspace.take((self.name, key), (*lengths, H), dtype)

        def make():
            states = take("states", len(cell.states), n + n_rows)
            return Buffers(
                gates=take("gates", len(cell.gates), n_rows),
                inner=take("inner", len(cell.inner_gates), n_rows),
                # The state before a row is that of the row n places earlier.
                operands=states[:1, :n_rows] if shares
                else take("operands", 1 + len(cell.own_operands), n_rows),
                states=states,
                d_state=take("d_state", len(cell.states), n),
                output=states[0, n:],
                make_d_output=partial(
                    workspace.arrays.take, (self.name, "d_output"), (n_rows, H), dtype
                ),
                may_lack_d_output=cell.adds_output_gradient,
            )  # fmt: skip

        return workspace.keep((self.name, "buffers"), (n, n_rows, H, dtype, shares), make)

    def forward(self, weights, x, batch, mask, workspace, initial=None, advance=bptt.at_once):
        """Run all steps of a batch.

        Parameters
        ----------
        weights : LayerWeights
            The weights.
        x : ndarray of shape (R, n_inputs)
            What arrives at each step.
        batch : PackedBatch
            The sequences.
        mask : ndarray of shape (n, H) or None
            Recurrent dropout.
        workspace : Workspace
            Where the result lives.
        initial : ndarray of shape (S, n, H) or None, default=None
            The states before the first step, in the batch's order; None is zero.
        advance : callable, default=bptt.at_once
            How to walk forward through time (see :mod:`skrnn.bptt`).

        Returns
        -------
        kept : Kept
            The outputs and what `backward` needs.
        """
        buffers = self._buffers(batch.shape, workspace, x.dtype, mask)
        buffers.states[:, : batch.n_sequences] = 0 if initial is None else initial
        mask = weights.no_mask if mask is None else mask
        W_x, W_h = self.factors(weights, batch.shape, workspace)
        _project(x, W_x, weights.b_x, weights.b_h, weights.added, buffers.gates)

        def run(first, last):
            self.cell.forward(first, last, batch.starts, mask, W_h, weights.b_h, *buffers.forward)

        advance(run, batch, buffers.gates, buffers.states)
        return Kept(x, mask, buffers)

    def prepare(self, weights, factors, x, shape, workspace):
        """Return what runs all steps of a batch, again and again, without another look at it.

        Parameters
        ----------
        weights : LayerWeights
            The weights.
        factors : tuple of ndarray
            Those of :meth:`factor_copies`.
        x : ndarray of shape (R, n_inputs)
            Where what arrives at each step will be.
        shape : Shape
            Lengths and rows of the batch.
        workspace : Workspace
            Where the buffers live.

        Returns
        -------
        kept : Kept
            Where the outputs will be; the initial states are the caller's to write.
        calls : list of (callable, tuple)
            Functions with their arguments, to be called in this order.
        """
        buffers, mask = self._buffers(shape, workspace, x.dtype, None), weights.no_mask
        W_x, W_h = factors
        project = (x, W_x, weights.b_x, weights.b_h, weights.added, buffers.gates)
        forward = (0, shape.n_steps, shape.starts, mask, W_h, weights.b_h, *buffers.forward)
        # Of its own, because a head may decide where the gradient of the outputs is.
        kept = Kept(x, mask, replace(buffers))
        return kept, [(_project, project), (self.cell.forward, forward)]

    def prepare_back(self, weights, kept, shape, workspace, gradient):
        """Return what goes back through a batch, again and again, as `prepare` does forward.

        Parameters
        ----------
        weights : LayerWeights
            The weights.
        kept : Kept
            What `prepare` returned; ``kept.buffers.d_output`` is for the gradient of the outputs.
        shape : Shape
            Lengths and rows of the batch.
        workspace : Workspace
            The one given to `prepare`.
        gradient : LayerWeights
            Views of the flat gradient, to which that of the weights is added.

        Returns
        -------
        copies : list of (ndarray, ndarray)
            What must be copied each time the weights have changed, target and source.
        calls : list of (callable, tuple)
            Functions with their arguments, before which somebody writes ``kept.buffers.d_state``.
        """
        buffers = kept.buffers
        turned, copies = self.transposed_copies(weights, workspace)
        back = (0, shape.n_steps, shape.starts, kept.mask, turned, *buffers.backward)
        gates = [
            (_add_gate_gradient, self._gate_arguments(kept, gate, gradient))
            for gate in range(len(self.cell.gates))
        ]
        return copies, [(self.cell.backward, back), *gates]

    def prepare_down(self, weights, kept, workspace):
        """Return where the gradient of the input will be, and the calls that form it.

        Parameters
        ----------
        weights, kept, workspace
            As for `prepare_back`.

        Returns
        -------
        d_x : ndarray of shape (R, n_inputs)
            The place.
        copies, calls
            As those of `prepare_back`.
        """
        turned, copies = self.transposed_copies(weights, workspace, "W_x")
        d_x = workspace.take((self.name, "d_x"), kept.x.shape, kept.x.dtype)
        return d_x, copies, [(_input_gradient, (kept.buffers.gates, turned, d_x))]

    def project(self, weights, x):
        """Return the input's share of every gate.

        Parameters
        ----------
        weights : LayerWeights
            The weights.
        x : ndarray of shape (n, n_inputs)
            What arrives.

        Returns
        -------
        gates : ndarray of shape (G, n, H)
            The gates before the recurrent share.
        """
        gates = np.empty((len(self.cell.gates), x.shape[0], self.n_units), dtype=x.dtype)
        _project(x, weights.W_x, weights.b_x, weights.b_h, weights.added, gates)
        return gates

    def step_gates(self, weights, gates, before):
        """Run one step, given the input's share of every gate.

        Parameters
        ----------
        weights : LayerWeights
            The weights.
        gates : ndarray of shape (G, n, H)
            What :meth:`project` returned; overwritten.
        before : ndarray of shape (S, n, H)
            The states before the step.

        Returns
        -------
        after : ndarray of shape (S, n, H)
            The states after it.
        """
        cell, n = self.cell, gates.shape[1]

        def empty(*lengths):
            return np.empty((*lengths, n, self.n_units), dtype=gates.dtype)

        states = np.concatenate([before, empty(len(cell.states))], axis=1)
        cell.forward(
            0, 1, np.array([0, n]), weights.no_mask, weights.W_h, weights.b_h,
            gates, empty(len(cell.inner_gates)), empty(1 + len(cell.own_operands)), states,
        )  # fmt: skip
        return np.ascontiguousarray(states[:, n:])

    def backward(self, weights, kept, batch, walk, workspace, d_final=None):
        """Turn the gates into their loss gradients, given that of the outputs in the buffers.

        Parameters
        ----------
        weights : LayerWeights
            The weights.
        kept : Kept
            What `forward` returned; ``kept.buffers.d_output`` holds the gradient of the outputs.
        batch : PackedBatch
            The sequences.
        walk : callable
            How to walk back through time (see :mod:`skrnn.bptt`).
        workspace : Workspace
            The one given to `forward`.
        d_final : ndarray of shape (S, n, H) or None, default=None
            Loss gradient of the states after each sequence's last step, beside that of the
            outputs; None is zero. Afterwards ``kept.buffers.d_state`` holds the gradient of the
            initial states.
        """
        self.run_back(self.transposed(weights, workspace), kept, batch, walk, d_final)

    def run_back(self, W_h, kept, batch, walk, d_final=None):
        """Do what `backward` does, given the recurrent weights transposed.

        Parameters
        ----------
        W_h : ndarray of shape (G, H, H)
            What `transposed` returned.
        kept, batch, walk, d_final
            As for `backward`.
        """
        buffers = kept.buffers
        # A sequence that has ended keeps its gradient until its last step is reached.
        buffers.d_state[...] = 0 if d_final is None else d_final

        def run(first, last):
            self.cell.backward(first, last, batch.starts, kept.mask, W_h, *buffers.backward)

        walk(run, batch, buffers.d_output, buffers.d_state)

    def input_gradient(self, weights, kept, workspace):
        """Return the loss gradient of what arrived, after `backward`."""
        return self.run_down(self.transposed(weights, workspace, "W_x"), kept, workspace)

    def run_down(self, W_x, kept, workspace):
        """Do what `input_gradient` does, given the weights transposed."""
        d_x = workspace.take((self.name, "d_x"), kept.x.shape, kept.x.dtype)
        _input_gradient(kept.buffers.gates, W_x, d_x)
        return d_x

    def add_weight_gradient(self, kept, gate, gradient):
        """Add the gradient of one gate's weights, after `backward`.

        Parameters
        ----------
        kept : Kept
            What `forward` returned.
        gate : int
            Which gate.
        gradient : LayerWeights
            Views of the flat gradient.
        """
        _add_gate_gradient(*self._gate_arguments(kept, gate, gradient))

    def _gate_arguments(self, kept, gate, gradient):
        """Return what the kernel of a gate's weight gradients takes."""
        cell, buffers = self.cell, kept.buffers
        name = cell.gates[gate]
        operand, is_added = buffers.operands[0], name not in cell.inner_gates
        d_gate = d_recurrent = buffers.gates[gate]
        if not is_added:
            d_recurrent = buffers.inner[cell.inner_gates.index(name)]
        if name in cell.own_operands:
            operand = buffers.operands[1 + cell.own_operands.index(name)]
        return (
            kept.x, operand, d_gate, d_recurrent, int(is_added),
            gradient.W_x[gate], gradient.W_h[gate], gradient.b_x[gate], gradient.b_h[gate],
        )  # fmt: skip
