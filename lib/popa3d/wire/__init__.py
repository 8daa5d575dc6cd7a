"""What is said: lines, commands, records and configuration as bytes. Pure: no I/O, no clock.

Runs as: any uid.
Trusts: nothing.
"""
