"""What is written of a label, a page and a person: the macros of sql/macros/privacy.sql and page_path_of."""

from __future__ import annotations

import uuid

import pytest

from journey_mining.models import find_models
from journey_mining.sources.keys import pads_of
from models.test_staging import stage
from unit.loaded import KEY, pseudonym
from worlds import Lab

KEPT = [
    "page_view", "A_Create Application", "Newsletter 2026-03-02", "deal stage: 3021987", "23851234567890123", "v2.10 (beta)",
    "DE_Search_Brand_Exact_2026-03_Spring-Sale_v2", "spring sale 20% off", "what? no!", "2026-03-02 10:00:00.123", "+1", "C++",
    "=cmd|' /C calc'!A0", "9781234567897", "Q&A", "a;b", "1-2-3", "50 + 50 = 100",
    "R&D = fun", "#1 in sales", "2026\u201303\u201302", "5\u00a0000\u00a0000 visits", "step 01 02 03",
]  # fmt: skip
CLEANED = {
    "mail from anna@shop.example": "mail from :email",
    "ANNA.B+news@Shop.Example clicked": ":email clicked",
    "anna%40shop.example": ":email",
    "anna%2540shop.example": ":email",
    "anna＠shop.example": ":email",
    "Reply <anna@shop.example>": "Reply <:email>",
    "josé@müller.example": ":email",
    "call to +49 (0)30 123456-7": "call to :phone",
    "call +49 30 1234567": "call :phone",
    "call %2B49301234567": "call :phone",
    "0049 30 1234567": ":phone",
    "tel 030-1234567": "tel :phone",
    "(415) 555-2671 missed": ":phone missed",
    "(415)555-2671 missed": ":phone missed",
    "call (030)1234567": "call :phone",
    "call 01 42 68 53 00": "call :phone",
    "call +49\u00a030\u00a01234567": "call :phone",
    "call +49\u202f30\u202f123\u202f45\u202f67": "call :phone",
    "+49\u201130\u20111234567": ":phone",
    "anna&#64;shop.example": ":email",
    "anna\\u0040shop.example": ":email",
    '"anna b"@shop.example': ":email",
    "anna@[192.0.2.1]": ":email",
    "form#email=anna": "form",
    "form&email=anna sent": "form sent",
    "form%253Femail%253Danna": "form",
    "https://shop.example/x?email=a&q=my+name": "https://shop.example/x",
    "visit /x?token=abc123 now": "visit /x now",
    "/x;jsessionid=0A1B": "/x",
    "x%3Fuser%3Danna": "x",
    "bearer eyJhbGciOiJIUzI1.eyJzdWIi.c2ln-bmF0": "bearer :id",
    "key 0123456789abcdef0123456789abcdef": "key :id",
    "id 123e4567-e89b-12d3-a456-426614174000": "id :id",
}
PATHS = {
    "/user/anna@x.example/edit": "/user/:id/edit",
    "/user/anna%40x.example": "/user/:id",
    "/user/ANNA%2540X.example": "/user/:id",
    "/user/anna＠x.example": "/user/:id",
    "/call/+49-30-12-34-56": "/call/:id",
    "/call/(030)%20123%20456": "/call/:id",
    "/reset/YW5uYUB4Lm9yZw==": "/reset/:id",
    "/reset/aB3dE5fG7hI9jK1l": "/reset/:id",
    "/login/eyJhbGciOiJ.x.y": "/login/:id",
    "/x;jsessionid=AF/y": "/x/y",
    "/search/q=anna+schmidt": "/search/q",
    "/x%3Femail=anna": "/x",
    "/x%253Femail%253Danna-b": "/x",
    "/reset/aB3-dE5_gH7-jK9_mN": "/reset/:id",
    "/iPhone-15-Pro-Max-256GB-MagSafe": "/iPhone-15-Pro-Max-256GB-MagSafe",
    "mailto:anna@x.example": "/:id",
    "tel:+493012345678": "/:id",
    "https://anna:pw@shop.example/cart?mail=anna@x.example#anna@x.example": "/cart",
    "/iphone-15-pro/128gb": "/iphone-15-pro/128gb",
    "/WomensShoes/SummerSale2": "/WomensShoes/SummerSale2",
    "/a//b/": "/a/b",
    "/product/42": "/product/:id",
    "/": "/",
}


@pytest.mark.parametrize("label", KEPT)
def test_ordinary_labels_stay(lab: Lab, label: str) -> None:
    """Names, versions, dates and bare numbers are nobody."""
    assert lab.warehouse.value("select label_of($label)", {"label": label}) == label


@pytest.mark.parametrize("label", CLEANED)
def test_people_leave_labels(lab: Lab, label: str) -> None:
    """Addresses, numbers, tokens and queries are replaced, the rest of the label stays."""
    assert lab.warehouse.value("select label_of($label)", {"label": label}) == CLEANED[label]


LONG = {
    "x" * 31 + " y" * 84 + "z": "x" * 31 + " y" * 84 + "z",
    "é " * 101: "é " * 99 + "é…",
    "\n" * 1_000_000: "\n" * 199 + "…",
    "a b " * 48 + "anna@shop.example called": "a b " * 48 + ":email …",
    "a@b.c " * 40: ":email " * 28 + ":em…",
}
"""Label -> what is written: of 200 characters all, of more the first 199, cut after what names people has gone."""


@pytest.mark.parametrize("label", LONG, ids=range(len(LONG)))
def test_a_label_has_200_characters_at_most(lab: Lab, label: str) -> None:
    """An ellipsis stands for the rest."""
    assert lab.warehouse.value("select label_of($label)", {"label": label}) == LONG[label]
    assert len(LONG[label]) == 200


@pytest.mark.parametrize("address", PATHS)
def test_people_leave_paths(lab: Lab, address: str) -> None:
    """A segment that may name a person is :id, whatever its spelling; ordinary segments stay."""
    assert lab.warehouse.value("select page_path_of($address)", {"address": address}) == PATHS[address]


ITEM = """
event_name         | given_touchpoint | status      | campaign_name | campaign_source | object_type | object_id     | actor    | session_hint
mail to a@b.c      | a@b.c called     | by a@b.c    | to a@b.c      | a@b.c           | ticket      | a@b.c         | Jane Doe | 17145
"""


def test_every_column_that_is_written_is_cleaned(lab: Lab) -> None:
    """Labels lose their addresses; agents, visits and objects that are addresses get pseudonyms."""
    stage(lab, ITEM)
    (kind,) = lab.rows("select event_name, given_touchpoint, status, campaign_source from fresh_signatures")
    assert list(kind.values()) == ["mail to :email", ":email called", "by :email", ":email"]
    (event,) = lab.rows("select campaign_name, object_id, actor, session_hint from fresh_events")
    assert list(event.values()) == [
        "to :email", pseudonym("object", "a@b.c"), pseudonym("actor", "Jane Doe"), pseudonym("session", "17145"),
    ]  # fmt: skip


def test_long_labels_are_cut_and_events_are_not_confused(lab: Lab) -> None:
    """Kinds of events and objects whose names begin alike stay apart; nothing that is written is longer."""
    columns = [
        "event_name", "given_touchpoint", "status", "campaign_name", "campaign_source", "channel", "device", "currency",
        "object_id",
    ]  # fmt: skip
    rows = [[("step " * 50_000 + str(number)) for _ in columns] for number in (1, 2)]
    pages = ["/" + "a/" * 1_000, "/" + "a/" * 1_001]
    stage(
        lab,
        "\n".join(
            " | ".join([*row, page]) for row, page in zip([columns, *rows], ["page_url", *pages], strict=True)
        ),
    )
    events, kinds = lab.rows("from fresh_events"), lab.rows("from fresh_signatures")
    lengths = {len(text) for row in [*events, *kinds] for text in row.values() if isinstance(text, str)}
    assert (len(events), len(kinds), max(lengths)) == (2, 2, 200)
    assert {row["event_name"] for row in kinds} == {"step " * 39 + "step…"}
    assert {row["page_path"] for row in kinds} == {"/a" * 99 + "/…"}
    assert len({row["object_id"] for row in events}) == 2


@pytest.mark.parametrize(
    "content",
    ["a@b.c", "a%40b.c", "+49 30 1234567", "+49\u00a030\u00a01234567", "%2B49301234567", "0049301234567"],
)
def test_an_object_that_is_an_address_is_a_pseudonym(lab: Lab, content: str) -> None:
    """Orders and tickets keep their ids, people's addresses and numbers do not."""
    query = "select object_id_of('order', $c, 'k')"
    assert lab.warehouse.value(query, {"c": content}) != content
    for plain in ("T-1001", "123e4567-e89b-12d3-a456-426614174000", "0012", "4711", "2026030212345678"):
        assert lab.warehouse.value(query, {"c": plain}) == plain


def test_nothing_that_is_written_can_be_guessed_without_the_key(lab: Lab) -> None:
    """With another key no id, no pseudonym and no number of a kind of event is the same."""
    text = "session_hint | actor | identifiers\ns1 | jane | user_id=anna"
    query = "select e.event_id, e.identity_key, e.signature_id::varchar as signature_id, e.actor, e.session_hint from fresh_events as e"
    stage(lab, text)
    (first,) = lab.rows(query)
    other = pads_of(b"another key of thirty-two bytes!")
    stage(lab, text, inner_pad=other.inner, outer_pad=other.outer, row_key=other.row_key)
    (second,) = lab.rows(query)
    assert not set(first.values()) & set(second.values())
    assert isinstance(first["event_id"], uuid.UUID)
    assert find_models("staging")["staged_items"].parameters >= {"row_key"}
    assert pads_of(KEY).row_key not in repr(pads_of(KEY))
