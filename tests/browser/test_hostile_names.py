"""Names that attack the report: in a real browser nothing of them runs, nothing is asked for, and nothing becomes a link."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from browser.chromium import Page, find_chromium, open_chromium
from journey_mining.report import render_report
from unit.published import write_published
from unit.random_logs import Log, random_log

RUN = "window.pwned=1"
ATTACKS = [
    f"</script><script>{RUN}</script>", f'"><img src=x onerror={RUN}>', f"'><svg onload={RUN}>", f'<a href="javascript:{RUN}">buy</a>',
    f"<b>bold</b><iframe srcdoc='<script>parent.{RUN}</script>'>", '<a href="http://x">b</a>', "{{7*7}}${7*7}<%= 7*7 %>#{7*7}", '<a href="https:y">c</a>', "%{customdata} %{label} $latex$ <extra></extra>",
    f"\u2028{RUN}\u2029//", f"`${{{RUN}}}`", "\\u003cimg src=x onerror=alert(1)\\u003e", "]]><!--", f"javascript:{RUN}", "\u202eevil\u202c",
    '<img src="https://example.org/x.png"><link rel=stylesheet href="//example.org/x.css">', "<style>@import url(//example.org)</style>",
    f"<meta http-equiv=refresh content='0;url=javascript:{RUN}'>", "&lt;script&gt;&#60;img src=x&#62;", "\u0000\ufffe\ud7ff null", "__proto__", "constructor",
]  # fmt: skip


def hostile_everywhere() -> Log:
    """A log in which every touchpoint is an attack; stages and channels are those of the catalog."""
    plain = random_log(count=400, seed=5)
    names = dict(zip(plain.catalog, ATTACKS, strict=False))
    journeys = [replace(j, touchpoints=tuple(names.get(t, t) for t in j.touchpoints)) for j in plain.journeys]
    return Log(
        journeys=journeys, catalog={names.get(name, name): about for name, about in plain.catalog.items()}
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report whose names, title, goal, stages, channels, sources, files, reasons, rules and audits are attacks."""
    folder = tmp_path_factory.mktemp("hostile")
    path = write_published(folder / "p.duckdb", hostile_everywhere())
    with duckdb.connect(str(path)) as connection:
        for number, (table, column) in enumerate(
            [
                ("settings", "value"), ("source_files", "source"), ("source_files", "system"), ("source_files", "path"),
                ("quarantine_summary", "reason"), ("quarantine_summary", "first_file"), ("quarantine_summary", "source"),
                ("audits", "audit"), ("audits", "detail"), ("touchpoints", "rule"), ("identity_flags", "reason"), ("runs", "version"),
            ]
        ):  # fmt: skip
            where = "where name in ('title', 'goal', 'timezone')" if table == "settings" else ""
            connection.execute(
                f"update {table} set {column} = $attack {where}", {"attack": ATTACKS[number % 6]}
            )
        for table in ("stages", "stage_funnel", "touchpoints", "stage_channels"):
            connection.execute(f"update {table} set stage = $a where stage = 'awareness'", {"a": ATTACKS[1]})
        for table in ("touchpoints", "stage_channels"):
            connection.execute(f"update {table} set channel = $a where channel = 'email'", {"a": ATTACKS[0]})
    with duckdb.connect(str(path), read_only=True) as connection:
        return render_report(connection, folder / "report")


class Elements(HTMLParser):
    """Start tags with their attributes, as a browser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_attacks_add_no_element_and_no_handler(report: Path) -> None:
    """The page has the tags that its templates have, no handler, no address but to itself."""
    elements = Elements(report.read_text(encoding="utf-8")).found
    tags = {tag for tag, _ in elements}
    assert not tags & {"img", "iframe", "link", "base", "object", "embed", "form", "audio", "video"}
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]
    assert {a["href"][:1] for tag, a in elements if tag == "a" and a.get("href")} == {"#"}
    assert (
        next(a for tag, a in elements if tag == "meta" and a.get("http-equiv"))["http-equiv"]
        == "Content-Security-Policy"
    )
    assert len([a for tag, a in elements if tag == "meta" and a.get("http-equiv")]) == 1


def test_the_policy_is_strict(report: Path) -> None:
    """Nothing may be loaded, only scripts of known content run, nothing is sent; and it stands before anything else."""
    text = report.read_text(encoding="utf-8")
    policy = html.unescape(re.search(r'Security-Policy" content="([^"]+)"', text)[1])  # type: ignore[index]
    rules = {part.split()[0]: part.split()[1:] for part in policy.split(";")}
    assert rules["default-src"] == ["'none'"]
    assert all(re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", source) for source in rules["script-src"])
    assert rules["base-uri"] == rules["form-action"] == ["'none'"]
    assert set(rules) == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}
    assert text.index("Content-Security-Policy") < min(
        text.index("<style"), text.index("<title"), text.index("<script")
    )


def test_templates_are_not_filled_twice(report: Path) -> None:
    """A name that looks like a template, of whatever engine, is shown as it is."""
    text = html.unescape(report.read_text(encoding="utf-8"))
    assert "{{7*7}}${7*7}" in text
    assert "49${" not in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """One page of one browser for all tests."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium on this machine")
    with open_chromium(executable) as page:
        yield page


PROBE = """(() => {
  const hover = e => ['mouseover', 'mouseenter', 'mousemove', 'click', 'focus'].forEach(
    kind => e.dispatchEvent(new MouseEvent(kind, {bubbles: true, clientX: 9, clientY: 9})));
  document.querySelectorAll('button, summary, [role=tab], .sankey-node rect, .sankey-link, #transition-map *, th, td').forEach(hover);
  const range = document.getElementById('map-coverage');
  if (range) { range.value = 100; range.dispatchEvent(new Event('input')); }
  const filter = document.getElementById('touchpoint-filter');
  filter.value = '<img src=x onerror=window.pwned=1>'; filter.dispatchEvent(new Event('input'));
})()"""
LINKS = """[...document.querySelectorAll('a')].map(a => a.getAttribute('href') || a.getAttribute('xlink:href')
  || a.getAttributeNS('http://www.w3.org/1999/xlink', 'href') || '').filter(h => !h.startsWith('#') && !h.startsWith('blob:'))"""


@pytest.mark.browser
@pytest.mark.parametrize("tab", ["tab-flow-start", "tab-flow-conversion"])
def test_nothing_of_a_name_runs(browser: Page, report: Path, tab: str) -> None:
    """After every part was hovered, clicked and drawn: no script ran, no request left, no link leads anywhere, no error."""
    browser.resize(1440)
    browser.open(report)
    browser.run("HTMLAnchorElement.prototype.click = () => {}")
    browser.run(f"document.getElementById({json.dumps(tab)})?.click()")
    browser.run(PROBE)
    browser.run("new Promise(done => setTimeout(done, 400))")
    assert browser.run("typeof window.pwned") == "undefined"
    assert browser.run(LINKS) == []
    assert (
        browser.run("document.querySelectorAll('img, iframe, object, embed, link, form, main script').length")
        == 0
    )
    assert browser.run("document.querySelectorAll('svg a').length") == 0
    assert browser.run("Object.prototype.pwned === undefined && ({}).touchpoint === undefined")
    assert [address for address in browser.requests if not address.startswith(("blob:", "data:"))] == [
        report.resolve().as_uri()
    ]
    assert [problem for problem in browser.problems if "clipboard" not in problem.lower()] == []
    assert browser.run(
        "[...document.querySelectorAll('.sankey .node-label')].some(n => n.textContent.includes('<'))"
    )


@pytest.mark.browser
def test_the_browser_would_notice(browser: Page, tmp_path: Path) -> None:
    """A page without the policy that holds an attack does run it: the test above can fail."""
    page = tmp_path / "open.html"
    page.write_text("<!doctype html><html data-ready=true><body>" + ATTACKS[1] + "</body></html>")
    browser.open(page)
    browser.run("new Promise(done => setTimeout(done, 300))")
    assert browser.run("window.pwned") == 1
