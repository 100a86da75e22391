"""Runs for past cutoffs, oldest first, as the nightly schedule would have made them.

Usage:

    python pipelines/backfill.py --config journey.yaml --from 2026-01-01 --to 2026-01-31 --every 1d
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta
from pathlib import Path

import offline  # isort: skip  (Prefect reads its environment when it is imported)

from prefect import flow
from pydantic import TypeAdapter, ValidationError

from journey_mining.config import load_config
from journey_mining.errors import ConfigError, JourneyMiningError
from journey_mining.parameters import Duration

import server
from nightly import nightly


@flow(name="journey-mining backfill", persist_result=False)
def backfill(cutoffs: list[str], config: str = "journey.yaml") -> str:
    """The path of the last cutoff's report; stops at the first run that fails."""
    reports = [nightly(config, cutoff) for cutoff in cutoffs]
    return reports[-1]


def list_cutoffs(first: datetime, last: datetime, every: timedelta) -> list[str]:
    """The cutoffs from `first` to at most `last`, ISO 8601, ascending; raises ConfigError when there is none."""
    if (first.tzinfo is None) != (last.tzinfo is None):
        raise ConfigError(
            "--from and --to must both carry an offset, or neither.", fix="write it in both, or in none"
        )
    if first > last or every <= timedelta(0):
        raise ConfigError("There is no cutoff to run.", expected="--from before --to, and --every above zero")
    return [(first + every * number).isoformat() for number in range((last - first) // every + 1)]


def parse_interval(text: str) -> timedelta:
    """The duration that `text` names: 12h, 1d, 2 weeks."""
    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no interval such as 12h, 1d or 2w") from error


def main(arguments: list[str] | None = None) -> int:
    """Exit code of the backfill: 0, or that of the error that stopped it."""
    parser = argparse.ArgumentParser(description="Run the pipeline for past cutoffs, oldest first.")
    parser.add_argument("--config", type=Path, default=Path("journey.yaml"), help="the journey.yaml to run")
    parser.add_argument(
        "--from", dest="first", type=datetime.fromisoformat, required=True, help="first cutoff, ISO 8601"
    )
    parser.add_argument(
        "--to", dest="last", type=datetime.fromisoformat, required=True, help="last cutoff, ISO 8601"
    )
    parser.add_argument("--every", type=parse_interval, default=timedelta(days=1), help="step: 12h, 1d, 2w")
    given = parser.parse_args(arguments)
    try:
        config = load_config(given.config)
        cutoffs = list_cutoffs(given.first, given.last, given.every)
        with server.private_state(config):
            print(backfill(cutoffs, str(given.config)))
    except JourneyMiningError as error:
        print(
            f"{type(error).__name__}: {error.__cause__ if type(error.__cause__) is type(error) else error}",
            file=sys.stderr,
        )
        return error.exit_code
    return 0


if __name__ == "__main__":
    offline.end_quietly()
    sys.exit(main())
