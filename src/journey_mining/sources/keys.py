"""The keys with which identifiers are hashed before anything is written: several may be known, one is active."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path

import phonenumbers

from journey_mining.errors import ConfigError

KEY_VARIABLE = "JOURNEY_MINING_KEY"
"""Environment variable that may hold the keys, as hexadecimal digits (at least 32 each), oldest first."""
_BLOCK_BYTES = 64


@dataclass(frozen=True)
class Pads:
    """The two padded keys of HMAC (RFC 2104), the key of row ids that follows from them, and the key's public id."""

    inner: bytes = field(repr=False)
    outer: bytes = field(repr=False)
    row_key: str = field(repr=False)
    """128 bits, hexadecimal: what makes ids of events and pseudonyms unguessable."""
    key_id: str
    others: tuple[Pads, ...] = ()
    """Those of the other known keys: persons may have been erased under them."""


def load_pads(private: Path, key_id: str | None = None) -> Pads:
    """Pads of the active key: the one called `key_id`, or the newest; raises ConfigError when it is not known.

    Where no key is known and none is named, `private`/key is made.
    """
    keys = read_keys(private)
    if key_id is None and not keys:
        add_key(private)
        keys = read_keys(private)
    if key_id is None:
        key_id = list(keys)[-1]
    if key_id not in keys:
        raise ConfigError(
            f"identity.key_id: there is no key '{key_id}'.",
            found=f"known: {', '.join(keys) or 'none'}",
            fix=f"name one of these, or add the key to {KEY_VARIABLE} or {private / 'key'}",
        )
    others = tuple(pads_of(key) for name, key in keys.items() if name != key_id)
    return replace(pads_of(keys[key_id]), others=others)


def pads_of(key: bytes) -> Pads:
    """Pads of a key; a key longer than the block is hashed first, as RFC 2104 says."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    row_key = hmac.new(key, b"journey-mining row ids", hashlib.sha256).hexdigest()[:32]
    return Pads(bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block), row_key, key_id_of(key))


def key_id_of(key: bytes) -> str:
    """The public name of a key, from which the key cannot be told: 8 hexadecimal digits."""
    return hashlib.sha256(b"journey-mining key id:" + key).hexdigest()[:8]


def read_keys(private: Path) -> dict[str, bytes]:
    """Key id -> key, oldest first: those of the environment, or of `private`/key; none where that is missing."""
    given = os.environ.get(KEY_VARIABLE)
    if given and given.strip():
        return _decode(given, KEY_VARIABLE)
    path = private / "key"
    if not path.exists():
        return {}
    _require_private(path)
    return _decode(path.read_text(encoding="ascii", errors="replace"), str(path))


def add_key(private: Path) -> str:
    """The id of a new key in `private`/key, which is from now on the newest; the older ones stay known."""
    if os.environ.get(KEY_VARIABLE, "").strip():
        raise ConfigError(
            f"The keys come from {KEY_VARIABLE}.",
            fix=f'add the new one there, after the others: {KEY_VARIABLE}="<old> $(openssl rand -hex 32)"',
        )
    key = secrets.token_bytes(32)
    path = private / "key"
    _write_keys(path, [*read_keys(private).values(), key])
    return key_id_of(key)


def _decode(text: str, origin: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for number, part in enumerate(re.split(r"[\s,]+", text.strip()), 1):
        try:
            key = bytes.fromhex(part)
        except ValueError as error:
            raise ConfigError(
                f"{origin}: key {number} is not hexadecimal.", fix="make one with: openssl rand -hex 32"
            ) from error
        if len(key) < 16:
            raise ConfigError(
                f"{origin}: key {number} is too short.",
                expected="at least 32 hexadecimal digits",
                fix="make one with: openssl rand -hex 32",
            )
        keys[key_id_of(key)] = key
    return keys


def _write_keys(path: Path, keys: list[bytes]) -> None:
    """Write the file anew, readable by its owner only from the first byte on, by one rename."""
    new = path.with_name("key.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write("".join(key.hex() + "\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def _require_private(path: Path) -> None:
    """Raise ConfigError when others than the owner may read or change the key file."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(
            f"The key file {path} is open to others.",
            found=f"mode {mode:04o}",
            expected="0600",
            fix=f"chmod 600 {path}; if others may have read it, make a new key with: journey-mining key --new",
        )


def phone_e164(text: str | None) -> str | None:
    """The phone number in E.164; digits alone when it names no country or cannot be parsed."""
    if text is None:
        return None
    try:
        number = phonenumbers.parse("+" + text[2:] if text.startswith("00") else text, None)
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    except phonenumbers.NumberParseException:
        return "".join(character for character in text if character.isdigit()) or None
