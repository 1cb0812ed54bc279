"""A .skops file from its bytes: every part of it is held against our own list before skops may build anything.

skops trusts some 200 estimators and hundreds of functions by itself, beside what a caller adds. Our recipes need some
30 types, so the list here is what may be in a file at all, by kind of part; skops then audits the same bytes again.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import skops.io as sio
from sklearn.pipeline import Pipeline

# What our recipes are made of, beyond what skops trusts by itself. A file that needs anything else is not ours.
TRUSTED_TYPES = (
    "functools.partial",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)
_NUMBERS = ("bool", "float32", "float64", "int8", "int32", "int64", "uint8", "uint32", "uint64")
# By kind of part (skops calls it the loader), the types it may make. Not here, and so refused: methods, operators,
# constructors by reduce, bytes, sets, sparse matrices, cached parts.
ALLOWED: Mapping[str, frozenset[str]] = {
    "DictNode": frozenset({"builtins.dict"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "SliceNode": frozenset({"builtins.slice"}),
    "JsonNode": frozenset({"builtins.str"}),
    "TypeNode": frozenset({f"builtins.{name}" for name in ("bool", "float", "int", "str")})
    | {f"numpy.{name}" for name in _NUMBERS},
    "NdArrayNode": frozenset({"numpy.ndarray", *(f"numpy.{name}" for name in _NUMBERS)}),
    "DTypeNode": frozenset({"numpy.dtype"}),
    "RandomGeneratorNode": frozenset({"numpy.random._generator.Generator"}),
    "FunctionNode": frozenset({"sklearn.utils.validation.check_array"}),
    "PartialNode": frozenset({"functools.partial"}),
    "LossNode": frozenset({"sklearn._loss._loss.CyHalfBinomialLoss"}),
    "ObjectNode": frozenset(
        {
            "sklearn._loss.link.Interval",
            "sklearn._loss.link.LogitLink",
            "sklearn._loss.loss.HalfBinomialLoss",
            "sklearn.compose._column_transformer.ColumnTransformer",
            "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
            "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
            "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
            "sklearn.impute._base.MissingIndicator",
            "sklearn.impute._base.SimpleImputer",
            "sklearn.linear_model._logistic.LogisticRegression",
            "sklearn.pipeline.Pipeline",
            "sklearn.preprocessing._data.QuantileTransformer",
            "sklearn.preprocessing._encoders.OneHotEncoder",
            "sklearn.preprocessing._encoders.OrdinalEncoder",
            "sklearn.preprocessing._function_transformer.FunctionTransformer",
            "sklearn.preprocessing._label.LabelEncoder",
        }
    ),
}
_SCHEMA = "schema.json"
_PROTOCOL = 2  # skops 0.16's; an older number in a file would choose older, laxer readers


def load_pipeline(content: bytes) -> Pipeline:
    """Build the pipeline that a .skops file holds. Only for bytes whose digest is the one on record.

    Trees hold row numbers that scikit-learn follows without a check, so a type that we allow is not yet a harmless
    content: what makes it ours is the digest, which the caller has compared.

    Raises:
        ValueError: It is no .skops file, or holds a part that our recipes never make. In one line, whatever was wrong.
    """
    try:
        _require_ours(content)
        loaded = sio.loads(content, trusted=list(TRUSTED_TYPES))
    except Exception as error:  # noqa: BLE001  a broken file may trip zipfile, json, numpy, skops or scikit-learn
        said = str(error).partition("\n")[0][:200]
        raise ValueError(said if type(error) is ValueError and said else f"{type(error).__name__}: {said}") from None
    if type(loaded) is not Pipeline:
        raise ValueError(f"holds a {type(loaded).__name__}, expected a scikit-learn Pipeline")
    return loaded


def _require_ours(content: bytes) -> None:
    """The archive holds a schema of our parts, and one stored array for each name in it.

    Nothing is compressed, so nothing can grow while it is read; entries together are no larger than the file, so none
    overlap; and each array belongs to one part, so none is read a thousand times.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise ValueError("not a zip archive, so not a .skops file")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("holds a compressed entry; skops writes them stored")
        if sum(entry.file_size for entry in entries) > len(content):
            raise ValueError("its entries together claim more bytes than the file has")
        names = [entry.filename for entry in entries]
        if _SCHEMA not in names or len({*names}) != len(names):
            raise ValueError(f"expected one {_SCHEMA} and no name twice")
        if strange := [name for name in names if name != _SCHEMA and not re.fullmatch(r"[0-9]{1,20}\.npy", name)]:
            raise ValueError(f"holds {strange[0][:80]!r}, which is neither {_SCHEMA} nor an array")
        schema = json.loads(archive.read(_SCHEMA))
    if not isinstance(schema, dict) or type(schema.get("protocol")) is not int or schema["protocol"] != _PROTOCOL:
        raise ValueError(f"expected skops protocol {_PROTOCOL}")
    _parts(schema, {})


def _parts(value: Any, sizes: dict[int, int]) -> int:
    """Number of parts in a piece of the schema, each of a kind and type that we allow.

    skops takes a part whose id it has seen for the part it saw. As such a part must have as many parts inside as the
    first one, sharing cannot make the whole larger than the schema, and no part can be inside itself.
    """
    if isinstance(value, list):
        return sum(_parts(each, sizes) for each in value)
    if not isinstance(value, dict):
        return 0
    inside = sum(_parts(each, sizes) for each in value.values())
    if "__loader__" not in value:
        return inside
    loader, module, name, number = (value.get(f"__{key}__") for key in ("loader", "module", "class", "id"))
    if not all(isinstance(each, str) for each in (loader, module, name)) or type(number) is not int or number < 1:
        raise ValueError("holds a part without kind, type or id")
    if f"{module}.{name}" not in ALLOWED.get(str(loader), ()):
        raise ValueError(f"holds {module}.{name} as {loader}, which no recipe of ours makes"[:200])
    if "file" in value and (loader != "NdArrayNode" or value["file"] != f"{number}.npy"):
        raise ValueError(f"a {loader} reads {str(value['file'])[:80]!r}, which is not its own array")
    if sizes.setdefault(number, inside + 1) != inside + 1:
        raise ValueError(f"uses id {number} for different things")
    return inside + 1
