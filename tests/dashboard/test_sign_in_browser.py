"""People at the desk, in a real browser: a real OpenID provider or a real proxy says who they are, and they decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pytest
from builders import a_dossier, judged
from dashboard_builders import config_of
from desk_builders import (
    ANN,
    BOB,
    CAT,
    SECRET,
    a_desk,
    a_free_port,
    a_provider,
    a_proxy,
    known_by_oidc,
    known_by_proxy,
)
from playwright.sync_api import Browser, Page
from test_browser import browser, settle  # noqa: F401  a fixture

from pipeline.wiring import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sign_in")]
SignIn = Callable[..., Page]


@contextmanager
def signing_in(
    config: Path,
    browser: Browser,  # noqa: F811
    *,
    lasts_s: int = 3600,
    issuer: str = "",
) -> Iterator[tuple[str, SignIn]]:
    """A provider that knows Ann, Bob and Cat, a desk that knows people by it, and a way to sign in as one of them."""
    port = a_free_port()
    with a_provider(ANN, BOB, CAT, lasts_s=lasts_s) as provider:
        known_by_oidc(config, provider, port=port, issuer=issuer)
        with a_desk(config, port=port) as url:

            def sign_in(who: str, link: str = "/review") -> Page:
                page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
                page.goto(f"{url}{link}")
                settle(page)
                page.get_by_role("button", name="Sign in").click()
                page.get_by_role("button", name=who, exact=True).click()
                page.wait_for_url(f"{url}/**")
                settle(page)
                return page

            yield provider, sign_in


def write_a_decision(page: Page, verb: str, reason: str) -> None:
    """Open the form on the page of decisions and fill it in."""
    page.goto(urljoin(page.url, "/review"))
    settle(page)
    page.get_by_role("button", name=f"{verb}…").click()
    page.get_by_role("dialog").get_by_role("textbox").fill(reason)


def send(page: Page, verb: str) -> None:
    """Press the form's button; the field has to be left first, so that its text is sent along."""
    page.get_by_role("dialog").get_by_role("button", name=verb, exact=True).click()


def refusals(workspace: Workspace) -> list[tuple[str, str]]:
    return [(entry.actor, entry.body["why"]) for entry in workspace.ledger.entries(kind="refused_decision")]


def test_an_approver_by_role_signs_as_issuer_and_subject(
    workspace: Workspace,
    browser: Browser,  # noqa: F811
) -> None:
    digest = judged(workspace, a_dossier())
    with signing_in(config_of(workspace), browser) as (issuer, sign_in):
        page = sign_in("ann")
        write_a_decision(page, "Approve", "better on later loans")
        assert page.get_by_role("dialog").get_by_role("combobox").count() == 0
        page.get_by_text(f"{issuer}#ann").wait_for()
        send(page, "Approve")
        page.get_by_role("heading", name="Version 2 became champion").wait_for(timeout=60_000)
    (made,) = workspace.ledger.acts("decision")
    signature = workspace.ledger.entry("signature", digest)
    assert (made["actor"], made["verdict"]) == (f"{issuer}#ann", "approved")
    assert signature is not None
    told = signature.body
    assert (told["method"], told["verified"]) == ("oidc", True)
    assert (told["issuer"], told["subject"], told["name"]) == (issuer, "ann", "Ann *Officer*")
    assert told["roles"] == ["staff", "risk-approvers"]
    assert told["expires_at"] is not None


def test_whoever_came_by_a_link_is_on_its_page_after_the_sign_in(
    workspace: Workspace,
    browser: Browser,  # noqa: F811
) -> None:
    digest = judged(workspace, a_dossier())
    with signing_in(config_of(workspace), browser) as (_, sign_in):
        page = sign_in("bob", link=f"/review?digest={digest[:12]}")
        assert page.url.endswith(f"/review?digest={digest[:12]}")
        page.get_by_role("heading", name="Version 2 → champion?").wait_for()


def test_a_person_without_the_role_reads_everything_and_decides_nothing(
    workspace: Workspace,
    browser: Browser,  # noqa: F811
) -> None:
    judged(workspace, a_dossier())
    with signing_in(config_of(workspace), browser) as (issuer, sign_in):
        page = sign_in("bob")
        write_a_decision(page, "Approve", "I would like it")
        page.get_by_text("You cannot decide").wait_for()
        send(page, "Approve")
        page.get_by_text("Not decided").wait_for()
    ((actor, why),) = refusals(workspace)
    assert actor == f"{issuer}#bob"
    assert "is not on the list of approvers" in why
    assert workspace.ledger.acts("decision") == []


def test_a_sign_in_that_ends_while_the_form_is_open_signs_nothing(
    workspace: Workspace,
    browser: Browser,  # noqa: F811
) -> None:
    judged(workspace, a_dossier())
    lasts_s = 20
    with signing_in(config_of(workspace), browser, lasts_s=lasts_s) as (issuer, sign_in):
        page = sign_in("ann")
        end = time.monotonic() + lasts_s
        write_a_decision(page, "Approve", "in a moment")
        page.get_by_text(f"{issuer}#ann").wait_for()
        assert page.get_by_text("You cannot decide").count() == 0
        time.sleep(max(0.0, end - time.monotonic()) + 1)
        send(page, "Approve")
        page.get_by_text("Not decided").wait_for()
        page.reload()
        settle(page)
        assert page.get_by_text("Your sign-in ended at").is_visible()
        assert page.get_by_text("Version 2").count() == 0
    ((actor, why),) = refusals(workspace)
    assert actor == f"{issuer}#ann"
    assert "sign in again" in why
    assert workspace.ledger.acts("decision") == []


def test_another_issuer_than_the_one_in_the_settings_opens_nothing(
    workspace: Workspace,
    browser: Browser,  # noqa: F811
) -> None:
    judged(workspace, a_dossier())
    with signing_in(config_of(workspace), browser, issuer="https://id.bank.example") as (issuer, sign_in):
        page = sign_in("ann")
        assert page.get_by_text("This desk stays closed").is_visible()
        assert page.get_by_text(f"signed in by '{issuer}'").is_visible()
        page.goto(urljoin(page.url, "/review"))
        settle(page)
        assert page.get_by_text("Version 2").count() == 0
        assert page.get_by_role("button", name="Sign out").is_visible()


def test_two_browsers_are_two_people_and_the_second_is_told_who_was_first(
    workspace: Workspace,
    browser: Browser,  # noqa: F811
) -> None:
    judged(workspace, a_dossier())
    with signing_in(config_of(workspace), browser) as (issuer, sign_in):
        ann, cat = sign_in("ann"), sign_in("cat")
        write_a_decision(ann, "Approve", "yes")
        write_a_decision(cat, "Reject", "no")
        cat.get_by_text(f"{issuer}#cat").wait_for()
        send(ann, "Approve")
        ann.get_by_role("heading", name="Version 2 became champion").wait_for(timeout=60_000)
        send(cat, "Reject")
        cat.get_by_text("Not decided").wait_for()
    assert [(made["actor"], made["verdict"]) for made in workspace.ledger.acts("decision")] == [
        (f"{issuer}#ann", "approved")
    ]
    ((actor, why),) = refusals(workspace)
    assert actor == f"{issuer}#cat"
    assert f"already approved by {issuer}#ann" in why


def test_who_signs_out_is_out(
    workspace: Workspace,
    browser: Browser,  # noqa: F811
) -> None:
    judged(workspace, a_dossier())
    with signing_in(config_of(workspace), browser) as (issuer, sign_in):
        page = sign_in("ann")
        desk = urljoin(page.url, "/review")
        assert page.get_by_text(f"Signed in by {issuer}, until").is_visible()
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{issuer}/oauth2/end_session**")
        page.goto(desk)
        settle(page)
        assert page.get_by_role("button", name="Sign in").is_visible()
        assert page.get_by_text("Version 2").count() == 0


def test_the_user_whom_the_proxy_names_signs_and_nobody_gets_in_beside_it(
    workspace: Workspace,
    browser: Browser,  # noqa: F811
) -> None:
    digest, config = judged(workspace, a_dossier()), config_of(workspace)
    known_by_proxy(config, approver="proxy#ann")
    with a_desk(config, MEND_PROXY_SECRET=SECRET) as desk:
        with a_proxy(desk, X_Forwarded_User="ann", X_Proxy_Secret=SECRET) as url:
            page = browser.new_context().new_page()
            page.goto(url)
            settle(page)
            write_a_decision(page, "Reject", "not now")
            page.get_by_text("proxy#ann").wait_for()
            send(page, "Reject")
            page.get_by_role("heading", name="Version 2 was rejected").wait_for(timeout=60_000)
        beside = browser.new_context(extra_http_headers={"X-Forwarded-User": "ann"}).new_page()
        beside.goto(desk)
        settle(beside)
        assert beside.get_by_text("did not come through the proxy").is_visible()
        with a_proxy(desk, X_Forwarded_User="ann", X_Proxy_Secret="guessed") as url:
            beside.goto(url)
            settle(beside)
            assert beside.get_by_text("did not come through the proxy").is_visible()
    signature = workspace.ledger.entry("signature", digest)
    assert signature is not None
    assert (signature.body["actor"], signature.body["method"]) == ("proxy#ann", "proxy")
    assert signature.body["verified"] is True
