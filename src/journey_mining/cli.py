"""The command line: `journey-mining`. Each command calls one function of the library and prints what it returns."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from journey_mining.errors import JourneyMiningError
from journey_mining.printing import print_csv, print_json, print_records, print_table, showable
from journey_mining.stopping import stopping

Function = TypeVar("Function", bound=Callable[..., Any])
_CONFIG = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), default=Path("journey.yaml"), show_default=True,
    help="The configuration.",
)  # fmt: skip
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
_LIMIT = click.IntRange(min=0)
_COMMENT = re.compile(r"--(?:\s|[^=\s]+\s)")
"""How a query that begins with a comment begins: no option has a space before its value."""


class _Group(click.Group):
    """A group that shows a user's mistake as a message with its own exit code, and a traceback only on --debug."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return self._invoke(context)
        except JourneyMiningError as error:
            if context.params.get("debug"):
                raise
            click.echo(showable(f"{type(error).__name__}: {error}"), err=True)
            context.exit(error.exit_code)
        except KeyboardInterrupt as error:
            click.echo("Stopped. What is published is whole: see journey-mining status", err=True)
            context.exit(128 + (error.args[0] if error.args else signal.SIGINT))

    def _invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except click.exceptions.Exit:
            raise
        except RuntimeError as error:
            from journey_mining.warehouse import is_interruption

            if not is_interruption(error):
                raise
            raise KeyboardInterrupt from error


class _Query(click.Command):
    """A command whose query may begin with a SQL comment, which looks like an option."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(context, [f"\n{arg}" if _COMMENT.match(arg) else arg for arg in args])


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="journey-mining")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def main(debug: bool) -> None:
    """Customer journeys from web, CRM, support and survey logs, with numbers that can be checked.

    Exit codes: 0 done, 2 configuration or usage, 3 source, 4 model, 5 audit, 6 locked, 7 report, 8 query, 9 statistics, 1 other.
    """


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
def init(folder: Path) -> None:
    """Write a commented journey.yaml into FOLDER that runs as it is, on a small example log beside it."""
    from journey_mining.starter import write_starter

    for path in write_starter(folder):
        click.echo(f"wrote {path}")
    click.echo(f"next: journey-mining run --config {folder / 'journey.yaml'}")


@main.command()
@_CONFIG
@_JSON
def check(config_path: Path, as_json: bool) -> None:
    """Say what a run would read, and what is wrong; reads nothing into the database."""
    from journey_mining.checking import check_config, doubt_goal

    found = check_config(config_path)
    if doubt := doubt_goal(config_path):
        click.echo(f"warning: {doubt}", err=True)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            f["source"],
            f["system"],
            f["files"],
            f["bytes"],
            ", ".join(f"{k}: {v}" for k, v in f["tables"].items()),
        )
        for f in found
    ]
    print_table(("source", "system", "files", "bytes", "tables"), rows)
    for f in found:
        for path, other in f["read_before"].items():
            click.echo(
                f"warning: {path} is read by the sources {other} and {f['source']}: the events that both find count twice."
            )
    click.echo("The configuration is valid.")


@main.command()
@_CONFIG
@click.option("--cutoff", help="Horizon of the data, ISO 8601 [default: the latest event].")
@click.option("--rebuild", is_flag=True, help="Read every file again.")
@click.option(
    "--engine",
    type=click.Choice(["duckdb"]),
    default="duckdb",
    show_default=True,
    help="Where the models run.",
)
@_JSON
def run(config_path: Path, cutoff: str | None, rebuild: bool, engine: str, as_json: bool) -> None:
    """Read new exports, derive the journeys, audit, and publish a report and a database."""
    from journey_mining.pipeline import run_all
    from journey_mining.progress import step_teller

    with stopping(), step_teller(quiet=as_json) as tell:
        context = run_all(config_path, cutoff, rebuild, tell)
    current = context.home.current
    if as_json:
        print_json(
            {"snapshot": context.name, "report": str(current / "report" / "index.html"), **context.summary}
        )
        return
    for audit in context.summary["audits"]:
        if audit["status"] == "warned":
            told = f"warning: {audit['purpose']} ({audit['offending_count']}: {audit['detail']})"
            click.echo(showable(told), err=True)
    click.echo(f"database: {current / 'journeys.duckdb'}")
    click.echo(f"report:   {current / 'report' / 'index.html'}")


@main.command()
@_CONFIG
@click.option("--email", "emails", multiple=True, help="An e-mail address of the person; may be given again.")
@click.option("--phone", "phones", multiple=True, help="A phone number, international (+49 …).")
@click.option("--user-id", "user_ids", multiple=True, help="An account's id.")
@click.option(
    "--identifier", "others", multiple=True, help="Any other kind: kind=value, such as cookie=123.456."
)
@click.option("--file", "file", type=click.Path(path_type=Path), help="A CSV file of requests: kind,value.")
@_JSON
def forget(
    config_path: Path,
    emails: tuple[str, ...],
    phones: tuple[str, ...],
    user_ids: tuple[str, ...],
    others: tuple[str, ...],
    file: Path | None,
    as_json: bool,
) -> None:
    """Erase persons from all that was written, old snapshots included, and keep them out of later runs.

    Publishes a new snapshot, removes every older one, and writes a receipt that says what was removed and what is out
    of reach.
    """
    from journey_mining.erasure import describe_receipt, read_requests, requests_of
    from journey_mining.pipeline import forget_all
    from journey_mining.progress import step_teller

    given = {"email": emails, "phone": phones, "user_id": user_ids}
    requests = [*requests_of(given, others), *(read_requests(file) if file else ())]
    if not requests:
        raise click.UsageError("Name the person: --email, --phone, --user-id, --identifier or --file.")
    with stopping(), step_teller(quiet=as_json) as tell:
        _, receipt = forget_all(config_path, requests, tell)
    if as_json:
        print_json(receipt)
        return
    for line in describe_receipt(receipt):
        click.echo(line)


@main.command()
@_CONFIG
def serve(config_path: Path) -> None:
    """Run every night, as `schedule:` says, until stopped (with Prefect; needs no server)."""
    from journey_mining.config import load_config
    from journey_mining.scheduling import nightly_script

    load_config(config_path)
    # In this process's place, so that who stops it stops the run, and waits for what the run clears away.
    os.execv(
        sys.executable,
        [sys.executable, str(nightly_script()), "--config", str(config_path), "--serve"],
    )


@main.command()
@_CONFIG
@_JSON
def status(config_path: Path, as_json: bool) -> None:
    """Say what is published: when, from what, and how its audits ended."""
    from journey_mining.inspection import describe_status

    found = describe_status(config_path)
    if as_json:
        print_json(found)
        return
    for name, value in found["figures"].items():
        click.echo(f"{name:<22}{value}")
    if last := found["last_run"]:
        click.echo(showable(f"{'last_run':<22}{last['run_id']} {last['state']}: {last['message']}"))
    print_table(tuple(found["audits"][0]), [tuple(a.values()) for a in found["audits"]])


@main.command()
@_CONFIG
def report(config_path: Path) -> None:
    """Print where the published report is."""
    from journey_mining.inspection import published_home

    click.echo(published_home(config_path).current / "report" / "index.html")


@main.command()
@_CONFIG
@click.option(
    "--new", "is_new", is_flag=True, help="Make a new key; the next run reads everything again with it."
)
@_JSON
def key(config_path: Path, is_new: bool, as_json: bool) -> None:
    """List the ids of the keys that hash identifiers, or make a new key; never shows a key."""
    from journey_mining.inspection import list_keys

    rows = list_keys(config_path, is_new)
    if as_json:
        print_json(rows)
    elif rows:
        print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    else:
        click.echo("No key is known; the first run makes one.")


@main.command(cls=_Query)
@click.argument("query", required=False)
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Run the query in this file.")
@click.option("--example", metavar="NAME", help="Run one of the worked questions.")
@click.option("--examples", is_flag=True, help="List the worked questions.")
@_CONFIG
@click.option("--limit", type=_LIMIT, default=1000, show_default=True, help="Rows to print; 0 prints all.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="Output. JSON has null for NaN and infinity.",
)
def sql(
    query: str | None,
    file: Path | None,
    example: str | None,
    examples: bool,
    config_path: Path,
    limit: int,
    style: str,
) -> None:
    """Run QUERY on the published database, read-only and without access to files or the network."""
    from journey_mining.examples import choose_query, find_examples
    from journey_mining.inspection import published_home
    from journey_mining.querying import run_query

    if examples:
        print_table(("example", "question"), [(one.name, one.question) for one in find_examples().values()])
        return
    chosen = choose_query(query, file, example)
    if example is not None and style == "table":
        shown = find_examples()[example]
        click.echo(f"{shown.question}\n{shown.reading}\n", err=True)
    columns, rows = run_query(published_home(config_path).current / "journeys.duckdb", chosen, limit)
    if style == "json":
        print_records(columns, rows)
    elif style == "csv":
        print_csv(columns, rows)
    else:
        print_table(columns, rows)
        if limit and len(rows) == limit:
            click.echo(f"(the first {limit} rows; see more with --limit)", err=True)


@main.command()
@_CONFIG
@click.option("--source", help="Only this source.")
@click.option("--limit", type=_LIMIT, default=50, show_default=True, help="Records to list; 0 lists all.")
@click.option("--raw", is_flag=True, help="Show the beginning of what was read (it may hold personal data).")
@click.option(
    "--retry", is_flag=True, help="Run, and read every file (of the source) with a quarantined record again."
)
@_JSON
def quarantine(
    config_path: Path, source: str | None, limit: int, raw: bool, retry: bool, as_json: bool
) -> None:
    """Sum up the records that are no events by reason, and list them with file and line; or try them again after a fix."""
    from journey_mining.inspection import list_quarantine, require_source, summarise_quarantine

    require_source(config_path, source)
    if retry:
        from journey_mining.pipeline import run_all
        from journey_mining.progress import step_teller

        with stopping(), step_teller(quiet=as_json) as tell:
            run_all(config_path, tell=tell, retry_quarantine=[source] if source else True)
    rows = list_quarantine(config_path, source, limit, raw)
    if as_json:
        print_json(rows)
    elif rows:
        summary = summarise_quarantine(config_path, source)
        for part in (summary, rows):
            print_table(tuple(part[0]), [tuple(row.values()) for row in part])
        if len(rows) < (total := sum(row["record_count"] for row in summary)):
            click.echo(f"(the first {len(rows)} of {total:,} records; see more with --limit)", err=True)
    else:
        click.echo("Nothing is in quarantine.")


@main.command()
@click.argument("subject")
@_CONFIG
@_JSON
def explain(subject: str, config_path: Path, as_json: bool) -> None:
    """Show the evidence behind a customer or a journey (SUBJECT: its id): links, steps, files."""
    from journey_mining.inspection import explain_subject

    found = explain_subject(config_path, subject)
    if as_json:
        print_json(found)
        return
    for title, rows in found.items():
        click.secho(title, bold=True)
        print_table(tuple(rows[0]), [tuple(row.values()) for row in rows]) if rows else click.echo("  none")


_EXPORTS = ("parquet", "csv", "graphml", "json", "mermaid", "dot", "xes", "ocel")


@main.command()
@click.argument("kind", type=click.Choice(_EXPORTS))
@_CONFIG
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write into."
)
@click.option(
    "--unit",
    type=click.Choice(["journeys", "customers"]),
    default="journeys",
    show_default=True,
    help="What is a case of an XES log.",
)
def export(kind: str, config_path: Path, out: Path, unit: str) -> None:
    """Copy what is published into a folder, for other tools.

    The tables (parquet, csv), the transition graph (graphml, json, mermaid, dot), or an event log of process mining
    (xes: journeys as cases; ocel: contacts with their customers, journeys, tickets, deals and orders).
    """
    from journey_mining.config import load_config
    from journey_mining.exporting import export_snapshot, require_own_folder
    from journey_mining.inspection import published_home

    require_own_folder(load_config(config_path), kind, out)
    for path in export_snapshot(published_home(config_path).current, kind, out, unit):
        click.echo(path)


@main.command()
@click.option("--show", metavar="NAME", help="Print the SQL of one model.")
@click.option("--dictionary", is_flag=True, help="Print what each published table, column and macro means.")
@_JSON
def models(show: str | None, dictionary: bool, as_json: bool) -> None:
    """List the SQL models in the order in which they run."""
    from journey_mining.errors import ModelError
    from journey_mining.models import find_models

    if dictionary:
        from journey_mining.dictionary import write_dictionary

        click.echo(write_dictionary(), nl=False)
        return
    found = {
        name: model
        for layer in ("staging", "core", "marts", "audits")
        for name, model in find_models(layer).items()
    }
    if show:
        if show not in found:
            raise ModelError(f"There is no model '{show}'.", fix="list them with: journey-mining models")
        click.echo(found[show].sql)
        return
    rows = [
        (model.layer, name, model.kept if model.grain else "", model.purpose) for name, model in found.items()
    ]
    if as_json:
        print_json([dict(zip(("layer", "model", "kept", "purpose"), row, strict=True)) for row in rows])
        return
    print_table(("layer", "model", "kept", "purpose"), rows)


@main.command()
@click.option("--customers", default=700, show_default=True, help="People in the company.")
@click.option("--days", default=100, show_default=True, help="Days of history.")
@click.option("--seed", default=7, show_default=True, help="Seed of the random draw.")
@click.option("--events", type=int, help="About so many web events, in place of --customers.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write into."
)
@click.option(
    "--web-format",
    type=click.Choice(["jsonl", "parquet"]),
    default="jsonl",
    show_default=True,
    help="Web export.",
)
def sample(customers: int, days: int, seed: int, events: int | None, out: Path, web_format: str) -> None:
    """Write a made-up company's exports in genuine vendor formats, with its planted truths and a journey.yaml."""
    from journey_mining.sample import customers_for_events, write_company

    if events is not None:
        customers = customers_for_events(events, days, seed)
    summary = write_company(
        out, customers, days, seed, web_format="parquet" if web_format == "parquet" else "jsonl"
    )
    print_table(("what", "count"), list(summary.model_dump().items()))
    click.echo(f"next: journey-mining run --config {out / 'journey.yaml'}")


if __name__ == "__main__":
    main()
