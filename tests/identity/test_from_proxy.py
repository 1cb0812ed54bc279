"""A header is believed beside the proxy's secret, once, and as one plain name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RefusedError, SettingsError
from pipeline.identity.from_proxy import person_from_headers, proxy_secret
from pipeline.settings import load_settings
from pipeline.settings_identity import IdentitySettings

SECRET = "0123456789abcdef" * 2
IDENTITY = IdentitySettings(
    mode="proxy", proxy_header="X-User", proxy_secret_header="X-Secret", proxy_roles_header="X-Roles"
)
ANN = {"X-User": ["ann"], "X-Secret": [SECRET], "X-Roles": ["staff, risk"]}


def person(headers, identity=IDENTITY, secret=SECRET):
    return person_from_headers(lambda name: headers.get(name, []), identity, secret=secret)


def test_the_proxy_s_word_is_taken_for_user_and_roles():
    ann = person(ANN)
    assert (ann.actor, ann.method, ann.verified, ann.roles) == ("proxy#ann", "proxy", True, ("staff", "risk"))
    assert person(ANN, IDENTITY.model_copy(update={"proxy_roles_header": ""})).roles == ()
    assert person({**ANN, "X-Roles": []}).roles == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"X-Secret": []}, "did not come through the proxy", id="no secret"),
        pytest.param({"X-Secret": [""]}, "did not come through the proxy", id="an empty secret"),
        pytest.param({"X-Secret": [SECRET[:-1]]}, "did not come through the proxy", id="most of the secret"),
        pytest.param({"X-Secret": [SECRET, SECRET]}, "did not come through the proxy", id="the secret twice"),
        pytest.param({"X-Secret": ["sécret"]}, "did not come through the proxy", id="a secret beyond ASCII"),
        pytest.param({"X-User": []}, "got it 0 times", id="no user"),
        pytest.param({"X-User": ["ann", "bob"]}, "got it 2 times", id="two users"),
        pytest.param({"X-User": ["ann", "ann"]}, "got it 2 times", id="the same user twice"),
        pytest.param({"X-User": ["ann, bob"]}, "one name", id="two users in one header"),
        pytest.param({"X-User": ["ann,bob"]}, "one name", id="two users, no space"),
        pytest.param({"X-User": [""]}, "one name", id="an empty user"),
        pytest.param({"X-User": ["  "]}, "one name", id="a blank user"),
        pytest.param({"X-User": ["аnn"]}, "one name", id="a Cyrillic a"),
        pytest.param({"X-Roles": ["staff", "risk"]}, "got it 2 times", id="roles twice"),
    ],
)
def test_a_doubtful_header_is_refused(change, says):
    with pytest.raises(RefusedError, match=says) as refusal:
        person({**ANN, **change})
    assert SECRET[:8] not in str(refusal.value)


def test_without_a_secret_of_our_own_nothing_matches():
    with pytest.raises(RefusedError, match="did not come through"):
        person({**ANN, "X-Secret": [""]}, secret="")


@given(st.lists(st.text(max_size=12), max_size=3), st.lists(st.text(max_size=40) | st.just(SECRET), max_size=3))
def test_no_header_makes_a_nobody_or_passes_without_the_secret(users, secrets):
    try:
        found = person({"X-User": users, "X-Secret": secrets})
    except RefusedError:
        return
    assert secrets == [SECRET]
    assert found.subject == users[0].strip() != ""
    assert found.actor == f"proxy#{found.subject}"


@pytest.fixture
def settings(a_config):
    return lambda *lines: load_settings(
        a_config('mode = "proxy"', 'proxy_header = "X-User"', 'proxy_secret_header = "X-Secret"', *lines)
    )


@pytest.mark.parametrize("secret", [None, "", "short", "spaces in the secret, and it is long enough"])
def test_a_desk_without_a_real_secret_is_not_opened(settings, monkeypatch, secret):
    monkeypatch.delenv("MEND_PROXY_SECRET", raising=False)
    if secret is not None:
        monkeypatch.setenv("MEND_PROXY_SECRET", secret)
    with pytest.raises(SettingsError, match="MEND_PROXY_SECRET: expected the proxy's secret") as refusal:
        proxy_secret(settings())
    assert not secret or secret not in str(refusal.value)


def test_the_secret_comes_from_the_variable_or_from_the_file_that_is_named(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("MEND_PROXY_SECRET", SECRET)
    assert proxy_secret(settings()) == SECRET
    file = tmp_path / "secret"
    file.write_text("f" * 32 + "\n")
    file.chmod(0o600)
    named = settings('proxy_secret_file = "secret"')
    assert proxy_secret(named) == "f" * 32
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="can be read by everybody"):
        proxy_secret(named)
    file.unlink()
    with pytest.raises(SettingsError, match="not readable"):
        proxy_secret(named)
