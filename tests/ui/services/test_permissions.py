"""What only the team lead may do, over the whole page: each handler that declares it, and none that forgot to."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import types
from collections.abc import Callable

import pytest

import ui
from ui.services.permissions import Access, PermissionRefusedError, admin_only, is_admin, refusal

ADMIN_ONLY = {
    "annotate": {"annotate_examples"},
    "improve": {"improve_start", "improve_resume", "improve_cancel", "improve_promote", "improve_rollback"},
    "map": {"map_send"},
    "review": {
        "review_save_campaign",
        "review_add_queries",
        "review_add_checks",
        "review_adjudicate",
        "review_agreement",
        "review_disagreements",
        "review_form",
    },
    "search": {"wrong_look_up", "look_up_again"},
    "teach": {"start", "teach_cancel", "forget", "add", "taught_words", "take_back_words", "take_suggested_words"},
}
SAYS_WHO_MAY = {"annotate_open", "map_campaigns", "review_show"}
"""Handlers that answer everybody, and the team lead with more."""


@pytest.fixture(scope="module")
def handlers() -> dict[tuple[str, str], Callable]:
    """Functions of the tabs whose first parameter is ``services``, by module and name."""
    found = {}
    for module in pkgutil.walk_packages(ui.__path__, "ui."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if inspect.isfunction(value) and value.__module__ == module.name and not name.startswith("_"):
                if next(iter(inspect.signature(value).parameters), None) == "services":
                    found[module.name, name] = value
    return found


def declared(handler: Callable) -> bool:
    return handler.__code__.co_name == "checked"


def test_the_handlers_of_the_team_lead_declare_it(handlers):
    found: dict[str, set[str]] = {}
    for (module, name), handler in handlers.items():
        if declared(handler):
            found.setdefault(module.split(".")[1], set()).add(name)
    assert found == ADMIN_ONLY
    takes_a_token = {
        name for (_, name), handler in handlers.items() if "admin" in inspect.signature(handler).parameters
    }
    assert takes_a_token - set().union(*ADMIN_ONLY.values()) == SAYS_WHO_MAY


@pytest.mark.parametrize(
    "access", [Access(public=True), Access(public=True, admin_token="right"), Access(False, "right")]
)
def test_none_of_them_does_anything_for_somebody_else(handlers, access):
    bare = types.SimpleNamespace(access=access)  # a handler that began to work would miss the rest
    for handler in filter(declared, handlers.values()):
        parameters = inspect.signature(handler).parameters
        for token in ("", "wrong", "Right", None, 5, ["right"], "\ud800"):
            given = {name: token if name in ("admin", "token") else "" for name in list(parameters)[1:]}
            with pytest.raises(PermissionRefusedError, match="team lead"):
                handler(bare, **given)
            with pytest.raises(PermissionRefusedError, match="team lead"):
                handler(bare, *given.values())


def test_the_token_opens_by_position_by_name_and_never_by_default():
    calls = []

    @admin_only("token")
    def handler(services: object, value: int, token: str = "right") -> int:
        calls.append(value)
        return value

    guarded = types.SimpleNamespace(access=Access(public=True, admin_token="right"))
    assert handler(guarded, 1, "right") == handler(guarded, 1, token="right") == 1
    with pytest.raises(PermissionRefusedError):
        handler(guarded, 2)
    assert calls == [1, 1]
    assert is_admin(types.SimpleNamespace(access=Access()), "") and "CACARA_ADMIN_TOKEN" in refusal(
        types.SimpleNamespace(access=Access(public=True)), ""
    )
    with pytest.raises(TypeError, match="no parameter 'admin'"):
        admin_only("admin")(handler)
