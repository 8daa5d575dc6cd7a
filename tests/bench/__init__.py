"""How fast popa3d is beside C popa3d and Dovecot, on the same private host: make bench, make bench QUICK=1.

mail makes mailboxes, servers and dovecot start the servers, measure talks to them; logins, mailboxes and imports measure;
report, page and chart write what was found.
"""
