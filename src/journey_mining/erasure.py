"""Erasure: a person who asks, or the end of the retention, takes events, identities and quarantined bytes out.

What remains of an erased person is a tombstone: the keyed hashes of the identifiers, which keep later loads from
bringing the person back. The step that publishes rewrites both files, since a deleted row's bytes would stay in them.
"""

from __future__ import annotations

import base64
import csv
import difflib
import html
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from journey_mining.errors import ConfigError
from journey_mining.sources.changes import delete_events
from journey_mining.sources.keys import Pads
from journey_mining.warehouse import Warehouse

OUT_OF_REACH = (
    "the source exports, which still hold the person (see sources)",
    "copies that analysts made of reports, query results and databases",
    "backups and copies of the home folder that others made",
)
"""What a receipt says that erasure cannot touch."""
_KINDS = ("email", "phone", "user_id", "cookie", "network_cookie", "contact_id", "requester_id")
"""Kinds of identifiers of the presets; those of other presets are known once they have been read."""
_TOKEN = re.compile(r"""[^\s"',;:{}\[\]<>()|=&?\\]+""")
_URL_SAFE = str.maketrans("-_", "+/")
_BLANKS = " \t\r\n\"'"
_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|[nrtbfv/])")
"""What JSON, or a program, writes for a character within a text; once more escaped, it has more backslashes."""
_LAYERS = 3
"""Layers of encoding that are taken off a record: an address within an address has two."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}")
_HEX_BYTE = re.compile(r"=([0-9A-F]{2})")
"""A byte in quoted-printable text."""
_NUMBER = re.compile(r"(?:\+|\b00)[0-9 ().\-/]{6,24}[0-9]")
"""An international phone number within a text."""


@dataclass(frozen=True)
class ErasureRequest:
    """One identifier of a person who asks to be forgotten."""

    kind: str
    """email, phone, user_id, cookie or another kind of identifier."""
    value: str = field(repr=False)


def read_requests(path: Path) -> list[ErasureRequest]:
    """The requests in a CSV file with the columns kind and value, one identifier a row; raises ConfigError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.",
            fix="name a CSV file of requests that this user may read",
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is no text.", fix="save it as a UTF-8 CSV file") from error
    if not rows or not {"kind", "value"} <= rows[0][1].keys():
        raise ConfigError(
            f"{path} holds no requests.",
            expected="a header kind,value and one identifier a row",
            fix="for example: email,anna@example.org",
        )
    lacking = [
        number for number, row in rows if not all((row[name] or "").strip() for name in ("kind", "value"))
    ]
    if lacking:
        raise ConfigError(
            f"{path}:{lacking[0]}: a request lacks its kind or its value.", fix="complete the row"
        )
    return [ErasureRequest(_read_kind(row["kind"]), row["value"].strip()) for _, row in rows]


def requests_of(given: Mapping[str, Sequence[str]], others: Sequence[str] = ()) -> list[ErasureRequest]:
    """Requests from values by kind, and from texts such as cookie=123; raises ConfigError when one names nothing."""
    pairs = [(kind, value) for kind, values in given.items() for value in values]
    for text in others:
        kind, separator, value = text.partition("=")
        if not separator or not kind.strip():
            raise ConfigError(
                "An identifier lacks its kind.",
                expected="kind=value",
                fix="for example: --identifier cookie=123.456",
            )
        pairs.append((_read_kind(kind), value))
    if empty := [kind for kind, value in pairs if not value.strip()]:
        raise ConfigError(f"A request by {empty[0]} is empty.", fix="name the identifier of the person")
    return [ErasureRequest(kind, value.strip()) for kind, value in pairs]


def _read_kind(text: str) -> str:
    """The kind that a request names; capitals matter only in those of presets of one's own."""
    kind = text.strip()
    return kind.lower() if kind.lower() in _KINDS else kind


def describe_receipt(receipt: Mapping[str, Any]) -> list[str]:
    """A receipt in lines to read."""
    lines = [
        f"forgot {receipt['persons']} persons: {receipt['identifiers']} identifiers, {receipt['events']} events, "
        f"{receipt['duplicates']} repeats, {receipt['quarantined']} quarantined records",
        f"removed: {receipt['removed']}",
    ]
    lines += [f"{one}: not known; later loads leave it out" for one in receipt["not_known"]]
    lines += [
        f"{one}: names nobody, or several; nothing was removed for it" for one in receipt["name_nobody"]
    ]
    lines += [f"still in {row['path']}: {row['record_count']} records" for row in receipt["sources"]]
    lines += [f"out of reach: {text}" for text in receipt["out_of_reach"]]
    return [*lines, f"receipt: {receipt['receipt']}"]


def erase_persons(
    warehouse: Warehouse, pads: Pads, requests: Sequence[ErasureRequest], erased_at: Any
) -> dict[str, Any]:
    """Take persons out of the store; the receipt, which names nobody.

    A person is the customer that an identifier belongs to, with all identifiers that were joined into it. Raises
    ConfigError for a kind of identifier that there is not: the person would stay, and come back.
    """
    _require_kinds(warehouse, requests)
    _hash_requests(warehouse, pads, requests)
    found = warehouse.rows(
        """select r.number, r.kind, r.identifier_hash is null or r.is_poisoned as is_void,
            coalesce(i.is_shared, false) as is_shared, i.customer_id is not null as is_known
        from erasure_requests as r left join identities as i on r.identifier_hash = i.identifier_hash order by r.number"""
    )
    _list_identifiers(warehouse)
    persons = int(warehouse.value("select count(*) from erased_customers"))
    warehouse.execute(
        "insert into store.main.tombstones select identifier_hash, $k, $at from erased_identifiers "
        "where identifier_hash not in (select identifier_hash from store.main.tombstones)",
        {"k": pads.key_id, "at": erased_at},
    )
    sources = warehouse.rows(
        """select f.source, f.path, count(*) as record_count
        from (select file_no, identity_key from staged_events union all select file_no, identity_key from duplicates) as e
        inner join files as f on e.file_no = f.file_no
        where e.identity_key in (select identity_key from erased_keys) group by f.source, f.path order by f.source, f.path"""
    )
    counts = delete_events(warehouse, "identity_key in (select identity_key from erased_keys)")
    scrubbed = scrub_quarantine(warehouse, pads, requests)
    return {
        "requests": len(requests),
        "persons": persons,
        "not_known": [_named(row) for row in found if not row["is_known"] and not row["is_void"]],
        "name_nobody": [_named(row) for row in found if row["is_void"] or row["is_shared"]],
        "identifiers": int(warehouse.value("select count(*) from erased_identifiers")),
        **counts,
        "quarantined": scrubbed,
        "sources": sources,
        "out_of_reach": list(OUT_OF_REACH),
    }


def _require_kinds(warehouse: Warehouse, requests: Sequence[ErasureRequest]) -> None:
    rows = warehouse.rows("select distinct identifier_type from identifier_sets")
    known = sorted({*_KINDS, *(str(row["identifier_type"]) for row in rows)})
    for number, request in enumerate(requests, 1):
        if request.kind not in known:
            near = difflib.get_close_matches(request.kind, known, 1)
            # What was found is shown, but neither noted nor told: it may be the identifier itself.
            raise ConfigError(
                f"Request {number} names a kind of identifier that there is not.",
                found=f"'{request.kind}'",
                expected="one of " + ", ".join(known),
                fix=f"did you mean '{near[0]}'?" if near else "name one of these kinds",
            )


def _named(row: dict[str, Any]) -> str:
    return f"request {row['number']} ({row['kind']})"


def _hash_requests(warehouse: Warehouse, pads: Pads, requests: Sequence[ErasureRequest]) -> None:
    table = pa.table(
        {
            "number": pa.array(range(1, len(requests) + 1), pa.int32()),
            "kind": pa.array([request.kind for request in requests], pa.string()),
            "content": pa.array([request.value for request in requests], pa.string()),
        }
    )
    warehouse.connection.register("given_requests", table)
    warehouse.execute(
        """create or replace temporary table erasure_requests as
        with normalised as (
            select number, kind, identifier_normal(kind, content) as normal from given_requests
        )
        select number, kind, coalesce(is_poisoned(kind, normal), false) as is_poisoned,
            identifier_hash_of(kind, normal, $inner, $outer) as identifier_hash
        from normalised""",
        {"inner": pads.inner, "outer": pads.outer},
    )
    warehouse.connection.unregister("given_requests")


def _list_identifiers(warehouse: Warehouse) -> None:
    """Create erased_customers, erased_identifiers and erased_keys; a shared identifier names nobody."""
    warehouse.execute(
        """create or replace temporary table erased_customers as
        select distinct i.customer_id from identities as i
        inner join erasure_requests as r on i.identifier_hash = r.identifier_hash
        where not i.is_shared and not r.is_poisoned"""
    )
    warehouse.execute(
        """create or replace temporary table erased_identifiers as
        select identifier_hash from identities where customer_id in (select customer_id from erased_customers)
        union
        select r.identifier_hash from erasure_requests as r
        left join identities as i on r.identifier_hash = i.identifier_hash
        where r.identifier_hash is not null and not r.is_poisoned and not coalesce(i.is_shared, false)"""
    )
    warehouse.execute(
        """create or replace temporary table erased_keys as
        select identity_key from identity_customers where customer_id in (select customer_id from erased_customers)
        union
        select identity_key from identifier_sets where identifier_hash in (select identifier_hash from erased_identifiers)"""
    )


def scrub_quarantine(warehouse: Warehouse, pads: Pads, requests: Iterable[ErasureRequest] = ()) -> int:
    """Remove the raw bytes of quarantined records that name an erased person; returns how many.

    A record names a person when it holds the value of one of `requests` as a whole word (see `holds_word`), or a word
    whose keyed hash is a tombstone; as it stands, or without what encodes it (see `_READINGS`).
    """
    if not warehouse.value("select count(*) from tombstones"):
        return 0
    wanted = list(requests)
    rows = warehouse.execute(
        "select file_no, line, item, raw from quarantine where raw is not null"
    ).fetchall()
    named: set[tuple[int, int, int]] = set()
    words: list[tuple[tuple[int, int, int], str]] = []
    for *place, raw in rows:
        texts = _spellings(raw)
        if any(holds_word(text, request) for text in texts for request in wanted):
            named.add(tuple(place))
        else:
            words += [(tuple(place), word) for word in _words(texts)]
    named |= _with_tombstones(warehouse, pads, words)
    for file_no, line, item in named:
        warehouse.execute(
            "update store.main.quarantine set raw = null where file_no = $f and line = $l and item = $i",
            {"f": file_no, "l": line, "i": item},
        )
    return len(named)


def holds_word(text: str, request: ErasureRequest) -> bool:
    """Whether a text holds the value of a request as a whole word, in whatever case.

    A letter or digit beside the value continues it, and so does one behind a single `.`, `-`, `_` or `@`: these join
    the parts of addresses, ids, dates and numbers. Every other character ends a word, also what cannot be read as
    text: rather one record too many goes than one too few. Of a phone number, 00 and + before it make no other one.

    >>> ann = ErasureRequest("email", "ann@x.example")
    >>> [holds_word(text, ann) for text in ("to=Ann@X.example.", "j.ann@x.example", "ann@x.example.org")]
    [True, False, False]
    >>> [holds_word(text, ErasureRequest("user_id", "1")) for text in ("/users/1/", "2026-3-1T10:00", "10.0.0.1")]
    [True, False, False]
    """
    value, lower = request.value.lower(), text.lower()
    if value not in lower:
        return False
    before = r"(?<![^\W_])(?<![^\W_][._@-])" if value[0].isalnum() else ""
    after = r"(?![^\W_])(?![._@-][^\W_])" if value[-1].isalnum() else ""
    prefix = "(?:00)?" if request.kind == "phone" else ""
    return re.search(before + prefix + re.escape(value) + after, lower) is not None


def _spellings(raw: bytes) -> set[str]:
    """A record as it stands, and without layers of the encodings that exports wrap text in."""
    plain = raw.replace(b"\0", b"")  # which UTF-16 puts between letters
    texts = {plain.decode("utf-8", "replace")}
    if "\ufffd" in "".join(texts):
        texts.add(plain.decode("cp1252", "replace"))
    fresh = set(texts)
    for _ in range(_LAYERS):
        fresh = {read(text) for text in fresh for read in _READINGS} - texts
        texts |= fresh
    return texts


def _read_base64(text: str) -> str:
    return _BASE64.sub(_decoded, text)


def _decoded(word: re.Match[str]) -> str:
    coded = word[0].translate(_URL_SAFE)
    try:
        return base64.b64decode(coded + "=" * (-len(coded) % 4)).decode()
    except ValueError:
        return word[0]


def _read_quoted_printable(text: str) -> str:
    return unquote(_HEX_BYTE.sub(r"%\1", text))


def _read_escapes(text: str) -> str:
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(escape: re.Match[str]) -> str:
    if not (digits := escape[1] or escape[2]):
        return "/" if escape[0].endswith("/") else " "
    # Half of a character beyond the basic plane is no text by itself; no identifier is made of these.
    return " " if 0xD800 <= (code := int(digits, 16)) < 0xE000 else chr(code)


def _read_compatible(text: str) -> str:
    """With ordinary letters, digits and blanks in the place of those of another width."""
    return unicodedata.normalize("NFKC", text)


_READINGS = (unquote, _read_escapes, html.unescape, _read_quoted_printable, _read_base64, _read_compatible)
"""What may lie around a text: addresses, JSON, pages, mails, tokens, and letters of double width."""


def _words(texts: Iterable[str]) -> set[str]:
    """What may be an identifier in a record: its words, and its cells for those with blanks in them."""
    words = {word for text in texts for word in _TOKEN.findall(text)}
    words |= {cell.strip(_BLANKS) for text in texts for cell in re.split(r"[,;\t:{}]", text)}
    words |= {number for text in texts for number in _NUMBER.findall(text)}
    return {word for word in words if 3 <= len(word) <= 256}


def _with_tombstones(
    warehouse: Warehouse, pads: Pads, words: Sequence[tuple[tuple[int, int, int], str]]
) -> set[tuple[int, int, int]]:
    """The places of the words whose hash, taken for an identifier of any kind that occurs, is a tombstone."""
    table = pa.table({"word": pa.array(sorted({word for _, word in words}), pa.string())})
    warehouse.connection.register("given_words", table)
    kinds = "select distinct identifier_type as kind from identifier_sets union select unnest(['email', 'phone', 'user_id'])"
    found: set[str] = set()
    for known in (pads, *pads.others):
        rows = warehouse.execute(
            f"""select distinct word from given_words, ({kinds}) as k
            where identifier_hash_of(kind, identifier_normal(kind, word), $inner, $outer)
                in (select identifier_hash from tombstones where key_id = $key_id)""",
            {"inner": known.inner, "outer": known.outer, "key_id": known.key_id},
        ).fetchall()
        found |= {row[0] for row in rows}
    warehouse.connection.unregister("given_words")
    return {place for place, word in words if word in found}


def expire_events(warehouse: Warehouse, retention_us: int, upto_us: int) -> dict[str, int]:
    """Take out what is older than the retention, counted back from `upto_us`; the numbers of what went."""
    horizon = upto_us - retention_us
    warehouse.execute("delete from store.main.retention")
    warehouse.execute("insert into store.main.retention values ($r, $h)", {"r": retention_us, "h": horizon})
    counts = delete_events(warehouse, f"occurred_us < {horizon}")
    old = "select file_no from files where modified_ns // 1000 < $h"
    bound = {"h": horizon}
    counts["quarantined"] = int(
        warehouse.value(f"select count(raw) from quarantine where file_no in ({old})", bound)
    )
    warehouse.execute(f"update store.main.quarantine set raw = null where file_no in ({old})", bound)
    return counts
