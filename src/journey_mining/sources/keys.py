"""The key with which identifiers are hashed before anything is written."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import phonenumbers

from journey_mining.errors import ConfigError

KEY_VARIABLE = "JOURNEY_MINING_KEY"
"""Environment variable that may hold the key, as hexadecimal digits (at least 32)."""
_BLOCK_BYTES = 64


@dataclass(frozen=True)
class Pads:
    """The two padded keys of HMAC (RFC 2104) and the key's public id."""

    inner: bytes = field(repr=False)
    outer: bytes = field(repr=False)
    key_id: str


def load_pads(private: Path) -> Pads:
    """Pads of the key in the environment or in `private`/key, which is made (0600) when there is none."""
    given = os.environ.get(KEY_VARIABLE)
    return pads_of(_decode(given) if given else _key_file(private / "key"))


def pads_of(key: bytes) -> Pads:
    """Pads of a key; a key longer than the block is hashed first, as RFC 2104 says."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    key_id = hashlib.sha256(b"journey-mining key id:" + key).hexdigest()[:8]
    return Pads(bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block), key_id)


def _decode(text: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError as error:
        raise ConfigError(
            f"{KEY_VARIABLE} is not hexadecimal.", fix="make one with: openssl rand -hex 32"
        ) from error
    if len(key) < 16:
        raise ConfigError(f"{KEY_VARIABLE} is too short.", expected="at least 32 hexadecimal digits")
    return key


def _key_file(path: Path) -> bytes:
    if path.exists():
        return _decode(path.read_text(encoding="ascii"))
    key = secrets.token_bytes(32)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.hex())
        file.flush()
        os.fsync(file.fileno())
    return key


def phone_e164(text: str | None) -> str | None:
    """The phone number in E.164; digits alone when it names no country or cannot be parsed."""
    if text is None:
        return None
    try:
        number = phonenumbers.parse("+" + text[2:] if text.startswith("00") else text, None)
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    except phonenumbers.NumberParseException:
        return "".join(character for character in text if character.isdigit()) or None
