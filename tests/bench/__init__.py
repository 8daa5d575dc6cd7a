"""How fast popa3d is beside C popa3d and Dovecot, on the same private host: make bench, make bench QUICK=1.

mail makes mailboxes, servers starts the servers, measure talks to them, cases are the measurements, report and chart write
what was found.
"""
