"""The nightly run: raw exports in, one published snapshot out.

Usage:

    python pipelines/nightly.py --config journey.yaml            one run now; the last line is the report's path
    python pipelines/nightly.py --config journey.yaml --serve    a run by the schedule of journey.yaml, until stopped
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import offline  # isort: skip  (Prefect reads its environment when it is imported)

from prefect import flow
from prefect.schedules import Cron
from prefect.server.schemas.schedules import CronSchedule

from journey_mining.config import Config, load_config
from journey_mining.errors import AuditError, JourneyMiningError
from journey_mining.notification import read_last_run
from journey_mining.pipeline import STEPS
from journey_mining.publication import Home
from journey_mining.runs import open_run

import server
import tasks


@flow(name="journey-mining nightly", persist_result=False)
def nightly(config: str = "journey.yaml", cutoff: str | None = None, rebuild: bool = False) -> str:
    """The path of the report that this run published; raises what a step raises, and then publishes nothing."""
    tasks.quiet_user_errors()
    counts: dict[str, tasks.Counts] = {}
    with tasks.telling_scheduled_errors(), open_run(Path(config), cutoff, rebuild) as context:
        try:
            for step in STEPS:
                counts[step.name] = tasks.run_step(step, context)
        except AuditError:
            tasks.write_artifacts(context, counts)
            raise
    tasks.write_artifacts(context, counts)
    return str((context.published or context.config.home_dir / "current") / "report" / "index.html")


def is_due(config: Config) -> bool:
    """Whether a time of the schedule has passed since the last run began, as when the machine was off at night."""
    last = read_last_run(Home(config.home_dir))
    if last is None:
        return False
    schedule = CronSchedule(cron=config.schedule.cron, timezone=config.timezone)
    begun = datetime.fromisoformat(last["started_at"]) + timedelta(minutes=1)
    return bool(asyncio.run(schedule.get_dates(1, start=begun, end=datetime.now(UTC))))


def serve(config: Config) -> None:
    """Starts a run at each time of the configured schedule, one at a time, and one at once when a time was missed."""
    # A run whose process died stays Running in Prefect for ever. The limit counts the children of this process only,
    # so that such a run blocks nobody; what keeps writers apart is the library's own lock.
    with server.scheduling_server():
        if is_due(config):
            state = nightly(str(config.path), return_state=True)
            if state.is_failed():
                tasks.tell_error(state.result(raise_on_failure=False))
        nightly.serve(
            name="nightly",
            schedule=Cron(config.schedule.cron, timezone=config.timezone),
            parameters={"config": str(config.path)},
            limit=1,
            pause_on_shutdown=False,
            print_starting_message=False,
        )


def main(arguments: list[str] | None = None) -> int:
    """Exit code of one run, or of the schedule: 0, or that of the error that stopped it."""
    parser = argparse.ArgumentParser(description="Run the nightly pipeline once, or by its schedule.")
    parser.add_argument("--config", type=Path, default=Path("journey.yaml"), help="the journey.yaml to run")
    parser.add_argument("--cutoff", help="horizon of the data, ISO 8601; default: the latest event")
    parser.add_argument("--rebuild", action="store_true", help="compute every table anew")
    parser.add_argument(
        "--serve", action="store_true", help="run by the schedule of journey.yaml until stopped"
    )
    given = parser.parse_args(arguments)
    try:
        config = load_config(given.config)
        with server.private_state(config):
            if given.serve:
                print(f"runs at '{config.schedule.cron}' ({config.timezone}); stop with Ctrl-C", flush=True)
                serve(config)
            else:
                print(nightly(str(given.config), given.cutoff, given.rebuild))
    except JourneyMiningError as error:
        tasks.tell_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("Stopped. What is published is whole: see journey-mining status", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    offline.end_quietly()
    sys.exit(main())
