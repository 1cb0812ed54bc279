"""A dossier reads back as it was written, or not at all."""

import copy
import dataclasses
import json
import math
from datetime import UTC, date, datetime, timedelta, timezone

import builders
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.artefacts import canonical_json, sha256_text
from pipeline.errors import InputError, IntegrityError
from pipeline.gate.budget import spendable
from pipeline.gate.checks import all_checks
from pipeline.gate.dossier import DERIVED, Dossier
from pipeline.gate.evidence import evidence
from pipeline.gate.fairness import FairnessPolicy
from pipeline.gate.measured import METRICS, Evidence, ModelMetrics, Paired, SegmentEvidence, Trial
from pipeline.gate.provenance import Provenance
from pipeline.gate.rows import Applicants
from pipeline.gate.values import GatePolicy, Interval, Outcome

AS_OF = datetime(2006, 7, 1, tzinfo=UTC)
LONG_AGO = AS_OF - timedelta(days=30)
POLICY = GatePolicy()
GOLDEN_DIGEST = "598f69c98e2f7338ed1da00973c3bf534195bfee211f90a3fea439d650d8ce38"


def a_model(rows, positives, *, caught, called, auc=0.5, brier=0.125, log_loss=0.375, profit=0.0):
    f1 = 2 * caught / (positives + called)
    numbers = {"auc": auc, "gini": 2 * auc - 1, "brier": brier, "log_loss": log_loss, "profit": profit, "f1": f1}
    line = {"calibration_intercept": -0.125, "calibration_slope": 0.875, "ks": 0.5}
    return ModelMetrics(threshold=0.375, called_bad=called, caught_bad=caught, **numbers, **line)


def some_evidence(*, rows=1024, low=0.0625, last_try=None, labels_per_day=8.0):
    """Numbers that are exact in binary, written by hand; `low` is the lower end of the gain's interval."""
    bad = rows // 4
    ours = a_model(rows, bad, caught=bad // 2, called=bad, auc=0.75, profit=0.0078125)
    better = {"auc": 0.875, "brier": 0.0625, "log_loss": 0.25, "profit": 0.015625}
    theirs = a_model(rows, bad, caught=bad * 5 // 8, called=bad, **better)
    alpha = spendable(policy=POLICY, as_of=AS_OF, last_try_at=last_try)

    def paired(metric):
        ends = getattr(ours, metric), getattr(theirs, metric)
        change = ends[1] - ends[0]
        interval = Interval(change - 0.03125, change + 0.03125, 0.9)
        return Paired(metric=metric, champion=ends[0], challenger=ends[1], difference=change, interval=interval)

    return Evidence(
        rows=rows,
        positives=bad,
        mature_rows=2048,
        coverage=rows / 2048,
        coverage_interval=Interval(0.0, 0.625, 0.95),
        brier_shift=0.0009765625,
        labels_per_day=labels_per_day,
        champion=ours,
        challenger=theirs,
        original=ours,
        everyone_bad=a_model(rows, bad, caught=bad, called=rows, brier=0.75),
        base_rate=a_model(rows, bad, caught=0, called=0, brier=0.1875),
        paired=tuple(map(paired, METRICS)),
        trial=Trial(
            metric="f1",
            alpha=alpha,
            gain=0.125,
            error=0.03125,
            interval=Interval(low, 0.25 - low, 1 - 2 * alpha) if alpha else None,
            original_gain=0.125,
            original_interval=Interval(0.0625, 0.1875, 0.9),
        ),
        segments=(
            SegmentEvidence(
                segment="state",
                value="CA",
                rows=rows,
                positives=bad,
                champion_f1=0.5,
                challenger_f1=0.625,
                drop=-0.25,
                interval=Interval(-0.375, -0.125, 1 - 2 * 0.09),
                log_loss_rise=-0.125,
                loss=-0.125,
                loss_interval=Interval(-0.25, 0.0, 1 - 2 * 0.09),
                detectable_drop=0.125,
            ),
        ),
        absent_segments=("state=TX",),
    )


def a_dossier(*, found=None, policy=POLICY, last=LONG_AGO, last_try=None, as_of=AS_OF, **changes):
    found = found or some_evidence(last_try=last_try)
    parts = {
        "model_name": "sba-default",
        "challenger": "8",
        "champion": "7",
        "original": "1",
        "as_of": as_of,
        "expires_at": as_of + timedelta(days=14),
        "window_start": as_of - timedelta(days=365),
        "window_end": as_of,
        "last_promotion_at": last,
        "last_try_at": last_try,
        "row_ids_sha256": "1" * 64,
        "data_sha256": "2" * 64,
        "applicants_sha256": "6" * 64,
        "champion_model_sha256": "3" * 64,
        "challenger_model_sha256": "4" * 64,
        "original_model_sha256": "7" * 64,
        "reference_sha256": "5" * 64,
        "signal_key": "drift:a,b",
        "made_with": Provenance(
            release="0.1.0",
            code_sha256="8" * 64,
            notebooks={"gate": "9" * 64},
            libraries={"python": "3.11.7", "numpy": "2.4.6"},
        ),
        "policy": policy,
        "evidence": found,
        "checks": all_checks(found, policy=policy, as_of=as_of, last_promotion_at=last, last_try_at=last_try),
    }
    return Dossier(**parts | changes)


def lucky(*, labels_per_day=8.0, **changes):
    """Enough gain, which may be luck: 1,280 more rows would tell."""
    return some_evidence(low=-0.0625, labels_per_day=labels_per_day, **changes)


def measured_evidence(n=1200):
    """Evidence measured on generated applicants, with everything that can be in it."""
    rng = np.random.default_rng(7)
    y = (rng.random(n) < 0.25).astype(int)
    applicants = Applicants(
        ids=[f"row{i:04d}" for i in range(n)],
        event_time=np.datetime64("2006-06-30", "us") - np.arange(n) * np.timedelta64(6, "h"),
        y=np.where(rng.random(n) < 0.9, y, -1),
        champion_score=np.clip(0.25 + 0.1 * y + rng.normal(scale=0.15, size=n), 0, 1),
        challenger_score=np.clip(0.25 + 0.3 * y + rng.normal(scale=0.15, size=n), 0, 1),
        champion_threshold=0.3,
        challenger_threshold=0.4,
        amount=rng.lognormal(size=n),
        segments={"state": np.array(["CA", "NY"])[rng.integers(0, 2, n)]},
        as_of=AS_OF,
        horizon=timedelta(days=30),
    )
    fairness = FairnessPolicy(
        dated=date(2006, 1, 1),
        title="four fifths",
        source="29 CFR 1607.4(D)",
        adverse_impact_floor=0.8,
        min_applicants=30,
        columns=(),
        note="",
    )
    alpha = spendable(policy=POLICY, as_of=AS_OF, last_try_at=None)
    return evidence(applicants.judged(), policy=POLICY, alpha=alpha, applicants=applicants, fairness=fairness)


# --- as it is written -------------------------------------------------------------------------------------------------


def test_the_digest_of_a_known_dossier_never_changes():
    assert a_dossier().digest == GOLDEN_DIGEST


def test_a_check_is_written_with_its_numbers_first():
    assert canonical_json(a_dossier(found=lucky()).to_json()["checks"][3]) == (
        '{"code":"G4","decidable_at":"2006-12-08T00:00:00Z",'
        '"interval":{"high":0.625,"level":0.9800438596491228,"low":-0.125},"margin":0.23,"more_rows":1280,'
        '"name":"F1 improvement","note":"not told apart from luck: gain at least -0.0625; cannot tell yet: about 1,280 '
        'more labelled rows, at today\'s rate by 2006-12-08","observed":0.25,"outcome":"undecided","required":true,'
        '"threshold":0.02,"unit":"relative gain of F1"}'
    )


def test_the_digest_is_the_sha256_of_the_canonical_json():
    dossier = a_dossier()
    assert dossier.digest == sha256_text(canonical_json(dossier.to_json()))


def test_times_are_written_in_utc_with_a_z():
    local = AS_OF.astimezone(timezone(timedelta(hours=-7)))
    dossier = a_dossier(as_of=local, last=None)
    assert dossier.to_json()["as_of"] == "2006-07-01T00:00:00Z"
    assert dossier.digest == a_dossier(last=None).digest


# --- what follows from it ---------------------------------------------------------------------------------------------

VERDICTS = [
    pytest.param(a_dossier(), "promotable", id="promotable"),
    pytest.param(a_dossier(found=lucky()), "waiting", id="waiting until it can be told"),
    pytest.param(a_dossier(found=lucky(labels_per_day=7.0)), "refused", id="refused: out of patience"),
    pytest.param(a_dossier(found=lucky(labels_per_day=None)), "refused", id="refused: nobody knows until when"),
    pytest.param(a_dossier(found=some_evidence(rows=128)), "waiting", id="waiting for rows"),
    pytest.param(a_dossier(last=None), "refused", id="no promotion on record"),
    pytest.param(a_dossier(last_try=AS_OF), "refused", id="nothing left to spend"),
    pytest.param(a_dossier(found=measured_evidence()), "promotable", id="measured, with swaps and approvals"),
    pytest.param(builders.a_dossier(), "promotable", id="the builders' better one"),
    pytest.param(builders.a_dossier(better=False), "refused", id="the builders' worse one"),
]


@pytest.mark.parametrize(("dossier", "verdict"), VERDICTS)
def test_a_dossier_reads_back_as_itself_with_its_verdict_and_digest(dossier, verdict):
    record = json.loads(canonical_json(dossier.to_json()))
    back = Dossier.from_json(record)
    assert back == dossier
    assert (back.digest, back.status, back.promotable) == (dossier.digest, verdict, verdict == "promotable")
    assert (record["status"], record["promotable"]) == (verdict, verdict == "promotable")
    assert (back.error_spent, back.recheck_at) == (dossier.error_spent, dossier.recheck_at)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="promotable"),
        pytest.param({"found": lucky()}, id="waiting, may be luck"),
        pytest.param({"found": lucky(labels_per_day=None)}, id="refused, may be luck"),
        pytest.param({"policy": GatePolicy(min_f1_gain=0.5)}, id="refused, too small"),
        pytest.param({"policy": GatePolicy(min_segment_samples=5000)}, id="refused, no segment"),
    ],
)
def test_a_comparison_on_enough_rows_spends_its_error_whatever_came_out(changes):
    dossier = a_dossier(**changes)
    assert dossier.error_spent == dossier.to_json()["error_spent"] == 0.05 * (91 / 456)


def test_a_week_after_the_last_try_a_weeks_error_is_spent():
    assert a_dossier(last_try=AS_OF - timedelta(days=7)).error_spent == pytest.approx(0.05 * 7 / 456)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"found": some_evidence(rows=128)}, id="too few rows"),
        pytest.param({"policy": GatePolicy(min_coverage=0.75)}, id="too few labels"),
        pytest.param({"policy": GatePolicy(max_brier_shift=0.0)}, id="the wrong labels"),
        pytest.param({"last": AS_OF}, id="just after a promotion"),
        pytest.param({"last": None}, id="no promotion on record"),
        pytest.param({"last_try": AS_OF}, id="nothing has accrued"),
    ],
)
def test_what_could_not_have_promoted_spends_nothing(changes):
    dossier = a_dossier(**changes)
    assert dossier.status != "promotable"
    assert dossier.error_spent == dossier.to_json()["error_spent"] == 0.0


@pytest.mark.parametrize(
    ("dossier", "again"),
    [
        pytest.param(a_dossier(), None, id="promotable: never"),
        pytest.param(a_dossier(last=None), None, id="refused: never"),
        pytest.param(a_dossier(found=lucky(labels_per_day=7.0)), None, id="refused for want of patience: never"),
        pytest.param(a_dossier(found=some_evidence(rows=128)), AS_OF, id="too few rows: at every cycle, it is free"),
        pytest.param(a_dossier(policy=GatePolicy(min_coverage=0.75)), AS_OF, id="too few labels: likewise"),
        pytest.param(a_dossier(found=lucky()), AS_OF + timedelta(days=160), id="may be luck: when it can be told"),
        pytest.param(
            a_dossier(found=lucky(labels_per_day=1000.0), policy=GatePolicy(min_samples=1025)),
            AS_OF,
            id="may be luck and too few rows: at every cycle, though the luck could be told later",
        ),
    ],
)
def test_a_waiting_challenger_is_judged_again_when_that_costs_nothing_or_can_tell(dossier, again):
    assert dossier.recheck_at == again
    assert dossier.to_json()["recheck_at"] == (again and again.strftime("%Y-%m-%dT%H:%M:%SZ"))


def test_of_two_that_wait_the_later_one_says_when():
    """G4's interval must shrink from 0.1875 to 0.125 on its lower side, that of G5 from 0.1875 to 0.0625 on its upper."""
    room = dataclasses.replace(POLICY, max_brier_rise=0.0)
    found = lucky()
    wide = dataclasses.replace(found.pair("brier"), interval=Interval(-0.25, 0.125, 0.9))
    pairs = tuple(wide if pair.metric == "brier" else pair for pair in found.paired)
    dossier = a_dossier(found=dataclasses.replace(found, paired=pairs, labels_per_day=64.0), policy=room)
    luck, calibration = dossier.checks[3], dossier.checks[4]
    assert (luck.more_rows, calibration.more_rows) == (1280, 8192)  # (3 / 2)^2 - 1 and 3^2 - 1 times 1,024
    assert luck.decidable_at < calibration.decidable_at == dossier.recheck_at == AS_OF + timedelta(days=128)
    assert dossier.status == "waiting"


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", [spec.name for spec in dataclasses.fields(Dossier)])
def test_no_field_can_be_missing(field):
    record = a_dossier().to_json()
    del record[field]
    with pytest.raises(IntegrityError):
        Dossier.from_json(record)


def altered(record, path, value):
    """The record with one value replaced, or added under a new key."""
    changed = copy.deepcopy(record)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        pytest.param(["schema_version"], 2, "of schema 2, which this version cannot", id="the schema before"),
        pytest.param(["schema_version"], 4, "schema_version: Input should be 3", id="a schema to come"),
        pytest.param(["extra"], 1, "extra: Unexpected keyword argument", id="an unknown key"),
        pytest.param(["evidence", "extra"], 1, "evidence.extra: Unexpected", id="an unknown key inside"),
        pytest.param(["challenger"], 8, "challenger: Input should be a valid string", id="a number for a version"),
        pytest.param(["challenger"], "7", "version 7 is the champion", id="a challenger to itself"),
        pytest.param(["original"], "", "original", id="no first champion"),
        pytest.param(["model_name"], "", "model_name", id="no name"),
        pytest.param(["data_sha256"], "2" * 63, "data_sha256: String should match", id="a hash cut short"),
        pytest.param(["data_sha256"], "2" * 64 + "\n", "data_sha256", id="a hash and a line break"),
        pytest.param(["original_model_sha256"], None, "original_model_sha256", id="a model without a hash"),
        pytest.param(["as_of"], "2006-07-01T00:00:00", "as_of: Input should have timezone", id="a naive time"),
        pytest.param(["as_of"], "0001-01-01T00:00:00+14:00", "dossier", id="a time before time"),
        pytest.param(["as_of"], 1151712000, "dossier", id="a time as a number"),
        pytest.param(["expires_at"], "2006-06-30T00:00:00Z", "times: expected", id="expired before it was judged"),
        pytest.param(["window_end"], "2006-07-02T00:00:00Z", "times: expected", id="rows from the future"),
        pytest.param(["expires_at"], "2006-07-15T00:00:00+00:00", "not spelled", id="a time spelled another way"),
        pytest.param(["checks"], [], "checks: expected G1 G2 G3 G4 G5 G6 in order, got none", id="no check"),
        pytest.param(["checks", 3, "outcome"], "failed", "checks: G4 failed does not follow", id="another outcome"),
        pytest.param(["checks", 3, "outcome"], "sure", "checks.3.outcome", id="a fourth outcome"),
        pytest.param(["checks", 3, "required"], False, "checks: G4 passed does not follow", id="a gate made optional"),
        pytest.param(["checks", 3, "more_rows"], 5, "G4: passed and still waiting", id="passed and waiting"),
        pytest.param(["checks", 4, "observed"], -0.5, "checks: G5 passed does not follow", id="another number"),
        pytest.param(["checks", 4, "threshold"], 0.5, "checks: G5 passed does not follow", id="another threshold"),
        pytest.param(["checks", 0, "observed"], None, "G1: passed without an observed value", id="nothing observed"),
        pytest.param(["checks", 0, "observed"], math.nan, "not JSON compliant", id="NaN"),
        pytest.param(["checks", 0, "observed"], "1000", "checks.0.observed: Input should be a valid number", id="text"),
        pytest.param(["policy", "min_f1_gain"], 0.9, "checks: G4 passed does not follow", id="another policy"),
        pytest.param(["policy", "primary"], "auc", "checks: G4 passed does not follow", id="another primary metric"),
        pytest.param(["policy", "yearly_false_promotions"], 0.5, "G4 passed does not", id="a larger budget"),
        pytest.param(["policy", "max_brier_shift"], 0.0, "G2 passed does not follow", id="no shift allowed"),
        pytest.param(["policy", "interval_level"], 0.8, "G5 passed does not follow", id="a laxer level"),
        pytest.param(["policy", "segment_error"], 0.2, "G6 passed does not follow", id="a laxer level of segments"),
        pytest.param(["policy", "min_coverage"], 7.0, "policy.min_coverage", id="an impossible policy"),
        pytest.param(["policy", "cooldown"], "P60D", "checks: G3 passed does not follow", id="a longer cooldown"),
        pytest.param(["last_promotion_at"], "2006-06-30T00:00:00Z", "checks: G3 passed does not", id="promoted lately"),
        pytest.param(["last_try_at"], "2006-06-30T00:00:00Z", "checks: G4 passed does not", id="tried yesterday"),
        pytest.param(["last_try_at"], "2007-06-30T00:00:00Z", "checks: G4 passed does not", id="tried next year"),
        pytest.param(["evidence", "positives"], 300, "does not follow", id="more bad outcomes"),
        pytest.param(["evidence", "rows"], 10**400, "evidence.rows", id="more rows than can be"),
        pytest.param(["evidence", "rows"], True, "evidence.rows", id="yes rows"),
        pytest.param(["evidence", "brier_shift"], 0.5, "G2 passed does not follow", id="the wrong labels"),
        pytest.param(["evidence", "paired", 0, "difference"], 0.5, "not challenger minus", id="another difference"),
        pytest.param(["evidence", "paired", 4, "interval", "high"], 0.5, "G5 passed does not", id="another interval"),
        pytest.param(["evidence", "trial", "alpha"], 0.02, "level does not follow from alpha", id="another error"),
        pytest.param(["evidence", "trial", "gain"], 0.15, "gain does not follow", id="another gain"),
        pytest.param(["evidence", "trial", "interval", "low"], -0.1, "G4 passed does not follow", id="perhaps luck"),
        pytest.param(["evidence", "trial", "interval"], None, "G4 passed does not follow", id="no interval"),
        pytest.param(["evidence", "original", "caught_bad"], 200, "original: f1 does not follow", id="another first"),
        pytest.param(["evidence", "base_rate", "f1"], 0.9, "base_rate: f1 does not follow", id="another baseline"),
        pytest.param(["status"], "refused", "says 'refused', but its checks say 'promotable'", id="another status"),
        pytest.param(["promotable"], 1, "promotable: says 1", id="a one for yes"),
        pytest.param(["promotable"], None, "dossier: promotable: says", id="a null for yes"),
        pytest.param(["error_spent"], 0.0, "error_spent: says 0.0, but its checks say 0.00997", id="a try for free"),
        pytest.param(["recheck_at"], "2006-07-01T00:00:00Z", "recheck_at: says '2006", id="judged again for nothing"),
        pytest.param(["checks", 0, "note"], "\ud800", "dossier", id="half a character"),
    ],
)
def test_a_record_that_does_not_hold_together_is_refused_in_one_line(path, value, says):
    with pytest.raises(IntegrityError) as refusal:
        Dossier.from_json(altered(a_dossier().to_json(), path, value))
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (["checks", 3, "more_rows"], 1279, "G4 undecided does not follow"),
        (["checks", 3, "more_rows"], None, "G4 undecided does not follow"),
        (["checks", 3, "decidable_at"], "2006-07-02T00:00:00Z", "G4 undecided does not follow"),
        (["evidence", "labels_per_day"], 16.0, "G4 undecided does not follow"),
        (["policy", "patience"], "P1D", "status: says 'waiting', but its checks say 'refused'"),
        (["recheck_at"], "2006-07-02T00:00:00Z", "recheck_at: says '2006-07-02T00:00:00Z', but its checks say"),
        (["recheck_at"], None, "recheck_at: says None"),
        (["error_spent"], 0, "error_spent: says 0, but"),
    ],
    ids=str,
)
def test_what_a_dossier_waits_for_cannot_be_altered(path, value, says):
    with pytest.raises(IntegrityError, match=says):
        Dossier.from_json(altered(a_dossier(found=lucky()).to_json(), path, value))


def test_a_dossier_of_schema_1_is_refused_in_one_plain_line():
    """As the version before wrote it; its keys are of no interest any more."""
    record = {"schema_version": 1, "challenger": "8", "evidence": {"f1_gain": None}, "status": "promotable"}
    with pytest.raises(IntegrityError) as refusal:
        Dossier.from_json(record)
    assert str(refusal.value).endswith("of schema 1, which this version cannot recompute")
    assert str(refusal.value).startswith("dossier: ") and "\n" not in str(refusal.value)


@pytest.mark.parametrize("key", DERIVED)
def test_what_follows_cannot_be_left_out(key):
    record = a_dossier(found=lucky()).to_json()
    del record[key]
    with pytest.raises(IntegrityError, match=f"{key}: says None"):
        Dossier.from_json(record)


def test_checks_out_of_order_are_refused():
    record = a_dossier().to_json()
    record["checks"].reverse()
    with pytest.raises(IntegrityError, match="G1 G2 G3 G4 G5 G6 in order"):
        Dossier.from_json(record)


@pytest.mark.parametrize(
    "record", [None, [], "{}", 7, {}, {"a": object()}, {1: {2: 3}}], ids=lambda record: type(record).__name__
)
def test_what_is_no_dossier_at_all_is_refused(record):
    with pytest.raises(IntegrityError):
        Dossier.from_json(record)


def test_only_the_wording_of_a_check_may_differ_from_todays_and_it_is_signed():
    dossier = a_dossier()
    reworded = Dossier.from_json(altered(dossier.to_json(), ["checks", 0, "note"], "as we said in 2006"))
    assert reworded.promotable
    assert reworded.digest != dossier.digest


def test_a_dossier_that_lies_cannot_be_made_either():
    passed = {"outcome": Outcome.PASSED, "more_rows": None, "decidable_at": None}
    forged = tuple(dataclasses.replace(check, **passed) for check in a_dossier(found=lucky()).checks)
    with pytest.raises(ValueError, match="G4 passed does not follow from the evidence"):
        a_dossier(found=lucky(), checks=forged)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"challenger": "7"}, "dossier: challenger: version 7 is the champion"),
        ({"window_end": AS_OF + timedelta(days=1)}, "dossier: times: expected window_start"),
        ({"window_start": AS_OF + timedelta(days=1)}, "dossier: times: expected window_start"),
        ({"expires_at": AS_OF}, "dossier: times: expected window_start"),
    ],
    ids=str,
)
def test_a_judgement_that_cannot_be_is_refused_in_one_line(changes, says):
    with pytest.raises(InputError, match=says):
        a_dossier(**changes)


def test_the_first_champion_may_be_todays_or_the_challenger_come_back():
    assert a_dossier(original="7").promotable
    assert a_dossier(original="8").promotable


def test_an_empty_window_makes_a_dossier_that_waits():
    nothing = dict.fromkeys(("ids", "y", "champion_score", "challenger_score"), ())
    times = {"event_time": np.array([], "datetime64[us]"), "as_of": AS_OF, "horizon": timedelta(days=30)}
    nobody = Applicants(**nothing, **times, champion_threshold=0.5, challenger_threshold=0.5)
    found = evidence(nobody.judged(), policy=POLICY, alpha=0.01, applicants=nobody)
    dossier = a_dossier(found=found, window_start=AS_OF)
    assert (dossier.status, dossier.error_spent, dossier.recheck_at) == ("waiting", 0.0, AS_OF)
    assert Dossier.from_json(dossier.to_json()) == dossier


# --- any single change ------------------------------------------------------------------------------------------------


def leaves(value, path=()):
    """Path of every value in a JSON document that holds no other."""
    if isinstance(value, dict | list) and value:
        keys = value if isinstance(value, dict) else range(len(value))
        return [leaf for key in keys for leaf in leaves(value[key], (*path, key))]
    return [path]


NOT_PROMOTABLE = [a_dossier(found=lucky()).to_json(), a_dossier(found=lucky(labels_per_day=None)).to_json()]
junk = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.text(), st.sampled_from(["passed", "promotable", [], {}])
)


@given(st.sampled_from(NOT_PROMOTABLE).flatmap(lambda r: st.tuples(st.just(r), st.sampled_from(leaves(r)))), junk)
@settings(max_examples=300, deadline=None)
def test_no_single_change_makes_a_record_promotable_or_keeps_its_digest(place, value):
    before, path = place
    record = altered(before, path, value)
    try:
        back = Dossier.from_json(record)
    except IntegrityError:
        return
    assert not back.promotable
    same = canonical_json(record) == canonical_json(before)
    assert (back.digest == sha256_text(canonical_json(before))) == same
    assert back.digest == sha256_text(canonical_json(record))
