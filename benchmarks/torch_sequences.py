"""The same models in PyTorch, trained the same way: for the speed and the scores beside ours.

Same widths, dropout, batches, Adam with the same step size falling along a cosine, same clipping of
the gradient's norm, same number of epochs; PyTorch's own initial weights. Sequences of unequal
length are packed. Dropout differs in that PyTorch draws it anew at every step.
"""

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


@dataclass(frozen=True)
class Model:
    """What is built and how it is trained.

    Attributes
    ----------
    cell : {"gru", "lstm"}
    n_units, n_layers : int
    n_outputs : int
    bidirectional : bool
    n_channels : int
        Of inputs that are values.
    n_tokens, embedding_dim : int
        Of inputs that are ids; 0 for values.
    pooling : {"last", "mean", "max"} or None
        None gives an output at each step.
    multilabel : bool
        Logistic outputs, else a softmax.
    dropout : float
    batch_size, n_epochs : int
    n_steps : int or None
        Of a stretch, where one long sequence is read as streams with the state carried on.
    learning_rate : float
    max_grad_norm : float or None
    """

    cell: str
    n_units: int
    n_outputs: int
    n_layers: int = 1
    bidirectional: bool = False
    n_channels: int = 0
    n_tokens: int = 0
    embedding_dim: int = 0
    pooling: str | None = None
    multilabel: bool = False
    dropout: float = 0.0
    batch_size: int = 32
    n_epochs: int = 10
    n_steps: int | None = None
    learning_rate: float = 0.003
    max_grad_norm: float | None = 1.0


class Network(nn.Module):
    """Embedding, recurrent layers, pooling and a linear map."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        if model.n_tokens:
            self.embedding = nn.Embedding(model.n_tokens, model.embedding_dim)
        recurrent = {"gru": nn.GRU, "lstm": nn.LSTM}[model.cell]
        self.recurrent = recurrent(
            model.embedding_dim or model.n_channels,
            model.n_units,
            num_layers=model.n_layers,
            batch_first=True,
            bidirectional=model.bidirectional,
            dropout=model.dropout if model.n_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(model.dropout)
        n_features = model.n_units * (2 if model.bidirectional else 1)
        self.output = nn.Linear(n_features, model.n_outputs)

    def forward(self, sequences):
        """Return raw outputs, of the true steps end to end or one row a sequence."""
        lengths = torch.tensor([len(sequence) for sequence in sequences])
        x = pad_sequence(sequences, batch_first=True)
        if self.model.n_tokens:
            x = self.embedding(x)
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)
        true = torch.arange(states.shape[1]) < lengths[:, None]
        return self.output(self.dropout(self._pool(states, true, lengths)))

    def _pool(self, states, true, lengths):
        if self.model.pooling is None:
            return states[true]
        if self.model.pooling == "mean":
            return (states * true[:, :, None]).sum(dim=1) / lengths[:, None]
        if self.model.pooling == "max":
            return states.masked_fill(~true[:, :, None], -torch.inf).amax(dim=1)
        n_units = self.model.n_units
        last = states[torch.arange(len(lengths)), lengths - 1, :n_units]
        return torch.cat([last, states[:, 0, n_units:]], dim=1)


class _Steps:
    """A network and what takes the steps of its training: Adam along a cosine, with clipping."""

    def __init__(self, model, seed, n_steps_an_epoch):
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self.model = model
        self.network = Network(model)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=model.learning_rate)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, n_steps_an_epoch * model.n_epochs
        )
        self.seconds = 0.0

    def run_epoch(self):
        """Pass over the data once; the processor time is added to `seconds`."""
        started = time.process_time()
        self.network.train()
        for loss in self._losses():
            self.optimizer.zero_grad()
            loss.backward()
            if self.model.max_grad_norm is not None:
                nn.utils.clip_grad_norm_(self.network.parameters(), self.model.max_grad_norm)
            self.optimizer.step()
            self.schedule.step()
        self.seconds += time.process_time() - started


class Training(_Steps):
    """A network with its data, trained an epoch at a time, so that others can take turns.

    Parameters
    ----------
    model : Model
    X : list of ndarray
        Values of shape (steps, channels) or ids of shape (steps,).
    y : list of ndarray, or ndarray of shape (n,)
        Targets of each step, or of each sequence.
    seed : int
    """

    def __init__(self, model, X, y, seed):
        self.n_batches = math.ceil(len(X) / model.batch_size)
        super().__init__(model, seed, self.n_batches)
        self.X = [torch.as_tensor(sequence) for sequence in X]
        self.y = [torch.as_tensor(np.atleast_1d(target)) for target in y]
        self.rng = np.random.default_rng(seed)

    def _losses(self):
        order = self.rng.permutation(len(self.X))
        for batch in np.array_split(order, self.n_batches):  # as even as ours
            raw = self.network([self.X[i] for i in batch])
            yield self._loss(raw, torch.cat([self.y[i] for i in batch]))

    def _loss(self, raw, target):
        if self.model.multilabel:
            total = nn.functional.binary_cross_entropy_with_logits(
                raw, target.to(raw.dtype), reduction="sum"
            )
            return total / len(raw)
        return nn.functional.cross_entropy(raw, target)

    def predict_proba(self, X):
        """Return probabilities, a list of one array a sequence or one array of rows."""
        self.network.eval()
        rows = []
        with torch.no_grad():
            for first in range(0, len(X), 64):
                piece = [torch.as_tensor(sequence) for sequence in X[first : first + 64]]
                raw = self.network(piece)
                proba = torch.sigmoid(raw) if self.model.multilabel else torch.softmax(raw, dim=1)
                if self.model.pooling is None:
                    rows += [p.numpy() for p in torch.split(proba, [len(x) for x in piece])]
                else:
                    rows.append(proba.numpy())
        return rows if self.model.pooling is None else np.concatenate(rows)


class StreamTraining(_Steps):
    """A language model, trained along one long sequence that is cut into streams.

    After each stretch there is a step of the solver, and the next begins with the state at its end.

    Parameters
    ----------
    model : Model
        With `n_steps`.
    X, y : list of one ndarray of shape (n,)
        The ids and those that follow them.
    seed : int
    """

    def __init__(self, model, X, y, seed):
        n = len(X[0]) // model.batch_size * model.batch_size
        self.X, self.y = (
            torch.as_tensor(part[0][:n]).view(model.batch_size, -1) for part in (X, y)
        )
        super().__init__(model, seed, math.ceil(self.X.shape[1] / model.n_steps))

    def _losses(self):
        state = None
        for first in range(0, self.X.shape[1], self.model.n_steps):
            part = slice(first, first + self.model.n_steps)
            raw, state = self._forward(self.X[:, part], state)
            state = tuple(s.detach() for s in state)
            yield nn.functional.cross_entropy(raw.flatten(0, 1), self.y[:, part].flatten())

    def _forward(self, ids, state):
        network = self.network
        states, state = network.recurrent(network.embedding(ids), state)
        return network.output(network.dropout(states)), state

    def predict_proba(self, X):
        """Return probabilities at every step of one sequence."""
        self.network.eval()
        rows, state = [], None
        with torch.no_grad():
            for ids in torch.split(torch.as_tensor(X[0])[None], 1000, dim=1):
                raw, state = self._forward(ids, state)
                rows.append(torch.softmax(raw[0], dim=1).numpy())
        return [np.concatenate(rows)]
