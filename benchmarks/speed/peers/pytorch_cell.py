"""PyTorch's cell modules, which take one step at a time: for streams only."""

from speed.peers import Operations
from speed.peers.pytorch import make_network


def make(case, threads):
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    network = make_network(case)
    kind = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}[case.cell]
    cell = kind(case.n_channels, case.n_units)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in network.rnn.state_dict().items()})
    state = [None]

    @torch.inference_mode()
    def step(x):
        state[0] = cell(torch.from_numpy(x), state[0])
        hidden = state[0][0] if case.cell == "lstm" else state[0]
        return network.head(hidden).softmax(1).numpy()

    return Operations(step=step)
