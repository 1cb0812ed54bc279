"""Who acts, and how we know; and whether that person may decide."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from pipeline.errors import RefusedError
from pipeline.settings_deciding import ApprovalSettings
from pipeline.settings_identity import IdentitySettings
from pipeline.stores.engine import iso

Method = Literal["oidc", "proxy", "token", "local"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody at the desk.

    `actor` is what the ledger names them by and what `approval.approvers` lists: `issuer#subject` where an issuer
    vouches for them, a name of the list otherwise. `name` is for people to read; nothing is ever judged by it.
    """

    actor: str
    method: Method
    name: str = ""
    issuer: str = ""
    subject: str = ""
    os_user: str = ""
    roles: tuple[str, ...] = ()
    expires_at: datetime | None = None  # when the sign-in ends

    @property
    def verified(self) -> bool:
        """Somebody vouches for who this is; locally nobody does."""
        return self.method != "local"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        ends = None if self.expires_at is None else iso(self.expires_at)
        return asdict(self) | {"roles": list(self.roles), "expires_at": ends, "verified": self.verified}


def require_known(person: Person, identity: IdentitySettings, *, wall: datetime) -> None:
    """Raise unless this desk takes the word of whoever says who this is, and the sign-in has not ended.

    Args:
        person: Who wants something.
        identity: Whose word is taken here. A token's is always: it is made for one actor by the settings.
        wall: The wall clock's time; a sign-in ends by it, whatever the workspace's clock says.

    Raises:
        RefusedError: Nobody, known in another way than this desk asks for, or a sign-in that has ended or does not say
            when it ends.
    """
    who = person.actor or "nobody"
    if person.method not in (identity.mode, "token"):
        raise RefusedError(f"{who}: this desk knows people by {identity.mode}, not by {person.method}")
    if person.method == "oidc" and person.expires_at is None:
        raise RefusedError(f"{who}: the sign-in does not say when it ends; sign in again")
    if person.expires_at is not None and person.expires_at <= wall:
        what, then = ("token", "ask for another") if person.method == "token" else ("sign-in", "sign in again")
        raise RefusedError(f"{who}: the {what} ended at {person.expires_at:%Y-%m-%d %H:%M} UTC; {then}")


def require_authority(
    person: Person, approval: ApprovalSettings, identity: IdentitySettings, *, wall: datetime
) -> None:
    """Raise unless this person may decide at this moment: known here, and on the list or in a role that may sign.

    Args:
        person: Who wants to.
        approval: Who may: by name on the list, or by a role that somebody vouches for.
        identity: Whose word on identities is taken here.
        wall: The wall clock's time.

    Raises:
        RefusedError: Not known here (`require_known`), or neither on the list nor in a role that may sign.
    """
    require_known(person, identity, wall=wall)
    by_role = person.verified and bool(set(person.roles) & set(approval.approver_roles))
    if not person.actor or not (person.actor in approval.approvers or by_role):
        listed = ", ".join(approval.approvers) or "nobody; add names to approval.approvers"
        roles = f"; roles that may sign: {', '.join(approval.approver_roles)}" if approval.approver_roles else ""
        raise RefusedError(f"{person.actor or 'nobody'} is not on the list of approvers: {listed}{roles}")
