"""Decisions at the command line: with a token as somebody, without one as whoever this machine says."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from builders import AS_OF, OFFICER, a_dossier, a_workspace, judged, mend
from desk_builders import add

from pipeline.cli import main
from pipeline.errors import InputError, RefusedError
from pipeline.identity.tokens import token_hash
from pipeline.promotion.person import Person
from pipeline.running.request import request_challenger
from pipeline.wiring import Workspace, open_workspace

USER = pwd.getpwuid(os.getuid()).pw_name
Typed = Callable[..., str]
OIDC = ("[identity]", 'mode = "oidc"', 'issuer = "https://id.bank.example"')


@pytest.fixture
def workspace(tmp_path) -> Iterator[Workspace]:
    """A dossier waits, on a simulated clock at AS_OF."""
    from dashboard_builders import a_cycle

    made = a_workspace(tmp_path)
    a_cycle(made, AS_OF, status="failed")
    judged(made, a_dossier())
    yield made
    made.ledger.engine.dispose()
    made.traffic.engine.dispose()


@pytest.fixture
def typed(workspace, capsys, monkeypatch) -> Typed:
    """Types a command in this process, without MLflow, and expects an exit code; what it printed."""
    monkeypatch.setattr("pipeline.promotion.reconcile.reconcile", lambda workspace, now: [])
    monkeypatch.setenv("MEND_CONFIG", str(workspace.settings.source))

    def type_it(*words: str, exit_code: int = 0, **variables: str) -> str:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as stopped:
            main(list(words))
        printed = capsys.readouterr()
        assert stopped.value.code == exit_code, printed
        return str(printed.err if exit_code else printed.out)

    return type_it


def waiting(workspace: Workspace) -> str:
    return str(workspace.ledger.acts("dossier")[-1]["digest"])


def refused(workspace: Workspace) -> list[dict[str, Any]]:
    return [entry.body for entry in workspace.ledger.entries(kind="refused_decision")]


def test_a_token_made_here_signs_at_a_desk_that_knows_people_by_their_sign_in(workspace, typed):
    config, who = workspace.settings.source, "https://id.bank.example#ann"
    made = mend("token", "new", who, "--until", "2126-01-31", config=config)
    token = made.stdout.strip()
    line = next(line for line in made.stderr.splitlines() if line.startswith(f'"{who}"'))
    assert token.startswith("mend_")
    assert line == f'"{who}" = "{token_hash(token)} until 2126-01-31"'
    assert token not in made.stderr
    assert "Not on the list yet" in made.stderr
    config.write_text(config.read_text().replace("approvers = [", f'approvers = ["{who}", '))
    add(config, *OIDC, "[identity.tokens]", line)

    wrong = typed("approve", waiting(workspace), "--reason", "x", exit_code=4, MEND_TOKEN="mend_guessed")
    assert len(wrong.splitlines()) == 1
    assert "unknown token is not on the list" in wrong
    bare = typed("approve", waiting(workspace), "--as", OFFICER, "--reason", "x", exit_code=4)
    assert "this desk knows people by oidc, not by local" in bare
    assert [(each["actor"], each["method"], each["os_user"]) for each in refused(workspace)] == [
        ("unknown token", "token", USER),
        (OFFICER, "local", USER),
    ]
    assert "mend_guessed" not in str([entry.body for entry in workspace.ledger.entries()])

    assert f"approved by {who}" in typed("approve", waiting(workspace), "--reason", "x", MEND_TOKEN=token)
    signature = workspace.ledger.entry("signature", waiting(workspace))
    assert signature is not None
    assert (signature.body["actor"], signature.body["method"], signature.body["verified"]) == (who, "token", True)
    assert token not in str([entry.body for entry in workspace.ledger.entries()])


def test_the_operating_system_s_user_signs_locally_and_is_marked_as_such(workspace, typed):
    config = workspace.settings.source
    stranger = typed("reject", waiting(workspace), "--reason", "x", exit_code=4)
    assert f"{USER} is not on the list of approvers" in stranger
    config.write_text(config.read_text().replace("approvers = [", f'approvers = ["{USER}", '))
    said = typed("reject", waiting(workspace), "--reason", "x", USER="somebody.else")
    assert f"rejected by {USER} (local, unverified)" in said
    signature = workspace.ledger.entry("signature", waiting(workspace))
    assert signature is not None
    told = signature.body
    assert (told["actor"], told["os_user"], told["method"], told["verified"]) == (USER, USER, "local", False)


def test_a_local_desk_opens_on_no_address_but_this_machine_s(workspace, typed):
    said = typed("dashboard", "--address", "0.0.0.0", exit_code=4)
    assert len(said.splitlines()) == 1
    assert "not on 0.0.0.0" in said


def test_a_token_is_somebody_s(workspace, typed):
    assert "expected whose it is" in typed("token", "new", "unknown token", exit_code=2)
    assert "--until: expected a date" in typed("token", "new", "ann", "--until", "soon", exit_code=2)


@dataclass
class Trained:
    """Steps that note who asked and train nothing."""

    workspace: Workspace
    requested_by: str = ""

    def train(self, as_of, *, purpose, signal, requested_by):
        self.requested_by = requested_by
        return "3"

    def judge(self, as_of, version):
        return SimpleNamespace(version=version)


NEXT = AS_OF + timedelta(days=30)  # nothing waits any more
ANN = Person(actor="https://id.bank.example#ann", method="oidc", expires_at=AS_OF + timedelta(days=99_999))


def opened_with(workspace: Workspace, *lines: str) -> Workspace:
    from pipeline.settings import load_settings

    add(workspace.settings.source, *lines)
    return open_workspace(load_settings(workspace.settings.source))


def test_who_asks_for_a_challenger_is_named_as_they_would_sign(workspace):
    steps = Trained(opened_with(workspace, *OIDC))
    request_challenger(steps, NEXT, person=ANN, reason="new product")
    assert steps.requested_by == ANN.actor
    (request,) = workspace.ledger.entries(kind="request")
    assert (request.actor, request.body["method"], request.body["verified"]) == (ANN.actor, "oidc", True)
    assert workspace.ledger.get("signal", request.key) is not None


@pytest.mark.parametrize(
    ("person", "why"),
    [
        pytest.param(
            Person(actor="made.up", method="local", os_user="ann"), "by oidc, not by local", id="a made-up name"
        ),
        pytest.param(Person(actor="unknown token", method="token"), "the token is nobody's", id="a guessed token"),
        pytest.param(Person(actor="", method="oidc", expires_at=ANN.expires_at), "nobody", id="nobody"),
        pytest.param(Person(actor="x#ann", method="oidc", expires_at=AS_OF), "sign in again", id="an ended sign-in"),
    ],
)
def test_nobody_asks_under_a_name_that_is_not_theirs_and_the_try_is_on_record(workspace, person, why):
    steps = Trained(opened_with(workspace, *OIDC))
    with pytest.raises(RefusedError, match=why):
        request_challenger(steps, NEXT, person=person, reason="so that I may sign it")
    assert steps.requested_by == ""
    (refusal,) = workspace.ledger.entries(kind="refused_request")
    assert refusal.actor == person.actor
    assert why in refusal.body["why"]
    assert refusal.body["reason"] == "so that I may sign it"


def test_a_request_while_something_waits_is_refused_and_on_record(workspace):
    person = Person(actor="ann", method="local", os_user="ann")
    with pytest.raises(RefusedError, match="version 2 waits for a signature"):
        request_challenger(Trained(workspace), AS_OF, person=person, reason="another")
    assert [entry.actor for entry in workspace.ledger.entries(kind="refused_request")] == ["ann"]
    with pytest.raises(InputError, match="expected --reason"):
        request_challenger(Trained(workspace), NEXT, person=person, reason=" ")
