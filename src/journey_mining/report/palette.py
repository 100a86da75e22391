"""Which hue a channel has: channel is the only thing that hue stands for in the report."""

from __future__ import annotations

from collections.abc import Iterable

HUES = 8
NEUTRAL = "x"

# Frequent channels keep their hue from report to report, unless a larger one has it; others take what remains.
PREFERRED = {
    "web": 0, "email": 1, "paid_search": 2, "phone": 3, "chat": 4, "store": 5, "social": 6, "app": 7,
    "direct": 5, "organic_search": 4, "referral": 3, "paid_social": 6,
}  # fmt: skip


def assign_hues(channels: Iterable[str]) -> dict[str, str]:
    """A hue key, "0" to "7", for each channel in order of importance; "x" (neutral) when hues run out or unknown.

    >>> assign_hues(["kiosk", "email", "unknown", "web"])
    {'email': '1', 'web': '0', 'kiosk': '2', 'unknown': 'x'}
    """
    ordered = list(dict.fromkeys(channels))
    hues: dict[str, str] = {}
    for channel in ordered:
        wanted = str(PREFERRED.get(channel, NEUTRAL))
        if wanted != NEUTRAL and wanted not in hues.values():
            hues[channel] = wanted
    free = [str(hue) for hue in range(HUES) if str(hue) not in hues.values()]
    for channel in ordered:
        if channel not in hues:
            hues[channel] = NEUTRAL if channel == "unknown" or not free else free.pop(0)
    return hues


def label_channel(channel: str | None) -> str:
    """A channel's name as a reader sees it.

    >>> label_channel("paid_search")
    'paid search'
    """
    return (channel or "unknown").replace("_", " ")
