"""Prefect's settings for runs without a network; import this module before Prefect.

A flow that finds no `PREFECT_API_URL` starts a temporary server in a process of its own. Here that server keeps
its database in the private folder of the home, logs only what went wrong, and nothing phones home.
"""

from __future__ import annotations

import atexit
import os

# Prefect reads these when it is imported. The first two are not the user's to choose: nothing phones home.
os.environ.update(PREFECT_SERVER_ANALYTICS_ENABLED="false", DO_NOT_TRACK="1")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
# Results would be pickled as plaintext.
os.environ.setdefault("PREFECT_RESULTS_PERSIST_BY_DEFAULT", "false")
# The first start of a server builds its database, which takes 7 s on two quiet cores: the default of 20 s is thin.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")


def end_quietly() -> None:
    """Has the last moments of this process say nothing; for scripts, whose last line others read.

    Prefect keeps objects of a flow until the interpreter is torn down. DuckDB's binding then lists the types that
    it could not free, sixty lines of no use, below the message or the path that the user is to see.
    """
    atexit.register(_close_stderr)


def _close_stderr() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
