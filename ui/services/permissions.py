"""Permissions: the one rule for everything that only the team lead may do."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
from typing import TYPE_CHECKING

from cacara.errors import CacaraError

if TYPE_CHECKING:
    from ui.services.services import Services


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


def require_admin(services: Services, token: str) -> None:
    """Return if the token is the team lead's, or none is needed: on a loopback address without a token of the operator.

    Args:
        services: The app's services; ``services.access`` has the rule.
        token: The visitor's token; empty for none.

    Raises:
        PermissionRefusedError: It is not; the text says what to do.
    """
    access = services.access
    if access.open:
        return
    if access.admin_token is None:
        raise PermissionRefusedError(
            "this is the team lead's alone, and this public server has no token for them: found no CACARA_ADMIN_TOKEN "
            "in its environment, wanted one; set it and start the app again"
        )
    # Hashed first, so that the time it takes tells nothing of the token, not even its length.
    given, wanted = (
        hashlib.sha256(str(each).encode("utf-8", "replace")).digest() for each in (token, access.admin_token)
    )
    if not hmac.compare_digest(given, wanted):
        found = "another token" if token else "no token"
        raise PermissionRefusedError(
            f"this is the team lead's alone: found {found}, wanted the admin token of this server"
        )


def is_admin(services: Services, token: str) -> bool:
    """Return whether the token is the team lead's, or none is needed."""
    try:
        require_admin(services, token)
    except PermissionRefusedError:
        return False
    return True
