"""Train, judge, sign, refuse, roll back, wait and be killed in any order: the record keeps to a few plain rules."""

import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from builders import AS_OF, HEAD, OFFICER, a_dossier, judged
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

sys.path.append(str(Path(__file__).parents[1] / "faults"))
from kills import on
from processes import killed_before
from stage import Stage, close, opened

from pipeline.errors import RefusedError
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person
from pipeline.promotion.reconcile import projection, reconcile
from pipeline.promotion.rollback import rollback
from pipeline.stores.verify import verify

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*noload.*loader strategy"),  # MLflow's own
]
FORTNIGHT = AS_OF + timedelta(days=13)  # the small bank's applicants are the same until then
SIGNED_WITHIN = timedelta(days=3)
SEEN: Counter[str] = Counter()  # a walk in which nothing is ever signed would hold to any rule
PEOPLE = st.sampled_from([OFFICER, HEAD, HEAD, "eve"])
# spread: small numbers are drawn most, and all of them die before anything is written
PLACES = st.integers(0, 3999).map(lambda drawn: drawn * 617 % 4000)
REASONS = st.sampled_from(["because", "because", "because", " "])


@dataclass
class Judged:
    """What the rules need to know of a dossier."""

    version: str
    promotable: bool
    requested_by: str
    expires_at: datetime
    reign: int  # how many reigns there had been when it was judged
    decision: tuple[str, str] | None = None


@dataclass
class Rules:
    """What should be true, in as few words as possible."""

    reigns: list[str] = field(default_factory=lambda: ["1"])
    dossiers: dict[str, Judged] = field(default_factory=dict)
    promoted: set[str] = field(default_factory=lambda: {"1"})

    def may(self, digest: str, verdict: str, person: str, reason: str, now: datetime) -> bool:
        """A decision is made, or was made already by the same person."""
        on = self.dossiers[digest]
        if on.decision is not None:
            return on.decision == (verdict, person)
        fresh = on.promotable and on.reign == len(self.reigns) and now < on.expires_at
        return fresh and person in (OFFICER, HEAD) and person != on.requested_by and reason.strip() != ""

    def decided(self, digest: str, verdict: str, person: str) -> None:
        """It was."""
        if self.dossiers[digest].decision is None:
            self.dossiers[digest].decision = (verdict, person)
            if verdict == "approved":
                self.reigns.append(self.dossiers[digest].version)
                self.promoted.add(self.dossiers[digest].version)


@cache
def stage() -> Stage:
    return Stage(Path(tempfile.mkdtemp(prefix="any_order")), versions=1)


class Desk(RuleBasedStateMachine):
    """One desk, and beside it the rules."""

    def __init__(self) -> None:
        super().__init__()
        self._copying = stage().copy()
        self.config = self._copying.__enter__()
        text = self.config.read_text().replace('cooldown = "7d"', 'cooldown = "0d"\nmax_brier_shift = 1.0')
        self.config.write_text(text)
        self.workspace = opened(self.config)
        self.now, self.rules, self.version = AS_OF, Rules(), 1

    def teardown(self) -> None:
        close(self.workspace)
        self._copying.__exit__(None, None, None)

    def restart(self) -> None:
        """What a new process does first."""
        close(self.workspace)
        self.workspace = opened(self.config)
        reconcile(self.workspace, now=self.now)

    @precondition(lambda self: self.version < 8)
    @rule(better=st.sampled_from([True, True, False]), requested_by=st.sampled_from(["mend", "mend", OFFICER]))
    def train_and_judge(self, better: bool, requested_by: str) -> None:
        self._train(better, requested_by)

    @precondition(lambda self: self.version < 8)
    @rule()
    def go_all_the_way(self) -> None:
        """Two challengers are judged, and the better of them signed: the other one is too late."""
        self._train(True, "mend")
        self._sign(self._train(True, "mend"), "approved", HEAD, "because")

    @precondition(lambda self: self.version < 7)
    @rule()
    def there_and_back(self) -> None:
        """The champion goes and comes back: what was judged before is out of date, although its champion is the same."""
        holder, waits = self.rules.reigns[-1], self._train(True, "mend")
        self._sign(self._train(True, "mend"), "approved", HEAD, "because")
        self._roll_back(holder, HEAD, "because")
        SEEN["the same champion again"] += len(self.rules.reigns) > self.rules.dossiers[waits].reign
        self._sign(waits, "approved", HEAD, "because")

    def _train(self, better: bool, requested_by: str) -> str:
        self.version += 1
        champion = self.workspace.ledger.champion()
        dossier = a_dossier(
            challenger=str(self.version),
            champion=champion["version"],
            as_of=self.now,
            better=better,
            promoted_at=champion["since"],
            policy=self.workspace.settings.gate_policy,
            signed_within=SIGNED_WITHIN,
        )
        digest = judged(self.workspace, dossier, requested_by=requested_by)
        client = self.workspace.registry._client
        name = self.workspace.settings.model.name
        client.create_model_version(name, str(self.workspace.root / f"mlflow/{self.version}"))
        self.rules.dossiers[digest] = Judged(
            version=str(self.version),
            promotable=dossier.promotable,
            requested_by=requested_by,
            expires_at=dossier.expires_at,
            reign=len(self.rules.reigns),
        )
        return digest

    @precondition(lambda self: self.rules.dossiers)
    @rule(data=st.data())
    def approve(self, data: st.DataObject) -> None:
        """As it should be: somebody on the list, with a reason, whether or not it can be signed any more."""
        self._sign(data.draw(st.sampled_from(list(self.rules.dossiers)[-3:])), "approved", HEAD, "because")

    @precondition(lambda self: self.rules.dossiers)
    @rule(data=st.data(), verdict=st.sampled_from(["approved", "rejected"]), actor=PEOPLE, reason=REASONS)
    def sign(self, data: st.DataObject, verdict: str, actor: str, reason: str) -> None:
        self._sign(data.draw(st.sampled_from(list(self.rules.dossiers))), verdict, actor, reason)

    def _sign(self, digest: str, verdict: str, actor: str, reason: str) -> None:
        may = self.rules.may(digest, verdict, actor, reason, self.now)
        person = Person(actor=actor, method="local")
        try:
            made = decide(self.workspace, digest, verdict, person=person, reason=reason, now=self.now)
        except RefusedError as refusal:
            assert not may
            SEEN["stale"] += "the champion is now" in str(refusal)
        else:
            assert may
            SEEN[verdict] += 1
            assert (made["verdict"], made["actor"]) == (verdict, actor)
            self.rules.decided(digest, verdict, actor)

    @precondition(lambda self: self.version < 8)
    @rule(place=PLACES)
    def sign_and_be_killed(self, place: int) -> None:
        digest, actor = self._train(True, "mend"), HEAD
        may = self.rules.may(digest, "approved", actor, "because", self.now)

        def act(workspace) -> None:
            person = Person(actor=actor, method="local")
            decide(workspace, digest, "approved", person=person, reason="because", now=self.now)
            reconcile(workspace, now=self.now)

        self._killed(act, place)
        decision = self.workspace.ledger.get("decision", digest)
        if self.rules.dossiers[digest].decision is None and decision is not None:
            assert may
            SEEN["survived a kill"] += 1
            self.rules.decided(digest, "approved", actor)

    @rule(data=st.data(), actor=PEOPLE, reason=REASONS)
    def roll_back(self, data: st.DataObject, actor: str, reason: str) -> None:
        self._roll_back(data.draw(st.sampled_from([*self.rules.reigns, str(self.version)])), actor, reason)

    @precondition(lambda self: len(self.rules.reigns) > 1)
    @rule()
    def go_back(self) -> None:
        """To the first champion, as it should be."""
        self._roll_back("1", HEAD, "because")

    def _roll_back(self, version: str, actor: str, reason: str) -> None:
        allowed = version in self.rules.promoted and version != self.rules.reigns[-1]
        may = allowed and actor in (OFFICER, HEAD) and reason.strip() != ""
        before = len(self.rules.reigns)
        try:
            rollback(self.workspace, version, person=Person(actor=actor, method="local"), reason=reason, now=self.now)
        except RefusedError:
            assert not may
        else:
            if len(self.workspace.ledger.acts("champion")) > before:
                assert may
                SEEN["rolled back"] += 1
                self.rules.reigns.append(version)
            else:
                assert version == self.rules.reigns[-1]  # the same act again: the first answer

    @rule(place=PLACES)
    def roll_back_and_be_killed(self, place: int) -> None:
        def act(workspace) -> None:
            person = Person(actor=HEAD, method="local")
            rollback(workspace, "1", person=person, reason="worse", now=self.now)
            reconcile(workspace, now=self.now)

        before = len(self.rules.reigns)
        self._killed(act, place)
        if len(self.workspace.ledger.acts("champion")) > before:
            assert self.rules.reigns[-1] != "1"
            self.rules.reigns.append("1")

    def _killed(self, act, place: int) -> None:
        """The act in a process of its own, which kills itself before the `place`-th line; then the next start."""
        close(self.workspace)
        killed_before(lambda: on(self.config, act), place)
        self.workspace = opened(self.config)
        self.restart()

    @rule(hours=st.sampled_from([1, 1, 24, 73]))
    def wait(self, hours: int) -> None:
        self.now = min(self.now + timedelta(hours=hours), FORTNIGHT)

    @rule()
    def start_again(self) -> None:
        self.restart()
        assert reconcile(self.workspace, now=self.now) == []
        assert self.workspace.registry.champion() == self.rules.reigns[-1]

    @invariant()
    def the_record_says_what_the_rules_say(self) -> None:
        ledger = self.workspace.ledger
        champions = ledger.acts("champion")
        assert [row["version"] for row in champions] == self.rules.reigns
        assert ledger.champion()["version"] == self.rules.reigns[-1]
        decided = {row["digest"]: (row["verdict"], row["actor"]) for row in ledger.acts("decision")}
        assert decided == {key: on.decision for key, on in self.rules.dossiers.items() if on.decision}
        assert [entry.key for entry in ledger.entries(kind="signature")] == [
            row["digest"] for row in ledger.acts("decision")
        ]
        stages = projection(self.workspace, now=self.now).stages
        assert [version for version, stage in stages.items() if stage == "Production"] == [self.rules.reigns[-1]]
        assert verify(ledger, workspace=self.workspace.root).breaks == ()


TestAnyOrder = Desk.TestCase
TestAnyOrder.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module", autouse=True)
def _whatever_can_happen_happened():
    yield
    assert min(SEEN[name] for name in ("approved", "rolled back", "stale", "the same champion again")) > 0, SEEN
    if stage.cache_info().currsize:
        shutil.rmtree(stage().folder, ignore_errors=True)
