"""The HTML report: what an analyst opens, computed from the published database alone."""

from journey_mining.report.headline import headline
from journey_mining.report.page import Draft, complete_draft, draft_report, render_report, write_page

__all__ = ["Draft", "complete_draft", "draft_report", "headline", "render_report", "write_page"]
