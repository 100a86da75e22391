"""Models of sql/staging: what a batch of items becomes, from identifiers and pages to events, repeats and rejects."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from typing import Any

import pytest

from journey_mining.models import find_models
from journey_mining.sources.changes import begin_changes, demote_events, list_deliveries
from journey_mining.sources.erased import list_erased
from journey_mining.sources.keys import pads_of
from journey_mining.sources.load import ITEM_COLUMNS, STORED
from readable import cells, micros
from worlds import Lab

KEY = b"a key of thirty-two bytes, or so"
ROW_KEY = pads_of(KEY).row_key.encode()
PLACES = "select file_no, line, item from {} order by file_no, line, item"
SETS = "select identity_key, identifier_type, identifier_hash, specificity, is_poisoned from fresh_identifier_sets"


def hashed(kind: str, normal: str) -> uuid.UUID:
    """What an identifier becomes, by Python's own HMAC."""
    return uuid.UUID(hmac.new(KEY, f"{kind}:{normal}".encode(), hashlib.sha256).hexdigest()[:32])


def md5_id(content: bytes) -> uuid.UUID:
    """The id that a text's MD5 is."""
    return uuid.UUID(hashlib.md5(content, usedforsecurity=False).hexdigest())


def name_hashes(lab: Lab, *identifiers: str) -> None:
    """Let results call the hashes of `kind:normal form` by that name."""
    lab.names |= {hashed(*text.split(":", 1)): text for text in identifiers}


def stage(lab: Lab, text: str, **parameters: Any) -> None:
    """Build the staging models on the items; a column that is left out has an ordinary value or NULL.

    `identifiers` are kind=content, joined by ` & `, without a kind where none is given; an event named (blank) has
    blanks for a name.
    """
    declared = ", ".join(f'"{name}" {kind}' for name, kind in ITEM_COLUMNS.items())
    lab.warehouse.execute(f"create or replace temp table read_items ({declared})")
    places = ", ".join("?" * len(ITEM_COLUMNS))
    for number, row in enumerate(cells(text), 1):
        assert row.keys() <= ITEM_COLUMNS.keys()
        lab.warehouse.connection.execute(f"insert into read_items values ({places})", item(number, row))
    lab.warehouse.execute(
        "create temp table if not exists read_bad_records "
        "(file_no integer, line bigint, reason varchar, raw blob, byte_count bigint)"
    )
    pads = pads_of(KEY)
    bound = {"source": "shop", "keeps_repeats": False, "keeps_order": False, "json_files": [], "poisoned": []}
    bound |= {"inner_pad": pads.inner, "outer_pad": pads.outer, "row_key": pads.row_key}
    bound |= {"horizon_us": -(1 << 62), **parameters}
    list_erased(lab.warehouse, pads)
    list_deliveries(lab.warehouse, ((number, f"file {number}") for number in (1, 2, 3)))
    for model in find_models("staging").values():
        lab.warehouse.build(model, bound)


def item(number: int, row: dict[str, str | None]) -> list[Any]:
    """The values of an item in the order of ITEM_COLUMNS."""
    usual = {
        "file_no": 1,
        "line": number,
        "item": 1,
        "native_key": f"k{number}",
        "occurred_us": micros("09:00"),
        "event_name": "page",
        "initiator": "customer",
        "is_background": False,
    }
    given: dict[str, Any] = {**usual, **row}
    for name in ("occurred_us", "received_us"):
        if ":" in str(given.get(name)):
            given[name] = micros(given[name])
    if given["event_name"] == "(blank)":
        given["event_name"] = "  "
    if given.get("identifiers"):
        pairs = [part.split("=", 1) for part in given["identifiers"].split(" & ")]
        given["identifiers"] = [{"kind": kind.strip() or None, "content": content} for kind, content in pairs]
    return [given.get(name) for name in ITEM_COLUMNS]


def store(lab: Lab) -> None:
    """Append what the batch brought to the store, as loading does."""
    begin_changes(lab.warehouse)
    demote_events(lab.warehouse)
    for model, target in STORED.items():
        lab.warehouse.execute(f"insert into store.main.{target} by name select * from temp.main.{model}")


# identifier_lists and fresh_identifier_sets


def test_one_identifier_is_its_own_key(lab: Lab) -> None:
    """The key of an item with a single identifier is the identifier's hash, which equals Python's HMAC."""
    stage(
        lab,
        """
    identifiers
    user_id=anna
    """,
    )
    name_hashes(lab, "user_id:anna")
    lab.expect(
        SETS,
        """
    identity_key | identifier_type | identifier_hash | specificity | is_poisoned
    user_id:anna | user_id         | user_id:anna    | 1           | no
    """,
    )


def test_the_key_does_not_depend_on_the_order(lab: Lab) -> None:
    """Several identifiers have one key, the MD5 of their sorted hashes, in whatever order they are written."""
    stage(
        lab,
        """
    identifiers
    user_id=anna & cookie=c1 & email=a@shop.eu
    email=a@shop.eu & user_id=anna & cookie=c1
    cookie=c1 & email=a@shop.eu & user_id=anna
    """,
    )
    parts = [hashed("user_id", "anna"), hashed("cookie", "c1"), hashed("email", "a@shop.eu")]
    lab.names[md5_id(",".join(sorted(map(str, parts))).encode())] = "all three"
    name_hashes(lab, "user_id:anna", "cookie:c1", "email:a@shop.eu")
    lab.expect(
        "select line, identity_key from staged_items",
        """
    line | identity_key
    1    | all three
    2    | all three
    3    | all three
    """,
        order="line",
    )
    lab.expect(
        SETS,
        """
    identity_key | identifier_type | identifier_hash | specificity
    all three    | user_id         | user_id:anna    | 1
    all three    | email           | email:a@shop.eu | 3
    all three    | cookie          | cookie:c1       | 5
    """,
        order="specificity",
    )


def test_the_same_value_of_two_kinds_is_two_identifiers(lab: Lab) -> None:
    """The kind is part of what is hashed: cookie 7 is not user 7."""
    stage(
        lab,
        """
    identifiers
    user_id=7
    cookie=7
    """,
    )
    name_hashes(lab, "user_id:7", "cookie:7")
    lab.expect(
        "select line, identity_key from staged_items",
        """
    line | identity_key
    1    | user_id:7
    2    | cookie:7
    """,
        order="line",
    )


def test_an_identifier_without_a_kind_names_nobody(lab: Lab) -> None:
    """Others beside it do; an item that has no other belongs to nobody."""
    stage(
        lab,
        """
    identifiers
    =7
    =7 & user_id=7
    """,
    )
    name_hashes(lab, "user_id:7")
    lab.expect(
        "select line, identity_key from staged_items",
        """
    line | identity_key
    1    |
    2    | user_id:7
    """,
        order="line",
    )


def test_emails_are_lower_cased_and_trimmed(lab: Lab) -> None:
    """However an address is written it is one identifier, even twice on one item; user ids keep their case."""
    stage(
        lab,
        """
    identifiers
    email=anna@shop.eu
    email= Anna@SHOP.eu & email=anna@shop.eu
    user_id= Anna
    """,
    )
    name_hashes(lab, "email:anna@shop.eu", "user_id:Anna")
    lab.expect(
        "select line, identity_key from staged_items",
        """
    line | identity_key
    1    | email:anna@shop.eu
    2    | email:anna@shop.eu
    3    | user_id:Anna
    """,
        order="line",
    )


def test_phones_are_hashed_in_e164(lab: Lab) -> None:
    """Blanks, brackets, dashes and a leading 00 make no other number; without a country the digits count."""
    stage(
        lab,
        """
    identifiers
    phone=+49 30 901820
    phone=0049 (30) 90-18-20
    phone=030 / 901820
    """,
    )
    name_hashes(lab, "phone:+4930901820", "phone:030901820")
    lab.expect(
        "select line, identity_key from staged_items",
        """
    line | identity_key
    1    | phone:+4930901820
    2    | phone:+4930901820
    3    | phone:030901820
    """,
        order="line",
    )


def test_empty_identifiers_are_none(lab: Lab) -> None:
    """A blank value, a phone without a digit and no identifier at all leave the item to nobody."""
    stage(
        lab,
        """
    line | identifiers
    1    | user_id=
    2    | user_id= & cookie=
    3    | phone=ext.
    4    |
    """,
    )
    lab.expect(
        "select line, identity_key, reject_reason from staged_items",
        """
    line | identity_key | reject_reason
    1    |              |
    2    |              |
    3    |              |
    4    |              |
    """,
        order="line",
    )
    assert lab.rows("from fresh_identifier_sets") == []


def test_a_blank_identifier_does_not_change_the_key(lab: Lab) -> None:
    """Beside a blank one, an identifier is still the only one."""
    stage(
        lab,
        """
    identifiers
    user_id=anna & cookie=
    """,
    )
    name_hashes(lab, "user_id:anna")
    lab.expect(
        "select identity_key from staged_items",
        """
    identity_key
    user_id:anna
    """,
    )


@pytest.mark.parametrize(
    "identifier",
    [
        "user_id=undefined", "user_id=NULL", "user_id=(not set)", "user_id=anonymous", "user_id=0000", "user_id=n/a",
        "user_id=00000000-0000-0000-0000-000000000000", "cookie=None", "email=test@shop.eu", "email=No-Reply@shop.eu",
        "email=nobody", "phone=0000", "phone=1234567890",
    ],
)  # fmt: skip
def test_values_that_name_nobody_are_poisoned(lab: Lab, identifier: str) -> None:
    """They are kept and flagged."""
    stage(
        lab,
        f"""
    identifiers
    {identifier}
    """,
    )
    assert [row["is_poisoned"] for row in lab.rows(SETS)] == [True]


@pytest.mark.parametrize(
    "identifier",
    [
        "user_id=u-0000", "user_id=test@shop.eu", "user_id=undefined2", "user_id=1000", "email=latest@shop.eu",
        "email=tester@shop.eu", "phone=+49 30 901820",
    ],
)  # fmt: skip
def test_values_that_look_alike_are_not_poisoned(lab: Lab, identifier: str) -> None:
    """A poisoned value must be the whole identifier, and test@ is one only as an e-mail address."""
    stage(
        lab,
        f"""
    identifiers
    {identifier}
    """,
    )
    assert [row["is_poisoned"] for row in lab.rows(SETS)] == [False]


def test_poisoned_values_of_the_configuration(lab: Lab) -> None:
    """Values listed in journey.yaml are poisoned too, in any case; the others on the item are not."""
    stage(
        lab,
        """
    identifiers
    user_id=Kiosk & cookie=c1
    """,
        poisoned=["kiosk"],
    )
    lab.expect(
        SETS,
        """
    identifier_type | is_poisoned
    user_id         | yes
    cookie          | no
    """,
        order="specificity",
    )


@pytest.mark.parametrize(
    ("kind", "specificity"),
    [
        ("user_id", 1), ("contact_id", 2), ("requester_id", 2), ("email", 3), ("phone", 4), ("cookie", 5), ("badge", 6),
    ],
)  # fmt: skip
def test_specificity_of_a_kind(lab: Lab, kind: str, specificity: int) -> None:
    """Kinds are ranked from accounts over addresses to devices; a kind that is not known comes last."""
    stage(
        lab,
        f"""
    identifiers
    {kind}=+4930901820
    """,
    )
    assert [row["specificity"] for row in lab.rows(SETS)] == [specificity]


def test_combinations_that_the_store_knows_are_not_stored_again(lab: Lab) -> None:
    """Of a later batch only new combinations are fresh: the same identifiers with one more are a new one."""
    stage(
        lab,
        """
    identifiers
    user_id=anna
    """,
    )
    store(lab)
    stage(
        lab,
        """
    native_key | identifiers
    later-1    | user_id=anna
    later-2    | user_id=anna & cookie=c1
    """,
    )
    name_hashes(lab, "user_id:anna", "cookie:c1")
    lab.expect(
        "select identifier_hash from fresh_identifier_sets order by specificity",
        """
    identifier_hash
    user_id:anna
    cookie:c1
    """,
    )


def test_identifiers_of_rejects_are_not_stored(lab: Lab) -> None:
    """What is no event makes nobody known."""
    stage(
        lab,
        """
    identifiers  | reject_reason
    user_id=anna |
    user_id=ben  | no customer_id
    """,
    )
    name_hashes(lab, "user_id:anna")
    lab.expect(
        "select identifier_hash from fresh_identifier_sets",
        """
    identifier_hash
    user_id:anna
    """,
    )


# page_paths


def expect_paths(lab: Lab, text: str) -> None:
    """Each page, in the order of its text, has the path in the second column."""
    stage(lab, "\n".join(["page_url", *(row["page"] or "" for row in cells(text))]))
    lab.expect("page_paths", text, order="page")


def test_numbers_and_codes_in_a_path_become_id(lab: Lab) -> None:
    """Segments that name one thing among many are one page; years in words and short codes stay."""
    expect_paths(
        lab,
        """
    page                                                              | page_path
    https://shop.eu/b/123e4567-e89b-12d3-a456-426614174000            | /b/:id
    https://shop.eu/c/abcdefghijklmnopqrstuvwxyzabcdefghijklmnop/edit | /c/:id/edit
    https://shop.eu/d/deadbeefcafe1                                   | /d/:id
    https://shop.eu/e/red-shoe-20261                                  | /e/:id
    https://shop.eu/f/1/2/3                                           | /f/:id/:id/:id
    https://shop.eu/iphone-15/v2                                      | /iphone-15/v2
    https://shop.eu/product/123                                       | /product/:id
    https://shop.eu/product/123/reviews                               | /product/:id/reviews
    """,
    )


def test_people_in_a_path_become_id(lab: Lab) -> None:
    """An e-mail address is hidden, written out or encoded."""
    expect_paths(
        lab,
        """
    page                                     | page_path
    https://shop.eu/user/ann%40shop.eu/edit  | /user/:id/edit
    https://shop.eu/user/ann@shop.eu         | /user/:id
    https://user:secret@shop.eu/user/ann@b.c | /user/:id
    """,
    )


def test_trailing_slashes_and_missing_paths(lab: Lab) -> None:
    """A trailing slash is no other page, and an address without a path is the start page."""
    expect_paths(
        lab,
        """
    page                     | page_path
    /cart                    | /cart
    https://shop.eu          | /
    https://shop.eu/         | /
    https://shop.eu/cart     | /cart
    https://shop.eu/cart/    | /cart
    https://shop.eu/order/7/ | /order/:id
    """,
    )


def test_pages_are_told_apart_without_query_and_fragment(lab: Lab) -> None:
    """Addresses that differ after ? or # only are one page, and nothing of it is kept; no address is no page."""
    stage(
        lab,
        """
    line | page_url
    1    | https://shop.eu/search?q=anna@shop.eu
    2    | https://shop.eu/search#top
    3    | https://shop.eu/search?q=a#top
    4    | https://shop.eu/search#top?q=a
    5    | https://shop.eu?q=1/2
    6    |
    """,
    )
    lab.expect(
        "page_paths",
        """
    page                   | page_path
    https://shop.eu        | /
    https://shop.eu/search | /search
    """,
        order="page",
    )


def test_an_item_has_the_path_of_its_page(lab: Lab) -> None:
    """The item gets the template by its address, query or not; without an address it has no path."""
    stage(
        lab,
        """
    line | page_url
    1    | https://shop.eu/product/123?q=1
    2    | https://shop.eu/product/456#top
    3    |
    """,
    )
    lab.expect(
        "select line, page_path from staged_items",
        """
    line | page_path
    1    | /product/:id
    2    | /product/:id
    3    |
    """,
        order="line",
    )


# staged_items


def judged(lab: Lab, text: str, **parameters: Any) -> None:
    """The items in the table are rejected for the reasons in its last column."""
    columns = [name for name in cells(text)[0] if name != "reason"]
    body = ["|".join(columns), *("|".join(row[name] or "" for name in columns) for row in cells(text))]
    stage(lab, "\n".join(body), **parameters)
    lab.expect(
        "select line, reject_reason as reason from staged_items",
        "\n".join(["line | reason", *(f"{row['line']} | {row['reason'] or ''}" for row in cells(text))]),
        order="line",
    )


def test_items_without_a_time_that_can_be_read_are_rejected(lab: Lab) -> None:
    """No time, a time without a zone and a text that is no time are three reasons."""
    judged(
        lab,
        """
    line | occurred_text        | occurred_us | reason
    1    |                      |             | no time
    2    | 2026-03-02 09:00     |             | time without a zone
    3    | 2026-03-02           |             | time without a zone
    4    | yesterday            |             | unreadable time
    5    | 2026-13-02T09:00:00Z |             | unreadable time
    6    | infinity             |             | unreadable time
    7    | 2026-03-02T09:00:00Z | 09:00       |
    8    |                      | 09:00       |
    """,
    )


def test_implausible_times_are_rejected(lab: Lab) -> None:
    """A bare number before 1995 is in the wrong unit, a written date of 1970 is one; 1900 and 2100 are the ends."""
    judged(
        lab,
        """
    line | occurred_text        | occurred_us       | reason
    1    | 788918399.999999     | 788918399999999   | implausible time
    2    | 788918400            | 788918400000000   |
    3    | -5                   | -5000000          | implausible time
    4    | 1970-01-01T00:00:00Z | 0                 |
    5    |                      | 0                 |
    6    | 1899-12-31T23:59:59Z | -2208988800000001 | implausible time
    7    | 1900-01-01T00:00:00Z | -2208988800000000 |
    8    | 2099-12-31T23:59:59Z | 4102444799999999  |
    9    | 2100-01-01T00:00:00Z | 4102444800000000  | implausible time
    """,
    )


def test_items_without_a_name_are_rejected(lab: Lab) -> None:
    """A missing or blank event name makes no event; a missing time is told first."""
    judged(
        lab,
        """
    line | event_name | occurred_us | reason
    1    |            | 09:00       | no event name
    2    | (blank)    | 09:00       | no event name
    3    |            |             | no time
    4    | page       | 09:00       |
    """,
    )


def test_only_json_files_are_checked_for_json(lab: Lab) -> None:
    """A damaged line of a JSON file is told before all else; a CSV line is no JSON and need not be."""
    judged(
        lab,
        """
    file_no | line | raw         | reject_reason  | occurred_us | reason
    1       | 1    | {"at": 1    |                |             | not valid JSON
    1       | 2    | {"at": 1    | no customer_id | 09:00       | not valid JSON
    1       | 3    | {"at": 1}   |                |             | no time
    2       | 4    | 1;anna;page |                |             | no time
    """,
        json_files=[1],
    )


def test_the_presets_reason_goes_before_the_general_ones(lab: Lab) -> None:
    """What the preset says is nearer to the cause than a missing time."""
    judged(
        lab,
        """
    line | reject_reason  | occurred_us | reason
    1    | no customer_id |             | no customer_id
    2    | no customer_id | 09:00       | no customer_id
    """,
    )


def test_raw_text_is_kept_of_rejects_only(lab: Lab) -> None:
    """What was accepted is not stored a second time in its raw form."""
    stage(
        lab,
        """
    line | raw | reject_reason
    1    | one |
    2    | two | no customer_id
    """,
    )
    lab.expect(
        "select line, raw from staged_items",
        """
    line | raw
    1    |
    2    | two
    """,
        order="line",
    )


def test_event_ids_come_from_source_and_native_key(lab: Lab) -> None:
    """The same key is the same event in any file and line of a source, and another in another source."""
    items = """
    file_no | native_key | event_name
    1       | a          | page
    2       | a          | cart
    2       | b          | page
    """
    stage(lab, items)
    here = [row["event_id"] for row in lab.rows("from staged_items order by line")]
    stage(lab, items, source="branch")
    there = [row["event_id"] for row in lab.rows("from staged_items order by line")]
    assert here[0] == here[1] == md5_id(ROW_KEY + b"\x1fshop\x1fa\x1f1")
    assert len({*here, *there}) == 4


def test_received_times_that_cannot_be_are_unknown(lab: Lab) -> None:
    """An implausible time of receipt is dropped; the event stays."""
    stage(
        lab,
        """
    line | received_us
    1    | 4102444800000000
    2    | 09:05
    3    |
    """,
    )
    lab.expect(
        "select line, make_timestamp(received_us) as received_at, reject_reason from staged_items",
        """
    line | received_at | reject_reason
    1    |             |
    2    | 03-02 09:05 |
    3    |             |
    """,
        order="line",
    )


@pytest.mark.parametrize(("keeps_order", "of_line_7"), [(True, "7"), (False, "0")])
def test_the_line_is_the_sequence_where_the_order_means_something(
    lab: Lab, keeps_order: bool, of_line_7: str
) -> None:
    """The source's own number wins; a log as written has its lines instead, other sources have no order."""
    stage(
        lab,
        """
    line | sequence
    6    | 2
    7    |
    """,
        keeps_order=keeps_order,
    )
    lab.expect(
        "select line, sequence from staged_items",
        f"""
    line | sequence
    6    | 2
    7    | {of_line_7}
    """,
        order="line",
    )


def test_ids_of_people_are_no_objects(lab: Lab) -> None:
    """The id of a contact, user, person or lead never leaves the batch; those of things do."""
    stage(
        lab,
        """
    line | object_type | object_id
    1    | contact     | 77
    2    | user        | 77
    3    | person      | 77
    4    | lead        | 77
    5    | ticket      | 77
    """,
    )
    lab.expect(
        "select line, object_id from fresh_events",
        """
    line | object_id
    1    |
    2    |
    3    |
    4    |
    5    | 77
    """,
        order="line",
    )


# fresh_events and fresh_duplicates


def test_the_delivery_that_was_received_first_wins(lab: Lab) -> None:
    """Of deliveries of one event the first received counts, wherever it stands; one without a receipt comes last."""
    stage(
        lab,
        """
    file_no | line | native_key | received_us
    1       | 1    | a          |
    1       | 2    | a          | 09:05
    2       | 1    | a          | 09:04
    2       | 2    | b          | 09:09
    """,
    )
    lab.expect(
        PLACES.format("fresh_events"),
        """
    file_no | line | item
    2       | 1    | 1
    2       | 2    | 1
    """,
    )
    lab.expect(
        PLACES.format("fresh_duplicates"),
        """
    file_no | line | item
    1       | 1    | 1
    1       | 2    | 1
    """,
    )


def test_then_file_line_and_item_decide(lab: Lab) -> None:
    """Deliveries that were received at one time, or at none, are taken in the order of the files."""
    stage(
        lab,
        """
    file_no | line | item | native_key | received_us
    2       | 1    | 1    | a          | 09:05
    1       | 9    | 1    | a          | 09:05
    1       | 8    | 2    | a          | 09:05
    1       | 8    | 1    | a          | 09:05
    2       | 3    | 1    | b          |
    2       | 2    | 1    | b          |
    """,
    )
    lab.expect(
        PLACES.format("fresh_events"),
        """
    file_no | line | item
    1       | 8    | 1
    2       | 2    | 1
    """,
    )
    lab.expect(
        PLACES.format("fresh_duplicates"),
        """
    file_no | line | item
    1       | 8    | 2
    1       | 9    | 1
    2       | 1    | 1
    2       | 3    | 1
    """,
    )


def test_events_that_the_store_has_are_duplicates(lab: Lab) -> None:
    """A later batch adds what is new; a delivery of a known event that was received later is a repeat."""
    stage(
        lab,
        """
    native_key | received_us
    a          | 09:01
    """,
    )
    store(lab)
    stage(
        lab,
        """
    file_no | line | native_key | received_us
    2       | 1    | a          | 09:05
    2       | 2    | b          | 09:02
    2       | 3    | a          | 09:03
    """,
    )
    lab.expect(
        PLACES.format("fresh_events"),
        """
    file_no | line | item
    2       | 2    | 1
    """,
    )
    lab.expect(
        PLACES.format("fresh_duplicates"),
        """
    file_no | line | item
    2       | 1    | 1
    2       | 3    | 1
    """,
    )


@pytest.mark.parametrize(
    ("known", "delivered"),
    [("09:05 | 2 |", "09:04 | 3 |"), ("09:05 | 2 |", "09:05 | 1 |"), ("     | 2 |", "09:05 | 2 |")],
)
def test_a_later_batch_may_tell_an_event_better(lab: Lab, known: str, delivered: str) -> None:
    """What was received earlier, or is smaller in content, takes the place of what the store has.

    contested_events are what the store has of the batch's events, demoted_events what of it is told better now.
    """
    head = "file_no | received_us | sequence | native_key"
    stage(lab, f"{head}\n1 | {known} a")
    store(lab)
    stage(lab, f"{head}\n2 | {delivered} a\n2 | | 9 | b")
    assert [row["file_no"] for row in lab.rows("from contested_events")] == [1]
    assert [row["file_no"] for row in lab.rows("from demoted_events")] == [1]
    store(lab)
    assert [row["file_no"] for row in lab.rows("from staged_events")] == [2, 2]
    assert [row["file_no"] for row in lab.rows("from duplicates")] == [1]


def test_a_rejected_delivery_is_neither_event_nor_duplicate(lab: Lab) -> None:
    """A delivery without a time does not stand in the way of the one that has it."""
    stage(
        lab,
        """
    line | native_key | received_us | occurred_us
    1    | a          | 09:01       |
    2    | a          | 09:02       | 09:00
    """,
    )
    lab.expect(
        PLACES.format("fresh_events"),
        """
    file_no | line | item
    1       | 2    | 1
    """,
    )
    assert lab.rows("from fresh_duplicates") == []


def test_repeats_are_kept_as_written(lab: Lab) -> None:
    """In a log as written the second like row of a file is a second event, told apart by its occurrence."""
    stage(
        lab,
        """
    file_no | line | native_key
    1       | 1    | a
    1       | 2    | b
    1       | 3    | a
    """,
        keeps_repeats=True,
    )
    for name, native in (("a first", b"a\x1f1"), ("b first", b"b\x1f1"), ("a second", b"a\x1f2")):
        lab.names[md5_id(ROW_KEY + b"\x1fshop\x1f" + native)] = name
    lab.expect(
        "select event_id, line from fresh_events",
        """
    event_id | line
    a first  | 1
    b first  | 2
    a second | 3
    """,
        order="line",
    )
    assert lab.rows("from fresh_duplicates") == []


def test_the_same_file_again_brings_nothing_new(lab: Lab) -> None:
    """Occurrences are counted in each file: like rows of another file are the same events, its third is new."""
    stage(
        lab,
        """
    file_no | line | native_key
    1       | 1    | a
    1       | 2    | a
    2       | 1    | a
    2       | 2    | a
    2       | 3    | a
    """,
        keeps_repeats=True,
    )
    lab.expect(
        PLACES.format("fresh_events"),
        """
    file_no | line | item
    1       | 1    | 1
    1       | 2    | 1
    2       | 3    | 1
    """,
    )
    lab.expect(
        PLACES.format("fresh_duplicates"),
        """
    file_no | line | item
    2       | 1    | 1
    2       | 2    | 1
    """,
    )


def test_repeats_are_dropped_where_systems_deliver_at_least_once(lab: Lab) -> None:
    """The same key twice in a file is one event and one duplicate."""
    stage(
        lab,
        """
    line | native_key
    1    | a
    2    | a
    """,
        keeps_repeats=False,
    )
    lab.expect(
        PLACES.format("fresh_events"),
        """
    file_no | line | item
    1       | 1    | 1
    """,
    )
    lab.expect(
        PLACES.format("fresh_duplicates"),
        """
    file_no | line | item
    1       | 2    | 1
    """,
    )


# fresh_rejects


def test_rejects_keep_what_was_read(lab: Lab) -> None:
    """The raw text is kept as bytes with their number; where none was kept both are NULL; accepted items are absent."""
    stage(
        lab,
        """
    line | item | reject_reason  | raw
    1    | 1    |                |
    2    | 2    | no customer_id | größer
    3    | 1    | no time        |
    """,
    )
    lab.expect(
        "select line, item, reason, decode(raw) as raw, byte_count from fresh_rejects",
        """
    line | item | reason         | raw    | byte_count
    2    | 2    | no customer_id | größer | 8
    3    | 1    | no time        |        |
    """,
        order="line",
    )


def test_records_that_could_not_be_read_are_rejects(lab: Lab) -> None:
    """A damaged record has the reason and the bytes that the reader gave, as item 1."""
    lab.warehouse.execute(
        "create temp table read_bad_records as select 4::integer as file_no, 7::bigint as line, "
        "'too long' as reason, '\\xFF\\x00'::blob as raw, 9000000000::bigint as byte_count"
    )
    stage(
        lab,
        """
    reject_reason
    no time
    """,
    )
    assert lab.rows("from fresh_rejects where file_no = 4") == [
        {
            "file_no": 4, "line": 7, "item": 1, "reason": "too long", "raw": b"\xff\x00", "byte_count": 9_000_000_000,
        }
    ]  # fmt: skip
    assert len(lab.rows("from fresh_rejects")) == 2


# fresh_signatures


def test_a_kind_of_event_is_listed_once(lab: Lab) -> None:
    """Events that differ in person, time and campaign name are of one kind; another status or page makes another."""
    stage(
        lab,
        """
    line | event_name | status | page_url           | identifiers  | campaign_name | occurred_us
    1    | page       |        | https://shop.eu/a/1 | user_id=anna | spring        | 09:00
    2    | page       |        | https://shop.eu/a/2 | user_id=ben  | summer        | 10:00
    3    | page       | paid   | https://shop.eu/a/1 | user_id=anna | spring        | 09:00
    4    | page       |        | https://shop.eu/b   | user_id=anna | spring        | 09:00
    """,
    )
    lab.expect(
        "fresh_signatures",
        """
    source | event_name | initiator | is_background | page_path | status
    shop   | page       | customer  | no            | /a/:id    |
    shop   | page       | customer  | no            | /a/:id    | paid
    shop   | page       | customer  | no            | /b        |
    """,
        order="page_path, status nulls first",
    )
    lab.expect(
        "select v.line, s.page_path from fresh_events as v join fresh_signatures as s using (signature_id)",
        """
    line | page_path
    1    | /a/:id
    2    | /a/:id
    3    | /a/:id
    4    | /b
    """,
        order="line",
    )


def test_a_kind_delivered_twice_is_listed_once(lab: Lab) -> None:
    """Two deliveries of one event of one kind give one row."""
    stage(
        lab,
        """
    native_key
    a
    a
    """,
    )
    assert len(lab.rows("from fresh_signatures")) == 1


def test_kinds_that_the_store_knows_and_kinds_of_rejects_are_not_fresh(lab: Lab) -> None:
    """A later batch brings its new kinds only, and rejects bring none."""
    stage(
        lab,
        """
    event_name
    page
    """,
    )
    store(lab)
    stage(
        lab,
        """
    native_key | event_name | reject_reason
    x          | page       |
    y          | cart       |
    z          | purchase   | no customer_id
    """,
    )
    lab.expect(
        "fresh_signatures",
        """
    event_name
    cart
    """,
    )


def test_the_same_kind_of_two_sources_is_two_kinds(lab: Lab) -> None:
    """The source is part of the kind, so that rules can tell sources apart."""
    stage(
        lab,
        """
    event_name
    page
    """,
    )
    store(lab)
    stage(
        lab,
        """
    event_name
    page
    """,
        source="branch",
    )
    lab.expect(
        "fresh_signatures",
        """
    source | event_name
    branch | page
    """,
    )


def test_the_channel_comes_from_the_event_then_the_campaign_then_the_fallback(lab: Lab) -> None:
    """What the source states wins; then what the campaign tells, a paid click included; then the preset's guess."""
    stage(
        lab,
        """
    event_name | channel | campaign_source | campaign_medium | is_paid_click | fallback_channel
    a          | app     | google          | cpc             | yes           | web
    b          |         | google          | cpc             |               | web
    c          |         | newsletter      |                 |               | web
    d          |         |                 |                 | yes           | web
    e          |         | facebook        | social          |               | web
    f          |         |                 |                 |               | web
    g          |         |                 |                 | no            |
    """,
    )
    lab.expect(
        "fresh_signatures",
        """
    event_name | channel
    a          | app
    b          | paid_search
    c          | email
    d          | paid_search
    e          | organic_social
    f          | web
    g          |
    """,
        order="event_name",
    )


def test_an_empty_batch_brings_nothing(lab: Lab) -> None:
    """Without an item every staging model is empty."""
    stage(lab, "line")
    for name in find_models("staging"):
        assert lab.rows(f"from {name}") == []
