"""The mailbox as a file: locks, reading and writing, what is known of it, and what is kept for the next login.

Runs as: the mailbox owner.
Trusts: the kernel; not the file, nor the programs that write it.
"""
