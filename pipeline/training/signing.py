"""A model folder's signature: in OpenSSF's model-signing format, with a key of this desk and no service.

The library of that name can verify what is written here (`model_signing verify key`). Mend does not use it: it brings
15 packages, takes a second to import, and reads the files again by itself, where we must load what was verified.

Source:
    OpenSSF Model Signing specification 1.0; in-toto Attestation Framework, Statement v1; DSSE 1.0 (the envelope).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.artefacts import canonical_json, sync_folder, write_atomically
from pipeline.errors import InputError, IntegrityError, SettingsError
from pipeline.settings import Settings
from pipeline.training.model_digests import RecordedModel, recorded_files, recorded_model

if TYPE_CHECKING:
    from pipeline.wiring import Workspace

PRIVATE_NAME, PUBLIC_NAME = "model_signing_private.pem", "model_signing_public.pem"
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_LARGEST_BYTES = 2**20  # of a key or signature file: ours have 2 kB
_ALGORITHM = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)  # the same files and key, the same signature


def make_keys(folder: Path) -> tuple[Path, Path]:
    """A new key pair: the private key readable by its owner alone. Nothing is overwritten.

    Raises:
        InputError: One of the two files exists, or cannot be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    paths = folder / PRIVATE_NAME, folder / PUBLIC_NAME
    for path in paths:
        if path.exists() or path.is_symlink():
            raise InputError(path, "exists; a key is never overwritten, give another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content, mode in zip(paths, (private, _pem(key.public_key())), (0o600, 0o644), strict=True):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        sync_folder(folder)
    except OSError as error:
        raise InputError(error.filename or folder, f"cannot be written: {error.strerror}") from None
    return paths


def require_keys(settings: Settings) -> None:
    """The key files that the settings name are there, are keys, and belong together.

    Raises:
        SettingsError: One line that says which is not.
    """
    private = private_key(settings)
    public = public_key(settings)
    if private is not None and public is not None and _pem(private.public_key()) != _pem(public):
        raise SettingsError(settings.source, "signing.public_key is not that of signing.private_key")


def private_key(settings: Settings) -> ec.EllipticCurvePrivateKey | None:
    """The key that signs here, or None when nothing is signed."""
    path = settings.signing.private_key
    if path is None:
        return None
    content = _key_file(settings, "private_key", path)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _no_key(settings, "private_key", path) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _no_key(settings, "private_key", path)
    return key


def public_key(settings: Settings) -> ec.EllipticCurvePublicKey | None:
    """The key that must have signed, or None when no signature is asked for."""
    path = settings.signing.public_key
    if path is None:
        return None
    content = _key_file(settings, "public_key", path)
    try:
        key = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise _no_key(settings, "public_key", path) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _no_key(settings, "public_key", path)
    return key


def signature_path(folder: Path) -> Path:
    """Where a model folder's signature is: beside it, so that it is no part of what it signs."""
    return folder.with_name(f"{folder.name}.sig")


def sign(model: RecordedModel, settings: Settings) -> dict[Path, str]:
    """Write the signature of a model beside its folder, when the settings say so; returns its path and SHA-256.

    Raises:
        SettingsError: The private key cannot be used.
    """
    key = private_key(settings)
    if key is None:
        return {}
    path = signature_path(model.folder)
    return {path: write_atomically(path, bundle(model, settings.model.name, key))}


def sign_again(workspace: Workspace, version: str, *, at: datetime, recorded_at: datetime) -> str:
    """Sign a version on record with the key of the settings, and record whose key it was; returns the file's path.

    Raises:
        IntegrityError: Its files are not those that the ledger recorded.
    """
    model, settings = recorded_model(workspace, version), workspace.settings
    require_keys(settings)
    recorded_files(model)
    key = private_key(settings)
    assert key is not None
    known = key_id(key.public_key())
    files = {workspace.relative(path): digest for path, digest in sign(model, settings).items()}
    with workspace.ledger.transaction(recorded_at=recorded_at) as writer:
        entry = f"{version} {known[:16]} {writer.next_seq()}"
        body = {"version": version, "key": known, "model_sha256": model.sha256}
        writer.record("model_signature", entry, body, at=at, actor=f"key {known[:16]}", files=files)
    return next(iter(files))


def bundle(model: RecordedModel, name: str, key: ec.EllipticCurvePrivateKey) -> str:
    """The signature file for a model's files as they are on record."""
    payload = statement(model, name)
    signed = key.sign(_pre_authentication(payload), _ALGORITHM)
    content = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": key_id(key.public_key())}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": _PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signed).decode(), "keyid": ""}],
        },
    }
    return canonical_json(content)


def require_signature(model: RecordedModel, settings: Settings) -> None:
    """The model's files as on record, its version and its cut-off are signed by the key that the settings name.

    Raises:
        IntegrityError: There is no signature, it is not readable, another key's, or for something else.
        SettingsError: The public key cannot be used.
    """
    key = public_key(settings)
    if key is None:
        return
    path = signature_path(model.folder)
    try:
        payload, signed = _envelope(path)
        key.verify(signed, _pre_authentication(payload), ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature) as error:
        why = str(error) or f"not signed by signing.public_key ({settings.signing.public_key})"
        raise IntegrityError(path, f"model version {model.version} is not used", why) from None
    if payload != statement(model, settings.model.name):
        raise IntegrityError(
            path, f"model version {model.version} is not used", "the key signed other files, version or cut-off"
        )


def statement(model: RecordedModel, name: str) -> bytes:
    """What is signed: the version, its cut-off and every file's SHA-256, one spelling for one content."""
    resources = [
        {"name": path, "algorithm": "sha256", "digest": digest} for path, digest in sorted(model.files.items())
    ]
    root = hashlib.sha256(b"".join(bytes.fromhex(each["digest"]) for each in resources)).hexdigest()
    content = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"{name}/{model.version}", "digest": {"sha256": root}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [],
            },
            "resources": resources,
            "mend": {"model": name, "version": model.version, "threshold": float(model.threshold)},
        },
    }
    return canonical_json(content).encode()


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of the public key's PEM text: which key it was."""
    return hashlib.sha256(_pem(key)).hexdigest()


def _pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _pre_authentication(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: the type is signed with the payload, each behind its length."""
    kind = _PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _envelope(path: Path) -> tuple[bytes, bytes]:
    """Payload and signature of a bundle, or a ValueError that says why not."""
    try:
        envelope = json.loads(_content(path))["dsseEnvelope"]
        (signed,) = envelope["signatures"]
        if envelope["payloadType"] != _PAYLOAD_TYPE:
            raise ValueError
        return base64.b64decode(envelope["payload"], validate=True), base64.b64decode(signed["sig"], validate=True)
    except FileNotFoundError:
        raise ValueError("gone, or never made; signing.public_key asks for a signature") from None
    except OSError as error:
        raise ValueError(f"not readable: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise ValueError("not a signature bundle") from None


def _content(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place is not waited for
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise ValueError
    return content


def _key_file(settings: Settings, name: str, path: Path) -> bytes:
    try:
        return _content(settings.source.parent / path)
    except OSError as error:
        raise SettingsError(settings.source, f"signing.{name}: {path} is not readable: {error.strerror}") from None
    except ValueError:
        raise _no_key(settings, name, path) from None


def _no_key(settings: Settings, name: str, path: Path) -> SettingsError:
    expected = "expected an EC P-256 key in PEM without a password, as `mend signing keygen` makes it"
    return SettingsError(settings.source, f"signing.{name}: {path}: {expected}")
