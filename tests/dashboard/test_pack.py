"""The evidence pack: what it says of every standing, that it is the same bytes again, and that no text in it acts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from datetime import timedelta

import pytest
from builders import AS_OF, OFFICER, REPOSITORY, a_dossier, judged, mend
from dashboard_builders import a_lifelike_desk, a_lifelike_dossier, config_of, some_applicants
from pack_builders import a_look_that_called, a_refused, decided, first_page, packed, read

from dashboard import pack, pack_changes, pack_limits, pack_method
from pipeline.errors import InputError, IntegrityError, StoreError
from pipeline.gate.values import GatePolicy
from pipeline.promotion.person import Person
from pipeline.promotion.review import read_dossier
from pipeline.promotion.rollback import rollback
from pipeline.stores.ledger import Entry
from pipeline.wiring import Workspace

LATER = AS_OF + timedelta(days=1)


def pending(workspace: Workspace) -> str:
    return judged(workspace, a_dossier())


def approved(workspace: Workspace) -> str:
    digest = pending(workspace)
    decided(workspace, digest, "approved", reason="better on later loans")
    return digest


def rejected(workspace: Workspace) -> str:
    digest = pending(workspace)
    decided(workspace, digest, "rejected", reason="too few rows for me")
    return digest


def waiting(workspace: Workspace) -> str:
    return a_lifelike_desk(workspace, labelled=0.2).digest


def superseded(workspace: Workspace) -> str:
    digest = pending(workspace)
    judged(workspace, a_dossier(as_of=AS_OF + timedelta(days=15)))
    return digest


@pytest.mark.parametrize(
    ("make", "days", "standing", "story"),
    [
        pytest.param(pending, 0, "△ Waits for a signature", "A listed person may sign until 15 Jul 2006", id="pending"),
        pytest.param(approved, 0, "✓ Approved", "Version 2 was signed and took the champion's place", id="approved"),
        pytest.param(rejected, 0, "✗ Rejected", "Version 2 was rejected by a person", id="rejected"),
        pytest.param(a_refused, 0, "✗ Refused by the gates", "Version 2 cannot be signed", id="refused"),
        pytest.param(waiting, 0, "△ Waits for more labels", "it can be rejected, not signed", id="waiting"),
        pytest.param(pending, 14, "△ Expired", "Nobody signed by 15 Jul 2006", id="expired"),
        pytest.param(superseded, 20, "△ Judged again later", "only the newest dossier can be signed", id="superseded"),
    ],
)
def test_the_first_page_says_where_a_dossier_stands(make, days, standing, story, workspace: Workspace) -> None:
    digest = make(workspace)
    page = packed(workspace, digest, as_of=AS_OF + timedelta(days=days))
    said = first_page(page)
    assert standing in said
    assert story in said
    assert digest in said
    assert all(f"G{number} " in said for number in range(1, 7))
    assert said.count("✓ passed") + said.count("✗ failed") + said.count("△ undecided") == 6
    assert page.misfits == []


def test_a_decision_is_told_with_who_when_why_and_how_the_person_was_known(workspace: Workspace) -> None:
    page = packed(workspace, approved(workspace))
    said = first_page(page)
    entry = workspace.ledger.entries(kind="decision")[-1]
    assert f"approved by {OFFICER}, as of 2006-07-01 00:00:00 UTC (entry {entry.seq} of the ledger" in said
    assert "Known by: local, unverified" in said
    assert "better on later loans" in said
    assert "the watch of this promotion had not looked yet" in said
    assert entry.hash in page.said  # its position in the chain


def test_without_a_decision_there_is_none_by_any_word(workspace: Workspace) -> None:
    said = first_page(packed(workspace, pending(workspace)))
    assert "Decision none on record" in said
    assert "Signature" not in said


def test_it_has_the_eight_sections_of_a_model_risk_file_in_order(workspace: Workspace) -> None:
    said = packed(workspace, a_lifelike_desk(workspace).digest).said.partition("All times are UTC")[2]
    titles = [
        "1 Purpose and use", "2 Data", "3 Method", "4 Outcomes", "5 Limits", "6 Monitoring", "7 Change log",
        "8 Integrity",
    ]  # fmt: skip
    places = [said.index(title) for title in titles]
    assert places == sorted(places)


def test_every_threshold_of_the_policy_is_told() -> None:
    assert set(pack_method.RULES) == {spec.name for spec in fields(GatePolicy)}
    told = pack_method.rules(GatePolicy()).rows
    assert ["Time since the last change of champion, at least", "G3", "7 days"] in told
    assert ["Chance in any 365 days that a version no better is promoted, at most", "G4", "5 %"] in told


def test_charts_have_their_numbers_beside_them_and_their_content_in_words(workspace: Workspace) -> None:
    dossier = a_lifelike_desk(workspace)
    page = packed(workspace, dossier.digest)
    assert len(page.drawings) == 8  # coverage, gates, four panels, segments, champions
    assert all(len(told) > 20 for told in page.drawings)
    pair = dossier.evidence.pair("f1")
    assert f"F1 {pair.champion:.3f} to {pair.challenger:.3f}" in " ".join(page.drawings)
    for number in (pair.champion, pair.challenger, pair.interval.low):
        assert f"{number:.3f}" in page.said


def test_what_the_look_found_is_told_with_the_drift_that_called(workspace: Workspace) -> None:
    a_look_that_called(workspace, AS_OF + timedelta(hours=1))
    digest = judged(workspace, a_dossier(as_of=AS_OF + timedelta(hours=1)))
    page = packed(workspace, digest, as_of=LATER)
    assert "Drift: 2 of 2 features beyond their limit" in page.said
    assert len(page.drawings) == 11  # and limits, contributions, drift over time
    assert "distribution (PSI)" in page.said


def test_a_drift_summary_that_is_gone_is_named_and_is_not_calm(workspace: Workspace) -> None:
    a_look_that_called(workspace, AS_OF + timedelta(hours=1))
    digest = judged(workspace, a_dossier(as_of=AS_OF + timedelta(hours=1)))
    cycle = workspace.ledger.acts("cycle")[-1]
    (workspace.root / cycle["summary_path"]).unlink()
    said = packed(workspace, digest, as_of=LATER).said
    assert "that is not the same as no drift" in said
    assert f"drift summary: {cycle['summary_path']}: not readable: No such file or directory" in said
    assert "No drift" not in said


def test_with_no_cycle_at_its_time_nothing_is_said_about_drift(workspace: Workspace) -> None:
    said = packed(workspace, judged(workspace, a_dossier(as_of=LATER)), as_of=LATER).said
    assert "nothing is known here about drift then" in said
    assert "No drift" not in said


def test_what_was_refused_before_stands_in_the_change_log_with_who_and_why(workspace: Workspace) -> None:
    rejected(workspace)
    digest = judged(workspace, a_dossier(challenger="3"))
    said = packed(workspace, digest).said
    assert "1 earlier dossier, newest first" in said
    assert f"{OFFICER}: too few rows for me" in said


def test_a_promotion_that_was_taken_back_says_so_where_one_looks_for_how_it_did(workspace: Workspace) -> None:
    digest = approved(workspace)
    rollback(workspace, "1", person=Person(actor=OFFICER, method="local"), reason="scores moved", now=LATER)
    said = packed(workspace, digest, as_of=LATER).said
    assert "Version 2 is champion number 2" in said
    assert f"2006-07-02 00:00:00 UTC: rolled back from version 2 to 1 by {OFFICER}: scores moved" in said
    assert "Rolled back" not in packed(workspace, digest, as_of=AS_OF).said


def test_the_same_ledger_and_moment_give_the_same_bytes_wherever_they_are_made(workspace: Workspace) -> None:
    a_look_that_called(workspace, LATER)  # a drawing with dates
    digest = judged(workspace, a_dossier(as_of=LATER))
    here = pack.make(workspace, digest, as_of=LATER)
    out = workspace.root / "elsewhere.html"
    far = {"TZ": "Asia/Tokyo", "LANG": "C", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    mend("pack", digest[:12], "--out", str(out), "--as-of", LATER.isoformat(), config=config_of(workspace), **far)
    assert out.read_bytes() == here


def test_what_comes_later_changes_nothing_in_the_pack_of_an_earlier_moment(workspace: Workspace) -> None:
    digest = pending(workspace)
    before = pack.make(workspace, digest, as_of=AS_OF)
    a_look_that_called(workspace, LATER)
    judged(workspace, a_dossier(challenger="3", as_of=AS_OF + timedelta(days=2)))
    assert pack.make(workspace, digest, as_of=AS_OF) == before
    assert pack.make(workspace, digest, as_of=LATER) != before


def test_before_it_was_judged_there_is_no_pack(workspace: Workspace) -> None:
    digest = judged(workspace, a_dossier(as_of=LATER))
    with pytest.raises(InputError, match=r"as_of: expected a time from 2006-07-02"):
        pack.make(workspace, digest, as_of=AS_OF)


def test_a_dossier_that_was_changed_is_not_packed(workspace: Workspace) -> None:
    digest = pending(workspace)
    path = workspace.root / workspace.ledger.get("dossier", digest)["path"]
    path.write_text(path.read_text().replace("sufficient", "insufficient"))
    with pytest.raises(IntegrityError, match="changed after it was judged"):
        pack.make(workspace, digest, as_of=AS_OF)


def test_a_ledger_that_does_not_verify_is_said_before_anything_else(workspace: Workspace) -> None:
    digest = pending(workspace)
    with workspace.ledger.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS entries_are_never_updated")
        for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type='trigger'").all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql("UPDATE entries SET actor = 'nobody' WHERE kind = 'reference'")
    said = first_page(packed(workspace, digest))
    assert "The ledger does not verify: nothing below is proven by it" in said
    assert "entry 1 (reference 1): its content is not what was written" in said
    assert "Ledger BROKEN" in said
    assert said.index("does not verify") < said.index("Decision none")


# --- text that somebody typed ------------------------------------------------------------------------------------

NASTY = '</script><script>alert("x")</script><img src=x onerror=alert(1)>\'"&amp;{{ 7 * 7 }} **b** [a](javascript:b)'
PLAIN = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "nav", "section", "div", "span", "p", "h1"),
    *("h2", "h3", "ol", "ul", "li", "a", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tr", "th"),
    *(
        "td",
        "figure",
        "figcaption",
        "blockquote",
        "pre",
        "details",
        "summary",
        "svg",
        "g",
        "path",
        "line",
        "rect",
        "text",
    ),
    *("defs", "clippath", "tspan"),
}


def a_nasty_desk(workspace: Workspace) -> str:
    """Hostile text wherever a person or a file can put one."""
    people = some_applicants()
    states = people.segments["state"]
    people.segments["state"] = states.astype("U400")
    people.segments["state"][states == "TX"] = NASTY
    dossier = a_lifelike_dossier(people=people)
    a_lifelike_desk(workspace)
    digest = judged(workspace, dossier)
    decided(workspace, digest, "rejected", reason=f"{NASTY}\n\u202edesrever\u202c \u200bhidden \x1b[31m")
    return digest


def test_text_is_text_in_every_field(workspace: Workspace) -> None:
    workspace_name = config_of(workspace)
    assert workspace_name.exists()
    digest = a_nasty_desk(workspace)
    page = packed(workspace, digest)
    assert {tag for tag, _ in page.elements} <= PLAIN
    assert {name for _, attributes in page.elements for name in attributes if name.startswith("on")} == set()
    assert page.misfits == []
    assert page.said.count(" ".join(NASTY.split())) >= 4  # segments, approvals, swap set, reason
    assert "⟨U+202E⟩desrever⟨U+202C⟩ ⟨U+200B⟩hidden ⟨U+001B⟩[31m" in page.said


def test_nothing_outside_is_named_and_no_script_is_there(workspace: Workspace) -> None:
    page = packed(workspace, a_nasty_desk(workspace))
    policy = next(each["content"] for tag, each in page.elements if each.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    links = {each["href"] for _, each in page.elements if "href" in each}
    assert links == {f"#s{number}" for number in range(1, 9)}
    assert {each["id"] for _, each in page.elements if "id" in each} >= {link[1:] for link in links if link}
    assert [
        name for _, each in page.elements for name in each if name in ("src", "style", "srcset", "xlink:href")
    ] == []
    style = pack.make(workspace, workspace.ledger.acts("dossier")[-1]["digest"], as_of=AS_OF).decode()
    assert "url(" not in style.partition("</style>")[0]
    assert "@import" not in style.partition("</style>")[0]


def test_a_reason_of_a_megabyte_is_cut_where_it_is_shown_and_whole_in_the_embedded_entry(workspace: Workspace) -> None:
    digest = pending(workspace)
    decided(workspace, digest, "rejected", reason="long " * 200_000)
    page = packed(workspace, digest)
    assert len(page.said) < 200_000
    assert "characters left out)" in page.said
    entries = [json.loads(line)["row"] for line in page.blocks["entries"].split("\n")]
    body = json.loads(next(row["body"] for row in entries if row["kind"] == "decision"))
    assert body["reason"] == ("long " * 200_000).strip()


# --- where it comes from -----------------------------------------------------------------------------------------


def test_the_command_says_where_it_is_and_what_its_digest_is(workspace: Workspace) -> None:
    digest = pending(workspace)
    done = mend("pack", digest[:12], config=config_of(workspace))
    path = config_of(workspace).parent / f"evidence_pack_v2_{digest[:12]}.html"
    page = read(path.read_bytes())
    assert digest in first_page(page)
    assert done.stdout.startswith(f"evidence_pack_v2_{digest[:12]}.html: ")
    assert "as of 2006-07-01T00:00:00.000000Z" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["0000000000000000"], "expected one dossier that starts with", id="no such dossier"),
        pytest.param(["0000"], "expected 8 characters or more", id="too short"),
        pytest.param(["0000000000000000", "--as-of", "soon"], "--as-of: expected a date", id="no date"),
    ],
)
def test_a_slip_is_one_line(arguments: list[str], told: str, workspace: Workspace) -> None:
    done = mend("pack", *arguments, config=config_of(workspace), exit_code=2)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_the_button_gets_the_pack_of_now_from_a_process_of_its_own(workspace: Workspace) -> None:
    digest = pending(workspace)
    assert pack.made_apart(workspace, digest) == pack.make(workspace, digest, as_of=workspace.now())


def test_a_pack_that_cannot_be_made_says_why_in_one_line(workspace: Workspace) -> None:
    digest = pending(workspace)
    (workspace.root / workspace.ledger.get("dossier", digest)["path"]).unlink()
    with pytest.raises(StoreError, match=r"^evidence pack: mend: .*the dossier is not readable"):
        pack.made_apart(workspace, digest)


def test_whoever_imports_it_for_the_button_loads_no_renderer() -> None:
    script = "import sys, dashboard.pack; print('vl_convert' in sys.modules, 'streamlit' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout == "False False\n"


# --- rules -------------------------------------------------------------------------------------------------------


def test_an_entry_of_a_kind_that_has_no_words_is_named(workspace: Workspace) -> None:
    found = Entry(seq=9, at=AS_OF, recorded_at=AS_OF, kind="some_thing", key="k", actor="a", body={}, files={},
                  prev="p", hash="h")  # fmt: skip
    assert pack_changes.told(found) == "some thing k"


def test_a_gate_that_did_not_pass_is_among_the_limits(workspace: Workspace) -> None:
    dossier = read_dossier(workspace, a_refused(workspace))
    page = packed(workspace, dossier.digest)
    limits = page.said.partition("5 Limits")[2].partition("6 Monitoring")[0]
    missed = [check for check in dossier.checks if check.outcome != "passed"]
    assert missed
    assert all(f"{check.code} {check.name}: {check.outcome.value}" in limits for check in missed)
    assert all(line in limits for line in pack_limits.BLIND_SPOTS)
