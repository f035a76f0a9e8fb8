"""Where and with how many threads is computed."""

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
