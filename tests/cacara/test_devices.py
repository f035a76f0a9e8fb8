"""Where and with how many threads is computed."""

import subprocess
import sys

import pytest
import torch

from cacara import devices


@pytest.mark.parametrize(("before", "within"), [(2, 1), (1, 1), (3, 3)])
def test_short_work_is_done_by_one_thread_of_two_and_all_come_back(before, within):
    usual = torch.get_num_threads()
    try:
        torch.set_num_threads(before)
        with pytest.raises(RuntimeError, match="stop"), devices.for_short_work():
            assert torch.get_num_threads() == within
            raise RuntimeError("stop")
        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(usual)


@pytest.mark.parametrize(("device", "kept_out"), [("cpu", True), ("cuda", False)])
def test_a_program_for_the_cpu_imports_transformers_without_the_compiler_for_gpus(device, kept_out):
    code = f"""
import sys
from cacara import devices
devices.keep_compiler_out({device!r})
from transformers import BertModel
print(sys.modules.get("triton", "not asked for") is None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(kept_out)]
