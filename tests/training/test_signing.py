"""With a public key in the settings, a model that this key did not sign is not loaded and not promoted."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from builders import AS_OF, a_settings_file, mend
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_builders import THRESHOLD, put_model_on_record, saved, write_model
from tampering import behind_its_back

from pipeline.artefacts import canonical_json, sha256_file
from pipeline.errors import InputError, IntegrityError, SettingsError
from pipeline.running.notebooks import NotebookRun
from pipeline.running.steps import Steps
from pipeline.settings import load_settings
from pipeline.settings_signing import SigningSettings
from pipeline.stores.engine import iso
from pipeline.stores.verify import verify
from pipeline.training.model_digests import (
    RecordedModel,
    folder_digest,
    folder_files,
    recorded_model,
    require_model_files,
)
from pipeline.training.signing import (
    PRIVATE_NAME,
    PUBLIC_NAME,
    bundle,
    key_id,
    make_keys,
    private_key,
    require_keys,
    sign,
    sign_again,
    signature_path,
    statement,
)
from pipeline.wiring import Workspace, open_workspace

KEYS = "keys"


def signing(workspace: Workspace, *, private: str | None = PRIVATE_NAME, public: str | None = PUBLIC_NAME) -> Workspace:
    """The same workspace under settings that name these keys."""
    named = {name: Path(KEYS) / key for name, key in (("private_key", private), ("public_key", public)) if key}
    workspace.settings = workspace.settings.model_copy(update={"signing": SigningSettings(**named)})
    return workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two versions on record, both signed, and another pair of keys beside the ones in use."""
    made = open_workspace(load_settings(a_settings_file(tmp_path)))
    make_keys(tmp_path / KEYS)
    make_keys(tmp_path / KEYS / "other")
    signing(made)
    for version, seed in (("1", 1), ("2", 2)):
        put_model_on_record(made, version, saved(seed=seed))
        sign_again(made, version, at=AS_OF, recorded_at=AS_OF)
    return made


def signature_of(workspace: Workspace, version: str) -> Path:
    return signature_path(recorded_model(workspace, version).folder)


def test_a_signed_model_is_loaded_and_its_signature_is_on_record(workspace: Workspace) -> None:
    require_model_files(workspace, "1")
    assert workspace.model("1").version == "1"
    entry = workspace.ledger.entries(kind="model_signature")[0]
    assert entry.files == {workspace.relative(signature_of(workspace, "1")): sha256_file(signature_of(workspace, "1"))}
    assert entry.body["model_sha256"] == workspace.challenger("1")["model_sha256"]
    assert entry.actor == f"key {entry.body['key'][:16]}"
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_without_a_public_key_nobody_asks_for_a_signature(workspace: Workspace) -> None:
    signature_of(workspace, "1").unlink()
    require_model_files(signing(workspace, public=None), "1")


def another_key(path: Path, workspace: Workspace) -> None:
    other = signing(workspace, private=f"other/{PRIVATE_NAME}", public=None)
    sign(recorded_model(other, "1"), other.settings)
    signing(workspace)


def another_name(path: Path, workspace: Workspace) -> None:
    key = private_key(workspace.settings)
    assert key is not None
    path.write_text(bundle(recorded_model(workspace, "1"), "other-model", key))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content["dsseEnvelope"])
    path.write_text(json.dumps(content))


def other_payload(envelope: dict[str, Any]) -> None:
    payload = json.loads(base64.b64decode(envelope["payload"]))
    payload["predicate"]["mend"]["threshold"] = 0.9
    envelope["payload"] = base64.b64encode(canonical_json(payload).encode()).decode()


NOT_SIGNED = "not signed by signing.public_key"
BROKEN: dict[str, tuple[Callable[[Path, Workspace], object], str]] = {
    "no signature": (lambda path, _: path.unlink(), "gone, or never made"),
    "an empty one": (lambda path, _: path.write_bytes(b""), "not a signature bundle"),
    "cut off": (lambda path, _: os.truncate(path, 500), "not a signature bundle"),
    "too large": (lambda path, _: os.truncate(path, 2**40), "not a signature bundle"),
    "no text": (lambda path, _: path.write_bytes(b"\xff\xfe"), "not a signature bundle"),
    "deep": (lambda path, _: path.write_bytes(b"[" * 10**6), "not a signature bundle"),
    "a folder": (lambda path, _: (path.unlink(), path.mkdir()), "not readable: Is a directory"),
    "a pipe": (lambda path, _: (path.unlink(), os.mkfifo(path)), "not a signature bundle"),
    "no signatures in it": (lambda path, _: edit(path, lambda it: it.update(signatures=[])), "not a signature bundle"),
    "two signatures": (lambda path, _: edit(path, lambda it: it["signatures"].append({})), "not a signature bundle"),
    "another type": (lambda path, _: edit(path, lambda it: it.update(payloadType="text")), "not a signature bundle"),
    "an empty signature": (lambda path, _: edit(path, lambda it: it["signatures"][0].update(sig="")), NOT_SIGNED),
    "another key's": (another_key, NOT_SIGNED),
    "of another cut-off": (lambda path, _: edit(path, other_payload), NOT_SIGNED),
    "of another version": (lambda path, at: shutil.copy(signature_of(at, "2"), path), "signed other files, version"),
    "of another model": (another_name, "signed other files, version"),
}


@pytest.mark.parametrize(("spoil", "says"), BROKEN.values(), ids=BROKEN)
def test_a_model_without_a_good_signature_is_not_used(
    workspace: Workspace, spoil: Callable[[Path, Workspace], object], says: str
) -> None:
    spoil(signature_of(workspace, "1"), workspace)
    for use in (lambda: require_model_files(workspace, "1"), lambda: workspace.model("1")):
        with pytest.raises(IntegrityError, match=says) as refused:
            use()
        assert "\n" not in str(refused.value)
        assert "artifacts.sig: model version 1 is not used: " in str(refused.value)
    require_model_files(workspace, "2")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(lambda at: (at / "MLmodel").write_text("x"), "MLmodel: changed", id="changed"),
        pytest.param(lambda at: (at / "x").write_text("x"), "x: extra", id="extra"),
        pytest.param(lambda at: (at / ".gitignore").write_text("x"), ".gitignore: extra", id="extra and hidden"),
        pytest.param(lambda at: (at / "MLmodel").unlink(), "MLmodel: missing", id="missing"),
    ],
)
def test_a_signature_does_not_cover_other_files(
    workspace: Workspace, change: Callable[[Path], object], says: str
) -> None:
    change(recorded_model(workspace, "1").folder)
    with pytest.raises(IntegrityError, match=says):
        require_model_files(workspace, "1")


def test_a_forged_ledger_does_not_make_a_model_that_the_key_did_not_sign(workspace: Workspace) -> None:
    """What the signature is for: somebody who may write the database and the files, but has no key."""
    folder = recorded_model(workspace, "1").folder
    old = folder_files(folder)
    shutil.rmtree(folder)
    write_model(folder, saved(seed=3))
    new = folder_files(folder)
    swaps = {old["model.skops"]: new["model.skops"], folder_digest(old): folder_digest(new)}
    with behind_its_back(workspace.ledger) as connection:
        for before, after in swaps.items():
            for table, column in (("entries", "files"), ("entries", "body"), ("challengers", "model_sha256")):
                connection.exec_driver_sql(f"UPDATE {table} SET {column} = replace({column}, '{before}', '{after}')")
    require_model_files(signing(workspace, public=None), "1")
    with pytest.raises(IntegrityError, match="the key signed other files, version or cut-off"):
        require_model_files(signing(workspace), "1")


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_signature_is_refused_or_harmless(workspace: Workspace, place: int, bit: int) -> None:
    path = signature_of(workspace, "1")
    good = path.read_bytes()
    content = bytearray(good)
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        require_model_files(workspace, "1")
    except IntegrityError as refused:
        assert "\n" not in str(refused)
    else:
        envelopes = [json.loads(each)["dsseEnvelope"] for each in (good, content)]
        assert envelopes[0]["payload"] == envelopes[1]["payload"]
    finally:
        path.write_bytes(good)


# --- keys ---------------------------------------------------------------------------------------------------------


def test_a_key_pair_is_made_once_and_the_private_key_is_its_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        private, public = make_keys(tmp_path / "new" / "folder")
    finally:
        os.umask(old)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    before = private.read_bytes()
    with pytest.raises(InputError, match="exists; a key is never overwritten"):
        make_keys(private.parent)
    private.rename(tmp_path / "kept")
    with pytest.raises(InputError, match=f"{PUBLIC_NAME}: exists"):
        make_keys(private.parent)
    assert not private.exists()
    assert (tmp_path / "kept").read_bytes() == before


def test_keys_are_not_made_through_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / PRIVATE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="exists"):
        make_keys(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        make_keys(tmp_path / "file" / "keys")


def pem(key: Any, *, password: bytes | None = None) -> bytes:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    made: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    return made


NO_KEYS: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "is not readable: No such file or directory"),
    "empty": (b"", "expected an EC P-256 key in PEM"),
    "garbage": (b"\x00" * 100, "expected an EC P-256 key in PEM"),
    "locked": (pem(ec.generate_private_key(ec.SECP256R1()), password=b"x"), "without a password"),
    "another curve": (pem(ec.generate_private_key(ec.SECP384R1())), "expected an EC P-256 key in PEM"),
    "another kind": (pem(ed25519.Ed25519PrivateKey.generate()), "expected an EC P-256 key in PEM"),
    "too large": (b"x" * (2**20 + 1), "expected an EC P-256 key in PEM"),
}


@pytest.mark.parametrize("which", ["private_key", "public_key"])
@pytest.mark.parametrize(("content", "says"), NO_KEYS.values(), ids=NO_KEYS)
def test_a_key_file_that_is_none_is_one_line_at_the_start(
    workspace: Workspace, which: str, content: bytes | None, says: str
) -> None:
    name = "broken.pem"
    path = workspace.settings.source.parent / KEYS / name
    if content is not None:
        path.write_bytes(content)
    private = name if which == "private_key" else None
    public = name if which == "public_key" else None
    with pytest.raises(SettingsError, match=f"signing.{which}: {KEYS}/{name}.*{says}") as refused:
        require_keys(signing(workspace, private=private, public=public).settings)
    assert "\n" not in str(refused.value)
    if which == "public_key":
        with pytest.raises(SettingsError, match=says):
            require_model_files(workspace, "1")


def test_a_private_key_is_no_public_key_and_keys_of_two_pairs_do_not_go_together(workspace: Workspace) -> None:
    require_keys(workspace.settings)
    require_keys(signing(workspace, private=None, public=None).settings)
    with pytest.raises(SettingsError, match=r"public_key: .* expected an EC P-256"):
        require_keys(signing(workspace, public=PRIVATE_NAME).settings)
    with pytest.raises(SettingsError, match=r"private_key: .* expected an EC P-256"):
        require_keys(signing(workspace, private=PUBLIC_NAME, public=None).settings)
    with pytest.raises(SettingsError, match=r"signing\.public_key is not that of signing.private_key"):
        require_keys(signing(workspace, public=f"other/{PUBLIC_NAME}").settings)


def test_a_new_key_signs_what_is_on_record_again(workspace: Workspace) -> None:
    signing(workspace, private=f"other/{PRIVATE_NAME}", public=f"other/{PUBLIC_NAME}")
    with pytest.raises(IntegrityError, match=NOT_SIGNED):
        require_model_files(workspace, "1")
    sign_again(workspace, "1", at=AS_OF, recorded_at=AS_OF)
    require_model_files(workspace, "1")
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_a_changed_model_is_not_signed(workspace: Workspace) -> None:
    before = signature_of(workspace, "1").read_bytes()
    (recorded_model(workspace, "1").folder / "MLmodel").write_text("x")
    with pytest.raises(IntegrityError, match="MLmodel: changed"):
        sign_again(workspace, "1", at=AS_OF, recorded_at=AS_OF)
    assert signature_of(workspace, "1").read_bytes() == before


# --- what is signed -----------------------------------------------------------------------------------------------

STATEMENT = (
    '{"_type":"https://in-toto.io/Statement/v1","predicate":{"mend":{"model":"sba","threshold":1.0,"version":"7"},'
    '"resources":[{"algorithm":"sha256","digest":"' + "0" * 64 + '","name":"MLmodel"},'
    '{"algorithm":"sha256","digest":"' + "1" * 64 + '","name":"model.skops"}],'
    '"serialization":{"allow_symlinks":false,"hash_type":"sha256","ignore_paths":[],"method":"files"}},'
    '"predicateType":"https://model_signing/signature/v1.0","subject":[{"digest":{"sha256":'
    '"8878b15a7d6a3a4f464e8f9f42591dbc0cf4bedea0ec309003d2b2ee53655ef8"},"name":"sba/7"}]}'
)


def test_what_is_signed_has_one_spelling_that_does_not_change() -> None:
    files = {"model.skops": "1" * 64, "MLmodel": "0" * 64}
    model = RecordedModel(version="7", folder=Path("anywhere"), files=files, threshold=1)
    assert statement(model, "sba").decode() == STATEMENT
    key = ec.derive_private_key(7, ec.SECP256R1())
    assert bundle(model, "sba", key) == bundle(model, "sba", key), "the same files and key, the same signature"
    assert json.loads(bundle(model, "sba", key))["verificationMaterial"]["publicKey"]["hint"] == key_id(
        key.public_key()
    )


# --- at training, and at the command line -------------------------------------------------------------------------


class OneTraining:
    """Runs no notebook: leaves what `train.ipynb` leaves, for a model made here."""

    def __init__(self, workspace: Workspace, *, meanwhile: Callable[[Path], object] = lambda _: None) -> None:
        self.workspace, self.meanwhile, self.runs = workspace, meanwhile, 0

    def prewarm(self, name: str, *, ready: int = 1) -> None:
        pass

    def run(self, name: str, parameters: Mapping[str, Any], *, run_id: str) -> NotebookRun:
        self.runs += 1
        root, path = self.workspace.root, "mlflow/artifacts/models/m-3/artifacts"
        folder = write_model(root / path, saved(seed=3))
        made = {"version": "3", "as_of": iso(AS_OF), "train_start": iso(AS_OF), "train_end": iso(AS_OF)}
        made |= {"rows": 300, "positives": 100, "recipe": "logistic_regression", "threshold": THRESHOLD}
        made |= {"data_sha256": "d" * 64, "model_sha256": folder_digest(folder_files(folder)), "model_path": path}
        artefact, executed = root / "made.json", root / "train.ipynb"
        artefact.write_text(canonical_json({**made, "mlflow_run": "r"}))
        executed.write_text("{}")
        self.meanwhile(folder)
        return NotebookRun(
            run_id=run_id,
            notebook=name,
            status="succeeded",
            seconds=1.0,
            path=executed,
            sha256=sha256_file(executed),
            artefact=artefact,
            artefact_sha256=sha256_file(artefact),
            error=None,
        )


def train(workspace: Workspace, runner: OneTraining) -> str:
    steps = Steps(workspace=workspace, runner=runner, say=lambda _: None)
    return steps.train(AS_OF, purpose="challenger", signal="", requested_by="mend")


def test_a_trained_model_is_signed_and_the_signature_is_on_record_with_its_files(workspace: Workspace) -> None:
    assert train(workspace, OneTraining(workspace)) == "3"
    entry = workspace.ledger.entry("challenger", "3")
    assert entry is not None
    assert {Path(name).name for name in entry.files} == {
        "MLmodel", "model.skops", "requirements.txt", "artifacts.sig", "made.json"}  # fmt: skip
    require_model_files(workspace, "3")
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_training_again_leaves_the_record_and_the_signature_as_they_are(workspace: Workspace) -> None:
    train(workspace, OneTraining(workspace))
    before = workspace.ledger.head(), signature_of(workspace, "3").read_bytes()
    signing(workspace, private=f"other/{PRIVATE_NAME}", public=None)
    assert train(workspace, OneTraining(workspace)) == "3"
    assert (workspace.ledger.head(), signature_of(workspace, "3").read_bytes()) == before


def test_without_a_private_key_a_trained_model_is_recorded_unsigned(workspace: Workspace) -> None:
    train(signing(workspace, private=None, public=None), OneTraining(workspace))
    assert not signature_of(workspace, "3").exists()
    require_model_files(workspace, "3")
    with pytest.raises(IntegrityError, match="gone, or never made"):
        require_model_files(signing(workspace), "3")


def test_a_model_changed_between_training_and_record_is_neither_signed_nor_recorded(workspace: Workspace) -> None:
    runner = OneTraining(workspace, meanwhile=lambda folder: (folder / "MLmodel").write_text("x"))
    with pytest.raises(IntegrityError, match="changed after training; nothing is recorded"):
        train(workspace, runner)
    assert workspace.ledger.get("challenger", "3") is None


def test_a_missing_key_is_found_before_training_and_not_after_it(workspace: Workspace) -> None:
    runner = OneTraining(signing(workspace, private="nowhere.pem"))
    with pytest.raises(SettingsError, match=r"signing\.private_key: keys/nowhere\.pem is not readable"):
        train(workspace, runner)
    assert runner.runs == 0


def test_the_command_line_makes_keys_and_signs(workspace: Workspace, tmp_path: Path) -> None:
    config = workspace.settings.source
    said = mend("signing", "keygen", str(tmp_path / "pair"), config=config).stdout
    assert PRIVATE_NAME in said
    assert "mode 0600" in said
    assert "PRIVATE KEY" not in said
    again = mend("signing", "keygen", str(tmp_path / "pair"), config=config, exit_code=2)
    assert again.stderr.count("\n") == 1
    assert "exists; a key is never overwritten" in again.stderr
    unset = mend("signing", "sign", "1", config=config, exit_code=2)
    assert "signing.private_key: not set" in unset.stderr
    done = mend("signing", "sign", "1", config=config, MEND_SIGNING__PRIVATE_KEY=f"pair/{PRIVATE_NAME}")
    assert "signed version 1: mlflow/artifacts/models/m-1/artifacts.sig" in done.stdout
