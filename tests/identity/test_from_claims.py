"""What a sign-in claims is believed only where it is of the right type, from the one issuer, and about somebody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import RefusedError
from pipeline.identity.from_claims import end_of, person_from_claims, roles_of
from pipeline.promotion.person import require_authority
from pipeline.settings_deciding import ApprovalSettings
from pipeline.settings_identity import IdentitySettings

ISSUER = "https://id.bank.example"
IDENTITY = IdentitySettings(mode="oidc", issuer=ISSUER)
APPROVAL = ApprovalSettings(approver_roles=("risk",))
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
IN_AN_HOUR = int((NOW + timedelta(hours=1)).timestamp())
ANN: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "ann",
    "groups": ["staff", "risk"],
    "exp": IN_AN_HOUR,
    "email": "a@b.example",
}


def may_decide(claims: dict[str, Any]) -> bool:
    try:
        require_authority(person_from_claims(claims, IDENTITY), APPROVAL, IDENTITY, wall=NOW)
    except RefusedError:
        return False
    return True


def test_somebody_is_known_by_issuer_and_subject_and_their_name_is_for_reading():
    ann = person_from_claims(ANN | {"name": " Ann ", "preferred_username": "a"}, IDENTITY)
    assert (ann.actor, ann.issuer, ann.subject) == (f"{ISSUER}#ann", ISSUER, "ann")
    assert (ann.name, ann.method, ann.verified) == ("Ann", "oidc", True)
    assert ann.expires_at == NOW + timedelta(hours=1)
    assert person_from_claims(ANN, IDENTITY).name == "a@b.example"
    assert may_decide(ANN)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        pytest.param("iss", "https://id.bank.example/", id="a slash more"),
        pytest.param("iss", "https://id.bank.example.evil.example", id="a longer host"),
        pytest.param("iss", [ISSUER], id="a list of issuers"),
        pytest.param("iss", None, id="no issuer"),
        pytest.param("sub", "", id="an empty subject"),
        pytest.param("sub", "   ", id="a blank subject"),
        pytest.param("sub", 7, id="a number for a subject"),
        pytest.param("sub", ["ann"], id="a list of subjects"),
        pytest.param("sub", None, id="no subject"),
        pytest.param("sub", "ann\n", id="a line's end"),
        pytest.param("sub", "а" + "nn", id="a Cyrillic a"),
        pytest.param("sub", "a" * 256, id="longer than the standard has it"),
    ],
)
def test_a_sign_in_that_names_nobody_of_this_issuer_s_is_refused(claim, value):
    with pytest.raises(RefusedError, match=r"signed in by|names nobody"):
        person_from_claims(ANN | {claim: value}, IDENTITY)


@pytest.mark.parametrize(
    ("groups", "may"),
    [
        pytest.param(["risk"], True, id="a list"),
        pytest.param("risk", True, id="a string"),
        pytest.param(["staff"], False, id="another role"),
        pytest.param("risk staff", False, id="two roles in a string"),
        pytest.param("RISK", False, id="other letters"),
        pytest.param({"risk": True}, False, id="a table"),
        pytest.param([["risk"]], False, id="a list in a list"),
        pytest.param(["risk", 1], False, id="a number beside it"),
        pytest.param(["risk", ""], False, id="an empty one beside it"),
        pytest.param(True, False, id="a flag"),
        pytest.param(None, False, id="none"),
    ],
)
def test_a_role_counts_only_as_a_string_or_among_strings(groups, may):
    assert may_decide(ANN | {"groups": groups}) is may


def test_the_claim_that_holds_the_roles_is_a_setting():
    identity = IDENTITY.model_copy(update={"role_claim": "mend_roles"})
    assert person_from_claims(ANN | {"mend_roles": "risk"}, identity).roles == ("risk",)
    assert person_from_claims(ANN, identity).roles == ()


@pytest.mark.parametrize(
    ("end", "may"),
    [
        pytest.param(IN_AN_HOUR, True, id="in an hour"),
        pytest.param(IN_AN_HOUR + 0.5, True, id="a part of a second"),
        pytest.param(NOW.timestamp() + 1, True, id="in a second"),
        pytest.param(NOW.timestamp(), False, id="now"),
        pytest.param(NOW.timestamp() - 1, False, id="a second ago"),
        pytest.param(None, False, id="none"),
        pytest.param(True, False, id="a flag"),
        pytest.param(str(IN_AN_HOUR), False, id="digits in a string"),
        pytest.param([IN_AN_HOUR], False, id="a list"),
        pytest.param(float("inf"), False, id="for ever"),
        pytest.param(float("nan"), False, id="not a number"),
        pytest.param(10**40, False, id="after the end of time"),
        pytest.param(-1, False, id="before 1970"),
    ],
)
def test_a_sign_in_counts_until_an_end_that_can_be_read(end, may):
    assert may_decide(ANN | {"exp": end}) is may


def test_a_name_or_an_address_opens_nothing():
    approval = ApprovalSettings(approvers=("ann", "a@b.example", "Ann"), approver_roles=("risk",))
    claims = ANN | {"groups": [], "name": "Ann", "email": "a@b.example", "email_verified": True}
    with pytest.raises(RefusedError, match="not on the list"):
        require_authority(person_from_claims(claims, IDENTITY), approval, IDENTITY, wall=NOW)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["risk", ISSUER]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CLAIMS = st.dictionaries(
    st.sampled_from(["iss", "sub", "groups", "exp", "name", "email", "preferred_username"]) | st.text(max_size=8), JUNK
)


@given(CLAIMS, st.booleans())
@example({"sub": "", "groups": ["risk"], "exp": IN_AN_HOUR}, True)
@example({"sub": "ann", "groups": {"risk": 1}, "exp": IN_AN_HOUR}, True)
def test_no_junk_makes_a_verified_nobody_or_a_role_out_of_something_else(claims, right_issuer):
    given_claims = claims | ({"iss": ISSUER} if right_issuer else {})
    try:
        person = person_from_claims(given_claims, IDENTITY)
    except RefusedError:
        return
    assert given_claims["iss"] == ISSUER
    assert isinstance(given_claims["sub"], str)
    assert given_claims["sub"].strip()
    assert person.actor == f"{ISSUER}#{given_claims['sub']}"
    groups = given_claims.get("groups")
    assert set(person.roles) <= (
        {groups} if isinstance(groups, str) else set(groups) if isinstance(groups, list) else set()
    )
    assert all(isinstance(role, str) and role.strip() for role in person.roles)
    assert person.expires_at is None or person.expires_at.tzinfo is UTC
    person.to_json()


@given(JUNK)
def test_no_claim_at_all_breaks_the_reading(claim):
    assert isinstance(roles_of(claim), tuple)
    end = end_of(claim)
    assert end is None or end.tzinfo is UTC
