"""Who is at the desk, and the door that they come in by: nothing of the desk is drawn before somebody is let in."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from dashboard import words
from pipeline.clock import wall_clock
from pipeline.errors import MendError, RefusedError
from pipeline.identity.at_terminal import operating_system_user
from pipeline.identity.desk import require_fit_desk, sign_in_file
from pipeline.identity.from_claims import person_from_claims
from pipeline.identity.from_proxy import person_from_headers, proxy_secret
from pipeline.promotion.person import Person
from pipeline.settings import Settings, load_settings


def person(settings: Settings, *, claimed: str = "") -> Person:
    """Who is at the desk now.

    Args:
        settings: How people are known here.
        claimed: The name they chose, believed in mode local alone.

    Raises:
        RefusedError: Nobody is signed in, or nobody whom this desk takes another's word for.
    """
    identity = settings.identity
    if identity.mode == "oidc":
        if not signed_in():
            raise RefusedError("nobody is signed in here any more; sign in again")
        return person_from_claims(st.user.to_dict(), identity)
    if identity.mode == "proxy":
        return person_from_headers(st.context.headers.get_all, identity, secret=proxy_secret(settings))
    return Person(actor=claimed, method="local", name=claimed, os_user=operating_system_user())


def signed_in() -> bool:
    """The browser brought a sign-in; whose, and until when, is another question."""
    return st.user.to_dict().get("is_logged_in") is True


def door() -> None:
    """Let somebody in and say who they are, or say why not and stop the page here."""
    try:
        settings = load_settings()
        require_fit_desk(settings, address=st.get_option("server.address") or "")
        if settings.identity.mode == "oidc":
            _require_untouched_claims(settings)
            if not signed_in():
                _ask_to_sign_in("This desk shows credit data, so it opens to people who are signed in.")
        someone = person(settings)
    except MendError as error:
        _turn_away(str(error))
    if someone.method == "oidc":
        if someone.expires_at is None:
            _turn_away("the sign-in does not say when it ends")
        if someone.expires_at <= wall_clock():
            _ask_to_sign_in(f"Your sign-in ended at {words.day(someone.expires_at)}. Sign in again.")
    with st.sidebar:
        who_you_are(someone)
        if someone.method == "oidc":
            st.button("Sign out", icon=":material/logout:", on_click=st.logout, type="tertiary", key="sign_out")


def who_you_are(someone: Person) -> None:
    """Whom this desk takes you for, on whose word, and until when."""
    if someone.method == "local":
        st.caption("Local, unverified: nobody vouches for who decides here.")
        return
    until = f", until {words.day(someone.expires_at)}" if someone.expires_at else ""
    st.text(someone.name or someone.subject)  # as text: Markdown makes links of what looks like an address
    st.text(f"Signed in by {'the proxy' if someone.method == 'proxy' else someone.issuer}{until}")


def _require_untouched_claims(settings: Settings) -> None:
    """Streamlit signs in by the file that was checked, and puts no header in a claim's place."""
    if list(st.get_option("secrets.files")) != [str(sign_in_file(settings))]:
        raise RefusedError("Streamlit reads another [auth] than identity.secrets; start the desk by `mend dashboard`")
    if st.get_option("server.trustedUserHeaders"):
        raise RefusedError("server.trustedUserHeaders would overrule the sign-in; unset it, or use identity.mode proxy")


def _ask_to_sign_in(why: str) -> NoReturn:
    st.title("Mend")
    st.markdown(why)
    st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login, key="sign_in")
    st.stop()


def _turn_away(why: str) -> NoReturn:
    st.title("Mend")
    st.error(f"This desk stays closed: {words.plain(why)}", icon=":material/lock:")
    if st.user.to_dict().get("is_logged_in"):
        st.button("Sign out", icon=":material/logout:", on_click=st.logout, key="sign_out")
    st.stop()
