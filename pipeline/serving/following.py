"""Who scores: the champion on record, loaded and warm beside the old one before it takes its place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.errors import IntegrityError, MendError
from pipeline.keeping.erased import is_erased
from pipeline.serving.keys import Key, keys_on_record
from pipeline.serving.scorer import Scorer
from pipeline.wiring import Workspace


class ErasedIdError(MendError):
    """The applicant with this id was erased; it stays so."""

    code, exit_code = "serving.erased", 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """Who scores, and since when the service has not been able to follow the ledger, if so."""

    scorer: Scorer
    number: int
    loaded_at: datetime
    head: int
    is_erased: Callable[[str], bool] | None
    keys: Mapping[str, Key]
    stale_since: datetime | None = None
    why_stale: str | None = None


class ChampionFollower:
    """Asks the ledger who is champion, never during a request; scoring goes on with the last one that verified."""

    def __init__(self, workspace: Workspace, *, clock: Callable[[], datetime], every_s: float) -> None:
        """Load today's champion.

        Raises:
            NotInitialisedError: There is none.
            IntegrityError: Its record or its files are not what the ledger says.
        """
        self._workspace, self._clock, self._every_s = workspace, clock, every_s
        self._warm_up = workspace.reference()
        self._stopped = threading.Event()
        self.now = self._read(None)
        self._thread = threading.Thread(target=self._run, name="following", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no longer."""
        self._stopped.set()
        self._thread.join()

    def scorer(self) -> Scorer:
        """Who scores now."""
        return self.now.scorer

    def was_erased(self, prediction_id: str) -> bool:
        """The applicant with this id was erased."""
        is_erased = self.now.is_erased
        return is_erased is not None and is_erased(prediction_id)

    def require_not_erased(self, prediction_ids: Sequence[str]) -> None:
        """An id that the client chose is nobody's who was erased.

        Raises:
            ErasedIdError: It is.
        """
        if gone := [key for key in prediction_ids if self.was_erased(key)]:
            raise ErasedIdError("prediction_id", f"{len(gone)} of {len(prediction_ids)} ids are of erased applicants")

    def look(self) -> None:
        """Follow the ledger once; what stands in the way is kept for those who ask."""
        try:
            self.now = self._read(self.now)
        except MendError as error:
            since = self.now.stale_since or self._clock()
            self.now = replace(self.now, stale_since=since, why_stale=str(error))

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            self.look()

    def _read(self, now: Following | None) -> Following:
        """What the ledger says; cheap while nothing was added to it."""
        head, _ = self._workspace.ledger.head()
        if now is not None and now.head == head and now.stale_since is None:
            return now
        champion = self._workspace.require_champion()
        number, erased = int(champion["number"]), is_erased(self._workspace)
        keys = keys_on_record(self._workspace.ledger)
        if now is not None and now.number == number:
            return replace(now, head=head, is_erased=erased, keys=keys, stale_since=None, why_stale=None)
        scorer = self._load(number, champion["version"])
        return Following(scorer=scorer, number=number, loaded_at=self._clock(), head=head, is_erased=erased, keys=keys)

    def _load(self, number: int, version: str) -> Scorer:
        entry = self._workspace.ledger.entry("champion", str(number))
        if entry is None or entry.body["version"] != version:
            raise IntegrityError("ledger", f"champion {number}", f"no entry says that it is version {version}")
        return Scorer(self._workspace.model(version), self._workspace.settings.data.kinds, warm_up=self._warm_up)
