"""The HTML report: what an analyst opens, computed from the published database alone."""

from journey_mining.report.headline import headline
from journey_mining.report.page import render_report

__all__ = ["headline", "render_report"]
