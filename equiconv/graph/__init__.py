"""A torch model as a graph: capture it, run it node by node, and know where each node comes from."""

from equiconv.graph.capture import Graph, Node, capture
from equiconv.graph.fingerprint import Fingerprint, fingerprint
from equiconv.graph.refusal import CaptureError
from equiconv.graph.source import SourceLine
from equiconv.graph.valueless import has_values, without_values
from equiconv.graph.wrapping import WRAPPABLE, wrapped

__all__ = [
    "WRAPPABLE",
    "CaptureError",
    "Fingerprint",
    "Graph",
    "Node",
    "SourceLine",
    "capture",
    "fingerprint",
    "has_values",
    "without_values",
    "wrapped",
]
