"""The desk's door: nothing is drawn for somebody who is not known, and who is known is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from builders import OFFICER, REPOSITORY, a_dossier, judged
from dashboard_builders import PAGES, Open, config_of, texts
from desk_builders import ANN, BOB, SECRET, known_by_oidc, known_by_proxy
from streamlit import config as streamlit_config
from streamlit.testing.v1 import AppTest
from test_review import fill

from dashboard import decision
from pipeline.clock import wall_clock
from pipeline.settings import CONFIG_VARIABLE
from pipeline.wiring import Workspace

ISSUER = "https://id.bank.example"
CLOSED = "This desk stays closed"
SignedIn = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision, "tell_the_registry", lambda config: None)


@pytest.fixture
def options() -> Iterator[Callable[[str, Any], None]]:
    """Streamlit's options, as its command line would set them; put back afterwards."""
    before: dict[str, Any] = {}

    def change(name: str, value: Any) -> None:
        before.setdefault(name, streamlit_config.get_option(name))
        streamlit_config.set_option(name, value)

    yield change
    for name, value in before.items():
        streamlit_config.set_option(name, value)


@pytest.fixture
def signed_in(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, options: Callable[[str, Any], None]) -> SignedIn:
    """A page at a desk that knows people by OpenID Connect, as the browser that holds these claims sees it."""
    config = config_of(workspace)
    known_by_oidc(config, "https://id.bank.example", port=8501)
    options("secrets.files", [str(config.with_name("secrets.toml"))])
    monkeypatch.setenv(CONFIG_VARIABLE, str(config))

    def opened(claims: Mapping[str, Any], name: str = "review") -> AppTest:
        page = AppTest.from_file(str(REPOSITORY / "dashboard" / "app.py"), default_timeout=120)
        page.user = {"is_logged_in": True, **claims}
        page.run()
        return page if name == "overview" else page.switch_page(f"views/{name}.py").run()

    return opened


def claims(person: Mapping[str, Any], *, ends_in: timedelta = timedelta(hours=1)) -> dict[str, Any]:
    return {**person, "iss": ISSUER, "exp": int((wall_clock() + ends_in).timestamp())}


def is_closed(page: AppTest) -> bool:
    """A title, a line, at most one button; nothing of the desk."""
    return (
        [title.value for title in page.title] == ["Mend"]
        and len(page.button) <= 1
        and not (page.dataframe or page.table or page.metric or page.header or page.sidebar.children)
    )


# --- local --------------------------------------------------------------------------------------------------------


def test_a_local_desk_says_so_on_the_page_and_on_the_record(workspace: Workspace, open_page: Open) -> None:
    digest = judged(workspace, a_dossier())
    page = open_page("review", config_of(workspace))
    assert "Local, unverified" in page.sidebar.caption[0].value
    page.button(key="open_approved").click().run()
    assert texts(page).count("Local, unverified") == 2
    fill(open_page("review", config_of(workspace)), "approved")
    signature = workspace.ledger.entry("signature", digest)
    assert signature is not None
    told = signature.body
    assert (told["actor"], told["method"], told["verified"]) == (OFFICER, "local", False)
    assert told["os_user"]


@pytest.mark.parametrize("address", ["0.0.0.0", "::", None, "192.168.1.7"])
def test_a_local_desk_that_others_could_reach_stays_closed(
    address: str | None, workspace: Workspace, open_page: Open, options: Callable[[str, Any], None]
) -> None:
    judged(workspace, a_dossier())
    options("server.address", address)
    page = open_page("overview", config_of(workspace))
    assert is_closed(page)
    assert CLOSED in texts(page)
    assert "identity.mode is local" in texts(page)


# --- sign-in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_drawn_for_somebody_who_is_not_signed_in(
    name: str, workspace: Workspace, signed_in: SignedIn
) -> None:
    judged(workspace, a_dossier())
    page = signed_in({"is_logged_in": False}, "overview")
    if name != "overview":
        page.switch_page(f"views/{name}.py").run()
    assert is_closed(page)
    assert [button.label for button in page.button] == ["Sign in"]


def test_somebody_signed_in_is_named_and_cannot_type_another_name(workspace: Workspace, signed_in: SignedIn) -> None:
    judged(workspace, a_dossier())
    page = signed_in(claims(ANN))
    said = [text.value for text in page.sidebar.text]
    assert said[0] == "Ann *Officer*"
    assert said[1].startswith(f"Signed in by {ISSUER}, until ")
    assert [button.label for button in page.sidebar.button] == ["Sign out"]
    page.button(key="open_approved").click().run()
    assert not [box for box in page.selectbox if box.key == "actor"]
    assert f"{ISSUER}#ann" in [code.value for code in page.code]
    assert "You cannot decide" not in texts(page)
    assert "unverified" not in texts(page)


def test_who_may_not_sign_sees_everything_and_is_told_why(workspace: Workspace, signed_in: SignedIn) -> None:
    judged(workspace, a_dossier())
    page = signed_in(claims(BOB))
    assert page.title[0].value == "Version 2 → champion?"
    page.button(key="open_approved").click().run()
    assert f"You cannot decide: {ISSUER}#bob is not on the list" in texts(page)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"iss": "https://evil.example"}, "signed in by 'https://evil.example'", id="another issuer"),
        pytest.param({"iss": None}, "signed in by nobody", id="no issuer"),
        pytest.param({"sub": ""}, "names nobody", id="nobody"),
        pytest.param({"sub": ["ann"]}, "names nobody", id="a list for a subject"),
        pytest.param({"exp": None}, "does not say when it ends", id="no end"),
        pytest.param({"exp": "2126-01-01"}, "does not say when it ends", id="an end of the wrong type"),
        pytest.param({"exp": 1_700_000_000}, "Your sign-in ended at 14 Nov 2023 22:13 UTC", id="an end gone by"),
        pytest.param({"is_logged_in": "yes"}, "opens to people who are signed in", id="a flag of the wrong type"),
    ],
)
def test_a_sign_in_that_does_not_hold_opens_nothing(
    change: dict[str, Any], says: str, workspace: Workspace, signed_in: SignedIn
) -> None:
    judged(workspace, a_dossier())
    page = signed_in(claims(ANN) | change, "overview")
    assert is_closed(page)
    assert says in texts(page)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        pytest.param(
            "server.trustedUserHeaders", {"X-Sub": "sub"}, "would overrule the sign-in", id="headers for claims"
        ),
        pytest.param("secrets.files", ["/elsewhere.toml"], "reads another [auth]", id="another [auth]"),
    ],
)
def test_a_desk_whose_sign_in_could_be_gone_round_stays_closed(
    name: str, value: Any, says: str, workspace: Workspace, signed_in: SignedIn, options: Callable[[str, Any], None]
) -> None:
    judged(workspace, a_dossier())
    options(name, value)
    page = signed_in(claims(ANN), "overview")
    assert is_closed(page)
    assert says in texts(page)


def test_a_role_that_is_taken_away_while_the_form_is_open_signs_nothing(
    workspace: Workspace, signed_in: SignedIn
) -> None:
    judged(workspace, a_dossier())
    page = signed_in(claims(ANN))
    page.button(key="open_approved").click().run()
    page.user = {"is_logged_in": True, **claims({**ANN, "groups": []})}
    page.text_area(key="reason").input("quickly")
    (button,) = [each for each in page.button if each.label == "Approve"]
    button.click().run()
    assert "is not on the list" in texts(page)
    assert workspace.ledger.acts("decision") == []
    assert [entry.actor for entry in workspace.ledger.entries(kind="refused_decision")] == [f"{ISSUER}#ann"]


def test_who_signed_out_while_the_form_was_open_signs_nothing(workspace: Workspace, signed_in: SignedIn) -> None:
    judged(workspace, a_dossier())
    page = signed_in(claims(ANN))
    page.button(key="open_approved").click().run()
    page.user = {"is_logged_in": False}
    page.text_area(key="reason").input("quickly")
    (button,) = [each for each in page.button if each.label == "Approve"]
    button.click().run()
    assert workspace.ledger.acts("decision") == []
    assert not page.exception


# --- proxy --------------------------------------------------------------------------------------------------------


@pytest.fixture
def through_proxy(workspace: Workspace, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> SignedIn:
    """A page at a desk behind a proxy, as a request with these headers sees it."""
    known_by_proxy(config_of(workspace), approver="proxy#ann")
    monkeypatch.setenv("MEND_PROXY_SECRET", SECRET)

    def opened(*headers: tuple[str, str], name: str = "review") -> AppTest:
        context = SimpleNamespace(headers=headers)
        monkeypatch.setattr("streamlit.runtime.context._get_client_context", lambda: context)
        return open_page(name, config_of(workspace))

    return opened


def test_the_user_whom_the_proxy_names_decides(workspace: Workspace, through_proxy: SignedIn) -> None:
    digest = judged(workspace, a_dossier())
    page = through_proxy(("x-forwarded-user", "ann"), ("x-proxy-secret", SECRET))
    assert [text.value for text in page.sidebar.text] == ["ann", "Signed in by the proxy"]
    assert not page.sidebar.button
    fill(page, "approved", actor=None)
    signature = workspace.ledger.entry("signature", digest)
    assert signature is not None
    told = signature.body
    assert (told["actor"], told["method"], told["verified"]) == ("proxy#ann", "proxy", True)
    assert SECRET not in str([entry.body for entry in workspace.ledger.entries()])


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        pytest.param([("X-Forwarded-User", "ann")], "did not come through the proxy", id="no secret"),
        pytest.param(
            [("X-Forwarded-User", "ann"), ("X-Proxy-Secret", "x")], "did not come through the proxy", id="a guess"
        ),
        pytest.param([("X-Proxy-Secret", SECRET)], "got it 0 times", id="nobody"),
        pytest.param(
            [("X-Forwarded-User", "ann"), ("x-forwarded-user", "bob"), ("X-Proxy-Secret", SECRET)],
            "got it 2 times",
            id="the browser sent one too",
        ),
    ],
)
def test_a_request_that_no_proxy_vouches_for_sees_nothing(
    headers: list[tuple[str, str]], says: str, workspace: Workspace, through_proxy: SignedIn
) -> None:
    judged(workspace, a_dossier())
    page = through_proxy(*headers, name="overview")
    assert is_closed(page)
    assert says in texts(page)


def test_without_its_secret_a_desk_behind_a_proxy_stays_closed(
    workspace: Workspace, through_proxy: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEND_PROXY_SECRET")
    page = through_proxy(("X-Forwarded-User", "ann"), ("X-Proxy-Secret", ""), name="overview")
    assert is_closed(page)
    assert "MEND_PROXY_SECRET" in texts(page)
