"""What was said about the ledger outside of it: told once, never in the way of a cycle, and read back."""

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from builders import a_settings_file
from tampering import NOON, behind_its_back, cut_after, rewrite

from pipeline.errors import InputError, SettingsError
from pipeline.settings import load_settings
from pipeline.settings_ledger import LedgerSettings
from pipeline.stores.anchors import Anchor, anchor, anchor_files, read_anchors
from pipeline.stores.engine import migrate, open_engine
from pipeline.stores.ledger import Ledger
from pipeline.stores.verify import verify


@pytest.fixture
def ledger(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/ledger.db")
    migrate(engine, "ledger", lock=tmp_path / "lock")
    yield Ledger(engine)
    engine.dispose()


@pytest.fixture
def web():
    """A server that remembers what it was sent and answers with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.server.heard.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(self.server.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self):  # where a redirected POST would end
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.heard, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def record(ledger, *keys):
    with ledger.transaction(recorded_at=NOON) as writer:
        for key in keys:
            writer.record("note", key, {"text": key}, at=NOON, actor="mend")


def tell(ledger, folder, *addresses):
    said = []
    settings = LedgerSettings(anchors=addresses)
    assert anchor(ledger, settings, model="loans", folder=folder, now=NOON, say=said.append) == said
    return said


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def on_record(ledger):
    return [(entry.body["anchor"], entry.body["state"]) for entry in ledger.entries(kind="anchor")]


def test_a_file_gets_a_line_for_each_new_head_and_none_for_the_same(ledger, tmp_path):
    path = tmp_path / "a.jsonl"
    assert tell(ledger, tmp_path, f"file:{path}") == []
    assert not path.exists()  # there is nothing to anchor yet
    record(ledger, "k1", "k2")
    for _ in range(3):
        assert tell(ledger, tmp_path, f"file:{path}") == []
    record(ledger, "k3")
    tell(ledger, tmp_path, "file:a.jsonl")  # the same file: relative to the workspace
    assert [line["entry"] for line in lines(path)] == [2, 3]
    assert lines(path)[1] == {
        "entry": 3,
        "hash": ledger.head()[1],
        "model": "loans",
        "recorded_at": "2006-07-01T12:00:00.000000Z",
    }
    anchors, notes = read_anchors(path)
    assert notes == []
    assert verify(ledger, workspace=None, anchors=anchors).anchors == 2


def test_a_line_that_a_crash_has_cut_is_told_and_the_next_stands_alone(ledger, tmp_path):
    path = tmp_path / "a.jsonl"
    record(ledger, "k1")
    tell(ledger, tmp_path, "file:a.jsonl")
    with path.open("ab") as file:
        file.write(b'{"entry":2,"ha')
    assert read_anchors(path)[1] == [f"{path} line 2: not a whole anchor, as a crash leaves one; not used"]
    record(ledger, "k2")
    assert tell(ledger, tmp_path, "file:a.jsonl") == []
    anchors, notes = read_anchors(path)
    assert ([each.entry for each in anchors], len(notes)) == ([1, 2], 1)
    assert verify(ledger, workspace=None, anchors=anchors).verified


NO_ANCHORS = (b"[]", b"7", b'"x"', b"{}", b"NaN", b"\xff\xfe", b"\0", b"[" * 100_000)
WRONG = (b'{"entry":true,"hash":"x"}', b'{"entry":0,"hash":"x"}', b'{"entry":1,"hash":1}')


@pytest.mark.parametrize("line", [*NO_ANCHORS, *WRONG], ids=lambda line: line[:30].decode("latin-1"))
def test_a_line_that_is_no_anchor_is_told_and_not_used(tmp_path, line):
    (tmp_path / "a").write_bytes(line + b'\n{"entry":1,"hash":"x"}\n\n')
    anchors, notes = read_anchors(tmp_path / "a")
    assert anchors == [Anchor(entry=1, hash="x", file=str(tmp_path / "a"), line=2)]
    assert len(notes) == 1


def test_an_anchor_file_that_is_not_there_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="anchors not readable"):
        read_anchors(tmp_path / "a")


def test_the_log_is_told_once_for_each_head(ledger, tmp_path, caplog):
    record(ledger, "k1")
    with caplog.at_level(logging.INFO, "mend.ledger.anchor"):
        for _ in range(2):
            assert tell(ledger, tmp_path, "log:") == []
        record(ledger, "k2")
        tell(ledger, tmp_path, "log:")
    assert [json.loads(message)["entry"] for message in caplog.messages] == [1, 2]


def test_a_web_address_is_posted_each_head_once_and_its_secret_is_nowhere(ledger, tmp_path, web):
    address = f"http://127.0.0.1:{web.server_port}/T1JJ3T3L2-secret"
    record(ledger, "k1")
    web.status = 500
    said = tell(ledger, tmp_path, address)
    assert said == ["anchor 1 http://127.0.0.1: answered with status 500"]
    web.status = 204
    for _ in range(2):
        assert tell(ledger, tmp_path, address) == []
    heard = [json.loads(body)["entry"] for path, body in web.heard if path == "/T1JJ3T3L2-secret"]
    assert heard == [1, 2, 3]  # refused; then with its failure on record; then with its return
    everywhere = "".join(said) + json.dumps([entry.to_json() for entry in ledger.entries()])
    everywhere += "".join(path.read_text() for path in tmp_path.glob("*.json"))
    assert "secret" not in everywhere


def test_a_redirect_is_not_an_answer(ledger, tmp_path, web):
    record(ledger, "k1")
    web.status = 302
    assert tell(ledger, tmp_path, f"http://127.0.0.1:{web.server_port}/x")[0].endswith("answered with status 302")


def test_a_failing_anchor_stops_nothing_and_is_on_record_once_when_it_begins_and_once_when_it_ends(ledger, tmp_path):
    there, gone = f"file:{tmp_path}/a", f"file:{tmp_path}/mount/a"
    for turn in range(3):
        record(ledger, f"k{turn}")
        said = tell(ledger, tmp_path, there, gone)
        assert said == [f"anchor 2 {gone}: not reached (No such file or directory)"]
    assert on_record(ledger) == [(f"2 {gone}", "failing")]
    assert len(lines(tmp_path / "a")) == 3
    (tmp_path / "mount").mkdir()
    for turn in range(2):
        record(ledger, f"again{turn}")
        assert tell(ledger, tmp_path, there, gone) == []
    assert on_record(ledger) == [(f"2 {gone}", "failing"), (f"2 {gone}", "holds again")]
    assert verify(ledger, workspace=None, anchors=read_anchors(tmp_path / "mount" / "a")[0]).anchors == 2


def test_a_missing_folder_is_not_made_for_it_may_be_a_mount_that_is_not_there(ledger, tmp_path):
    record(ledger, "k1")
    tell(ledger, tmp_path, f"file:{tmp_path}/mount/a")
    assert not (tmp_path / "mount").exists()


def test_a_ledger_that_does_not_answer_is_told_and_does_not_look_like_a_failed_act(ledger, tmp_path):
    record(ledger, "k1")
    ledger.engine.dispose()
    (tmp_path / "ledger.db").write_bytes(b"no database" * 1000)
    for each in tmp_path.glob("ledger.db-*"):
        each.unlink()
    (said,) = tell(ledger, tmp_path, "file:a")
    assert "file is not a database" in said


@pytest.mark.parametrize("address", ["file:a", "log:"])
@pytest.mark.parametrize("how", ["cut", "written anew"])
def test_a_ledger_that_was_cut_or_written_anew_is_seen_at_the_next_cycle(ledger, tmp_path, address, how):
    record(ledger, "k1", "k2", "k3")
    tell(ledger, tmp_path, address)
    with behind_its_back(ledger) as other:
        if how == "cut":
            cut_after(other, 2)
        else:
            rewrite(other, 2, actor="eve")
    record(ledger, "k4")
    assert verify(ledger, workspace=None).verified
    before = (tmp_path / "a").read_text() if address == "file:a" else ""
    for _ in range(2):
        (said,) = tell(ledger, tmp_path, address)
        assert "knows entry 3 otherwise" in said
    assert on_record(ledger) == [(f"1 {address}", "failing")]
    if address == "file:a":
        assert (tmp_path / "a").read_text() == before  # evidence is not written over
        anchors, _ = read_anchors(tmp_path / "a")
        assert "not the one that was anchored" in verify(ledger, workspace=None, anchors=anchors).breaks[0]


def test_without_addresses_nothing_is_done(ledger, tmp_path):
    record(ledger, "k1")
    before = sorted(tmp_path.iterdir())
    assert tell(ledger, tmp_path) == []
    assert sorted(tmp_path.iterdir()) == before


def test_many_at_once_leave_each_head_once(ledger, tmp_path):
    def work(name):
        for turn in range(5):
            record(ledger, f"{name}{turn}")
            assert tell(ledger, tmp_path, "file:a") == []

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = [line["entry"] for line in lines(tmp_path / "a")]
    assert entries == sorted(set(entries))
    assert entries[-1] == 20
    assert verify(ledger, workspace=None, anchors=read_anchors(tmp_path / "a")[0]).verified


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ftp://x/s3cret",
        "file:",
        "https://",
        "https:///s3cret",
        "https://ann:s3cret@x/",
        "log:s3cret",
        "http://[s3cret",
        7,
    ],
)
def test_an_address_of_another_kind_is_refused_without_being_quoted(tmp_path, given):
    settings = a_settings_file(tmp_path)
    settings.write_text(settings.read_text() + f"\n[ledger]\nanchors = {json.dumps(['log:', given])}\n")
    with pytest.raises(SettingsError, match="anchor 2: expected file:PATH, log: or https") as caught:
        load_settings(settings)
    assert "s3cret" not in str(caught.value)


def test_the_files_among_the_addresses_are_found(tmp_path):
    settings = LedgerSettings(anchors=["log:", "file:a", "file:/mnt/b", "https://x.example/y"])
    assert [str(path) for path in anchor_files(settings, tmp_path)] == [f"{tmp_path}/a", "/mnt/b"]
