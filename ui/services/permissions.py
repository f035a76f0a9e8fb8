"""Permissions: the one rule for everything that only the team lead may do."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import hmac
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cacara.errors import CacaraError

if TYPE_CHECKING:
    from ui.services.services import Services

Handler = TypeVar("Handler", bound=Callable[..., Any])


class PermissionRefusedError(CacaraError):
    """An action of the team lead was requested without their token."""


@dataclasses.dataclass(frozen=True)
class Access:
    """The server's reach, and the team lead's token.

    Attributes:
        public: Other machines can reach it.
        admin_token: The team lead's token, or None when the operator set none.
        login: Visitors can sign in with their account on the Hugging Face Hub.
    """

    public: bool = False
    admin_token: str | None = dataclasses.field(default=None, repr=False)
    login: bool = False

    @property
    def open(self) -> bool:
        """Everybody who reaches the page may do everything: only this machine does, and no token is set."""
        return self.admin_token is None and not self.public


def refusal(services: Services, token: str) -> str:
    """Return why somebody is not the team lead, as the text of an error; empty if they are, or if no token is needed.

    None is needed on a loopback address without a token of the operator.

    Args:
        services: The app's services; ``services.access`` has the rule.
        token: The visitor's token; empty for none.
    """
    access = services.access
    if access.open:
        return ""
    if access.admin_token is None:
        return (
            "this is the team lead's alone, and this public server has no token for them: found no CACARA_ADMIN_TOKEN "
            "in its environment, wanted one; set it and start the app again"
        )
    # Hashed first, so that the time it takes tells nothing of the token, not even its length.
    given, wanted = (
        hashlib.sha256(str(each).encode("utf-8", "replace")).digest() for each in (token, access.admin_token)
    )
    if hmac.compare_digest(given, wanted):
        return ""
    found = "another token" if token else "no token"
    return f"this is the team lead's alone: found {found}, wanted the admin token of this server"


def is_admin(services: Services, token: str) -> bool:
    """Return whether the token is the team lead's, or none is needed."""
    return not refusal(services, token)


def admin_only(parameter: str | None) -> Callable[[Handler], Handler]:
    """Declare that only the team lead may call a handler; anybody else gets a ``PermissionRefusedError``.

    The check stands in front of the handler itself, so that it holds for the page, for programs and for other handlers.

    Args:
        parameter: The handler's parameter that takes the admin token; None if it has none, and may therefore be called
            only where no token is needed.
    """

    def declare(handler: Handler) -> Handler:
        signature = inspect.signature(handler)
        if parameter is not None and parameter not in signature.parameters:
            raise TypeError(f"{handler.__name__}: found no parameter {parameter!r}, wanted the one of the admin token")

        @functools.wraps(handler)
        def checked(services: Services, *given: object, **named: object) -> object:
            arguments = signature.bind(services, *given, **named).arguments
            if problem := refusal(services, arguments.get(parameter, "") if parameter else ""):
                raise PermissionRefusedError(problem)
            return handler(services, *given, **named)

        return cast(Handler, checked)

    return declare
