"""The ledger's tables: a chain of entries, and one table per kind of act that repeats its entry's body in columns."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.stores.engine import UtcTime

metadata = sa.MetaData()

entries = sa.Table(
    "entries",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("recorded_at", UtcTime, nullable=False),
    sa.Column("kind", sa.String(30), nullable=False),
    sa.Column("key", sa.String(200), nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("files", sa.Text, nullable=False),
    sa.Column("prev", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.UniqueConstraint("kind", "key", name="an_act_happens_once"),
)


def _act(name: str, *columns: sa.Column[object]) -> sa.Table:
    entry: sa.Column[int] = sa.Column("entry", sa.Integer, sa.ForeignKey("entries.seq"), nullable=False, unique=True)
    return sa.Table(name, metadata, *columns, entry)


def _text(
    name: str, length: int = 200, *, nullable: bool = False, key: bool = False, index: bool = False
) -> sa.Column[object]:
    return sa.Column(name, sa.String(length), nullable=nullable, primary_key=key, index=index)


def _time(name: str, *, nullable: bool = False, key: bool = False, index: bool = False) -> sa.Column[object]:
    return sa.Column(name, UtcTime, nullable=nullable, primary_key=key, index=index)


def _long(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Integer, nullable=nullable)


def _real(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Double, nullable=nullable)


signals = _act(
    "signals", _text("key", 64, key=True), _time("as_of"), _text("reason", 30), _long("note"), _long("windows")
)
challengers = _act(
    "challengers",
    _text("version", 50, key=True),
    _text("signal", 64, nullable=True),
    _time("as_of"),
    _time("train_start"),
    _time("train_end"),
    _number("rows"),
    _number("positives"),
    _text("recipe", 50),
    _real("threshold"),
    _text("data_sha256", 64),
    _text("model_sha256", 64),
    _long("model_path"),
    _text("mlflow_run", 64),
    _text("requested_by"),
)
dossiers = _act(
    "dossiers",
    _text("digest", 64, key=True),
    _text("challenger", 50, index=True),
    _text("champion", 50),
    _time("as_of"),
    _time("expires_at"),
    _text("status", 20),
    _long("path"),
)
trials = _act(  # beside each dossier: what the comparison spent of the yearly error budget, and when it is repeated
    "trials",
    _text("digest", 64, key=True),
    _text("challenger", 50),
    _time("as_of"),
    _text("metric", 20),
    _real("error_spent"),
    _time("recheck_at", nullable=True),
)
decisions = _act(
    "decisions",
    _text("digest", 64, key=True),
    _text("verdict", 20),
    _text("actor"),
    _long("reason"),
    _time("at"),
    _long("path"),
)
champions = _act(
    "champions",
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    _text("version", 50),
    _time("since", index=True),
    _text("how", 20),
    _text("digest", 64, nullable=True),
)
cycles = _act(
    "cycles",
    _time("as_of", key=True),
    _text("clock", 20),
    _text("status", 20),
    _real("drift_share", nullable=True),
    _number("dataset_drift_detected", nullable=True),
    _number("rows", nullable=True),
    _text("champion", 50),
    _long("summary_path", nullable=True),
    _long("metrics_path", nullable=True),
    _long("report_path", nullable=True),
    _long("note"),
)
runs = _act(
    "runs",
    _text("run_id", 100, key=True),
    _text("notebook", 50),
    _time("as_of"),
    _text("status", 20),
    _real("seconds"),
    _long("path"),
    _long("artefact", nullable=True),
    _long("error", nullable=True),
)
looks = _act(  # what one cycle saw and took it for; one that could not look has counts of 0 and the rest null
    "looks",
    _time("as_of", key=True),
    _text("state", 20),
    _number("rows"),
    _number("features_total"),
    _number("features_judged"),
    _number("features_drifted"),
    _real("weighted_share", nullable=True),
    _text("worst_feature", nullable=True),
    _real("worst_psi", nullable=True),
    _real("score_psi", nullable=True),
    _text("change_kind", 30, nullable=True),
    _text("recommendation", 30, nullable=True),
    _text("signal_reason", 30, nullable=True),
    _number("fired"),
    _long("why"),
)
alerts = _act(  # an alert as it opened; what became of it is in alert_events
    "alerts",
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    _time("opened_at"),
    _text("code", 50),
    _text("subject"),
    _text("severity", 10),
    _long("text"),
    _time("since"),
)
alert_events = _act(  # the last event of a transaction carries the whole state after it: a cycle reads one row, not all
    "alert_events",
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    _time("at"),
    _text("event", 20),
    _number("alert", nullable=True),
    _text("actor"),
    _text("target", nullable=True),
    _text("verdict", 10, nullable=True),
    _time("until", nullable=True),
    _long("note", nullable=True),
    _long("told", nullable=True),
    _long("state", nullable=True),
)

ACTS: dict[str, sa.Table] = {
    "signal": signals,
    "challenger": challengers,
    "dossier": dossiers,
    "trial": trials,
    "decision": decisions,
    "champion": champions,
    "cycle": cycles,
    "run": runs,
    "look": looks,
    "alert": alerts,
    "alert_event": alert_events,
}
