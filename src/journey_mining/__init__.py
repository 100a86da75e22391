"""Customer journeys from event logs, with numbers that can be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from journey_mining.snapshot import from_events
    from journey_mining.snapshot import open_snapshot as open  # noqa: A004

__all__ = ["from_events", "open"]


def __getattr__(name: str) -> Any:
    """`open` and `from_events`, imported when they are first asked for: importing the package stays quick."""
    if name in __all__:
        from journey_mining import snapshot

        return {"open": snapshot.open_snapshot, "from_events": snapshot.from_events}[name]
    raise AttributeError(f"module 'journey_mining' has no attribute '{name}'")
