"""The app: flags to services to page. ``python app.py --help`` lists the flags."""

from __future__ import annotations

import argparse
import dataclasses
import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cacara import working_folders
from cacara.errors import CacaraError
from cacara.galleries import places

if TYPE_CHECKING:
    import gradio as gr

    from cacara.search.retriever import Retriever
    from ui.server.admission import AdmissionRules, Credentials
    from ui.server.limits import Limits
    from ui.services.services import Services

REPOSITORY = Path(__file__).resolve().parent
SPACE_DISK = Path("/data")
MAX_UPLOAD = "50mb"
WAITING_VISITORS = 64
OPEN_PAGES = 300
"""Gradio remembers each, and takes each call of a program for one; the longest unused are forgotten."""
ZEROGPU = "zerogpu"
COLLECTION = (100_000, 50, 100)
"""Python's default of 700 new objects goes through the imported modules so often that it takes a sixth of the start."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")

logger = logging.getLogger("app")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a start of the app is told.

    Attributes:
        host: Address to listen at.
        port: Port to listen at.
        model: A bundled model's name, a model folder, or None for the default.
        gallery: Place of the gallery, see ``cacara.galleries.places``; None for the default gallery.
        index: Where ``python -m cacara index`` has put the embeddings of that folder, or None to make them here.
        database: The SQLite file for feedback.
        models: The folder of the promoted models, see ``python -m cacara models``.
        device: ``auto``, ``cpu``, ``cuda``, ``mps``, or ``zerogpu`` on a Space of that kind.
        feedback_dataset: A dataset on the Hugging Face Hub that keeps the feedback, or None.
        local_files: A folder whose long recordings visitors may open where they lie, or None; on loopback only.
        admin_token: What the team lead proves with who they are, or None.
        login: Visitors can sign in with their account on the Hugging Face Hub.
        credentials: Who may come in, or None for everybody.
        public_name: The name under which a proxy in front of a loopback address serves the app, or None.
        framed: Other sites may show the page in a frame.
        limits: Limits of what one visitor may ask for.
    """

    host: str
    port: int
    model: str | None
    gallery: str | None
    database: Path
    models: Path
    device: str
    index: str | None = None
    local_files: Path | None = None
    feedback_dataset: str | None = None
    admin_token: str | None = dataclasses.field(default=None, repr=False)
    login: bool = False
    credentials: Credentials | None = None
    public_name: str | None = None
    framed: bool = False
    limits: Limits | None = None


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings of a command line; the only place where the app reads the environment.

    Args:
        arguments: The command line without the program's name.
        environment: ``SPACE_ID`` says that this is a Space: listen to all, and use the disk that lasts.
            ``FEEDBACK_DATASET`` and ``CACARA_GALLERY`` are what ``--feedback-dataset`` and ``--gallery`` are when not
            given. ``CACARA_ADMIN_TOKEN`` is the team lead's token. ``OAUTH_CLIENT_ID`` says that a Space lets its
            visitors sign in. ``CACARA_AUTH`` holds what the file of ``--auth`` does.
    """
    on_space = bool(environment.get("SPACE_ID"))
    lasting = on_space and os.access(SPACE_DISK, os.W_OK)
    parser = argparse.ArgumentParser(prog="app.py", description="Sound search in every language.")
    parser.add_argument(
        "--host", default="0.0.0.0" if on_space else "127.0.0.1", help="address to listen at (%(default)s)"
    )
    parser.add_argument("--port", type=_port, default=7860, help="port to listen at (%(default)s)")
    parser.add_argument("--model", help="a bundled model's name or a model folder (the promoted one)")
    parser.add_argument(
        "--gallery",
        type=places.place,
        metavar="PLACE",
        default=environment.get("CACARA_GALLERY") or None,
        help=f"{places.HELP}; or the same in CACARA_GALLERY",
    )
    parser.add_argument(
        "--index",
        metavar="URI",
        help="search the --gallery in this index of it, exact:FOLDER or lancedb:PLACE, see python -m cacara index",
    )
    parser.add_argument(
        "--database",
        type=Path,
        default=(SPACE_DISK if lasting else REPOSITORY / "data") / "feedback.db",
        help="the SQLite file for feedback (%(default)s)",
    )
    parser.add_argument("--models", type=Path, help="the folder of the promoted models (models beside the database)")
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda", "mps", ZEROGPU),
        default="auto",
        help=f"where to compute (%(default)s); {ZEROGPU}: on a GPU that a Space is lent for each search",
    )
    parser.add_argument(
        "--local-files",
        type=Path,
        metavar="DIR",
        help="let the Recordings tab open files of this folder where they lie; with a loopback --host only",
    )
    parser.add_argument(
        "--feedback-dataset",
        metavar="OWNER/NAME",
        default=environment.get("FEEDBACK_DATASET") or None,
        help="keep the feedback in this private dataset on the Hugging Face Hub too; HF_TOKEN must allow it",
    )
    _add_door_flags(parser, on_space)
    given = vars(parser.parse_args(arguments))
    _read_door_flags(parser, given, environment, on_space)
    if given["local_files"] and (on_space or given["host"] not in LOOPBACK or given["public_name"]):
        parser.error(f"--local-files shows this machine's files: --host is {given['host']}, wanted 127.0.0.1")
    if given["local_files"] and not given["local_files"].is_dir():
        parser.error(f"--local-files: no folder {given['local_files']}")
    _check_index(parser, given)
    given["models"] = given["models"] or given["database"].parent / "models"
    given["admin_token"] = environment.get("CACARA_ADMIN_TOKEN") or None
    given["framed"] = on_space
    given["login"] = on_space and bool(environment.get("OAUTH_CLIENT_ID"))
    return Settings(**given)


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the app and serve until it is interrupted.

    Returns:
        The exit code: 0, or 1 when the server could not be started.
    """
    settings = read_settings(sys.argv[1:] if arguments is None else arguments, os.environ)
    gc.set_threshold(*COLLECTION)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # Before the first import of gradio, transformers and torch. A backbone that is meant to come from the hub
    # needs 0 for HF_HUB_OFFLINE. Idle OpenMP threads that spin, as they do by default, slow each other down when
    # several requests or programs share a few cores. Gradio would make a table of its last 10,000 events after each.
    defaults = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    defaults |= {"GRADIO_ANALYTICS_MAX_EVENTS": "1", "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000"}
    named = (settings.model or "", settings.gallery or "")
    if settings.feedback_dataset or any(name.startswith(("hub:", places.HUB)) for name in named):
        defaults["HF_HUB_OFFLINE"] = "0"
    # A Space and a service are stopped by this signal; only a program that ends by itself pushes the feedback that is
    # left and removes its folders.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    try:
        services = make_services(settings)
        _clear_up_for_uploads()
        page = start_server(services, settings.host, settings.port, make_admission_rules(settings))
    except CacaraError as error:
        logger.error("%s", error)
        return 1
    except OSError as error:
        logger.error("cannot listen at %s:%d: %s; choose another --port", settings.host, settings.port, error)
        return 1
    from cacara.media import isolation

    # After the page is up: loading the model would slow its start on few cores.
    services.engine.start()
    isolation.keep_ready()
    logger.info("the app is at %s", page.local_url)
    page.block_thread()
    return 0


def make_services(settings: Settings) -> Services:
    """Return what the handlers work with; nothing is loaded or opened yet, but for a model on ZeroGPU.

    Raises:
        CacaraError: That model cannot be loaded.
    """
    load = None
    if settings.device == ZEROGPU:
        from ui.services import zerogpu  # before all that imports gradio or torch

        load = zerogpu.loader(settings.model)
    from cacara.lexicon.personal_words import DEFAULT_PLACE, PersonalWords
    from cacara.model.registry import Registry
    from ui.services.engine import Engine
    from ui.services.jobs import Jobs
    from ui.services.models import ServedModels
    from ui.services.permissions import Access
    from ui.services.recordings import Recordings
    from ui.services.services import Feedback, Services
    from ui.services.taught_languages import TaughtLanguages
    from ui.services.training import Trainings

    registry, taught = Registry(settings.models), TaughtLanguages(settings.models)
    words = PersonalWords(settings.models / DEFAULT_PLACE.name)

    def refresh(retriever: Retriever) -> None:
        taught.refresh(retriever)
        retriever.model.follow_words(words)

    models = ServedModels(registry, settings.gallery, settings.device, settings.model, settings.index, load)
    database = settings.database.absolute()
    jobs = Jobs(database.parent / "jobs")
    recordings = Recordings(settings.local_files)
    return Services(
        Engine(models=models, refresh=refresh),
        Feedback(settings.database, settings.feedback_dataset),
        recordings=recordings,
        access=Access(_is_public(settings), settings.admin_token, settings.login),
        personal_words=words,
        trainings=Trainings(jobs, registry, taught, database, settings.gallery, settings.model),
    )


def make_admission_rules(settings: Settings) -> AdmissionRules:
    """Return who is let in."""
    from ui.server.admission import AdmissionRules
    from ui.server.limits import Limits

    names = None
    if settings.host in LOOPBACK:
        names = frozenset({*LOOPBACK, *([settings.public_name.lower()] if settings.public_name else [])})
    return AdmissionRules(names, settings.credentials, settings.framed, settings.limits or Limits())


def start_server(services: Services, host: str, port: int, rules: AdmissionRules | None = None) -> gr.Blocks:
    """Return the app, listening at an address; the preparation is not started.

    Args:
        services: The app's services.
        host: The address.
        port: Its port.
        rules: Rules of admission; with None, requests are admitted whose Host header is a loopback name.

    Raises:
        OSError: The port is taken, or the address is not this machine's.
    """
    from starlette.middleware import Middleware

    from ui.layout import ICON, STYLES, create_app, routes
    from ui.page.theme import make_theme
    from ui.server import sessions
    from ui.server.admission import AdmissionMiddleware, AdmissionRules

    sessions.use()
    page = create_app(services).queue(max_size=WAITING_VISITORS, default_concurrency_limit=8)
    page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        ssr_mode=False,
        run_history=False,
        show_error=False,
        max_file_size=MAX_UPLOAD,
        state_session_capacity=OPEN_PAGES,
        footer_links=["api"],
        favicon_path=ICON,
        theme=make_theme(),
        css_paths=STYLES,
        enable_monitoring=False,
        app_kwargs={
            "routes": routes(services),
            "middleware": [Middleware(AdmissionMiddleware, rules=rules or AdmissionRules())],
        },
    )
    return page


def _clear_up_for_uploads() -> None:
    """Remove what killed starts have left, and make a folder for what visitors send.

    Raises:
        CacaraError: It cannot be made.
    """
    working_folders.remove_stale()
    if "GRADIO_TEMP_DIR" not in os.environ:
        # Gradio's own choice is one folder for all users of a machine: the second user's uploads would fail there, and
        # the first's be readable. It removes what it put there after an hour; this folder goes with the app.
        os.environ["GRADIO_TEMP_DIR"] = str(working_folders.make("uploads"))


def _is_public(settings: Settings) -> bool:
    return settings.host not in LOOPBACK or settings.public_name is not None


def _add_door_flags(parser: argparse.ArgumentParser, on_space: bool) -> None:
    from ui.server import limits

    parser.add_argument(
        "--auth",
        type=Path,
        metavar="FILE",
        help="let in only who is named in this file, a line name:password each; or the same in CACARA_AUTH",
    )
    parser.add_argument(
        "--public-name", metavar="NAME", help="the name under which a proxy in front of --host 127.0.0.1 serves this"
    )
    limits.add_flags(parser, limits.Limits(proxies=1 if on_space else 0))


def _read_door_flags(
    parser: argparse.ArgumentParser, given: dict[str, Any], environment: Mapping[str, str], on_space: bool
) -> None:
    from ui.server import admission, limits

    given["limits"] = limits.from_flags(given, limits.Limits(proxies=1 if on_space else 0))
    file, listed = given.pop("auth"), environment.get("CACARA_AUTH")
    try:
        given["credentials"] = admission.read_credentials_file(file) if file else None
        if file is None and listed:
            given["credentials"] = admission.read_credentials(listed)
    except CacaraError as error:
        parser.error(f"{'--auth' if file else 'CACARA_AUTH'}: {error}")


def _check_index(parser: argparse.ArgumentParser, given: dict[str, Any]) -> None:
    from cacara.search import engines

    if given["index"] is None:
        return
    if given["gallery"] is None:
        parser.error("--index: found no --gallery, wanted the folder that was indexed")
    try:
        engines.check_uri(given["index"])
    except CacaraError as error:
        parser.error(f"--index: {error}")
    if given["index"].startswith("memory:"):
        parser.error("--index: memory: keeps nothing; wanted exact:FOLDER or lancedb:PLACE")


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = 0
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted a whole number from 1 to 65535")
    return port


if __name__ == "__main__":
    sys.exit(main())
