"""Prefect's settings for runs without a network; import this module before Prefect.

A flow that finds no `PREFECT_API_URL` starts a temporary server in a process of its own. Here that server keeps
its database in the private folder of the home, logs only what went wrong, and nothing phones home.
"""

from __future__ import annotations

import os

# Prefect reads these when it is imported. The first two are not the user's to choose: nothing phones home.
os.environ.update(PREFECT_SERVER_ANALYTICS_ENABLED="false", DO_NOT_TRACK="1")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
# Results would be pickled as plaintext.
os.environ.setdefault("PREFECT_RESULTS_PERSIST_BY_DEFAULT", "false")
# The first start of a server builds its database, which takes 7 s on two quiet cores: the default of 20 s is thin.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
