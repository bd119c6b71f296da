"""ONNX Runtime: the recurrent operators, a product and a softmax. It does not train."""

import numpy as np

from speed.cases import INFERENCE_BATCH, make_data, make_weights
from speed.peers import Operations

# ONNX's order of the gates, as positions in PyTorch's.
GATE_ORDER = {"rnn": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}


def _reordered(case, array):
    blocks = np.split(array, len(GATE_ORDER[case.cell]))
    return np.concatenate([blocks[gate] for gate in GATE_ORDER[case.cell]])


def _layer_weights(case, recurrent, layer):
    """Return ONNX's W, R and B of all directions of a layer."""
    stacks = {"W": [], "R": [], "B": []}
    for suffix in ("", "_reverse")[: case.n_directions]:
        W, R, b_x, b_h = (
            _reordered(case, recurrent[f"{kind}_l{layer}{suffix}"])
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        stacks["W"].append(W)
        stacks["R"].append(R)
        stacks["B"].append(np.concatenate([b_x, b_h]))
    return {name: np.stack(parts) for name, parts in stacks.items()}


class _Graph:
    """Collects nodes, constants, inputs and outputs."""

    def __init__(self):
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    def constant(self, name, array):
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def value(self, name, shape, kind="FLOAT"):
        from onnx import TensorProto, helper

        return helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape)

    def node(self, operator, inputs, outputs, **attributes):
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))

    def session(self, threads):
        import onnxruntime
        from onnx import helper

        graph = helper.make_graph(
            self.nodes, "network", self.inputs, self.outputs, initializer=self.constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
        model.ir_version = 8
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        spin = "0" if threads == 1 else "1"
        options.add_session_config_entry("session.intra_op.allow_spinning", spin)
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )


def _build(case, threads, stream):
    graph, operator = _Graph(), case.cell.upper()
    recurrent, head = make_weights(case)
    graph.inputs.append(graph.value("x", [None, None, case.n_channels]))
    graph.outputs.append(graph.value("p", [None, case.n_classes]))
    graph.node("Transpose", ["x"], ["input_0"], perm=[1, 0, 2])
    lengths = ""
    if case.ragged and not stream:
        graph.inputs.append(graph.value("lengths", [None], "INT32"))
        lengths = "lengths"
    states = ("h", "c") if case.cell == "lstm" else ("h",)
    attributes = {
        "hidden_size": case.n_units,
        "direction": "bidirectional" if case.bidirectional else "forward",
    }
    if case.cell == "gru":
        attributes["linear_before_reset"] = 1
    for layer in range(case.n_layers):
        weights = _layer_weights(case, recurrent, layer)
        inputs = [graph.constant(f"{name}_{layer}", array) for name, array in weights.items()]
        inputs = [f"input_{layer}", *inputs, lengths]
        final = [f"{state}_{layer}" for state in states]
        if stream:
            for state in states:
                inputs.append(f"{state}_before_{layer}")
                graph.inputs.append(graph.value(inputs[-1], [1, None, case.n_units]))
            graph.outputs += [graph.value(name, [1, None, case.n_units]) for name in final]
        graph.node(operator, inputs, [f"all_{layer}", *final], **attributes)
        if layer + 1 < case.n_layers:
            shape = graph.constant(f"shape_{layer}", np.array([0, 0, -1]))
            graph.node("Transpose", [f"all_{layer}"], [f"turned_{layer}"], perm=[0, 2, 1, 3])
            graph.node("Reshape", [f"turned_{layer}", shape], [f"input_{layer + 1}"])
    graph.node("Transpose", [f"h_{case.n_layers - 1}"], ["last"], perm=[1, 0, 2])
    graph.node("Reshape", ["last", graph.constant("flat", np.array([0, -1]))], ["features"])
    W, b = graph.constant("W", head["weight"]), graph.constant("b", head["bias"])
    graph.node("Gemm", ["features", W, b], ["scores"], transB=1)
    graph.node("Softmax", ["scores"], ["p"], axis=1)
    return graph.session(threads)


def make(case, threads):
    session = _build(case, threads, stream=False)
    X, _ = make_data(case)
    lengths = case.lengths.astype(np.int32)

    def run(x, lengths):
        feed = {"x": x, "lengths": lengths} if case.ragged else {"x": x}
        return session.run(["p"], feed)[0]

    def infer():
        chunks = [slice(i, i + INFERENCE_BATCH) for i in range(0, len(X), INFERENCE_BATCH)]
        return np.concatenate([run(X[chunk], lengths[chunk]) for chunk in chunks])

    stream = None if case.bidirectional else _build(case, threads, stream=True)
    feed, wanted = {}, []
    if stream is not None:
        names = [value.name for value in stream.get_inputs() if value.name != "x"]
        feed = {name: np.zeros((1, 1, case.n_units), np.float32) for name in names}
        wanted = [value.name for value in stream.get_outputs()]

    def step(x):
        output, *states = stream.run(wanted, {"x": x[:, np.newaxis], **feed})
        feed.update(zip(names, states, strict=True))
        return output

    full = np.array([case.n_steps], np.int32)
    return Operations(
        infer=infer,
        one=lambda x: run(x, full),
        step=None if case.bidirectional else step,
    )
