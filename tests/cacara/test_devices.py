"""Where is computed, and what a program for the CPU does not import."""

import subprocess
import sys

import pytest


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
