"""Forgets persons: erases what was written of them, keeps them out of later runs, and writes a receipt.

Usage:

    python pipelines/erase.py --config journey.yaml --file requests.csv     columns kind,value: one identifier a row

The last line is the receipt's path.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import offline  # isort: skip  (Prefect reads its environment when it is imported)

from prefect import flow

from journey_mining.config import load_config
from journey_mining.erasure import read_requests
from journey_mining.errors import JourneyMiningError
from journey_mining.pipeline import STEPS
from journey_mining.run_records import read_receipt
from journey_mining.runs import open_run

import server
import tasks


# Prefect keeps parameters: the flow is given the file's name, and no identifier.
@flow(name="journey-mining erase", persist_result=False)
def erase(file: str, config: str = "journey.yaml") -> str:
    """The path of the receipt; raises what a step raises, and then nothing has changed."""
    tasks.quiet_user_errors()
    with open_run(Path(config), requests=read_requests(Path(file))) as context:
        for step in STEPS:
            tasks.run_step(step, context)
    return str(read_receipt(context)["receipt"])


def main(arguments: list[str] | None = None) -> int:
    """Exit code of the erasure: 0, or that of the error that stopped it."""
    parser = argparse.ArgumentParser(description="Forget the persons who ask, and write a receipt.")
    parser.add_argument("--config", type=Path, default=Path("journey.yaml"), help="the journey.yaml to run")
    parser.add_argument("--file", type=Path, required=True, help="a CSV file of requests: kind,value")
    given = parser.parse_args(arguments)
    try:
        with server.private_state(load_config(given.config)):
            print(erase(str(given.file), str(given.config)))
    except JourneyMiningError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    offline.end_quietly()
    sys.exit(main())
