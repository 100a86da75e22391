"""The calendar of the sample company: local days, daylight saving and the change from local time to UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

FIRST_DAY = date(2026, 3, 2)
ZONES = ("Europe/Berlin", "America/New_York")
COMPANY_ZONE, SURVEY_ZONE = ZONES
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 3_600 * SECOND
DAY = 24 * HOUR

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def utc_us(local: datetime, zone: ZoneInfo) -> int:
    """Microseconds since the epoch of a wall-clock time in `zone` (the first one where it occurs twice)."""
    return round(local.replace(tzinfo=zone).timestamp()) * SECOND


@dataclass(frozen=True)
class Calendar:
    """The days of the sample, `FIRST_DAY` and the following ones."""

    days: int

    @cached_property
    def dates(self) -> list[str]:
        """The company's local days as YYYYMMDD."""
        return [(FIRST_DAY + timedelta(days=day)).strftime("%Y%m%d") for day in range(self.days)]

    @cached_property
    def midnights_us(self) -> Ints:
        """UTC microseconds of the company's local midnights, one more than days."""
        zone = ZoneInfo(COMPANY_ZONE)
        starts = [datetime.combine(FIRST_DAY + timedelta(days=day), time()) for day in range(self.days + 1)]
        return np.array([utc_us(start, zone) for start in starts], dtype=np.int64)

    @property
    def first_us(self) -> int:
        """UTC microseconds of the first instant."""
        return int(self.midnights_us[0])

    @property
    def end_us(self) -> int:
        """UTC microseconds of the first instant after the sample."""
        return int(self.midnights_us[-1])

    @cached_property
    def hours_us(self) -> Ints:
        """UTC microseconds of each local hour (zone, hour since the first local midnight)."""
        first = datetime.combine(FIRST_DAY, time())
        hours = range((self.days + 2) * 24)
        rows = [[utc_us(first + timedelta(hours=hour), ZoneInfo(name)) for hour in hours] for name in ZONES]
        return np.array(rows, dtype=np.int64)

    def local_to_utc(self, zone: Ints, day: Ints, hour: Ints) -> Ints:
        """UTC microseconds of the start of a local hour of a local day."""
        moments: Ints = self.hours_us[zone, day * 24 + hour]
        return moments

    def local_day(self, moments_us: Ints) -> Ints:
        """The company's local day (0-based) in which each moment falls."""
        return np.searchsorted(self.midnights_us, moments_us, side="right").astype(np.int64) - 1


def iso_seconds(moment_us: int) -> str:
    """An ISO 8601 time in whole seconds, as support systems write it: 2026-03-05T10:11:12Z."""
    return np.datetime_as_string(np.datetime64(moment_us // SECOND, "s")) + "Z"


def iso_millis(moment_us: int) -> str:
    """An ISO 8601 time in milliseconds, as CRM systems write it: 2026-03-05T10:11:12.345Z."""
    return np.datetime_as_string(np.datetime64(moment_us // 1000, "ms")) + "Z"
