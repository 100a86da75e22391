"""Sequence patterns: `cart -> [^purchase]* -> help`, matched against each unit's touchpoints in their order.

    pattern  = [^] element -> element … [$]         ^ and $: the unit's first and last event
    element  = thing quantifier?                    quantifier: * + ? {2} {1,3}
    thing    = name | "name" | [a|b] | [^a|b] | .   any of, none of, anything

`->` means directly after. Repetition takes as few events as it can, and matches do not overlap. A match has at least
one event, also of a pattern of which every part may be left out: `.*` matches each event by itself, `^.*$` a unit's whole
sequence. A unit's touchpoints (consecutive repeats are one where the log's journeys collapse them) become a text of one
character each, and the pattern a regular expression of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from journey_mining.analysis.expressions import counted_events, unit_column, write_ordinal
from journey_mining.analysis.log import MISSING, EventLog, spell_as_text
from journey_mining.analysis.numbering import LIMIT
from journey_mining.errors import QueryError
from journey_mining.warehouse import quoted

FIRST_CODE = 0x4E00
"""Code of the first touchpoint that a pattern names: a range of plain letters that regular expressions leave alone."""
EXAMPLE = "cart -> [^purchase]* -> help"
OTHER = chr(FIRST_CODE - 1)
"""Stands for every touchpoint that the pattern does not name."""
_ELEMENT = re.compile(
    r"""^(?P<thing>"[^"]*"|'[^']*'|\[[^\]]*\]|\.|[^\[\]"'{}*+?]+?)\s*(?P<quantifier>[*+?]|\{\d+(?:,\d*)?\})?$"""
)
_MAY_BE_LEFT_OUT = re.compile(r"(?P<thing>.+?)(?P<quantifier>[*?]|\{0,?(?P<most>\d*)\})\?")
_ARROW = re.compile(r"""->(?=(?:[^"'\[\]]|"[^"]*"|'[^']*'|\[[^\]]*\])*$)""")


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern: the touchpoints that it names, and the regular expression over their codes."""

    codes: dict[str, str]
    regex: str


def parse_pattern(log: EventLog, text: Any) -> Pattern:
    """The pattern; raises QueryError where it cannot be read, or names what no event has."""
    if not isinstance(text, str):
        listed = f"write {' -> '.join(map(str, text))}" if isinstance(text, list | tuple) else None
        raise QueryError(
            f"{text!r} is no pattern.",
            expected=f"a text, such as {EXAMPLE}",
            fix=spell_as_text(text) or listed,
        )
    body = text.strip()
    begins, ends = body.startswith("^"), body.endswith("$")
    body = body[1 if begins else 0 : len(body) - 1 if ends else len(body)].strip()
    if not body:
        raise QueryError("The pattern is empty.", fix=f"write for example: {EXAMPLE}")
    codes: dict[str, str] = {}
    parts = [_element(log, one.strip(), text, codes) for one in _ARROW.split(body)]
    middle = "".join(parts)
    if not ends and re.fullmatch(middle, ""):
        middle = _take_one(parts)
    return Pattern(codes, ("^" if begins else "") + middle + ("$" if ends else ""))


def _take_one(parts: list[str]) -> str:
    """The regular expression of parts that may all be left out, with at least one event: one of them is there."""
    ways = []
    for place, part in enumerate(parts):
        found = _MAY_BE_LEFT_OUT.fullmatch(part)
        if found and found["quantifier"] != "{0}" and found["most"] != "0":
            repeated = {"?": "", "*": "+?"}.get(found["quantifier"], f"{{1,{found['most'] or ''}}}?")
            ways.append(found["thing"] + repeated + "".join(parts[place + 1 :]))
    if not ways:
        raise QueryError(
            "The pattern matches no event: each part of it is there 0 times.", fix="write + or *"
        )
    return f"(?:{'|'.join(ways)})"


def _element(log: EventLog, element: str, text: str, codes: dict[str, str]) -> str:
    found = _ELEMENT.match(element)
    if not found:
        raise QueryError(
            f"'{element}' is no element of a pattern.",
            found=text,
            expected='name, "name", [a|b], [^a|b] or ., with *, +, ? or {1,3} after it',
        )
    thing, quantifier = found["thing"].strip(), found["quantifier"] or ""
    if thing == ".":
        chosen = "."
    elif thing.startswith("["):
        negated = thing.startswith("[^")
        names = thing[2 if negated else 1 : -1].split("|")
        chosen = f"[{'^' if negated else ''}{''.join(_code(log, name, text, codes) for name in names)}]"
    else:
        chosen = _code(log, thing, text, codes)
    return f"{chosen}{quantifier}{'?' if quantifier else ''}"


def _code(log: EventLog, name: str, text: str, codes: dict[str, str]) -> str:
    bare = name.strip()
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'":
        bare = bare[1:-1]
    if not bare:
        raise QueryError("A pattern names an empty touchpoint.", found=text)
    if bare == name.strip() and bare not in (*log.touchpoints, *log.declared):
        _check_arrows(bare, log.touchpoints, text)
    log.check_touchpoint(bare)
    return codes.setdefault(bare, chr(FIRST_CODE + len(codes)))


def _check_arrows(name: str, known: Collection[str], text: str) -> None:
    """Raise QueryError for an unknown name that is several known ones, with blanks or other arrows between them."""
    names = _split_names([word for word in re.split(r"[\s>→,]+", name) if word], known)
    if len(names) > 1:
        raise QueryError(
            f"No event has the touchpoint '{name}'.", found=text, fix=f"write {' -> '.join(names)}"
        )


def _split_names(words: list[str], known: Collection[str]) -> list[str]:
    """The known names that the words make up, one after another; none where a word is left over."""
    for end in range(len(words), 0, -1):
        name = " ".join(words[:end])
        following = _split_names(words[end:], known) if name in known else []
        if name in known and (following or end == len(words)):
            return [name, *following]
    return []


def write_matches(log: EventLog, text: str, unit: str) -> str:
    """The query of a pattern: a row a unit, whether it matches, and how many matches that do not overlap it has."""
    pattern, column = parse_pattern(log, text), unit_column(log, unit)
    cases = " ".join(f"when {quoted(name)} then {quoted(code)}" for name, code in pattern.codes.items())
    code = f"case label {cases} else {quoted(OTHER)} end" if cases else quoted(OTHER)
    collapses = log.settings.get("repeats") == "collapse"
    is_new = "place = 1 or number <> numbers[place - 1]" if collapses else "true"
    name = f"coalesce(touchpoint, {quoted(MISSING)})"
    count = f"len(list_filter(regexp_extract_all(letters, {quoted(pattern.regex)}), lambda one: one <> ''))"
    return f"""with named as (
    select label, row_number() over (order by label) as number, {code} as letter
    from (select distinct {name} as label from events)
),

alphabet as (
    select list(letter order by number) as alphabet
    from named
),

met as (
    select {column} as unit_id, {write_ordinal(log)} as ordinal, {name} as label
    from events
    where {counted_events(log, unit)}
),

-- Order and touchpoint as one number, sorted within its unit: a third of the time of sorting all events.
listed as (
    select m.unit_id, list_sort(list(m.ordinal * {LIMIT} + n.number)) as places
    from met as m
    inner join named as n on m.label = n.label
    group by m.unit_id
),

numbered as (
    select unit_id, list_transform(places, lambda one: cast(one % {LIMIT} as integer)) as numbers
    from listed
),

seen as (
    select unit_id, list_filter(numbers, lambda number, place: {is_new}) as numbers
    from numbered
),

spelled as (
    select s.unit_id, array_to_string(list_transform(s.numbers, lambda number: a.alphabet[number]), '') as letters
    from seen as s
    cross join alphabet as a
)

select
    unit_id as {column},
    {count} > 0 as is_match,
    {count} as match_count
from spelled
order by unit_id"""
