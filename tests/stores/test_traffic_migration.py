"""A traffic store of an earlier version keeps what it knows: what came after another outcome was a correction then."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pipeline.stores.engine import iso, migrate, open_engine, writing
from pipeline.stores.traffic import TrafficStore

START = datetime(2006, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_outcomes_of_the_first_schema_say_the_same_as_before(store_urls, tmp_path):
    engine = open_engine(store_urls["traffic"])
    config = Config()
    config.set_main_option("script_location", "pipeline/stores/migrations/traffic")
    config.set_main_option("path_separator", "os")
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for key in ("once", "mended"):
            values = {"id": key, "at": iso(START)}
            words = "INSERT INTO applications VALUES (:id, :at, :at, '{\"amount\": 1.0}')"
            connection.execute(sa.text(words), values)
        for key, y, days in (("once", 1, 2), ("mended", 0, 2), ("mended", 1, 4)):
            values = {"id": key, "y": y, "at": iso(START + days * DAY)}
            words = "INSERT INTO labels (application_id, y, known_at, recorded_at) VALUES (:id, :y, :at, :at)"
            connection.execute(sa.text(words), values)
    migrate(engine, "traffic", lock=tmp_path / "lock")
    store = TrafficStore(engine, {"amount": "numeric"})
    told = {
        days: dict(
            store.outcomes(START, START + DAY, as_of=START + days * DAY)[["application_id", "y"]].itertuples(
                index=False
            )
        )
        for days in (3, 5)
    }
    assert told == {3: {"once": 1.0, "mended": 0.0}, 5: {"once": 1.0, "mended": 1.0}}
    assert store.counts()["labels"] == 3
    engine.dispose()
