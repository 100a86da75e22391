"""The parts that are measured. Each runs in a process of its own: python parts.py '{"part": …, "folder": …}'.

A part prints its figures as JSON: seconds (wall), cpu_seconds (all threads), peak_bytes, and its own counts.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

import duckdb
from ground import DAYS, SEED, Form, Ground, declared_columns, folder_bytes
from resources import Figures, measured
from scipy.stats import theilslopes
from statements import timed_statements

from journey_mining.beside import Beside, Work
from journey_mining.warehouse import Connection

"""Nights that are measured, a week: days differ."""
DERIVING = ("classify touchpoints", "resolve identities", "derive journeys", "aggregate marts")
"""Steps from identity to marts."""


def generate(ground: Ground, form: Form) -> Figures:
    """Write the sample company's exports."""
    from journey_mining.sample.company import customers_for_events, write_company

    figures: Figures = {}
    with measured(figures):
        customers = customers_for_events(ground.events, DAYS, SEED)
        summary = write_company(ground.exports(form), customers, DAYS, SEED, form)
    return {**figures, "customers": customers, "web_records": summary.web_lines}


def read_ours(ground: Ground, form: Form) -> Figures:
    """The step `read exports` over the web exports."""
    from journey_mining.pipeline import read_exports
    from journey_mining.runs import open_run

    figures: Figures = {}
    config = ground.write_config(f"read_{form}", form, ("web",))
    with open_run(config, rebuild=True) as context, measured(figures):
        counts = read_exports(context)
    return {**figures, "records": counts["records"], "events": counts["events"]}


def read_theirs(ground: Ground, form: Form) -> Figures:
    """DuckDB's own reader over the same files into a table; broken JSON lines must be skipped for it to end."""
    reader = {
        "parquet": "read_parquet($files)",
        "jsonl": "read_json($files, format = 'newline_delimited', ignore_errors = true, "
        f"maximum_object_size = 33554432, columns = {declared_columns()})",
    }[form]
    figures: Figures = {}
    with ground.connect(f"theirs_{form}.duckdb") as connection:
        with measured(figures):
            connection.execute(
                f"create or replace table t as select * from {reader}", {"files": ground.web_files(form)}
            )
        records = connection.execute("select count(*) from t").fetchall()[0][0]
    (ground.work / f"theirs_{form}.duckdb").unlink()
    return {**figures, "records": records}


def stage(ground: Ground, form: Form) -> Figures:
    """Read all four sources and publish nothing but the store, so that `derive` begins with staged events."""
    from journey_mining.pipeline import read_exports
    from journey_mining.publication import publish
    from journey_mining.runs import open_run

    figures: Figures = {}
    with open_run(ground.write_config("derived", form), rebuild=True) as context:
        with measured(figures):
            counts = read_exports(context)
        context.warehouse.close()
        publish(context.home, context.working_dir, context.name, 1)
    return {**figures, "records": counts["records"], "events": counts["events"]}


class OneByOne(Beside):
    """Begins work only when its result is asked for, so that each step is timed alone."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._kept: dict[str, Work] = {}

    def start(self, name: str, work: Work, after: Beside | None = None) -> None:
        """Keep `work` for `finish`, by when all that was started elsewhere has ended."""
        self._kept[name] = work

    def finish(self, name: str) -> Any:
        """Do it, and give its result."""
        super().start(name, self._kept.pop(name))
        return super().finish(name)


def derive(ground: Ground, form: Form) -> Figures:
    """Identity to marts over staged events, then evidence, audits and report; leaves the databases in work/."""
    from journey_mining.pipeline import STEPS, run_step
    from journey_mining.runs import open_run

    steps = {step.name: step for step in STEPS}
    figures: Figures = {}
    with open_run(ground.write_config("derived", form)) as context:
        context.beside = OneByOne(context.warehouse.connection)
        run_step(context, steps["read exports"])
        for name in DERIVING:
            with measured(figures):
                run_step(context, steps[name])
        after = {"evidence": "mine evidence", "audits": "audit results", "report": "render report"}
        for part, name in after.items():
            with measured(figures, part):
                run_step(context, steps[name])
        context.warehouse.close()
        figures["steps"] = {name: context.timings[name] for name in DERIVING}
        page = (context.working_dir / "report" / "index.html").read_text(encoding="utf-8")
        for name in ("journeys.duckdb", "store.duckdb"):
            os.replace(context.working_dir / name, ground.work / name)
    islands = re.findall(r"<script[^>]*application/json[^>]*>(.*?)</script>", page, re.DOTALL)
    figures["page_bytes"] = len(page.encode())
    figures["page_data_bytes"] = sum(len(island.encode()) for island in islands)
    figures["database_bytes"] = (ground.work / "journeys.duckdb").stat().st_size
    figures["store_bytes"] = (ground.work / "store.duckdb").stat().st_size
    return figures


def night(ground: Ground, form: Form) -> Figures:
    """All files but the last of some, run from nothing, and rebuilt; nights in turn in which these arrive; one of nothing
    new; a rebuild.

    `full_seconds` is what a rebuild takes, on average of those before and after the nights, and `night_seconds` what a night
    does. `nights` holds each one's, with its `new_share` of the events that were there, and `one_percent_seconds` is what the
    line through them, by their new events (Theil and Sen), says of one with 1 %. CPU alike.
    """
    from journey_mining.pipeline import STEPS, run_step
    from journey_mining.runs import open_run

    home = ground.night_home(form)
    folder = ground.work / f"{home}_exports"
    arriving = link_exports(ground.exports(form), folder, ground.nights)
    config = ground.write_config(home, form, folder=folder)
    runs: list[Figures] = []
    for files in ([], [], *arriving, [], []):
        for path in files:
            os.link(path, folder / path.relative_to(ground.exports(form)))
        run: Figures = {"files": [path.name for path in files]}
        begun = perf_counter()
        with open_run(config, rebuild=len(runs) in (1, ground.nights + 3)) as context:
            run["copy_seconds"] = perf_counter() - begun
            with measured(run):
                counts = {step.name: run_step(context, step) for step in STEPS}
            run.update(steps=dict(context.timings), counts=counts)
        runs.append(run)
    first, before, *nights, quiet, after = runs
    for run, earlier in zip(nights, runs[1:], strict=False):
        events, events_before = (each["counts"]["read exports"]["events"] for each in (run, earlier))
        run["new_share"] = (events - events_before) / events_before
    shares = [run["new_share"] for run in nights]
    figures: Figures = {"first": first, "rebuilds": [before, after], "nights": nights, "quiet_night": quiet}
    for figure in ("seconds", "cpu_seconds"):
        spent = [run[figure] for run in nights]
        slope, intercept, *_ = theilslopes(spent, shares)
        figures[f"full_{figure}"] = mean(run[figure] for run in (before, after))
        figures[f"night_{figure}"] = mean(spent)
        figures[f"one_percent_{figure}"] = float(intercept + 0.01 * slope)
    figures["night_peak_bytes"] = figures["one_percent_peak_bytes"] = max(run["peak_bytes"] for run in nights)
    figures["full_peak_bytes"] = max(before["peak_bytes"], after["peak_bytes"])
    return {**figures, "seconds": figures["full_seconds"], "cpu_seconds": figures["full_cpu_seconds"]}


def write_log(ground: Ground, form: Form) -> Figures:
    """The contacts of the published snapshot as one Parquet file, in order of time, for all who are asked about them."""
    figures: Figures = {}
    with ground.connect("log.duckdb") as connection, measured(figures):
        connection.execute(f"attach '{ground.published / 'journeys.duckdb'}' as published (read_only)")
        for name in ("customer", "journey"):
            connection.execute(
                f"create temp table {name}_names as select {name}_id, "
                f"'{name[0]}' || row_number() over (order by {name}_id) as name from published.{name}s"
            )
        written = connection.execute(
            f"""copy (
                select c.name as customer_id, j.name as journey_id, e.occurred_at, e.touchpoint
                from published.events as e
                inner join customer_names as c on e.customer_id = c.customer_id
                inner join journey_names as j on e.journey_id = j.journey_id
                inner join published.journeys as k on e.journey_id = k.journey_id
                where not e.is_background and not k.is_flagged
                order by e.occurred_us, e.customer_id, e.event_ordinal
            ) to '{ground.log}' (format parquet)"""
        ).fetchall()
        published = connection.execute("select count(*) from published.events").fetchall()
    return {**figures, "contacts": int(written[0][0]), "published_events": int(published[0][0])}


def link_exports(exports: Path, folder: Path, nights: int) -> list[list[Path]]:
    """Hard links to the exports, but those that arrive in the last nights; returns these, a list a night.

    A night has the web file of its day, the last one also the last e-mail events and the last survey answers.
    """
    days = sorted((exports / "web").iterdir())[-nights:]
    last = [
        sorted((exports / part).glob(pattern))[-1]
        for part, pattern in (("crm", "email_events_*"), ("survey", "*"))
    ]
    for part in ("web", "crm", "support", "survey"):
        (folder / part).mkdir(parents=True)
        for path in sorted((exports / part).iterdir()):
            if path not in [*days, *last]:
                os.link(path, folder / part / path.name)
    return [[day] for day in days[:-1]] + [[days[-1], *last]]


SHAPES = {
    "even": "cast(i % (n // 20) as varchar) as customer_id, null as email",
    "giant": "cast(case when i % 2 = 0 then 0 else i % (n // 20) end as varchar) as customer_id, null as email",
    "star": "cast(i % (n // 5) as varchar) as customer_id, case when i < n // 5 then 'all@shop.example' end as email",
    "spread": "cast(i % (n // 5) as varchar) as customer_id, case when i < n // 5 then i || '@shop.example' end as email",
}
"""Identifiers of event i of n: 20 events a customer; half of all events one customer's; n/5 accounts that share one
e-mail address, or have one each."""


def skewed(ground: Ground, shape: str) -> Figures:
    """A run from nothing over one Parquet log whose events are spread over customers in that shape."""
    from journey_mining.pipeline import run_all

    folder = ground.work / "skew"
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"""copy (
                select {SHAPES[shape].replace("n //", str(ground.events) + " //")},
                    timestamp '2026-01-01' + to_microseconds((hash(i) % 7000000000)::bigint * 1000) as occurred_at,
                    'touchpoint ' || hash(i, 1) % 20 as touchpoint
                from range({ground.events}) as r (i)
            ) to '{folder / "log.parquet"}' (format parquet)"""
        )
    limits = f"threads: {ground.threads}\nmemory_limit: {ground.memory_limit}\n"
    source = "sources:\n  log: {system: table, path: log.parquet, timezone: UTC}\n"
    (folder / "journey.yaml").write_text(
        f"home: {shape}\n{limits}goal: touchpoint 7\n{source}", encoding="utf-8"
    )
    figures: Figures = {}
    with measured(figures):
        context = run_all(folder / "journey.yaml", rebuild=True)
    warned = [audit["audit"] for audit in context.summary["audits"] if audit["status"] == "warned"]
    return {**figures, "warned": warned, "steps": context.timings}


def skew_even(ground: Ground, form: Form) -> Figures:
    """Events spread evenly."""
    return skewed(ground, "even")


def skew_giant(ground: Ground, form: Form) -> Figures:
    """Half of the events are one customer's."""
    return skewed(ground, "giant")


def skew_spread(ground: Ground, form: Form) -> Figures:
    """Accounts with an e-mail address each."""
    return skewed(ground, "spread")


def skew_star(ground: Ground, form: Form) -> Figures:
    """Accounts that share one e-mail address."""
    return skewed(ground, "star")


def lay_out(ground: Ground, form: Form) -> Figures:
    """Write what the limit query reads: the published events, all columns, with the touchpoint as an integer."""
    figures: Figures = {}
    with ground.connect("limit.duckdb") as connection:
        connection.execute(f"attach '{ground.work / 'journeys.duckdb'}' as ours (read_only)")
        with measured(figures):
            connection.execute(
                """create or replace table events as
                with numbered as (
                    select touchpoint, cast(row_number() over (order by touchpoint) as integer) as touchpoint_id
                    from ours.touchpoints
                )
                select e.*, n.touchpoint_id from ours.events as e inner join numbered as n using (touchpoint)"""
            )
        figures["events"] = connection.execute("select count(*) from events").fetchall()[0][0]
    return figures


def limit(ground: Ground, columns: str) -> Figures:
    """The limit query: one window pass over the same events, `columns` of them, into a table."""
    figures: Figures = {}
    with ground.connect("limit.duckdb") as connection, measured(figures):
        connection.execute(
            f"""create or replace table t as
            select {columns}, lag(occurred_us) over w as last_us, lead(touchpoint_id) over w as next_id,
                row_number() over w as ordinal
            from events
            window w as (partition by customer_id order by occurred_us, event_id)"""
        )
    return figures


def limit_wide(ground: Ground, form: Form) -> Figures:
    """The limit query over all columns."""
    return limit(ground, "*")


def limit_narrow(ground: Ground, form: Form) -> Figures:
    """The limit query over the four columns that it needs."""
    return limit(ground, "event_id, customer_id, occurred_us, touchpoint_id")


PARTS: dict[str, Callable[[Ground, Form], Figures]] = {
    part.__name__: part
    for part in (
        generate,
        read_ours,
        read_theirs,
        stage,
        derive,
        lay_out,
        limit_wide,
        limit_narrow,
        night,
        write_log,
        skew_even,
        skew_giant,
        skew_spread,
        skew_star,
    )
}


def run_part(task: dict[str, Any]) -> Figures:
    """The figures of one part; with `profile`, also its statements that take over a hundredth of it."""
    settings = {name: task[name] for name in ("events", "threads", "memory_limit", "nights") if name in task}
    ground = Ground(Path(task["folder"]), **settings)
    if not task.get("profile"):
        return PARTS[task["part"]](ground, task["form"])
    with timed_statements() as statements:
        figures = PARTS[task["part"]](ground, task["form"])
    return {**figures, "statements": statements.longest(0.01)}


def size_of_exports(ground: Ground, form: Form) -> dict[str, int]:
    """Bytes of the web exports and of all exports."""
    folder = ground.exports(form)
    return {
        "web_bytes": folder_bytes(folder / "web"),
        "all_bytes": sum(folder_bytes(folder / name) for name in ("web", "crm", "support", "survey")),
    }


if __name__ == "__main__":
    print(json.dumps(run_part(json.loads(sys.argv[1]))))
