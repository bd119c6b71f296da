"""PyTorch's recurrent modules under a hand-written loop.

*plain* is what a tutorial writes; *tuned* keeps data time-major, uses the fused Adam and clips all
gradients in one call; *packed* hands ragged sequences over as a `PackedSequence`.
"""

import numpy as np

from speed.cases import INFERENCE_BATCH, RATE, make_data, make_order, make_weights
from speed.peers import Operations


def make_network(case, *, packed=False, time_major=False):
    """Return the module that maps sequences and their lengths to class scores."""
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            module = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[case.cell]
            self.rnn = module(
                case.n_channels,
                case.n_units,
                case.n_layers,
                batch_first=not time_major,
                bidirectional=case.bidirectional,
            )
            self.head = nn.Linear(case.n_units * case.n_directions, case.n_classes)

        def forward(self, x, lengths=None):
            if lengths is not None and packed:
                x = nn.utils.rnn.pack_padded_sequence(
                    x, lengths, batch_first=not time_major, enforce_sorted=False
                )
            output, state = self.rnn(x)
            if lengths is not None and not packed:
                rows = torch.arange(len(lengths))
                place = (lengths - 1, rows) if time_major else (rows, lengths - 1)
                return self.head(output[place])
            state = state[0] if case.cell == "lstm" else state
            last = torch.cat((state[-2], state[-1]), 1) if case.bidirectional else state[-1]
            return self.head(last)

    network = Network().to(getattr(torch, case.dtype))
    recurrent, head = make_weights(case)
    network.rnn.load_state_dict({k: torch.from_numpy(v) for k, v in recurrent.items()})
    network.head.load_state_dict({k: torch.from_numpy(v) for k, v in head.items()})
    return network


def make(case, threads, variant):
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    tuned = variant == "tuned"
    network = make_network(case, packed=variant == "packed", time_major=tuned)
    weights = list(network.parameters())
    adam = torch.optim.Adam(weights, lr=RATE, fused=True if tuned else None)
    cross_entropy = nn.CrossEntropyLoss()
    X, y = (torch.from_numpy(array) for array in make_data(case))
    sequences_axis = 1 if tuned else 0
    if tuned:
        X = X.transpose(0, 1).contiguous()
    lengths = torch.from_numpy(case.lengths) if case.ragged else None

    def train(epoch):
        order = torch.from_numpy(make_order(case, epoch))
        for batch in order.split(case.batch_size):
            adam.zero_grad()
            x = X.index_select(sequences_axis, batch)
            scores = network(x, None if lengths is None else lengths[batch])
            cross_entropy(scores, y[batch]).backward()
            nn.utils.clip_grad_norm_(weights, 1.0, foreach=True if tuned else None)
            adam.step()

    @torch.inference_mode()
    def infer():
        parts = []
        for start in range(0, case.n_sequences, INFERENCE_BATCH):
            stop = min(start + INFERENCE_BATCH, case.n_sequences)
            x = X.narrow(sequences_axis, start, stop - start)
            parts.append(network(x, None if lengths is None else lengths[start:stop]).softmax(1))
        return torch.cat(parts).numpy()

    @torch.inference_mode()
    def one(x):
        x = torch.from_numpy(x)
        return network(x.transpose(0, 1) if tuned else x).softmax(1).numpy()

    state = [None]

    @torch.inference_mode()
    def step(x):
        output, state[0] = network.rnn(torch.from_numpy(x[:, np.newaxis]), state[0])
        return network.head(output[-1] if tuned else output[:, -1]).softmax(1).numpy()

    return Operations(train, infer, one, None if case.bidirectional else step)
