"""The audit as one page that opens from disk: no network, no external style, script, font or picture."""

from equiconv.report.html.page import page

__all__ = ["page"]
