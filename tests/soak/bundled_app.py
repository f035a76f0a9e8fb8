"""Start an installed bundle in a namespace without network, ask it, and say what it answered: one line of JSON.

``unshare --net python bundled_app.py BUNDLE`` (the namespace's own loopback is switched on here).
"""

from __future__ import annotations

import fcntl
import json
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from visitors import TOLD, Visitor

PORT = 7860
READY_SECONDS = 300.0
SIOCSIFFLAGS = 0x8914
UP = 1


def main(bundle: Path) -> int:
    """Ask the app for a dog and for a sound of its gallery; return the exit code."""
    switch_loopback_on()
    begun = time.monotonic()
    process = subprocess.Popen(["sh", str(bundle / "run.sh"), "--port", str(PORT)])
    try:
        visitor = Visitor(f"http://127.0.0.1:{PORT}/")
        found = first_answer(visitor, process, begun + READY_SECONDS)
        seconds = time.monotonic() - begun
        clip = found["hits"][0]["clip_id"]
        flagged = visitor.call("flag", found["search_id"], clip, "relevant", visitor.name, False, None)
        status, sound = visitor.request("GET", f"/media/sound?clip={urllib.request.quote(clip, safe='')}")
        told = {"seconds": seconds, "hits": found["hits"], "flagged": flagged, "status": status, "bytes": len(sound)}
        sys.stdout.write(json.dumps(told) + "\n")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return 0


def switch_loopback_on() -> None:
    """Give this network namespace its 127.0.0.1; a new one has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh", b"lo", UP))


def first_answer(visitor: Visitor, process: subprocess.Popen[bytes], until: float) -> dict:
    """Return the first search that is answered; until then the app is loading."""
    said: object = None
    while time.monotonic() < until and process.poll() is None:
        try:
            said = visitor.call("search_text", "der Hund bellt", *TOLD)
        except OSError as error:
            said = str(error)
        if isinstance(said, dict):
            return said
        time.sleep(0.5)
    raise SystemExit(f"the app did not answer: {said}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
