"""What the watch of a promotion reads: scores of the reference on record, and applicants after those of a dossier."""

import io
from datetime import timedelta

import numpy as np
import pandas as pd
import small_bank
from builders import AS_OF, OFFICER, a_dossier, judged
from small_bank import HORIZON, model_of

from pipeline.artefacts import write_atomically
from pipeline.baseline import baseline_key
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person

SIGHT = "jobs_created"  # what version 2 goes by; version 1 goes by low_doc
LOOK = AS_OF + timedelta(days=30)  # the first look at outcomes


def promoted(workspace):
    """Version 2 takes the place of version 1 at AS_OF; both have scores of the reference on record."""
    digest = judged(workspace, a_dossier())
    decide(workspace, digest, "approved", person=Person(actor=OFFICER, method="local"), reason="better", now=AS_OF)
    for version in ("1", "2"):
        record_scores(workspace, version)


def record_scores(workspace, version):
    """As `record_baseline` leaves them, without the seconds that drift's limits take."""
    buffer, path = io.BytesIO(), f"monitoring/reference/reference_scores_v{version}.parquet"
    pd.DataFrame({"score": model_of(version).score(small_bank.reference())}).to_parquet(buffer, index=False)
    files = {path: write_atomically(workspace.root / path, buffer.getvalue())}
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        writer.record(
            "baseline",
            baseline_key(version, workspace.reference_sha256),
            {"version": version},
            at=AS_OF,
            actor="mend",
            files=files,
        )


def new_people(workspace, *, seen_by, n=600, labelled=True, start=AS_OF - HORIZON):
    """Applicants of the month after those of the dossier; which version sees who of them goes bad."""
    rows = small_bank.applicants(AS_OF).iloc[:n].reset_index(drop=True)
    bad = (np.arange(n) % 5 == 0).astype(int)
    noise = np.random.default_rng(8)
    chance = noise.permutation(bad)
    rows["low_doc"] = np.where(bad if seen_by == "1" else chance, "1", "0").astype(object)
    rows[SIGHT] = (bad if seen_by == "2" else chance) * 5.0 + noise.random(n)
    rows["application_id"] = [f"new{start:%m}{i:05d}" for i in range(n)]
    rows["event_time"] = (pd.Timestamp(start) + pd.to_timedelta(np.arange(1, n + 1), unit="h")).as_unit("us")
    rows = rows.drop(columns=["bad", "y", "known_at"])
    workspace.traffic.add_applications(rows, received_at=AS_OF)
    known = rows[["application_id"]].assign(y=bad, known_at=rows["event_time"] + HORIZON)
    if labelled:
        workspace.traffic.add_labels(known, recorded_at=AS_OF)
