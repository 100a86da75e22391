"""The report page: what it says, what it hides, and that nothing in the data can break it."""

from __future__ import annotations

import base64
import doctest
import hashlib
import html
import json
import re
from collections import Counter
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pytest
from plotly.offline import get_plotlyjs

from journey_mining.errors import ReportError
from journey_mining.report import headline, render_report
from journey_mining.report.context import read_context
from journey_mining.report.headline import write_sentence
from journey_mining.report.journey_map import draw_emotion
from journey_mining.report.page import build_sections, escape_island
from journey_mining.report.query import read_answer, read_rows
from journey_mining.report.suppression import suppress_transitions
from unit.published import write_published
from unit.random_logs import GOAL, Log, hostile_log, random_log, wide_log

SECTIONS = [
    "overview",
    "funnel",
    "flow",
    "transitions",
    "touchpoints",
    "attribution",
    "pain-points",
    "data-health",
    "dictionary",
    "method",
]
ONE_TOUCHPOINT: dict[str, tuple[str | None, str]] = {"landing page": ("awareness", "web")}
UNMAPPED: dict[str, tuple[str | None, str]] = {
    "a": (None, "unknown"),
    "b": (None, "unknown"),
    GOAL: (None, "web"),
}


def still_open(log: Log) -> Log:
    """The log's journeys that are open."""
    return Log(journeys=[journey for journey in log.journeys if journey.state == "open"])


LOGS = {
    "random": random_log(600),
    "empty": Log(),
    "only open": still_open(random_log(400)),
    "no conversion": random_log(300, purchase_weight=0),
    "one touchpoint": random_log(80, catalog=ONE_TOUCHPOINT),
    "no stage at all": random_log(120, catalog=UNMAPPED),
    "three journeys": Log(journeys=random_log(300).journeys[:3]),
    "hostile": hostile_log(),
}


class Page(HTMLParser):
    """What a browser would make of the page: tags, ids, texts, scripts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif not self._open or self._open[-1] != "style":
            self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    @property
    def text(self) -> str:
        """All visible text, blanks made plain."""
        return " ".join(" ".join(self.texts).replace("\u00a0", " ").split())

    def ids(self) -> list[str]:
        """All element ids."""
        return [value or "" for _, name, value in self.attributes if name == "id"]


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A published database for each log."""
    folder = tmp_path_factory.mktemp("published")
    return {
        name: write_published(folder / f"{number}.duckdb", log)
        for number, (name, log) in enumerate(LOGS.items())
    }


def render(database: Path, out_dir: Path) -> str:
    """The page's text."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return render_report(connection, out_dir).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages(databases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The rendered page of each log."""
    folder = tmp_path_factory.mktemp("pages")
    return {name: render(path, folder / str(number)) for number, (name, path) in enumerate(databases.items())}


@pytest.mark.parametrize("name", LOGS)
def test_every_log_gives_a_whole_page(pages: dict[str, str], name: str) -> None:
    """Whatever is missing, each section is there, with a title that holds a number, and no id occurs twice."""
    page = Page(pages[name])
    ids = page.ids()
    assert [name for name in ids if name in SECTIONS] == SECTIONS
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    titles = re.findall(r"<h[12] id=\"[a-z-]+-title\"><bdi>(.*?)</bdi>", pages[name])
    assert len(titles) == len(SECTIONS)
    assert all(re.search(r"\d", title) or name == "only open" for title in titles), titles
    assert not re.search(r"\b(nan|None|inf|undefined)\b", page.text)


def test_headline_agrees_with_the_log(databases: dict[str, Path]) -> None:
    """Counts, rate and open share are those of the journeys themselves."""
    journeys = LOGS["random"].journeys
    states = Counter(journey.state for journey in journeys)
    with duckdb.connect(str(databases["random"]), read_only=True) as connection:
        figures = headline(connection)
    matured = states["converted"] + states["dropped_off"]
    assert (figures["journeys"], figures["matured"], figures["open"]) == (600, matured, states["open"])
    assert figures["conversion_rate"] == states["converted"] / matured
    assert figures["conversion_rate_low"] < figures["conversion_rate"] < figures["conversion_rate_high"]
    assert figures["open_share"] == states["open"] / 600
    assert figures["customers"] == len({journey.customer for journey in journeys})
    assert (figures["currency"], figures["goal"]) == ("EUR", GOAL)


def test_flagged_journeys_stay_out_of_the_headline(tmp_path: Path) -> None:
    """A journey that no person made counts neither as a journey nor as a conversion."""
    path = write_published(tmp_path / "j.duckdb", LOGS["random"])
    with duckdb.connect(str(path)) as connection:
        before = headline(connection)
        connection.execute("update journeys set is_flagged = true where state = 'converted'")
        after = headline(connection)
    assert after["converted"] == 0
    assert after["journeys"] == before["journeys"] - before["converted"]


def test_title_is_the_headline_sentence(pages: dict[str, str], databases: dict[str, Path]) -> None:
    """The page's title, its first heading and the run summary say the same."""
    with duckdb.connect(str(databases["random"]), read_only=True) as connection:
        sentence = headline(connection)["sentence"]
    assert re.fullmatch(r"[\d.]+.% of \d+ matured journeys reached purchase; .+ left in \w+", sentence)
    assert f"<bdi>{sentence}</bdi></h1>" in pages["random"]
    assert f"<title>{sentence}" in pages["random"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"journeys": 0, "matured": 0}, "0 journeys so far"),
        ({"matured": 0}, "All 100 journeys are still open"),
        ({"matured": 4}, "Fewer than 5 journeys have matured"),
        ({"converted": 3}, "Fewer than 5 of 80 matured journeys reached purchase"),
        ({"converted": 78, "dropped_off": 2}, "Fewer than 5 of 80 matured journeys ended without purchase"),
        ({"main_exit_share": 0.51}, "most others left in cart"),
        ({"main_exit_share": 0.5}, "the largest group of others, 50.0 %, left in cart"),
        ({"main_exit_count": 4}, "25.0 % of 80 matured journeys reached purchase"),
    ],
)
def test_sentence(changes: dict[str, Any], expected: str) -> None:
    """The title says what can be said, and no count below min_cell."""
    figures = {
        "journeys": 100, "matured": 80, "converted": 20, "dropped_off": 60, "conversion_rate": 0.25, "min_cell": 5,
        "goal": "purchase", "main_exit_stage": "cart", "main_exit_share": 0.9, "main_exit_count": 40,
    }  # fmt: skip
    sentence = write_sentence({**figures, **changes}).replace("\u00a0", " ")
    assert expected in sentence
    assert not re.search(r"\b[1-4] ", sentence.replace("Fewer than 5", ""))


def test_nothing_leaves_the_page(pages: dict[str, str]) -> None:
    """The policy forbids every load, no element asks for one, and plotly.js stands in the page once."""
    page = Page(pages["random"])
    policy = next(
        value
        for tag, name, value in page.attributes
        if tag == "meta" and name == "content" and "src" in str(value)
    )
    assert "default-src 'none'" in str(policy)
    assert "unsafe-inline" not in str(policy).split("script-src")[1].split(";")[0]
    loads = [
        (tag, name, value)
        for tag, name, value in page.attributes
        if name in ("src", "srcset", "action", "ping")
    ]
    assert loads == []
    targets = [value for tag, name, value in page.attributes if name == "href"]
    assert all(str(value).startswith("#") for value in targets)
    assert pages["random"].count("* plotly.js v") == 1


@pytest.mark.parametrize("name", ["random", "hostile", "empty"])
def test_policy_allows_exactly_the_scripts_of_the_page(pages: dict[str, str], name: str) -> None:
    """Each script that runs has its digest in the policy, and the policy holds no other."""
    page = Page(pages[name])
    policy = html.unescape(re.search(r'Security-Policy" content="([^"]+)"', pages[name]).group(1))  # type: ignore[union-attr]
    running = [text for attributes, text in page.scripts if attributes.get("type") != "application/json"]
    digests = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in running}
    assert digests == set(re.findall(r"'sha256-([^']+)'", policy))


def test_hostile_names_stay_text(pages: dict[str, str]) -> None:
    """Names that look like markup add no element and no handler, and are shown as they are."""
    page = Page(pages["hostile"])
    assert page.tags["img"] == 0
    assert [name for _, name, _ in page.attributes if name.startswith("on")] == []
    assert "</script><img src=x onerror=alert(1)>" in page.text
    assert "{{ 7*7 }}" in page.text
    assert all(re.fullmatch(r"[a-z][a-z-]*", name) for name in page.ids())


def test_islands_are_json_that_cannot_end_their_script(pages: dict[str, str]) -> None:
    """Every data island parses, and holds no character that HTML could mistake."""
    for name, text in pages.items():
        for attributes, island in Page(text).scripts:
            if attributes.get("type") == "application/json":
                assert not set("<>&") & set(island), name
                json.loads(island)
    assert json.loads(escape_island({"a": "</script>&\u2028"})) == {"a": "</script>&\u2028"}


@pytest.mark.parametrize("name", ["random", "three journeys", "hostile", "one touchpoint"])
def test_no_count_of_units_below_min_cell_is_shown(databases: dict[str, Path], name: str) -> None:
    """No table behind a chart holds a count of one to four customers or journeys."""
    units = {
        "entered", "converted", "dropped_off", "open", "skipped", "customer_count", "journey_count", "entries", "exits",
        "forward_journeys", "backward_journeys",
    }  # fmt: skip
    with duckdb.connect(str(databases[name]), read_only=True) as connection:
        charts = find_charts(build_sections(read_context(connection)))
    counts = [row[key] for chart in charts for row in chart.rows for key in units & set(row)]
    assert counts
    assert [count for count in counts if isinstance(count, int) and 0 < count < 5] == []


def test_islands_hold_no_small_count(pages: dict[str, str]) -> None:
    """What a script draws is suppressed as well: the browser never learns a small count."""
    for text in (pages["random"], pages["three journeys"]):
        islands = {
            a["id"]: json.loads(body) for a, body in Page(text).scripts if a.get("type") == "application/json"
        }
        for name, island in islands.items():
            counts = (
                island["link"]["value"]
                if name.startswith("data-flow")
                else [edge["n"] for edge in island["edges"]]
            )
            assert min(counts) >= 5


def find_charts(value: Any) -> list[Any]:
    """All chart frames in what the sections show."""
    if hasattr(value, "sql") and hasattr(value, "columns"):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else []
    return [chart for child in children for chart in find_charts(child)]


def ends_of(row: dict[str, Any]) -> tuple[str, str]:
    """The two touchpoints of a transition, or of a loop."""
    names = (
        ("from_touchpoint", "to_touchpoint")
        if "from_touchpoint" in row
        else ("touchpoint", "other_touchpoint")
    )
    return row[names[0]], row[names[1]]


@pytest.mark.parametrize("name", ["random", "three journeys", "hostile", "one touchpoint"])
def test_a_hidden_transition_is_shown_nowhere(databases: dict[str, Path], name: str) -> None:
    """The table, the map, the loops and the touchpoints' entries and exits hide what the graph files hide."""
    with duckdb.connect(str(databases[name]), read_only=True) as connection:
        context = read_context(connection)
        sections = build_sections(context)
        all_rows = read_rows(connection, "select * from transitions")
        kept = suppress_transitions(connection.execute("select * from transitions").df(), context.min_cell)
        hidden = context.hidden_transitions
    small = {ends_of(row) for row in all_rows if row["customer_count"] < 5}
    assert small <= hidden
    assert name != "random" or len(small) < len(hidden) < len(all_rows)
    assert set(zip(kept["from_touchpoint"], kept["to_touchpoint"], strict=True)).isdisjoint(hidden)
    assert {ends_of(row) for row in sections["transitions"]["chart"].rows}.isdisjoint(hidden)
    for row in sections["flow"]["loops"].rows:
        assert not {ends_of(row), ends_of(row)[::-1]} & hidden
    for row in sections["touchpoints"]["chart"].rows:
        for key, link in {
            "entries": ("__start__", row["touchpoint"]),
            "exits": (row["touchpoint"], "__end__"),
        }.items():
            assert link not in hidden or row[key] in (None, "< 5")
        assert (row["touchpoint"], "__end__") not in hidden or row["exit_rate"] is None
    counted = sum(row["transition_count"] for row in sections["transitions"]["chart"].rows)
    everything = sum(row["transition_count"] for row in all_rows)
    if counted:
        assert sections["transitions"]["chart"].rows[-1]["covered"] == counted / everything


def test_one_customer_who_came_often_is_few(tmp_path: Path) -> None:
    """What one customer did in ten journeys is not shown, though ten is not a small number of journeys."""
    path = write_published(tmp_path / "j.duckdb", LOGS["random"])
    with duckdb.connect(str(path)) as connection:
        connection.execute("update transitions set customer_count = 1 where from_touchpoint = '__start__'")
        rows = build_sections(read_context(connection))["transitions"]["chart"].rows
    assert rows
    assert "__start__" not in {row["from_touchpoint"] for row in rows}


def test_copied_sql_gives_the_numbers_of_the_chart(databases: dict[str, Path]) -> None:
    """Every query runs on the published database by itself, and a chart's shown values are those of its rows."""
    with duckdb.connect(str(databases["random"]), read_only=True) as connection:
        for chart in find_charts(build_sections(read_context(connection))):
            if chart.id == "chart-journey-map":
                assert connection.execute(chart.sql).fetchall() is not None
                continue
            if chart.id.startswith("chart-flow"):
                continue
            found = read_rows(connection, chart.sql)
            unit = chart.id.removeprefix("chart-funnel-")
            found = [row for row in found if row.get("unit", unit) == unit] if "funnel" in chart.id else found
            if chart.id in ("chart-transitions", "chart-loops"):
                found = [row for row in found if ends_of(row) in {ends_of(shown) for shown in chart.rows}]
            assert len(found) == len(chart.rows) > 0, chart.id
            for shown, row in zip(chart.rows, found, strict=True):
                same = [
                    key
                    for key in row
                    if key not in ("channel", "covered") and not isinstance(shown[key], str)
                ]
                assert all(shown[key] in (row[key], None) for key in same), (chart.id, row)


def test_funnel_rates_are_those_of_the_table(pages: dict[str, str], databases: dict[str, Path]) -> None:
    """The page shows the published rate of each stage, and does not make another one."""
    with duckdb.connect(str(databases["random"]), read_only=True) as connection:
        rows = read_answer(connection, "funnel").rows
    text = Page(pages["random"]).text
    rates = [row["conversion_rate"] for row in rows if row["conversion_rate"] and row["dropped_off"] >= 5]
    assert len(rates) >= 6
    assert all(f"{rate * 100:.1f} % went on" in text for rate in rates)


def test_no_identifier_reaches_the_page(pages: dict[str, str]) -> None:
    """Hashes of shared identifiers are counted, never shown."""
    assert "deadbeefcafe" not in pages["random"]
    assert "shared identifiers, linking nothing" in Page(pages["random"]).text


def test_page_data_is_small_however_many_touchpoints(tmp_path: Path) -> None:
    """Three hundred touchpoints and thousands of transitions stay under one megabyte without plotly.js."""
    text = render(write_published(tmp_path / "wide.duckdb", wide_log(300)), tmp_path)
    assert len(text.encode()) - len(get_plotlyjs().encode()) < 1_000_000
    assert "touchpoints of small volume are only in the table" in text


def test_same_database_gives_the_same_bytes(
    databases: dict[str, Path], pages: dict[str, str], tmp_path: Path
) -> None:
    """Nothing in the page depends on when or how often it is rendered."""
    assert render(databases["random"], tmp_path) == pages["random"]


def test_an_incident_is_told_with_its_days(tmp_path: Path) -> None:
    """It is claimed for its frequency, so the sentence names no conversions at stake."""
    path = write_published(tmp_path / "journeys.duckdb", LOGS["random"])
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "update pain_points set kind = 'incident', signal = 'card error', at_stake_low = 0, "
            "first_at = timestamp '2026-02-03', last_at = timestamp '2026-02-09'"
        )
        sentence = build_sections(read_context(connection))["pain-points"]["sentence"]
    assert sentence.endswith(
        "customers met \u201ccard error\u201d from 2026-02-03 to 2026-02-09, far more often than on other days"
    )


def test_the_map_shows_pain_points_that_are_surely_worse(tmp_path: Path) -> None:
    """What the run ranks stands in its stage; a delight does not, nor what may as well be nothing."""
    path = write_published(tmp_path / "j.duckdb", LOGS["random"])
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "update pain_points set stage = 'purchase', signal = 'slow checkout', touchpoint = 'slow checkout'"
        )
        columns = build_sections(read_context(connection))["overview"]["map"]["columns"]
        assert [[pain["touchpoint"] for pain in column.pains] for column in columns if column.pains] == [
            ["slow checkout"]
        ]
        connection.execute("update pain_points set at_stake_low = 0")
        columns = build_sections(read_context(connection))["overview"]["map"]["columns"]
        assert not any(column.pains for column in columns)


def test_emotion_line_has_gaps_without_evidence(databases: dict[str, Path]) -> None:
    """CSAT in two neighbouring stages makes one line; the stage with three answers has no point."""
    with duckdb.connect(str(databases["random"]), read_only=True) as connection:
        columns = build_sections(read_context(connection))["overview"]["map"]["columns"]
    emotion = draw_emotion(columns)
    assert emotion is not None
    assert emotion["name"] == "CSAT"
    assert [point["text"].replace("\u00a0", " ") for point in emotion["points"]] == ["71.0 %", "83.0 %"]
    assert len(emotion["lines"]) == 1
    apart = draw_emotion([columns[1], columns[0], columns[2]])
    assert apart is not None
    assert apart["lines"] == []


@pytest.mark.parametrize("module", ["formatting", "suppression", "palette", "flow", "transition_map"])
def test_examples_in_docstrings_hold(module: str) -> None:
    """Every doctest gives what it says."""
    result = doctest.testmod(import_module(f"journey_mining.report.{module}"))
    assert result.attempted > 0
    assert result.failed == 0


def test_a_database_without_the_tables_is_told(tmp_path: Path) -> None:
    """A page is never drawn from half of the tables; the error says which one is missing and what to do."""
    with (
        duckdb.connect() as connection,
        pytest.raises(ReportError, match=r"Table with name \w+ does not exist(?s:.*)journey-mining run"),
    ):
        render_report(connection, tmp_path)
    assert not (tmp_path / "index.html").exists()
