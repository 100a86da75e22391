"""The report in a real browser: it draws without an error or a request, fits every screen, and its buttons work."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from browser.chromium import Page, find_chromium, open_chromium
from journey_mining.report import render_report
from unit.published import write_published
from unit.random_logs import Log, hostile_log, random_log, wide_log

pytestmark = pytest.mark.browser

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
LOGS = {"random": random_log(900), "hostile": hostile_log(), "empty": Log(), "wide": wide_log(300)}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A rendered report for each log."""
    folder = tmp_path_factory.mktemp("reports")
    written = {}
    for name, log in LOGS.items():
        with duckdb.connect(
            str(write_published(folder / f"{name}.duckdb", log)), read_only=True
        ) as connection:
            written[name] = render_report(connection, folder / name)
    return written


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """One page of one browser for all tests."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium on this machine")
    with open_chromium(executable) as page:
        yield page


def elements(page: Page, selector: str) -> int:
    """How many elements a selector finds."""
    return int(page.run(f"document.querySelectorAll({json.dumps(selector)}).length"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1024, 1440])
@pytest.mark.parametrize("name", LOGS)
def test_opens_without_error_request_or_overflow(
    browser: Page, reports: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    """Nothing is logged, nothing but the file itself is asked for, and the page never scrolls sideways."""
    browser.resize(width, dark=dark)
    browser.open(reports[name])
    assert browser.problems == []
    assert browser.requests == [reports[name].resolve().as_uri()]
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("[...document.querySelectorAll('main > section')].map(s => s.id)") == SECTIONS
    assert browser.run("[...document.querySelectorAll('main > section')].every(s => s.offsetHeight > 100)")


def test_sankey_draws_every_node_and_link(browser: Page, reports: dict[str, Path]) -> None:
    """Plotly shows what the island holds, columns in line, inside the picture."""
    browser.resize(1440)
    browser.open(reports["random"])
    island = browser.run("JSON.parse(document.getElementById('data-flow-start').textContent)")
    browser.wait_for("document.querySelectorAll('#sankey-start .sankey-node').length")
    assert elements(browser, "#sankey-start .sankey-node") == len(island["node"]["label"])
    assert elements(browser, "#sankey-start .sankey-link") == len(island["link"]["value"])
    lefts = browser.run(
        "[...new Set([...document.querySelectorAll('#sankey-start .node-rect')]"
        ".map(n => Math.round(n.getBoundingClientRect().left)))].length"
    )
    assert lefts == len(island["headings"])


def test_print_shows_every_tab_in_light_colours_at_once(browser: Page, reports: dict[str, Path]) -> None:
    """For paper both flows are drawn, dark on white, each node in place: a print must not catch one on its way."""
    browser.resize(1440, dark=True)
    browser.open(reports["random"])
    browser.run("dispatchEvent(new Event('beforeprint'))")
    gaps = browser.run(
        "[...document.querySelectorAll('#sankey-start .sankey-node')].map(n => Math.abs("
        "parseFloat(n.getAttribute('transform').slice(10)) - n.__data__.node.x0))"
    )
    assert max(gaps) < 0.5
    assert browser.run("document.querySelector('#sankey-start .main-svg').getAttribute('width')") == "1380"
    assert elements(browser, "#sankey-conversion .sankey-node") > 3
    assert (
        browser.run("getComputedStyle(document.querySelector('#sankey-start .node-label')).fill")
        == "rgb(21, 32, 43)"
    )
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("document.getElementById('panel-flow-conversion').offsetHeight") == 0
    assert browser.problems == []


def test_tabs_show_one_panel_and_draw_it(browser: Page, reports: dict[str, Path]) -> None:
    """The second tab hides the first panel and draws its own Sankey; arrows move between tabs."""
    browser.resize(1440)
    browser.open(reports["random"])
    assert elements(browser, "#sankey-conversion svg") == 0
    browser.run("document.getElementById('tab-flow-conversion').click()")
    assert browser.run("document.getElementById('panel-flow-start').hidden")
    assert elements(browser, "#sankey-conversion .sankey-node") > 3
    browser.run(
        "document.getElementById('tab-flow-conversion').dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}))"
    )
    assert browser.run("document.getElementById('tab-flow-start').getAttribute('aria-selected')") == "true"


def test_dark_colours_reach_the_sankey(browser: Page, reports: dict[str, Path]) -> None:
    """When the system turns dark, the open page redraws its labels in light ink."""
    browser.resize(1440)
    browser.open(reports["random"])
    read = "getComputedStyle(document.querySelector('#sankey-start .node-label')).fill"
    light = browser.run(read)
    browser.resize(1440, dark=True)
    browser.wait_for(f"{read} !== {json.dumps(light)}")


def test_transition_map_follows_slider_and_metric(browser: Page, reports: dict[str, Path]) -> None:
    """More coverage draws more transitions and says how much it covers; the metric changes the labels."""
    browser.resize(1440)
    browser.open(reports["random"])
    set_to = "(() => {{ const r = document.getElementById('map-coverage'); r.value = {}; r.dispatchEvent(new Event('input')); }})()"
    covered = "parseFloat(document.getElementById('map-covered').textContent)"
    browser.run(set_to.format(20))
    few, low = elements(browser, "#transition-map .edge"), browser.run(covered)
    browser.run(set_to.format(80))
    assert elements(browser, "#transition-map .edge") > few > 0
    assert browser.run(covered) >= 79.9 > low >= 19.9
    browser.run(
        "(() => { const m = document.getElementById('map-metric'); m.value = 'p'; m.dispatchEvent(new Event('change')); })()"
    )
    assert browser.run(
        "[...document.querySelectorAll('#transition-map .tag')].every(t => t.textContent.endsWith('%'))"
    )


def test_touchpoints_sort_and_filter(browser: Page, reports: dict[str, Path]) -> None:
    """A click sorts by the number and not by its text; the filter keeps matching rows and says how many."""
    browser.resize(1440)
    browser.open(reports["random"])
    values = (
        "[...document.querySelectorAll('#chart-touchpoints-table tbody tr')]"
        ".map(r => Number(r.cells[3].dataset.v ?? r.cells[3].textContent))"
    )
    click = "document.querySelectorAll('#chart-touchpoints-table th button')[3].click()"
    browser.run(click)
    down = browser.run(values)
    browser.run(click)
    assert down == sorted(down, reverse=True)
    assert browser.run(values) == sorted(down)
    browser.run(
        "(() => { const f = document.getElementById('touchpoint-filter'); f.value = 'EMAIL';"
        " f.dispatchEvent(new Event('input')); })()"
    )
    shown = browser.run(
        "[...document.querySelectorAll('#chart-touchpoints-table tbody tr')].filter(r => !r.hidden).map(r => r.textContent)"
    )
    assert len(shown) == 3
    assert all("email" in row for row in shown)
    assert browser.run("document.getElementById('touchpoint-shown').textContent") == f"3 of {len(down)}"


def catch_download(browser: Page, chart: str) -> str:
    """The text of the file that a chart's CSV button would save."""
    return str(
        browser.run(
            "(async () => { const real = URL.createObjectURL; let blob; URL.createObjectURL = b => (blob = b, real(b));"
            " const click = HTMLAnchorElement.prototype.click; HTMLAnchorElement.prototype.click = () => {};"
            f" document.querySelector('[data-csv={chart}]').click();"
            " URL.createObjectURL = real; HTMLAnchorElement.prototype.click = click; return await blob.text(); })()"
        )
    )


def test_csv_holds_exact_numbers(browser: Page, reports: dict[str, Path]) -> None:
    """The CSV has the table's columns and unrounded values, a blank where nothing is known."""
    browser.resize(1440)
    browser.open(reports["random"])
    lines = catch_download(browser, "chart-funnel-customers").lstrip("\ufeff").split("\r\n")
    assert lines[0].startswith("stage,entered,went on,left,still open")
    cells = lines[1].split(",")
    assert cells[0] == "awareness"
    assert int(cells[1]) > 500
    assert 0 < float(cells[6]) < 1
    assert lines[5].split(",")[6] == ""


def test_csv_runs_no_formula(browser: Page, reports: dict[str, Path]) -> None:
    """A name that a spreadsheet would run is saved as text."""
    browser.resize(1440)
    browser.open(reports["hostile"])
    text = catch_download(browser, "chart-touchpoints")
    assert "'=cmd|' /C calc'!A0" in text
    assert not any(
        line.startswith(("=", "+", "-", "@", "\t")) for line in text.lstrip("\ufeff").split("\r\n")
    )


def test_copied_sql_is_the_text_of_the_query(browser: Page, reports: dict[str, Path]) -> None:
    """The button copies what the page shows as the query, comparison signs unharmed."""
    browser.resize(1440)
    browser.open(reports["random"])
    copied = browser.run(
        "(async () => { let text; Object.defineProperty(navigator, 'clipboard', {configurable: true,"
        " value: {writeText: async t => { text = t; }}});"
        " document.querySelector('[data-copy=chart-transitions]').click(); return text; })()"
    )
    assert ">= (select limits.min_cell from limits)" in copied
    assert "order by shown.transition_count desc" in copied


def test_prints_to_pdf(browser: Page, reports: dict[str, Path]) -> None:
    """The page prints, on more than one sheet."""
    browser.resize(1440)
    browser.open(reports["random"])
    pdf = base64.b64decode(
        browser.send("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"]
    )
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type /Page/") >= 3
