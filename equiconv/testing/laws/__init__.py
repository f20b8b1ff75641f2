"""The laws as a suite: what a circular convolution, an equivariant layer or a model must satisfy, run on anyone's code.

`record` says what a law is, `case` holds one example and the lines that reproduce it, `running` has Hypothesis look for the smallest example that breaks
a law, `convolution`, `gradients`, `layers`, `models` and `operators` hold the laws, `diagnosis` says what a wrong result looks like, `table` is the outcome
and `suite` the public face: `equiconv.testing.verify_laws` and `assert_laws`.
"""
