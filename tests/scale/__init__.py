"""popa3d behind proxies that do not speak POP3 for it alone: real nginx and HAProxy, in front of popa3d -D on two hosts.

Addresses of the loopback network stand for the addresses of hosts and clients.
"""

FRONT = "127.0.0.1"  # where nginx or HAProxy listens, and where its connections come from
ADDRESSES = {"a": "127.0.1.1", "b": "127.0.2.1"}  # of the hosts
