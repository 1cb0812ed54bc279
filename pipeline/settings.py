"""What the user decides: `mend.toml`, overridden by `MEND_SECTION__KEY` variables. Frozen, unknown keys refused."""

from __future__ import annotations

import os
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as OverrideError

from monitoring.summary import DriftPolicy
from monitoring.thresholds import look_level
from pipeline.errors import SettingsError
from pipeline.gate.values import GatePolicy
from pipeline.settings_alerts import AlertSettings
from pipeline.settings_data import DataSettings, ModelSettings, ReferenceSettings, TrainSettings
from pipeline.settings_deciding import ApprovalSettings, GateSettings, ProfitSettings
from pipeline.settings_identity import IdentitySettings
from pipeline.settings_keeping import KeepingSettings
from pipeline.settings_ledger import LedgerSettings
from pipeline.settings_promotion import WatchSettings
from pipeline.settings_serving import ServingSettings
from pipeline.settings_signing import SigningSettings
from pipeline.settings_types import PositiveDuration, Section
from pipeline.settings_watching import MonitorSettings, RetrainSettings

CONFIG_VARIABLE = "MEND_CONFIG"


class NotebookSettings(Section):
    """How notebooks are run."""

    kernel: Literal["warm", "stock"] = "warm"
    deadline: PositiveDuration = timedelta(minutes=15)


class StoreSettings(Section):
    """Database URLs; empty means inside the workspace."""

    traffic: str = ""
    ledger: str = ""
    mlflow: str = ""


class Settings(BaseSettings):
    """The whole file."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix="MEND_", env_nested_delimiter="__")

    model: ModelSettings
    data: DataSettings
    reference: ReferenceSettings
    train: TrainSettings
    monitor: MonitorSettings = MonitorSettings()
    retrain: RetrainSettings = RetrainSettings()
    gate: GateSettings = GateSettings()
    profit: ProfitSettings = ProfitSettings()
    approval: ApprovalSettings = ApprovalSettings()
    identity: IdentitySettings = IdentitySettings()
    signing: SigningSettings = SigningSettings()
    watch: WatchSettings = WatchSettings()
    serving: ServingSettings = ServingSettings()
    alerts: AlertSettings = AlertSettings()
    keeping: KeepingSettings = KeepingSettings()
    ledger: LedgerSettings = LedgerSettings()
    notebooks: NotebookSettings = NotebookSettings()
    stores: StoreSettings = StoreSettings()
    source: Path = Field(default=Path("mend.toml"), exclude=True, description="the file these settings came from")

    @model_validator(mode="after")
    def _reference_is_history(self) -> Self:
        if not self.reference.start < self.reference.end <= self.train.go_live:
            raise ValueError("reference: expected start < end <= train.go_live")
        return self

    @model_validator(mode="after")
    def _amount_is_money(self) -> Self:
        feature = None if self.profit.amount is None else self.data.features.get(self.profit.amount)
        if self.profit.amount is not None and (feature is None or feature.min is None or feature.min < 0):
            raise ValueError(f"profit.amount: expected a numeric feature with min >= 0, got {self.profit.amount!r}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file; nothing else is read."""
        return env_settings, init_settings

    @property
    def workspace(self) -> Path:
        """Absolute folder of stores, models and artefacts."""
        return (self.source.parent / self.model.workspace).resolve()

    @property
    def gate_policy(self) -> GatePolicy:
        """The gates' thresholds, with what a decision is worth and the seed of their resampling."""
        money = self.profit.model_dump(include={"cost_of_bad", "gain_of_good"})
        return GatePolicy(**self.gate.model_dump(exclude={"fairness_policy"}), **money, seed=self.train.seed)

    @property
    def drift_policy(self) -> DriftPolicy:
        """When a window counts as drifted; the level of one look comes from the false-alarm budget."""
        monitor = self.monitor
        return DriftPolicy(
            threshold=monitor.threshold,
            drift_share=monitor.drift_share,
            min_rows=monitor.min_rows,
            look_level=look_level(
                false_alarms=monitor.false_alarms, per=monitor.false_alarm_period, interval=monitor.interval
            ),
            material_psi=monitor.material_psi,
            stale_after=monitor.stale_after or monitor.lookback / 2,
        )

    @property
    def fairness_policy_path(self) -> Path | None:
        """Absolute path of the dated fairness policy, if there is one."""
        given = self.gate.fairness_policy
        return None if given is None else (self.source.parent / given).resolve()

    @property
    def data_path(self) -> Path:
        """Absolute path of the portfolio file."""
        return (self.source.parent / self.data.path).resolve()

    def store_url(self, store: Literal["traffic", "ledger", "mlflow"]) -> str:
        """Database URL of a store."""
        folder = self.workspace / store if store == "mlflow" else self.workspace
        given: str = getattr(self.stores, store)
        return given.replace("postgresql://", "postgresql+psycopg://", 1) or f"sqlite:///{folder / store}.db"


def find_config(start: Path) -> Path:
    """The settings file: `MEND_CONFIG`, or the nearest `mend.toml` at or above a folder."""
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    for folder in (start, *start.parents):
        if (folder / "mend.toml").is_file():
            return folder / "mend.toml"
    raise SettingsError("mend.toml", f"not found in {start} or above; give --config FILE")


def load_settings(path: Path | str | None = None) -> Settings:
    """Read, override and check the settings; every fault is one line with file, key and what was expected."""
    source = (Path(path) if path else find_config(Path.cwd())).resolve()
    try:
        content = tomllib.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(source, "no such file; expected a settings file like mend.toml") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(source, f"not readable as TOML: {error}") from None
    _refuse_unknown_overrides(source)
    if "source" in content:
        raise SettingsError(source, "source: unknown key")
    try:
        return Settings(**content, source=source)
    except ValidationError as error:
        raise SettingsError(source, one_line(error)) from None
    except OverrideError as error:
        raise SettingsError("environment", f"{error}; lists and tables are given as JSON") from None


def _refuse_unknown_overrides(source: Path) -> None:
    sections = set(Settings.model_fields) - {"source"}
    for name in os.environ:
        section, separator, _ = name.removeprefix("MEND_").partition("__")
        if name.startswith("MEND_") and separator and section.lower() not in sections:
            known = ", ".join(sorted(sections))
            raise SettingsError(source, f"variable {name}: no section {section.lower()!r}; sections are {known}")


def one_line(error: ValidationError) -> str:
    """The first thing that is wrong with settings: where, what was expected, what was found; and how many more."""
    first, more = error.errors()[0], error.error_count() - 1
    where = ".".join(str(part) for part in first["loc"])
    what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    told = first["type"] in ("missing", "extra_forbidden") or isinstance(first["input"], dict) or ", got " in what
    got = "" if told else f", got {first['input']!r}"
    return (f"{where}: " if where else "") + f"{what}{got}" + (f" (and {more} more)" if more else "")
