"""Where the Prefect flows lie: in the installed package, or in the checkout."""

from __future__ import annotations

from pathlib import Path

from journey_mining.errors import JourneyMiningError


def nightly_script() -> Path:
    """The script of the nightly flow."""
    packaged = Path(__file__).parent / "_pipelines" / "nightly.py"
    script = packaged if packaged.is_file() else Path(__file__).parents[2] / "pipelines" / "nightly.py"
    if not script.is_file():
        raise JourneyMiningError("The Prefect flows are not installed.", fix="install the package again")
    return script
