"""certify: push the group of shifts through a network's graph, and record where symmetry is lost and why."""

from equiconv.certification.certificate import Certificate, Claim, Measured, Obstacle, Output, Refutation, Unknown
from equiconv.certification.certify import certify
from equiconv.certification.checker import CheckReport, Violation, check
from equiconv.certification.interior import Ended, Extent, Interior
from equiconv.certification.registry import RULES, Rule, rule
from equiconv.certification.sizes import SizePattern, SizeRow, SizeSweep, certify_sizes
from equiconv.certification.states import Constant, Digit, Signal, Still, Sum, Uniform, Window
from equiconv.certification.step import Step, UnknownOperation
from equiconv.certification.validation import Draw, RuleReport, Unfit, validate_rule
from equiconv.certification.verification import Check, Verification, verify

__all__ = [
    "RULES",
    "Certificate",
    "Check",
    "CheckReport",
    "Claim",
    "Constant",
    "Digit",
    "Draw",
    "Ended",
    "Extent",
    "Interior",
    "Measured",
    "Obstacle",
    "Output",
    "Refutation",
    "Rule",
    "RuleReport",
    "Signal",
    "SizePattern",
    "SizeRow",
    "SizeSweep",
    "Step",
    "Still",
    "Sum",
    "Unfit",
    "Uniform",
    "Unknown",
    "UnknownOperation",
    "Verification",
    "Violation",
    "Window",
    "certify",
    "certify_sizes",
    "check",
    "rule",
    "validate_rule",
    "verify",
]
