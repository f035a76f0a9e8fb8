"""A fake of ``spaces.GPU`` that does what it does on ZeroGPU: each call runs in a forked process, by pickled values."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np

FORK = multiprocessing.get_context("fork")


class ForkingGPU:
    """The decorator; counts its calls, and refuses them once it has been told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float]] = []
        self.refusal = ""
        self.broken = False

    def __call__(self, duration: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return lambda task: lambda *arguments: self._run(task, duration, arguments)

    def _run(self, task: Callable[..., Any], duration: float, arguments: tuple[Any, ...]) -> Any:
        self.calls.append((task.__name__, duration))
        assert plain(arguments), "arguments are plain arrays"
        if self.refusal:
            raise gr.Error(self.refusal, print_exception=False)
        ours, theirs = FORK.Pipe()
        process = FORK.Process(target=self._work, args=(task, theirs, pickle.dumps(arguments)), daemon=True)
        process.start()
        theirs.close()
        try:
            result = ours.recv()
        except EOFError:
            raise gr.Error("GPU task aborted", print_exception=False) from None
        finally:
            process.join()
        assert plain(result), "results are plain arrays"
        return result

    def _work(self, task: Callable[..., Any], theirs: Any, arguments: bytes) -> None:
        import torch

        torch.set_num_threads(1)  # OpenMP's threads do not come along into a fork
        if not self.broken:
            theirs.send(task(*pickle.loads(arguments)))


def plain(values: Any) -> bool:
    """Return whether values are arrays, in lists and tuples at most."""
    if isinstance(values, list | tuple):
        return all(plain(each) for each in values)
    return type(values) is np.ndarray
