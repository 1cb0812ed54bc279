"""Without rows held back, a challenger waits for labels that mature after its training, and is judged again each cycle."""

import json

import pytest
from builders import HEAD, a_settings_file, mend

from pipeline.settings import load_settings
from pipeline.wiring import open_workspace

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("waiting")]


def told(config):
    items = json.loads(mend("review", "--all", "--json", config=config).stdout)
    return [(item["challenger"], item["standing"]) for item in items]


def test_a_challenger_waits_for_labels_and_no_other_is_trained_meanwhile(tmp_path):
    config = a_settings_file(tmp_path, holdback='"0d"', min_gap='"30d"\nschedule = "60d"')
    mend("init", config=config)
    mend("replay", "--step", "60d", "--until", "2004-05-01", config=config)
    assert told(config) == [("2", "superseded"), ("2", "waiting")]
    workspace = open_workspace(load_settings(config))
    first, second = workspace.ledger.acts("cycle")
    assert "trained version 2" in first["note"]
    assert second["note"].endswith("version 2 waits for labels; version 2 waiting")
    gates = json.loads(mend("review", "--all", "--json", config=config).stdout)[0]["gates"]
    assert gates[0]["outcome"] == "undecided"  # but for those of the first day no row has matured yet
    waiting = json.loads(mend("review", "--all", "--json", config=config).stdout)[-1]["digest"]
    said = mend("approve", waiting, "--as", HEAD, "--reason", "x", config=config, exit_code=4).stderr
    assert "waits for labels; it cannot be signed yet" in said
    mend("reject", waiting, "--as", HEAD, "--reason", "we cannot wait", config=config)
    mend("replay", "--step", "60d", "--until", "2004-07-01", config=config)
    assert told(config)[-1] == ("3", "waiting")
    assert ": verified" in mend("ledger", "verify", config=config).stdout
