"""A first configuration that runs: a commented journey.yaml and a small event log beside it."""

from __future__ import annotations

from pathlib import Path

from journey_mining.errors import ConfigError, JourneyMiningError

_CONFIG = """\
# journey-mining: what to read, and how events become journeys.
# It runs as it is, on the small log beside it; put your own exports in its place.

home: ./journeys              # snapshots and private state
timezone: UTC                 # zone of local dates in the report
goal: purchase                # the touchpoint (or stage) that converts a journey

sources:
  # Any event log: name your columns. Times without a zone need a timezone.
  shop:
    system: table
    path: example_events.csv
    timezone: UTC
    columns: {customer_id: customer, occurred_at: time, touchpoint: event}

  # Other systems bring their own preset; a path is a file, a folder or a glob:
  # web:     {system: ga4, path: web/*.jsonl.gz}
  # crm:     {system: hubspot, path: crm/}
  # support: {system: zendesk, path: support/}
  # survey:  {system: qualtrics, path: survey/*.csv, timezone: America/New_York}

sessions: {inactivity: 30 minutes}       # a longer gap opens a new session
journeys: {expiry: 30 days}              # or never; ends_on: goal ends a journey at the goal

stages: [awareness, consideration, purchase, retention, advocacy]

# Rules name events and give them a stage; the first that holds wins. Without a rule, names tell the stage.
touchpoints:
  - {name: product page, stage: consideration, when: "event_name = 'view_product'"}
  # - {name: pricing page, stage: consideration, when: "source = 'web' and page_path like '/pricing%'"}
"""
_EVENTS = """\
customer,time,event,channel
c1,2026-01-05 09:00:00,newsletter click,email
c1,2026-01-05 09:01:10,view_product,web
c1,2026-01-05 09:04:00,add to cart,web
c1,2026-01-05 09:09:30,purchase,web
c1,2026-01-12 18:00:00,support chat,chat
c1,2026-02-02 20:15:00,purchase,web
c2,2026-01-06 11:00:00,home page,web
c2,2026-01-06 11:02:00,view_product,web
c2,2026-01-06 11:03:00,view_product,web
c3,2026-01-07 08:30:00,blog post,organic_search
c3,2026-01-09 21:00:00,view_product,web
c3,2026-01-09 21:05:00,add to cart,web
c3,2026-01-09 21:06:30,payment error,web
c4,2026-02-10 10:00:00,home page,web
c4,2026-02-10 10:05:00,view_product,web
c4,2026-02-10 10:20:00,purchase,web
c4,2026-02-15 09:00:00,write review,web
"""


def write_starter(folder: Path) -> list[Path]:
    """Write journey.yaml and its example log into `folder`; returns the files; raises when journey.yaml is there."""
    config = folder / "journey.yaml"
    if config.exists():
        raise ConfigError(f"{config} is there already.", fix="edit it, or name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        config.write_text(_CONFIG, encoding="utf-8")
        events = folder / "example_events.csv"
        if not events.exists():
            events.write_text(_EVENTS, encoding="utf-8")
    except OSError as error:
        raise JourneyMiningError(
            f"{folder} cannot be written: {error.strerror}.", fix="name another folder"
        ) from error
    return [config, events]
