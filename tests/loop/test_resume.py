"""Killed at any moment and run again, a replay goes on: nothing is lost and nothing happens twice."""

import json
import os
import random
import signal
import subprocess
import sys

import pytest
from builders import a_settings_file, mend

from pipeline.settings import load_settings
from pipeline.stores.verify import verify
from pipeline.wiring import open_workspace

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("resume")]

SEED = 20061123
UNTIL = "2006-01-31"  # eight cycles of 90 days; three of them fire, train and judge, the last one too
MOST_KILLS = 24  # the last of them after 3 * 1.25 ** 23 = 508 seconds: longer than the whole takes anywhere


def killed_after(config, seconds, *arguments):
    """Run a command and kill it without warning; its exit code when it had ended by itself, and what it complained of."""
    command = [sys.executable, "-m", "pipeline", "--config", str(config), *arguments]
    with (config.parent / "complaint").open("w+") as complaint:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=complaint, cwd=config.parent)
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return None, ""
        complaint.seek(0)
        return process.returncode, complaint.read()


def what_happened(config):
    """The acts on record, without what depends on the hour or on how often it was tried."""
    workspace = open_workspace(load_settings(config))
    ledger = workspace.ledger
    told = {
        "cycles": [
            (row["as_of"], row["status"], row["drift_share"], row["rows"], row["note"]) for row in ledger.acts("cycle")
        ],
        "signals": [row["key"] for row in ledger.acts("signal")],
        "challengers": [
            (row["version"], row["as_of"], row["data_sha256"], row["rows"]) for row in ledger.acts("challenger")
        ],
        "dossiers": [(row["challenger"], row["as_of"], row["status"]) for row in ledger.acts("dossier")],
        "champions": [(row["version"], row["since"]) for row in ledger.acts("champion")],
        "traffic": workspace.traffic.counts(),
    }
    assert verify(ledger, workspace=workspace.root).breaks == ()
    return told


@pytest.mark.timeout(2400)  # a slow machine gets through it all the same
def test_a_replay_that_is_killed_again_and_again_ends_like_one_that_was_not(demo, tmp_path):
    config = a_settings_file(tmp_path)
    dice, kills = random.Random(SEED), 0
    complaints = []
    for command in (["init"], ["replay", "--step", "90d", "--until", UNTIL]):
        while (ended := killed_after(config, 3 * 1.25**kills + 3 * dice.random(), *command))[0] != 0:
            if ended[0] is None:
                kills += 1  # a quarter longer each time, so that it ends on any machine
            else:
                complaints.append(ended)  # an attempt may fail on what the killed one left; the next has to heal it
            assert len(complaints) <= 1, complaints
            assert kills <= MOST_KILLS, "it does not get further from kill to kill"
    assert kills >= 3, "killed too late to prove anything"
    mend("replay", "--step", "90d", "--until", UNTIL, config=config)
    ours, theirs = what_happened(config), what_happened(demo)
    assert len(ours["cycles"]) == 8
    assert len(ours["challengers"]) == 4
    for act in ("cycles", "signals", "challengers", "dossiers", "champions"):
        assert ours[act] == theirs[act][: len(ours[act])], act
    versions = json.loads(mend("story", "--json", config=config).stdout)
    assert [row["challenger"] for row in versions] == ["2", "3", "4"]


def test_two_at_once_are_refused_not_queued(demo_copy):
    lock = demo_copy.parent / "ws" / "cycle.lock"
    holder = (
        "import sys, time; from filelock import FileLock\n"
        f"lock = FileLock({str(lock)!r}); lock.acquire(); print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True, env=os.environ)
    try:
        assert process.stdout.readline() == "held\n"
        assert "another `mend` process" in mend("replay", config=demo_copy, exit_code=4).stderr
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
