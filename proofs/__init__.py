"""Laws of circular convolution, and the lemmas of the certifier, proved for every n by a small kernel.

``python -m proofs`` checks all of them; ``docs/proofs.md`` says how, and what is trusted. A theorem comes out of the kernel's rules and out of nothing else:

>>> from proofs.kernel import rules
>>> from proofs.language import Cyclic, Fun, character, size, sum_over, variables
>>> from proofs.printing import theorem_text
>>> n = size("n")
>>> i, j, k = variables("i j k", Cyclic(n))
>>> x = Fun("x", (Cyclic(n),))
>>> shifted = sum_over(i, x(i - j) * character(k * i / n))
>>> theorem = rules.substitution(shifted, {i: i + j})
>>> print(theorem_text(theorem))
Σ_{i∈Z_n} x[i − j]·ω^(i·k/n) = Σ_{i∈Z_n} x[i]·ω^(i·k/n + j·k/n)
for   j, k ∈ Z_n; x : Z_n → C
>>> rules.substitution(shifted, {i: 2 * i})
Traceback (most recent call last):
    ...
proofs.kernel.indices.KernelError: the substitution has determinant 2, and ±1 is needed
"""
