"""What more than one uid runs: limits, records, addresses, lines, commands, replies, the client's connection, the log.

Runs as: any uid.
Trusts: nothing.
"""
