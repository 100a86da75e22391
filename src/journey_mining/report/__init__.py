"""The HTML report: what an analyst opens, computed from the published database alone."""

from journey_mining.report.headline import headline
from journey_mining.report.page import Draft, draft_report, render_report

__all__ = ["Draft", "draft_report", "headline", "render_report"]
