"""The atlas: which circular shifts the world's vision models respect, one row an architecture, certified from their graphs.

``python -m benchmarks.atlas`` (or ``make atlas``) certifies one architecture of each timm family, in worker processes that may hang or run out of
memory without stopping the rest, and writes a table, a page and the findings in words. A second run goes on where the first stopped.
"""
