"""For the operator: who is connected now.

Runs as: the operator (root sees all sessions, others their own).
Trusts: the kernel.
"""
