"""Progress of commands."""

from __future__ import annotations

from cacara.commands.command_line import ProgressLines
from cacara.sources.clients import Progress


def test_a_log_is_told_each_tenth_each_half_minute_and_the_end(capsys):
    seconds = [0.0]
    show = ProgressLines(lambda: seconds[0])
    for number in range(1001):
        show(Progress("files", "embed", number / 1000))
    shares = [line.split()[-1] for line in capsys.readouterr().err.splitlines()]
    assert shares == ["0%", *(f"{tenth}%" for tenth in range(10, 101, 10))]
    show(Progress("files", "embed", 0.0))
    for number in range(4):
        seconds[0] += 20
        show(Progress("files", "embed", number / 10_000))
    show(Progress("model", "load", None))
    assert capsys.readouterr().err.splitlines() == [
        "files: embed   0%",
        "files: embed   0%",
        "files: embed   0%",
        "model: load",
    ]
