"""Networks for inference on a CPU: graphs for onnxruntime over the weights of torch modules.

A graph is written when it is first wanted, in a tenth of a second, so there is no file that could be of other weights.
A session works on the thread that calls it; large inputs are cut into pieces of rows, which as many threads share as
torch has. Results differ from the modules' by rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

Made = TypeVar("Made")
MICROSOFT = "com.microsoft"
"""The domain of onnxruntime's own operators."""

_OPSET, _MICROSOFT_OPSET, _IR_VERSION = 20, 1, 10
_SMALL = 64  # numbers of a weight that stands in the graph itself
_ROWS_AT_MOST = 16  # of a piece


class Graph:
    """A graph being written; values are known by their names."""

    def __init__(self) -> None:
        self._inputs: list[Any] = []
        self._nodes: list[Any] = []
        self._weights: dict[str, NDArray[Any]] = {}

    def takes(self, name: str, kind: int, *shape: int | str) -> str:
        """Add an input of a kind of ``TensorProto`` and return its name; sizes that vary are named."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def weight(self, values: Tensor | Sequence[int]) -> str:
        """Add a constant and return its name; a tensor on the CPU is not copied."""
        array = values.detach().contiguous().numpy() if isinstance(values, Tensor) else np.array(values, np.int64)
        name = f"weight {len(self._weights)}"
        self._weights[name] = array
        return name

    def node(self, operator: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:  # noqa: ANN401
        """Add an operator and return the name of what comes out."""
        output = output or f"value {len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    def linear(self, values: str, layer: nn.Linear, output: str = "") -> str:
        """Add a fully connected layer over rows [rows, inputs]."""
        return self.node("Gemm", values, self.weight(layer.weight), self.weight(layer.bias), output=output, transB=1)

    def session(self, outputs: Sequence[str], *, rewrite: bool = True) -> Session:
        """Return what runs the graph.

        Args:
            outputs: Names of values, float32.
            rewrite: Whether onnxruntime may choose other layouts and operators.
        """
        large = {name: array for name, array in self._weights.items() if array.size >= _SMALL}
        constants = [_outside(name, array) for name, array in large.items()]
        constants += [numpy_helper.from_array(each, name) for name, each in self._weights.items() if name not in large]
        graph = helper.make_graph(
            self._nodes,
            "network",
            self._inputs,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            constants,
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, _MICROSOFT_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        levels = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = levels.ORT_ENABLE_ALL if rewrite else levels.ORT_ENABLE_BASIC
        given = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in large.values()]
        options.add_external_initializers(list(large), given)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return Session(session, tuple(large.values()))


class Session:
    """A graph that runs."""

    def __init__(self, session: onnxruntime.InferenceSession, weights: tuple[NDArray[Any], ...]) -> None:
        """Keep the session, and the weights, which it does not own."""
        self._session, self._weights = session, weights

    def run(self, **inputs: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Return the outputs."""
        outputs: list[NDArray[np.float32]] = self._session.run(None, inputs)
        return outputs


def in_pieces(work: Callable[[slice], Made], rows: int) -> list[tuple[slice, Made]]:
    """Return pieces of rows with what a work makes of each; as many work at once as torch has threads.

    Args:
        work: Computes the rows of a slice, of which there is at least one.
        rows: Their number.
    """
    threads = torch.get_num_threads()
    at_once = max(1, min(_ROWS_AT_MOST, -(-rows // threads)))
    pieces = [slice(start, start + at_once) for start in range(0, rows, at_once)]
    if threads == 1 or len(pieces) <= 1:
        return [(piece, work(piece)) for piece in pieces]
    with ThreadPoolExecutor(threads) as pool:
        return list(zip(pieces, pool.map(work, pieces), strict=True))


class StandIn:
    """A module's graph, made at its first use, and anew when a weight has been changed in place since."""

    def __init__(self, fits: Callable[[nn.Module], bool], build: Callable[[Any], nn.Module]) -> None:
        """Make nothing yet.

        Args:
            fits: Whether ``build`` can build of a module.
            build: Makes the stand-in, which gives what the module gives.
        """
        self._fits, self._build = fits, build
        self._kept: tuple[list[tuple[int, int]], nn.Module] | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> StandIn:
        """Return one that has made nothing yet: a graph holds the weights of one module, and cannot be copied."""
        return StandIn(self._fits, self._build)

    def of(self, module: nn.Module) -> nn.Module:
        """Return the stand-in, or the module itself where there is none or autocast chooses its precision."""
        if torch.is_autocast_enabled("cpu"):
            return module
        kept, state = self._kept, _state(module)
        if kept is not None and kept[0] == state:
            return kept[1]
        if not self._fits(module):
            return module
        built = self._build(module)
        self._kept = (state, built)
        return built


def plain(module: nn.Module) -> bool:
    """Whether all weights are float32 on the CPU and have version counters; inference tensors have none."""
    return all(
        value.device.type == "cpu" and value.dtype == torch.float32 and not value.is_inference()
        for value in module.parameters()
    )


def _state(module: nn.Module) -> list[tuple[int, int]]:
    """Return where each weight lies and how often it has been changed in place; layers that come or go show in it."""
    return [(value.data_ptr(), -1 if value.is_inference() else value._version) for value in module.parameters()]


def _outside(name: str, array: NDArray[Any]) -> TensorProto:
    """Return the entry of a constant whose values are handed to the session beside the graph."""
    entry = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(array.dtype), dims=array.shape)
    entry.data_location = TensorProto.EXTERNAL
    entry.external_data.add(key="location", value="memory")
    return entry
