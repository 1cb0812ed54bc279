"""At the terminal a token says who somebody is; without one they are whom this machine says, and no more than that."""

from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime

import pytest

from pipeline.errors import InputError, RefusedError, SettingsError
from pipeline.identity.at_terminal import person_at_terminal
from pipeline.identity.tokens import new_token, owner, token_hash
from pipeline.promotion.person import require_authority
from pipeline.settings import load_settings
from pipeline.settings_identity import TokenHash

USER = pwd.getpwuid(os.getuid()).pw_name
NOW = datetime(2026, 7, 1, tzinfo=UTC)
OIDC = ('mode = "oidc"', 'issuer = "https://id.bank.example"')


@pytest.fixture(autouse=True)
def no_token_about(monkeypatch):
    monkeypatch.delenv("MEND_TOKEN", raising=False)


def may_decide(person, settings):
    try:
        require_authority(person, settings.approval, settings.identity, wall=NOW)
    except RefusedError as refusal:
        return str(refusal)
    return True


def a_token_file(folder, token):
    file = folder / "token"
    file.write_text(token + "\n")
    file.chmod(0o600)
    return str(file)


def test_without_a_token_the_claim_stands_beside_the_operating_system_s_user(a_config, monkeypatch):
    monkeypatch.setenv("USER", "somebody.else")
    monkeypatch.setenv("LOGNAME", "somebody.else")
    settings = load_settings(a_config(approvers='["ann"]'))
    ann = person_at_terminal(settings, " ann ")
    assert (ann.actor, ann.os_user, ann.method, ann.verified) == ("ann", USER, "local", False)
    assert may_decide(ann, settings) is True
    me = person_at_terminal(settings, "")
    assert (me.actor, me.os_user, me.method) == (USER, USER, "local")
    assert "is not on the list" in may_decide(me, settings)


def test_a_user_without_a_name_is_a_number(a_config, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert person_at_terminal(load_settings(a_config()), "").actor == "uid 54321"


def test_a_desk_that_knows_people_by_their_sign_in_takes_no_claim(a_config):
    settings = load_settings(a_config(*OIDC, approvers='["ann"]'))
    assert "this desk knows people by oidc, not by local" in may_decide(person_at_terminal(settings, "ann"), settings)


@pytest.mark.parametrize("given", ["variable", "file", "both"])
@pytest.mark.parametrize("mode", [(), OIDC], ids=["local", "oidc"])
def test_a_token_says_who_it_is_in_every_mode(a_config, tmp_path, monkeypatch, given, mode):
    token = new_token()
    settings = load_settings(a_config(*mode, "[identity.tokens]", f'ann = "{token_hash(token)}"', approvers='["ann"]'))
    file = "" if given == "variable" else a_token_file(tmp_path, token)
    if given != "file":
        monkeypatch.setenv("MEND_TOKEN", token if given == "variable" else "mend_another")
    ann = person_at_terminal(settings, "", file)
    assert (ann.actor, ann.method, ann.verified, ann.os_user) == ("ann", "token", True, USER)
    assert may_decide(ann, settings) is True
    assert token not in str(ann.to_json())


def test_the_token_does_not_stay_in_the_environment_that_notebooks_inherit(a_config, monkeypatch):
    monkeypatch.setenv("MEND_TOKEN", new_token())
    person_at_terminal(load_settings(a_config()), "")
    assert "MEND_TOKEN" not in os.environ


@pytest.mark.parametrize("given", ["mend_guessed", "", " ", "sha256:" + "a" * 64])
def test_a_token_of_nobody_s_is_refused_and_never_taken_for_the_claim_beside_it(a_config, monkeypatch, given):
    settings = load_settings(a_config("[identity.tokens]", f'ann = "{token_hash(new_token())}"', approvers='["ann"]'))
    monkeypatch.setenv("MEND_TOKEN", given)
    nobody = person_at_terminal(settings, "ann")
    assert (nobody.actor, nobody.method) == ("unknown token", "token")
    assert "unknown token is not on the list" in may_decide(nobody, settings)


def test_nobody_can_put_the_unknown_on_the_list(a_config, monkeypatch):
    monkeypatch.setenv("MEND_TOKEN", "mend_guessed")
    with pytest.raises(SettingsError, match="nobody's name"):
        person_at_terminal(load_settings(a_config(approvers='["unknown token"]')), "")


def test_the_hash_of_a_token_is_not_the_token(a_config, monkeypatch):
    known = token_hash(new_token())
    settings = load_settings(a_config("[identity.tokens]", f'ann = "{known}"', approvers='["ann"]'))
    for text in (known, known.removeprefix("sha256:")):
        monkeypatch.setenv("MEND_TOKEN", text)
        assert person_at_terminal(settings, "").actor == "unknown token"


def test_a_token_ends_when_the_settings_say(a_config, monkeypatch):
    token = new_token()
    for until, may in (("2026-07-02", True), ("2026-07-01", False)):
        lines = ("[identity.tokens]", f'ann = "{token_hash(token)} until {until}"')
        settings = load_settings(a_config(*lines, approvers='["ann"]'))
        monkeypatch.setenv("MEND_TOKEN", token)
        assert (may_decide(person_at_terminal(settings, ""), settings) is True) is may


def test_a_claim_of_another_name_than_the_token_s_is_a_slip(a_config, monkeypatch):
    token = new_token()
    settings = load_settings(a_config("[identity.tokens]", f'ann = "{token_hash(token)}"'))
    monkeypatch.setenv("MEND_TOKEN", token)
    with pytest.raises(InputError, match="the token is ann's"):
        person_at_terminal(settings, "bob")
    monkeypatch.setenv("MEND_TOKEN", token)
    assert person_at_terminal(settings, "ann").actor == "ann"


def test_a_token_file_that_others_can_read_or_nobody_can_is_refused(a_config, tmp_path):
    settings = load_settings(a_config())
    file = a_token_file(tmp_path, new_token())
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(InputError, match="can be read by everybody"):
        person_at_terminal(settings, "", file)
    with pytest.raises(InputError, match="not readable: No such file"):
        person_at_terminal(settings, "", str(tmp_path / "nothing"))
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    (tmp_path / "token").chmod(0o600)
    with pytest.raises(InputError, match="not readable: not text"):
        person_at_terminal(settings, "", file)


def test_each_of_several_tokens_has_its_owner():
    tokens = {name: new_token() for name in ("ann", "bob", "cat")}
    known = {name: TokenHash(sha256=token_hash(token).removeprefix("sha256:")) for name, token in tokens.items()}
    for name, token in tokens.items():
        found = owner(token, known)
        assert found is not None
        assert found[0] == name
        assert owner(token + "x", known) is None
        assert owner(token[:-1], known) is None
    assert owner(tokens["ann"], {}) is None
