"""A dossier reads back as it was written, or not at all."""

import copy
import dataclasses
import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.artefacts import canonical_json, sha256_text
from pipeline.errors import InputError, IntegrityError
from pipeline.gate.checks import all_checks
from pipeline.gate.dossier import Dossier
from pipeline.gate.evidence import JudgedRows, evidence
from pipeline.gate.values import (
    Evidence,
    GatePolicy,
    Interval,
    ModelMetrics,
    Outcome,
    Paired,
    SegmentEvidence,
)

AS_OF = datetime(2006, 7, 1, tzinfo=UTC)
GOLDEN_DIGEST = "645ddcab9df4d9e8c69ad4b38fa578826366cbfd8c6e6f0f5b1b0b61ec2e8751"


def some_evidence(*, rows=1000, low=0.0625):
    """Numbers that are exact in binary, written by hand."""

    def model(f1, brier, auc):
        return ModelMetrics(
            f1=f1, brier=brier, auc=auc, ks=0.5, gini=2 * auc - 1, predicted_positive_rate=0.25, threshold=0.375
        )

    def paired(metric, ours, theirs, change, *ends):
        interval = Interval(*ends, 0.9)
        return Paired(metric=metric, champion=ours, challenger=theirs, difference=change, interval=interval)

    return Evidence(
        rows=rows,
        positives=rows // 4,
        mature_rows=2000,
        coverage=rows / 2000,
        coverage_interval=Interval(0.0, 0.625, 0.95),
        baseline_f1=0.4,
        champion=model(0.5, 0.125, 0.75),
        challenger=model(0.625, 0.0625, 0.875),
        f1=paired("f1", 0.5, 0.625, 0.125, low, 0.1875),
        f1_gain=paired("f1_gain", 0.5, 0.625, 0.25, low * 2, 0.375),
        brier=paired("brier", 0.125, 0.0625, -0.0625, -0.09375, -0.03125),
        auc=paired("auc", 0.75, 0.875, 0.125, 0.0625, 0.1875),
        segments=(
            SegmentEvidence(
                segment="state",
                value="CA",
                rows=rows,
                positives=rows // 4,
                champion_f1=0.5,
                challenger_f1=0.625,
                drop=-0.25,
                interval=Interval(-0.375, -0.125, 0.9),
            ),
        ),
        absent_segments=("state=TX",),
    )


def a_dossier(*, found=None, policy=GatePolicy(), last=AS_OF - timedelta(days=30), as_of=AS_OF, **changes):  # noqa: B008
    found = found or some_evidence()
    parts = {
        "model_name": "sba-default",
        "challenger": "8",
        "champion": "7",
        "as_of": as_of,
        "expires_at": as_of + timedelta(days=14),
        "window_start": as_of - timedelta(days=365),
        "window_end": as_of,
        "last_promotion_at": last,
        "row_ids_sha256": "1" * 64,
        "data_sha256": "2" * 64,
        "champion_model_sha256": "3" * 64,
        "challenger_model_sha256": "4" * 64,
        "reference_sha256": "5" * 64,
        "signal_key": "drift:a,b",
        "policy": policy,
        "evidence": found,
        "checks": all_checks(found, policy=policy, as_of=as_of, last_promotion_at=last),
    }
    return Dossier(**parts | changes)


def test_the_digest_of_a_known_dossier_never_changes():
    assert a_dossier().digest == GOLDEN_DIGEST


def test_a_check_is_written_with_its_numbers_first():
    assert canonical_json(a_dossier().to_json()["checks"][3]) == (
        '{"code":"G4","interval":{"high":0.375,"level":0.9,"low":0.125},"margin":0.23,"name":"F1 improvement",'
        '"note":"","observed":0.25,"outcome":"passed","required":true,"threshold":0.02,"unit":"relative gain of F1"}'
    )


def test_the_digest_is_the_sha256_of_the_canonical_json():
    dossier = a_dossier()
    assert dossier.digest == sha256_text(canonical_json(dossier.to_json()))


@pytest.mark.parametrize(
    ("dossier", "verdict"),
    [
        pytest.param(a_dossier(), "promotable", id="promotable"),
        pytest.param(a_dossier(found=some_evidence(low=-0.0625)), "refused", id="refused"),
        pytest.param(a_dossier(found=some_evidence(rows=100)), "waiting", id="waiting"),
        pytest.param(a_dossier(last=None), "refused", id="no promotion on record"),
    ],
)
def test_a_dossier_reads_back_as_itself_with_its_verdict_and_digest(dossier, verdict):
    record = json.loads(canonical_json(dossier.to_json()))
    back = Dossier.from_json(record)
    assert back == dossier
    assert (back.digest, back.status, back.promotable) == (dossier.digest, verdict, verdict == "promotable")
    assert (record["status"], record["promotable"]) == (verdict, verdict == "promotable")


def test_times_are_written_in_utc_with_a_z():
    local = AS_OF.astimezone(timezone(timedelta(hours=-7)))
    dossier = a_dossier(as_of=local, last=None)
    assert dossier.to_json()["as_of"] == "2006-07-01T00:00:00Z"
    assert dossier.digest == a_dossier(last=None).digest


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
        pytest.param(["schema_version"], 2, "schema_version: Input should be 1", id="another schema"),
        pytest.param(["extra"], 1, "extra: Unexpected keyword argument", id="an unknown key"),
        pytest.param(["evidence", "extra"], 1, "evidence.extra: Unexpected", id="an unknown key inside"),
        pytest.param(["challenger"], 8, "challenger: Input should be a valid string", id="a number for a version"),
        pytest.param(["challenger"], "7", "version 7 is the champion", id="a challenger to itself"),
        pytest.param(["model_name"], "", "model_name", id="no name"),
        pytest.param(["data_sha256"], "2" * 63, "data_sha256: String should match", id="a hash cut short"),
        pytest.param(["data_sha256"], "2" * 64 + "\n", "data_sha256", id="a hash and a line break"),
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
        pytest.param(["checks", 4, "observed"], -0.5, "checks: G5 passed does not follow", id="another number"),
        pytest.param(["checks", 4, "threshold"], 0.5, "checks: G5 passed does not follow", id="another threshold"),
        pytest.param(["checks", 0, "observed"], None, "G1: passed without an observed value", id="nothing observed"),
        pytest.param(["checks", 0, "observed"], math.nan, "not JSON compliant", id="NaN"),
        pytest.param(["checks", 0, "observed"], "1000", "checks.0.observed: Input should be a valid number", id="text"),
        pytest.param(["policy", "min_f1_gain"], 0.9, "checks: G4 passed does not follow", id="another policy"),
        pytest.param(["policy", "min_coverage"], 7.0, "policy.min_coverage", id="an impossible policy"),
        pytest.param(["policy", "cooldown"], "P60D", "checks: G3 passed does not follow", id="a longer cooldown"),
        pytest.param(["last_promotion_at"], "2006-06-30T00:00:00Z", "checks: G3 passed does not", id="promoted lately"),
        pytest.param(["evidence", "positives"], 10, "checks: G1 passed does not follow", id="fewer bad outcomes"),
        pytest.param(["evidence", "rows"], 10**400, "evidence.rows", id="more rows than can be"),
        pytest.param(["evidence", "rows"], True, "evidence.rows", id="yes rows"),
        pytest.param(["evidence", "f1", "difference"], 0.5, "f1: does not follow", id="another difference"),
        pytest.param(["evidence", "f1", "interval", "low"], -0.1, "G4 passed does not follow", id="another interval"),
        pytest.param(["status"], "refused", "says 'refused', but its checks say 'promotable'", id="another status"),
        pytest.param(["promotable"], 1, "not spelled", id="a one for yes"),
        pytest.param(["promotable"], None, "dossier: says", id="a null for yes"),
        pytest.param(["checks", 0, "note"], "\ud800", "dossier", id="half a character"),
    ],
)
def test_a_record_that_does_not_hold_together_is_refused_in_one_line(path, value, says):
    with pytest.raises(IntegrityError) as refusal:
        Dossier.from_json(altered(a_dossier().to_json(), path, value))
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("key", ["promotable", "status"])
def test_the_verdict_in_words_cannot_be_left_out(key):
    record = a_dossier().to_json()
    del record[key]
    with pytest.raises(IntegrityError, match="says"):
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
    found = some_evidence(low=-0.0625)
    checks = all_checks(found, policy=GatePolicy(), as_of=AS_OF, last_promotion_at=AS_OF - timedelta(days=30))
    forged = tuple(dataclasses.replace(check, outcome=Outcome.PASSED) for check in checks)
    with pytest.raises(ValueError, match="G4 passed does not follow from the evidence"):
        a_dossier(found=found, checks=forged)


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


def test_an_empty_window_makes_a_dossier_that_waits():
    nothing = dict.fromkeys(("ids", "y", "champion_score", "challenger_score"), ())
    rows = JudgedRows(**nothing, champion_threshold=0.5, challenger_threshold=0.5, mature_rows=0)
    dossier = a_dossier(found=evidence(rows, policy=GatePolicy()), window_start=AS_OF)
    assert dossier.status == "waiting"
    assert Dossier.from_json(dossier.to_json()) == dossier


def leaves(value, path=()):
    """Path of every value in a JSON document that holds no other."""
    if isinstance(value, dict | list) and value:
        keys = value if isinstance(value, dict) else range(len(value))
        return [leaf for key in keys for leaf in leaves(value[key], (*path, key))]
    return [path]


REFUSED = a_dossier(found=some_evidence(low=-0.0625)).to_json()
junk = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.text(), st.sampled_from(["passed", "promotable", [], {}])
)


@given(st.sampled_from(leaves(REFUSED)), junk)
@settings(max_examples=500, deadline=None)
def test_no_single_change_makes_a_refused_record_promotable_or_keeps_its_digest(path, value):
    record = altered(REFUSED, path, value)
    try:
        back = Dossier.from_json(record)
    except IntegrityError:
        return
    assert not back.promotable
    same = canonical_json(record) == canonical_json(REFUSED)
    assert (back.digest == sha256_text(canonical_json(REFUSED))) == same
    assert back.digest == sha256_text(canonical_json(record))
