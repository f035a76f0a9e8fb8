"""The real server over given services, in this process, for tests that ask it through the network."""

from __future__ import annotations

import contextlib
import gc
import socket
import warnings
from collections.abc import Iterator

import app as app_module
from tests.ui.services.test_services import in_event_loop
from ui.server.admission import AdmissionRules
from ui.services.services import Services


@contextlib.contextmanager
def served(services: Services, rules: AdmissionRules | None = None) -> Iterator[str]:
    """Start the server on a free port, by the usual rules of admission or others, and give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the server is Gradio's; what it leaves to the collector is not ours to mend
        page = in_event_loop(lambda: app_module.start_server(services, "127.0.0.1", port, rules))
        yield page.local_url
        page.close()
        services.feedback.store().close()
        gc.collect()
