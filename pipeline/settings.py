"""What the user decides: `mend.toml`, overridden by `MEND_SECTION__KEY` variables. Frozen, unknown keys refused."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as OverrideError

from pipeline.errors import SettingsError
from pipeline.gate.values import GatePolicy

CONFIG_VARIABLE = "MEND_CONFIG"
_LONGEST = timedelta(days=36_500)
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(text: object) -> timedelta:
    """A whole number with a unit: s, m, h, d or w.

    >>> parse_duration("1096d")
    datetime.timedelta(days=1096)
    >>> parse_duration("5")
    Traceback (most recent call last):
    ...
    ValueError: a duration needs a unit (s, m, h, d, w), as in '5m' or '1096d', got '5'
    """
    if isinstance(text, timedelta):
        return text
    match = re.fullmatch(r"(\d{1,6})\s*([smhdw])", str(text).strip())
    if match is None:
        raise ValueError(f"a duration needs a unit (s, m, h, d, w), as in '5m' or '1096d', got {text!r}")
    length = timedelta(seconds=int(match[1]) * _UNIT_SECONDS[match[2]])
    if length > _LONGEST:
        raise ValueError(f"expected a duration of at most {_LONGEST.days}d, got {text!r}")
    return length


def parse_day(value: object) -> datetime:
    """A date or time as UTC; a bare date is its midnight.

    >>> parse_day("2004-01-01").isoformat()
    '2004-01-01T00:00:00+00:00'
    """
    try:
        moment = value if isinstance(value, (date, datetime)) else datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"expected a date as in '2004-01-01' (UTC), got {value!r}") from None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time.min)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


def _not_a_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"expected a number, got {str(value).lower()}")
    return value


Number = BeforeValidator(_not_a_flag)  # true would be read as 1
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
Day = Annotated[datetime, BeforeValidator(parse_day)]
Share = Annotated[float, Number, Field(gt=0, le=1, allow_inf_nan=False)]
Margin = Annotated[float, Number, Field(ge=0, lt=1, allow_inf_nan=False)]
Amount = Annotated[float, Number, Field(ge=0, le=1e15, allow_inf_nan=False)]
Multiple = Annotated[float, Number, Field(gt=0, le=1000, allow_inf_nan=False)]
Count = Annotated[int, Number, Field(ge=1, le=2**53)]


class Section(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSettings(Section):
    """What the model is called and where its life is kept."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name in the registry and in every artefact")
    workspace: Path = Field(default=Path("var"), description="folder for stores, models and artefacts")


class Feature(Section):
    """One input of the model."""

    kind: Literal["numeric", "categorical"]
    min: float | None = Field(default=None, description="smallest value that can be true, in the feature's own unit")
    max: float | None = Field(default=None, description="largest value that can be true, in the feature's own unit")
    unit: str = Field(default="", description="what the number counts: USD, years, share 0-1")

    @model_validator(mode="after")
    def _range_makes_sense(self) -> Self:
        if self.kind == "categorical" and (self.min is not None or self.max is not None):
            raise ValueError("a categorical feature has no min or max")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min {self.min} must be below max {self.max}")
        return self


class Label(Section):
    """How a row's outcome is known, and when. Three forms, see the fields."""

    outcome_time: str | None = Field(
        default=None, description="column: date of the bad outcome, empty if there was none"
    )
    column: str | None = Field(default=None, description="column: 1 bad, 0 good")
    known_at: str | None = Field(default=None, description="column: date when `column` was known")
    delay: Duration | None = Field(default=None, description="`column` is known this long after the event time")
    horizon: PositiveDuration | None = Field(default=None, description="how long until an outcome is final")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.outcome_time is not None:
            if self.column or self.known_at or self.delay is not None or self.horizon is None:
                raise ValueError("outcome_time goes with horizon alone")
        elif self.column is None or (self.known_at is None) == (self.delay is None):
            raise ValueError("give outcome_time and horizon, or column and known_at, or column and delay")
        return self


class Segment(Section):
    """How a feature is cut into segments: by category, or by bins."""

    bins: tuple[float, ...] = Field(default=(), description="inner edges of a numeric feature, rising")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.bins) != sorted(set(self.bins)):
            raise ValueError("bins must rise")
        return self


class AssumedTime(Section):
    """For a file without dates: rows arrive in the file's order. An assumption, and shown as one."""

    start: Day
    rows_per_day: Count


class DataSettings(Section):
    """The portfolio file and what its columns mean."""

    path: Path = Field(description="CSV, CSV.gz or Parquet; relative to the settings file")
    id: str = Field(description="column: one value per application, never twice")
    event_time: str | None = Field(default=None, description="column: when the application was made")
    assumed_time: AssumedTime | None = Field(default=None, description="instead of event_time, for files without dates")
    features: dict[str, Feature] = Field(min_length=1)
    label: Label
    segments: dict[str, Segment] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        if (self.event_time is None) == (self.assumed_time is None):
            raise ValueError("give event_time, or assumed_time for a file without dates, and not both")
        for name, segment in self.segments.items():
            feature = self.features.get(name)
            if feature is None:
                raise ValueError(f"segments.{name}: not a feature; features are {', '.join(self.features)}")
            if segment.bins and feature.kind == "categorical":
                raise ValueError(f"segments.{name}: a categorical feature has no bins")
            if not segment.bins and feature.kind == "numeric":
                raise ValueError(f"segments.{name}: a numeric feature needs bins")
        reserved = {self.id, self.event_time, self.label.outcome_time, self.label.column, self.label.known_at}
        if clash := [name for name in self.features if name in reserved]:
            raise ValueError(f"features.{clash[0]}: an id, a date or a label cannot be a feature")
        return self

    @property
    def kinds(self) -> dict[str, Literal["numeric", "categorical"]]:
        """Feature name to kind, in the file's order."""
        return {name: feature.kind for name, feature in self.features.items()}


class ReferenceSettings(Section):
    """The frozen sample that "normal" is measured against: event times in [start, end)."""

    start: Day
    end: Day
    max_rows: Count = 30_000


class TrainSettings(Section):
    """How the first champion and every challenger are trained."""

    go_live: Day = Field(description="everything before is history, with the labels known by then")
    champion_start: Day
    champion_end: Day
    window: PositiveDuration = Field(description="event times a challenger learns from")
    holdback: Duration = Field(default=timedelta(0), description="rows kept for judging; 0d: wait for later labels")
    recipe: Literal["hist_gradient_boosting", "logistic_regression"] = "hist_gradient_boosting"
    grid: dict[str, tuple[float | int | str | None, ...]] = Field(default_factory=dict)
    tuning_share: Margin = Field(default=0.25, gt=0, description="latest share of the window, tunes the cut-off")
    min_rows: Count = Field(default=500, description="fewest labelled rows worth training on")
    seed: Annotated[int, Number] = Field(default=7, ge=0, le=2**53)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.champion_start < self.champion_end <= self.go_live:
            raise ValueError("expected champion_start < champion_end <= go_live")
        return self


class MonitorSettings(Section):
    """When to look, how far back, and when a window counts as drifted."""

    interval: PositiveDuration = timedelta(minutes=5)
    lookback: PositiveDuration = timedelta(hours=24)
    min_rows: Count = 200
    drift_share: Share = 0.5
    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    min_violations: Count = 2
    of_last: Count = 3
    report_every: PositiveDuration = Field(
        default=timedelta(days=1), description="Evidently's page at least this often"
    )

    @model_validator(mode="after")
    def _k_of_n(self) -> Self:
        if self.min_violations > self.of_last:
            raise ValueError(f"min_violations {self.min_violations} cannot exceed of_last {self.of_last}")
        return self


class RetrainSettings(Section):
    """When a challenger is trained, beside persistent drift."""

    min_gap: Duration = Field(default=timedelta(days=7), description="between two challengers")
    schedule: PositiveDuration | None = Field(default=None, description="train this long after the last, drift or not")


class GateSettings(Section):
    """What a challenger must show. See docs/gates.md for each default's reason."""

    primary: Literal["f1", "auc", "brier", "profit"] = Field(default="f1", description="metric that G4 judges")
    min_samples: Count = 200
    min_positives: Count = 50
    min_coverage: Share = 0.30
    max_brier_shift: Share = Field(default=0.002, description="by labels missing in some score bands, Brier score")
    cooldown: Duration = timedelta(days=7)
    min_f1_gain: Margin = Field(default=0.02, description="relative to the champion's F1")
    min_auc_gain: Margin = Field(default=0.005, description="absolute")
    min_brier_gain: Margin = Field(default=0.005, description="relative to the champion's Brier score")
    min_profit_gain: Amount = Field(default=0.0, description="money per applicant")
    yearly_false_promotions: Annotated[float, Number, Field(gt=0, le=0.5)] = Field(
        default=0.05, description="chance in any 365 days that a challenger no better is promoted"
    )
    budget_carry: PositiveDuration = Field(default=timedelta(days=91), description="most of that budget to save up")
    patience: Duration = Field(default=timedelta(days=180), description="how long an undecided challenger may wait")
    max_brier_rise: Margin = 0.01
    max_segment_f1_drop: Margin = 0.05
    min_segment_samples: Count = 200
    segment_error: Annotated[float, Number, Field(gt=0, lt=0.5)] = Field(
        default=0.09, description="chance that G6 refuses an equal challenger"
    )
    interval_level: Annotated[float, Number, Field(gt=0.5, lt=1)] = 0.90
    resamples: Annotated[int, Number, Field(ge=200, le=1_000_000)] = 2000
    fairness_policy: Path | None = Field(default=None, description="dated file; relative to the settings file")

    @model_validator(mode="after")
    def _within_a_year(self) -> Self:
        if self.budget_carry > timedelta(days=365):
            raise ValueError("budget_carry: expected at most 365d")
        return self


class ProfitSettings(Section):
    """What a decision is worth: how profit and the money in the swap set are counted."""

    amount: str | None = Field(default=None, description="numeric feature: money at stake; else 1 per applicant")
    unit: str = Field(default="", description="the money's name, as in USD")
    cost_of_bad: Multiple = Field(default=0.45, description="share of the amount that a bad outcome loses")
    gain_of_good: Multiple = Field(default=0.05, description="share of the amount that a good outcome earns")


class ApprovalSettings(Section):
    """Who may sign, and for how long a dossier can be signed."""

    approvers: tuple[str, ...] = ()
    expires_after: PositiveDuration = timedelta(days=14)
    four_eyes: bool = True


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
        raise SettingsError(source, _one_line(error)) from None
    except OverrideError as error:
        raise SettingsError("environment", f"{error}; lists and tables are given as JSON") from None


def _refuse_unknown_overrides(source: Path) -> None:
    sections = set(Settings.model_fields) - {"source"}
    for name in os.environ:
        section, separator, _ = name.removeprefix("MEND_").partition("__")
        if name.startswith("MEND_") and separator and section.lower() not in sections:
            known = ", ".join(sorted(sections))
            raise SettingsError(source, f"variable {name}: no section {section.lower()!r}; sections are {known}")


def _one_line(error: ValidationError) -> str:
    first, more = error.errors()[0], error.error_count() - 1
    where = ".".join(str(part) for part in first["loc"])
    what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    told = first["type"] in ("missing", "extra_forbidden") or isinstance(first["input"], dict) or ", got " in what
    got = "" if told else f", got {first['input']!r}"
    return (f"{where}: " if where else "") + f"{what}{got}" + (f" (and {more} more)" if more else "")
