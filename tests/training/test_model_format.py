"""A .skops file that our recipes did not make builds nothing and runs nothing, even when its digest is on record."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io as sio
from builders import REPOSITORY
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from model_builders import KINDS, applicants, packed, parts, recorded, saved, unpacked, write_model
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.errors import IntegrityError
from pipeline.settings import load_settings
from pipeline.training.model_files import load_model
from pipeline.training.model_format import ALLOWED, load_pipeline
from pipeline.training.recipes import build

RECIPES = ("logistic_regression", "hist_gradient_boosting")
SETTINGS = load_settings(REPOSITORY / "mend.toml")
PATIENCE_S = 5.0
Part = dict[str, Any]


def part(loader: str, what: str, **fields: Any) -> Part:
    module, _, name = what.rpartition(".")
    number = 10**15 + abs(hash((loader, what, json.dumps(fields, default=str)))) % 10**6
    return {"__class__": name, "__module__": module, "__loader__": loader, "__id__": number, **fields}


def text(value: str) -> Part:
    return part("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def items(*values: Part, kind: str = "List") -> Part:
    return part(f"{kind}Node", f"builtins.{kind.lower()}", content=list(values))


def calling(function: Part, argument: str) -> Part:
    """skops turns a dict's keys back by calling each key's type with its text: a call, when the "type" is anything."""
    return part("DictNode", "builtins.dict", key_types=items(function), content={argument: text("x")})


def refused(content: bytes, folder: Path, *, says: str) -> None:
    """Whole path: the digest is on record, the content is not ours; one line with file and reason, and quickly."""
    model = recorded(write_model(folder / "model", content))
    began = time.monotonic()
    with pytest.raises(IntegrityError, match=says) as error:
        load_model(model, SETTINGS)
    assert time.monotonic() - began < PATIENCE_S
    assert "\n" not in str(error.value)
    assert "model version 1 is not used: model.skops: " in str(error.value)
    assert len(str(error.value)) < 500


# --- what is ours is loaded --------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_a_recipe_makes_is_loaded_and_scores_the_same(recipe: str) -> None:
    rows, y = applicants()
    model = build(recipe, KINDS, seed=3)[0].fit(rows, y)
    assert np.array_equal(load_pipeline(sio.dumps(model)).predict_proba(rows), model.predict_proba(rows))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    ("n", "kept", "changes"),
    [
        pytest.param(300, ("numeric",), {}, id="numbers alone"),
        pytest.param(300, ("categorical",), {}, id="categories alone"),
        pytest.param(300, ("numeric", "categorical"), {"model__class_weight": "balanced"}, id="weighted"),
        pytest.param(10_500, ("numeric", "categorical"), {}, id="many rows, so boosting stops early"),
    ],
)
def test_every_shape_of_our_recipes_is_on_the_list(
    recipe: str, n: int, kept: tuple[str, ...], changes: dict[str, Any]
) -> None:
    rows, y = applicants(n)
    kinds = {name: kind for name, kind in KINDS.items() if kind in kept}
    model = build(recipe, kinds, seed=3)[0].set_params(**changes)
    if recipe == "hist_gradient_boosting":
        model.set_params(model__max_iter=5)
    load_pipeline(sio.dumps(model.fit(rows[list(kinds)], y)))


# --- what would run is refused -----------------------------------------------------------------------------------


def os_system(command: str) -> Part:
    return calling(part("FunctionNode", "os.system"), command)


def by_eval(command: str) -> Part:
    return calling(part("TypeNode", "builtins.eval"), f"__import__('os').system({command!r})")


def by_partial(command: str) -> Part:
    """functools.partial is on our list; what it wraps is not."""
    empty = {"args": items(kind="Tuple"), "kwds": part("DictNode", "builtins.dict", key_types=items(), content={})}
    wrapped = {"func": part("FunctionNode", "os.system"), **empty, "namespace": text("")}
    return calling(part("PartialNode", "functools.partial", content=wrapped), command)


def by_constructor(command: str) -> Part:
    return part("ConstructorFromReduceNode", "os.system", content=items(text(command), kind="Tuple"))


def by_reduce(command: str) -> Part:
    arguments = {"args": items(text(command), kind="Tuple")}
    none = part("DictNode", "builtins.dict", key_types=items(), content={})
    return part("LossNode", "os.system", __reduce__=arguments, content=none)


def by_pickle_file(path: str) -> Part:
    return calling(part("FunctionNode", "joblib.numpy_pickle.load"), path)


RUNNING = {
    "a dict key that is os.system": os_system,
    "a dict key that is eval": by_eval,
    "a partial of os.system": by_partial,
    "a constructor that is os.system": by_constructor,
    "a reduce of os.system": by_reduce,
    "a joblib pickle": by_pickle_file,
}


class Touch:
    """Pickled, it touches a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("payload", RUNNING.values(), ids=RUNNING)
@pytest.mark.parametrize("where", ["inside a good model", "alone"])
def test_a_file_that_would_run_something_is_refused_before_it_does(
    payload: Callable[[str], Part], where: str, tmp_path: Path
) -> None:
    canary = tmp_path / "ran"
    joblib.dump(Touch(canary), tmp_path / "evil.joblib")
    evil = payload(str(tmp_path / "evil.joblib") if payload is by_pickle_file else f"touch {canary}")
    if where == "alone":
        content = packed({**evil, "protocol": 2}, {})
    else:
        schema, arrays = unpacked(saved())
        schema["content"]["content"]["extra"] = evil
        schema["content"]["key_types"]["content"].append(part("TypeNode", "builtins.str"))
        content = packed(schema, arrays)

    refused(content, tmp_path, says="which no recipe of ours makes")
    assert not canary.exists()

    sio.loads(content, trusted=sio.get_untrusted_types(data=content))
    assert canary.exists(), "the payload is a dud: the refusal above proves nothing"


# --- parts that skops knows and our recipes never have ------------------------------------------------------------

CHECK_ARRAY = part("FunctionNode", "sklearn.utils.validation.check_array")
STRANGE: dict[str, Part] = {
    "getattr": part("FunctionNode", "builtins.getattr"),
    "an old function": part("FunctionNode", "os.system", content={"module_path": "os", "function": "system"}),
    "a ufunc that skops trusts": part("FunctionNode", "numpy.add"),
    "a method": part("MethodNode", "builtins.str", content={"func": "format", "obj": text("{0.__class__}")}),
    "a method named like a trusted function": part(
        "MethodNode", "sklearn.utils.validation", content={"func": "check_array", "obj": text("x")}
    ),
    "operator.methodcaller": part("OperatorFuncNode", "operator.methodcaller", attrs=items(text("x"), kind="Tuple")),
    "operator.attrgetter": part("OperatorFuncNode", "operator.attrgetter", attrs=items(text("x"), kind="Tuple")),
    "a constructor we trust elsewhere": part("ConstructorFromReduceNode", "numpy.dtype", content=items(text("O"))),
    "a default dict": part("DefaultDictNode", "collections.defaultdict", content={"main": {}, "default_factory": {}}),
    "an ordered dict": part("DictNode", "collections.OrderedDict", key_types=items(), content={}),
    "a set": part("SetNode", "builtins.set", content=[]),
    "bytes": part("BytesNode", "builtins.bytes", file="schema.json"),
    "a byte array": part("BytearrayNode", "builtins.bytearray", file="schema.json"),
    "a sparse matrix": part("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy", file="1.npz"),
    "a masked array": part("MaskedArrayNode", "numpy.ma.MaskedArray", content={"data": text("x"), "mask": text("x")}),
    "a random state": part("RandomStateNode", "numpy.random.mtrand.RandomState", content=text("x")),
    "a cached part": part("CachedNode", "builtins.str"),
    "a forest's tree": part("TreeNode", "sklearn.tree._tree.Tree", __reduce__={"args": text("x")}, content=text("x")),
    "a quantile forest": part("QuantileForestNode", "quantile_forest.QuantileForest"),
    "map as a type": part("TypeNode", "builtins.map"),
    "an estimator that reads files": part("ObjectNode", "sklearn.feature_extraction.text.CountVectorizer"),
    "an array of another type": part("NdArrayNode", "numpy.memmap", type="numpy", file="1.npy"),
    "a function where a type belongs": part("TypeNode", "sklearn.utils.validation.check_array"),
    "a kind that does not exist": part("EvilNode", "builtins.str"),
    "the allowed text in another kind": part("ObjectNode", "functools.partial"),
}


@pytest.mark.parametrize("evil", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("protocol", [2, 1, 0])
def test_a_part_that_no_recipe_makes_is_refused_wherever_it_stands(evil: Part, protocol: int, tmp_path: Path) -> None:
    schema, arrays = unpacked(saved())
    victim = next(each for each in parts(schema) if each["__loader__"] == "JsonNode")
    victim |= evil
    schema["protocol"] = protocol
    refused(packed(schema, arrays), tmp_path, says="no recipe of ours makes" if protocol == 2 else "skops protocol 2")


def test_an_estimator_that_skops_trusts_and_we_never_use_is_refused(tmp_path: Path) -> None:
    reads_files = sio.dumps(Pipeline([("model", CountVectorizer(input="filename"))]))
    assert isinstance(sio.loads(reads_files, trusted=sio.get_untrusted_types(data=reads_files)), Pipeline)
    refused(reads_files, tmp_path, says="CountVectorizer as ObjectNode")
    refused_alone = sio.dumps(StandardScaler())
    refused(refused_alone, tmp_path / "2", says="StandardScaler as ObjectNode")


def test_an_allowed_part_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    refused(sio.dumps({"a": [1, 2]}), tmp_path, says="holds a dict, expected a scikit-learn Pipeline")


def test_the_list_names_only_types_that_the_recipes_made() -> None:
    """A list that grows by itself is not a list: whatever is added must be in a model, or be a plain number or text."""
    seen = {(each["__loader__"], f"{each['__module__']}.{each['__class__']}") for recipe in RECIPES
            for each in parts(unpacked(saved(recipe))[0])}  # fmt: skip
    unused = {(kind, name) for kind, names in ALLOWED.items() for name in names} - seen
    assert {kind for kind, _ in unused} <= {"TypeNode", "NdArrayNode", "DTypeNode"}, sorted(unused)


# --- fields of a part ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"__id__": True}, "without kind, type or id", id="a flag for an id"),
        pytest.param({"__id__": None}, "without kind, type or id", id="no id"),
        pytest.param({"__module__": None}, "without kind, type or id", id="no module"),
        pytest.param({"__class__": ["str"]}, "without kind, type or id", id="a list for a class"),
        pytest.param({"__loader__": 3}, "without kind, type or id", id="a number for a kind"),
        pytest.param({"content": "["}, "JSONDecodeError", id="text that is no JSON"),
        pytest.param({"content": "[" * 100_000}, "RecursionError", id="deep text"),
        pytest.param({"content": "9" * 100_000}, "Exceeds the limit", id="a number of 100,000 digits"),
    ],
)
def test_a_part_with_wrong_fields_is_refused(change: Part, says: str, tmp_path: Path) -> None:
    schema, arrays = unpacked(saved())
    next(each for each in parts(schema) if each["__loader__"] == "JsonNode").update(change)
    refused(packed(schema, arrays), tmp_path, says=says)


def an_array(schema: Part) -> Part:
    return next(each for each in parts(schema) if each.get("type") == "numpy")


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "schema.json", "1.npy", "", None, 7, ["x"]])
def test_an_array_reads_nothing_but_its_own_entry(name: object, tmp_path: Path) -> None:
    schema, arrays = unpacked(saved())
    an_array(schema)["file"] = name
    refused(packed(schema, arrays), tmp_path, says="not its own array")


def test_an_array_with_a_pickle_in_it_is_not_unpickled(tmp_path: Path) -> None:
    schema, arrays = unpacked(saved())
    buffer = io.BytesIO()
    np.save(buffer, np.array([Touch(tmp_path / "ran")], dtype=object), allow_pickle=True)
    arrays[an_array(schema)["file"]] = buffer.getvalue()
    refused(packed(schema, arrays), tmp_path, says="Object arrays cannot be loaded")
    assert not (tmp_path / "ran").exists()
    np.load(io.BytesIO(buffer.getvalue()), allow_pickle=True)
    assert (tmp_path / "ran").exists(), "the payload is a dud"


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        pytest.param(f"({10**12},)", "MemoryError|Failed to read all data", id="8 TB"),
        pytest.param(f"({10**18}, {10**18})", "negative dimensions|MemoryError|too big", id="more than a number holds"),
        pytest.param("(-1,)", "negative dimensions", id="less than nothing"),
        pytest.param("('x',)", "shape is not valid", id="no number"),
        pytest.param("(" * 500, "TokenError|SyntaxError|Cannot parse header", id="no end"),
    ],
)
def test_an_array_that_claims_more_than_it_holds_is_refused(shape: str, says: str, tmp_path: Path) -> None:
    schema, arrays = unpacked(saved())
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(1024) + b"\n"
    arrays[an_array(schema)["file"]] = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"12345678"
    refused(packed(schema, arrays), tmp_path, says=says)


def test_sharing_cannot_make_a_small_file_grow(tmp_path: Path) -> None:
    """Each list holds the one before it twice by its id alone: 60 lists, 2^60 parts for whoever walks them."""
    inner: Part = items(text("x"))
    for number in range(2, 62):
        inner = {**items(inner, {**items(), "__id__": inner["__id__"]}), "__id__": number}
    schema, arrays = unpacked(saved())
    schema["content"]["content"]["extra"] = inner
    refused(packed(schema, arrays), tmp_path, says="for different things")


def test_a_part_cannot_be_inside_itself(tmp_path: Path) -> None:
    loop = {**items(), "__id__": 5}
    refused(packed({**items(loop), "__id__": 5, "protocol": 2}, {}), tmp_path, says="for different things")


# --- the archive --------------------------------------------------------------------------------------------------


def zipped_twice() -> bytes:
    schema, arrays = unpacked(saved())
    buffer = io.BytesIO(packed(schema, arrays))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("schema.json", "{}")
    return buffer.getvalue()


def encrypted() -> bytes:
    content = bytearray(saved())
    at = content.rindex(b"PK\x01\x02")
    content[at + 8] |= 1
    return bytes(content)


def overlapping() -> bytes:
    """A second entry of the directory points at the first one's bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", "{}" + " " * 1000)
        first = archive.infolist()[0]
        again = copy.copy(first)
        again.filename = "1.npy"
        archive.filelist.append(again)
        archive.NameToInfo["1.npy"] = again
    return buffer.getvalue()


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "not a zip archive"),
    "garbage": (lambda: random.Random(1).randbytes(10 * 2**20), "not a zip archive"),
    "cut off": (lambda: saved()[: len(saved()) // 2], "not a zip archive"),
    "cut off by one byte": (lambda: saved()[:-1], "not a zip archive"),
    "the front cut off": (lambda: saved()[100:], "negative seek value"),
    "compressed": (lambda: packed(*unpacked(saved()), compression=zipfile.ZIP_DEFLATED), "compressed entry"),
    "a bomb": (lambda: packed(b" " * (20 * 2**20), {}, compression=zipfile.ZIP_DEFLATED), "compressed entry"),
    "overlapping entries": (overlapping, "more bytes than the file has"),
    "no schema": (lambda: packed(b"{}", {}).replace(b"schema.json", b"schemo.json"), "expected one schema.json"),
    "two schemas": (zipped_twice, "no name twice"),
    "encrypted": (encrypted, "encrypted"),
    "a path upwards": (lambda: packed(unpacked(saved())[0], {"../../evil.npy": b"x"}), "'../../evil.npy', which is"),
    "an absolute path": (lambda: packed(unpacked(saved())[0], {"/evil.npy": b"x"}), "'/evil.npy', which is neither"),
    "code beside the arrays": (lambda: packed(unpacked(saved())[0], {"evil.py": b"x"}), "'evil.py', which is neither"),
    "an array missing": (lambda: packed(unpacked(saved())[0], {}), "KeyError"),
    "a schema that is no JSON": (lambda: packed(b"\xff{", {}), "UnicodeDecodeError"),
    "a schema that is a list": (lambda: packed([], {}), "skops protocol 2"),
    "a schema without protocol": (lambda: packed({}, {}), "skops protocol 2"),
    "a protocol that is a flag": (lambda: packed({"protocol": True}, {}), "skops protocol 2"),
    "a protocol to come": (lambda: packed({"protocol": 3}, {}), "skops protocol 2"),
    "a deep schema": (lambda: packed(b'{"a":' * 200_000, {}), "RecursionError"),
    "a schema that loads as nothing": (lambda: packed({"protocol": 2}, {}), "KeyError"),
}


@pytest.mark.parametrize(("make", "says"), ARCHIVES.values(), ids=ARCHIVES)
def test_an_archive_that_skops_did_not_write_is_refused(make: Callable[[], bytes], says: str, tmp_path: Path) -> None:
    refused(make(), tmp_path, says=says)


def test_a_pickle_called_model_skops_is_not_unpickled(tmp_path: Path) -> None:
    evil = pickle.dumps(Touch(tmp_path / "ran"))
    refused(evil, tmp_path, says="not a zip archive")
    assert not (tmp_path / "ran").exists()
    pickle.loads(evil)
    assert (tmp_path / "ran").exists(), "the payload is a dud"


@pytest.mark.parametrize("skops_files", [0, 2])
def test_one_skops_file_is_expected(skops_files: int, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", saved())
    (folder / "model.skops").rename(folder / "model.pkl")
    for number in range(skops_files):
        (folder / f"{number}.skops").write_bytes(saved())
    with pytest.raises(IntegrityError, match=f"expected one .skops file, found {skops_files}"):
        load_model(recorded(folder), SETTINGS)


# --- at random ----------------------------------------------------------------------------------------------------

FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
EXAMPLES = 100
ROWS = applicants(20, seed=5)[0]


def loads_or_refuses(content: bytes) -> Pipeline | None:
    began = time.monotonic()
    try:
        return load_pipeline(content)
    except ValueError as error:
        assert "\n" not in str(error)
        return None
    finally:
        assert time.monotonic() - began < PATIENCE_S


@pytest.mark.parametrize("recipe", RECIPES)
@settings(FUZZ, max_examples=EXAMPLES)
@given(data=st.data())
def test_flipped_bytes_are_refused_or_change_nothing(recipe: str, data: st.DataObject) -> None:
    content = bytearray(saved(recipe))
    directory = content.rindex(b"PK\x05\x06") - 1000  # half of the flips where an archive says what it holds
    places = st.integers(0, len(content) - 1) | st.integers(directory, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=8, unique=True)):
        content[place] ^= data.draw(st.integers(1, 255))
    if (model := loads_or_refuses(bytes(content))) is not None:
        good = load_pipeline(saved(recipe))
        assert np.array_equal(model.predict_proba(ROWS), good.predict_proba(ROWS))


@pytest.mark.parametrize("recipe", RECIPES)
@settings(FUZZ, max_examples=EXAMPLES)
@given(data=st.data())
def test_a_schema_with_anything_in_it_is_refused_or_makes_a_pipeline(recipe: str, data: st.DataObject) -> None:
    """With right checksums, as from somebody who can write files: parts exchanged, fields replaced, dropped, added."""
    schema, arrays = unpacked(saved(recipe))
    every = parts(schema)
    known = [each[name] for each in every for name in ("__loader__", "__module__", "__class__", "__id__")]
    plain = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({})
    for _ in range(data.draw(st.integers(1, 4))):
        victim = data.draw(st.sampled_from(every))
        field = data.draw(st.sampled_from(sorted(victim)))
        value = data.draw(plain | st.sampled_from(known) | st.sampled_from(every).map(copy.deepcopy))
        if data.draw(st.booleans()):
            victim[field] = value
        else:
            victim.pop(field)
    loads_or_refuses(packed(schema, arrays))


@settings(FUZZ, max_examples=EXAMPLES)
@given(data=st.data())
def test_schema_text_with_flipped_bytes_and_right_checksums_never_ends_in_another_error(data: st.DataObject) -> None:
    schema, arrays = unpacked(saved())
    raw = bytearray(json.dumps(schema).encode())
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4, unique=True)):
        raw[place] = data.draw(st.sampled_from(b'0123456789{}[]",:\\ -eTrufalsn\x00\xff'))
    assume(bytes(raw) != json.dumps(schema).encode())
    loads_or_refuses(packed(bytes(raw), arrays))
