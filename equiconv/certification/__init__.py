"""certify: push the group of shifts through a network's graph, and record where symmetry is lost and why."""

from equiconv.certification.certificate import Certificate, Claim, Obstacle, Output, Refutation, Unknown
from equiconv.certification.certify import certify
from equiconv.certification.checker import CheckReport, Violation, check
from equiconv.certification.interior import Ended, Extent, Interior
from equiconv.certification.registry import RULES, Rule, rule
from equiconv.certification.states import Constant, Signal, Still, Sum, Uniform, Window
from equiconv.certification.step import Step, UnknownOperation

__all__ = [
    "RULES",
    "Certificate",
    "CheckReport",
    "Claim",
    "Constant",
    "Ended",
    "Extent",
    "Interior",
    "Obstacle",
    "Output",
    "Refutation",
    "Rule",
    "Signal",
    "Step",
    "Still",
    "Sum",
    "Uniform",
    "Unknown",
    "UnknownOperation",
    "Violation",
    "Window",
    "certify",
    "check",
    "rule",
]
