"""All of it in one: certify, measure, falsify and mend a network; the result in a terminal, as JSON and as a page."""

from equiconv.report.audit import audit
from equiconv.report.result import Audit, Side
from equiconv.report.scene import ClassScore, Scene

__all__ = ["Audit", "ClassScore", "Scene", "Side", "audit"]
