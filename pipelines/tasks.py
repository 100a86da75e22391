"""The library's steps as Prefect tasks: names, retries, log lines and artifacts. No logic of its own."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import offline  # noqa: F401  # isort: skip

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from journey_mining import pipeline
from journey_mining.errors import JourneyMiningError

if TYPE_CHECKING:
    from journey_mining.runs import RunContext, Step

Counts = Mapping[str, int | float | str]

SUMMARY_KEY = "journey-mining-run"
AUDITS_KEY = "journey-mining-audits"
RETRY_DELAY_SECONDS = 5


class StepError(Exception):
    """A step failed for a reason that is not the user's; names the step and the kind, never a value.

    Prefect stores the exceptions of failed tasks, whatever its settings say, and sends tracebacks to a server that the
    user named. Their text may quote a record, so Prefect is given this one in its place; where the cause arose is told
    on the terminal, without its text.
    """


def quiet_user_errors() -> None:
    """Has Prefect log one line a step, and no traceback where the message of the error says it all."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addFilter(_without_user_traceback)


def _without_user_traceback(record: logging.LogRecord) -> bool:
    cause = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    return not isinstance(cause, JourneyMiningError) and "Finished in state" not in record.getMessage()


def tell_error(error: object) -> None:
    """Says on the terminal what ended a run, with what was found, which Prefect is not given."""
    if isinstance(error, JourneyMiningError):
        told = error.__cause__ if type(error.__cause__) is type(error) else error
        print(f"{type(error).__name__}: {told}", file=sys.stderr, flush=True)


@contextmanager
def telling_scheduled_errors() -> Iterator[None]:
    """Tell the error of a run that a schedule started in a process of its own: nobody waits for it there."""
    try:
        yield
    except JourneyMiningError as error:
        if multiprocessing.parent_process() is not None or "PREFECT__FLOW_RUN_ID" in os.environ:
            tell_error(error)
        raise


def run_step(step: Step, context: RunContext) -> Counts:
    """The counts that `step` returned, run as a task of the step's name; raises what the step raises."""
    # The context holds a connection, so it stays in the closure: Prefect would look into a parameter.
    named = task(
        name=step.name,
        task_run_name=step.name,
        cache_policy=NO_CACHE,
        retries=step.retries,
        retry_delay_seconds=RETRY_DELAY_SECONDS if step.retries else None,
        persist_result=False,
    )
    return named(lambda: _count(step, context))()


def _count(step: Step, context: RunContext) -> Counts:
    try:
        counts = pipeline.run_step(context, step)
    except JourneyMiningError as error:
        raise _without_findings(error) from error
    except Exception as error:  # noqa: BLE001 - raised anew, without its text
        frames = "".join(traceback.format_tb(error.__traceback__))
        print(f"{frames}{type(error).__name__} in '{step.name}'", file=sys.stderr)
        raise StepError(f"The step '{step.name}' failed with {type(error).__name__}.") from None
    listed = "".join(f", {name} {value}" for name, value in counts.items())
    get_run_logger().info("%s: %.1f s%s", step.name, context.timings[step.name], listed)
    return counts


def _without_findings(error: JourneyMiningError) -> JourneyMiningError:
    """The error as Prefect may keep it: what was found (the columns of a file, say) is for the terminal only."""
    return type(error)(error.what, expected=error.expected, fix=error.fix)


def write_artifacts(context: RunContext, counts: Mapping[str, Counts]) -> None:
    """Leaves a page that sums up the run, and a table of its audits, with Prefect."""
    create_markdown_artifact(key=SUMMARY_KEY, markdown=render_summary(context, counts))
    audits = [dict(audit) for audit in context.summary.get("audits", [])]
    create_table_artifact(key=AUDITS_KEY, table=audits, description=f"Audits of run {context.run_id}")


def render_summary(context: RunContext, counts: Mapping[str, Counts]) -> str:
    """The run as a markdown page: where it was published, and what each step counted."""
    rows = [
        f"| {step} | {name} | {value} |"
        for step, values in counts.items()
        for name, value in (values or {"": ""}).items()
    ]
    return "\n".join(
        [
            f"# Run {context.run_id}",
            "",
            f"Published: `{context.published.name if context.published else 'nothing'}`",
            "",
            *_list_warnings(context.summary.get("audits", [])),
            "| step | count | value |",
            "| --- | --- | ---: |",
            *rows,
        ]
    )


def _list_warnings(audits: list[dict[str, Any]]) -> list[str]:
    """Lines of markdown that name the audits that did not pass, the failed ones first."""
    failing = sorted((a for a in audits if a["status"] != "passed"), key=lambda a: (a["status"], a["audit"]))
    if not failing:
        return []
    lines = [
        f"- **{a['audit']}** {a['status']}, {a['offending_count']} rows: {a['purpose']}" for a in failing
    ]
    return ["Audits that need a look:", "", *lines, ""]
