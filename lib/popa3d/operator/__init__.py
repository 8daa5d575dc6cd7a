"""For the operator: the sessions there are now.

Runs as: the operator (root sees all sessions, others their own).
Trusts: the kernel.
"""
