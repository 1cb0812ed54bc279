"""What the service is asked and what it answers, made from the settings' own features."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    create_model,
)

from pipeline.labels.rules import Status
from pipeline.settings_data import Feature

PREDICTION_ID = r"^[!-~]{1,200}$"  # visible ASCII: it travels in a header and is a key in every database
_LONGEST_CATEGORY = 200
_FIRST_YEAR, _LAST_YEAR = 1900, 9899


class Prediction(BaseModel):
    """An answer, as it is on record."""

    prediction_id: str = Field(description="under which the outcome is reported later")
    prediction: int = Field(description="1: bad, the probability is at or above the threshold; 0: good")
    probability: float = Field(description="of default, 0-1")
    threshold: float = Field(description="the model's cut-off, 0-1")
    model_version: str = Field(description="of the model that scored it")
    timestamp: datetime = Field(description="when it was scored, UTC")
    reasons: list[str] | None = Field(
        default=None, description="if asked for: features that moved the probability up most; null: not at first"
    )


class Predictions(BaseModel):
    """Answers in the order of the applications."""

    predictions: list[Prediction]


def _moment(given: object) -> object:
    """ISO 8601 and nothing else: a bare number may be seconds or milliseconds."""
    if not isinstance(given, str):
        raise ValueError("expected a time as text, as in 2026-11-24T12:00:00Z")
    return given


def _whole(given: object) -> object:
    """In JSON 1.0 is the same number as 1."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


def _in_utc(moment: datetime) -> datetime:
    """Python cannot tell every time in another zone, nor write every year with four digits."""
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"expected a year between {_FIRST_YEAR} and {_LAST_YEAR}")
    return moment.astimezone(UTC)


_KnownAt = Annotated[
    AwareDatetime,
    BeforeValidator(_moment),
    AfterValidator(_in_utc),
    Field(strict=False),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": r"^(19\d\d|[2-8]\d{3}|9[0-8]\d\d)-"}),
]


class Outcome(BaseModel):
    """What came of an application."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    prediction_id: str = Field(pattern=PREDICTION_ID, description="as it was answered, or the application's own id")
    label: Annotated[int, Field(ge=0, le=1, description="1: it went bad; 0: it did not"), BeforeValidator(_whole)]
    known_at: _KnownAt | None = Field(
        default=None, description="when it became known, with its time zone; left out: now"
    )
    corrects: bool = Field(default=False, description="true: what was said of this application before is wrong")


class Told(BaseModel):
    """What became of one outcome."""

    prediction_id: str
    status: Status = Field(description="only `recorded` and `known` count; see docs/serving.md")
    why: str | None = Field(description="why it is in quarantine")


class OutcomesTold(BaseModel):
    """What became of the outcomes, in their order, and how many of each."""

    labels: list[Told]
    counts: dict[Status, int]


# No database stores a NUL.
Category = Annotated[str, Field(min_length=1, max_length=_LONGEST_CATEGORY, pattern=r"^[^\x00]*$")]


class Complaint(BaseModel):
    """What was wrong, and where; never what was sent."""

    where: str
    what: str


class Refused(BaseModel):
    """Why there is no answer, and nothing on record."""

    detail: list[Complaint]
    more: int = Field(default=0, description="complaints that are not listed")


def application_model(features: Mapping[str, Feature], *, may_be_missing: Collection[str]) -> type[BaseModel]:
    """The body of one request: the features by name, with an id of the client's own if it likes.

    Args:
        features: As in the settings: kind, range, unit.
        may_be_missing: Features that may be null or left out: those that were missing in the reference, too.

    Returns:
        A model whose fields are the features in the settings' order, then `prediction_id`. Nothing is converted: text
        is no number, true is no 1; an unknown field is refused.

    >>> settings = {"age": Feature(kind="numeric", min=0, max=120), "purpose": Feature(kind="categorical")}
    >>> model = application_model(settings, may_be_missing={"purpose"})
    >>> values_of(model.model_validate({"age": 45}), settings)
    (45.0, None)
    >>> model.model_validate({"age": "45"})
    Traceback (most recent call last):
    ...
    pydantic_core._pydantic_core.ValidationError: 1 validation error for Application
    age
      Input should be a valid number [type=float_type]
        For further information visit https://errors.pydantic.dev/2.14/v/float_type
    """
    fields: dict[str, Any] = {
        f"feature_{place}": _field(name, feature, optional=name in may_be_missing)
        for place, (name, feature) in enumerate(features.items())
    }
    fields["prediction_id"] = (
        str | None,
        Field(default=None, pattern=PREDICTION_ID, description="your own id; asking twice under it gets one answer"),
    )
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)
    return create_model("Application", __config__=config, **fields)


def values_of(application: BaseModel, features: Collection[str]) -> tuple[float | str | None, ...]:
    """The features of an application in the settings' order; whole numbers as floats, as they are stored."""
    return tuple(application.__dict__[f"feature_{place}"] for place in range(len(features)))


def _field(name: str, feature: Feature, *, optional: bool) -> tuple[Any, Any]:
    kind: Any = float if feature.kind == "numeric" else Category
    told: dict[str, Any] = {"alias": name, "description": feature.unit or None, "ge": feature.min, "le": feature.max}
    return (kind | None, Field(default=None, **told)) if optional else (kind, Field(**told))
