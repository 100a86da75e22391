"""The one tree of errors that users may meet; each class has its own exit code.

A message says what is wrong, where, what was found against what was expected, and the next action.
"""

from __future__ import annotations


class JourneyMiningError(Exception):
    """Base of every error that is the user's to fix; the command line prints it without a traceback."""

    exit_code = 1

    def __init__(
        self, what: str, *, found: str | None = None, expected: str | None = None, fix: str | None = None
    ):
        self.what, self.found, self.expected, self.fix = what, found, expected, fix
        details = [("found", found), ("expected", expected), ("fix", fix)]
        super().__init__(
            "\n".join([what, *(f"  {f'{label}:':<9} {text}" for label, text in details if text)])
        )


class ConfigError(JourneyMiningError):
    """journey.yaml cannot be used as it stands."""

    exit_code = 2


class SourceError(JourneyMiningError):
    """An export cannot be read at all (single unreadable records are quarantined instead)."""

    exit_code = 3


class ModelError(JourneyMiningError):
    """A SQL model is malformed or failed; the message names the model, never bound values."""

    exit_code = 4


class AuditError(JourneyMiningError):
    """An audit found rows that break a promise; nothing was published."""

    exit_code = 5


class LockError(JourneyMiningError):
    """Another run holds the lock of this home folder."""

    exit_code = 6


class ReportError(JourneyMiningError):
    """The report cannot be rendered."""

    exit_code = 7


class QueryError(JourneyMiningError):
    """An ad-hoc query was refused or failed."""

    exit_code = 8


class MiningError(JourneyMiningError):
    """Numbers from which the asked graph, chain or statistic cannot be estimated."""

    exit_code = 9
