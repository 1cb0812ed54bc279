"""Keys: what each opens, that a new or a revoked one is known without a restart, and that nothing repeats them."""

import json
import socket
import time

import pytest
from builders import OFFICER, mend
from service import an_application, serving

from pipeline.serving.keys import SCOPE_OF

pytestmark = [pytest.mark.xdist_group("serving"), pytest.mark.parametrize("store_urls", ["sqlite"], indirect=True)]
BODIES = {
    "/predict": lambda: an_application(),
    "/predict/batch": lambda: {"applications": [an_application()]},
    "/labels": lambda: {"labels": [{"prediction_id": "row0001", "label": 0}]},
}


@pytest.fixture
def config(workspace, monkeypatch):
    monkeypatch.setenv("MEND_SERVING__REQUIRE_KEY", "true")
    return workspace.settings.source


def new_key(config, *scopes, options=()):
    wanted = [part for scope in scopes for part in ("--scope", scope)]
    made = mend("key", "new", "app", *wanted, *options, "--as", OFFICER, "--reason", "an app", config=config)
    return made.stdout.strip()


def status(service, path, key=None, **headers):
    given = {"Authorization": f"Bearer {key}"} if key else {}
    return service.ask(path, BODIES[path]() if path in BODIES else None, **given, **headers)[0]


def until(service, path, key, wanted):
    end = time.monotonic() + 60
    while (found := status(service, path, key)) != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.05)


def test_each_key_opens_what_it_is_for_and_nothing_else(config):
    keys = {scope: new_key(config, scope) for scope in ("score", "label", "read")}
    with serving(config) as service:
        assert service.ask("/openapi.json")[1]["paths"]["/labels"]["post"]["security"] == [{"key": ["label"]}]
        for path, wanted in SCOPE_OF.items():
            found = {scope: status(service, path, key) for scope, key in keys.items()}
            assert found == {scope: 200 if scope == wanted else 403 for scope in keys}, path
            assert status(service, path) == 401
            for wrong in (keys[wanted][:-1] + "A" * (keys[wanted][-1] != "A"), keys[wanted] + "x", "mend_", "ü" * 9):
                assert status(service, path, wrong.encode("latin-1").decode("latin-1")) == 401
        _, said, headers = service.ask("/predict", an_application(), Authorization="Basic abc")
        assert headers["www-authenticate"] == "Bearer"
        assert "abc" not in json.dumps(said)
        assert service.ask("/predict/", an_application())[0] in (307, 401)
        assert service.ask("/health")[0] == 200


def test_a_key_is_rotated_without_a_restart_and_its_secret_is_nowhere(config, workspace):
    with serving(config) as service:
        first = new_key(config, "score")
        until(service, "/predict", first, 200)
        second = new_key(config, "score", "read", options=("--expires-after", "1d"))
        until(service, "/predict", second, 200)
        revoke = mend("key", "revoke", first.split("_")[1], "--as", OFFICER, "--reason", "rotated", config=config)
        assert "is revoked" in revoke.stdout
        until(service, "/predict", first, 401)
        assert status(service, "/predict", second) == 200
        short = new_key(config, "read", options=("--expires-after", "1s"))
        until(service, "/metrics", short, 401)
    listed = json.loads(mend("key", "list", "--json", config=config).stdout)
    assert [(each["scopes"], each["revoked"]) for each in listed] == [
        ("score", True),
        ("read, score", False),
        ("read", False),
    ]
    assert [each["holds"] for each in listed] == [False, True, False]
    written = b"".join(path.read_bytes() for path in workspace.root.rglob("*") if path.is_file())
    for key in (first, second, short):
        assert key.split("_", 2)[2].encode() not in written
    assert mend("ledger", "verify", config=config).returncode == 0


def test_who_may_not_sign_gives_no_keys_and_a_scope_that_is_none_is_refused(config):
    for options, code in (
        (("--scope", "everything", "--as", OFFICER, "--reason", "x"), 2),
        (("--scope", "score", "--as", "somebody@else", "--reason", "x"), 4),
        (("--scope", "score", "--as", OFFICER), 4),
    ):
        assert mend("key", "new", "app", *options, config=config, exit_code=code).stdout == ""
    mend("key", "revoke", "00000000", "--as", OFFICER, "--reason", "x", config=config, exit_code=3)
    assert json.loads(mend("key", "list", "--json", config=config).stdout) == []


def test_without_a_key_asked_for_only_this_machine_may_ask(workspace):
    told = mend("serve", "--address", "0.0.0.0", config=workspace.settings.source, exit_code=4).stderr
    assert "serving.require_key" in told


def test_a_body_that_never_ends_gets_408_while_others_are_answered(workspace):
    with serving(workspace.settings.source) as service, socket.create_connection(("127.0.0.1", service.port)) as slow:
        slow.sendall(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
        )
        slow.settimeout(60)
        assert service.ask("/predict", an_application())[0] == 200
        said = slow.recv(10_000)
        assert said.startswith(b"HTTP/1.1 408")
        assert b"connection: close" in said.lower()
        while said:
            said = slow.recv(10_000)  # and then it is closed
