"""The limits of the PROXY protocol, each with its reason. Only sessions that come through proxies load them.

Runs as: any uid (constants only).
Trusts: nothing.
"""

# How long a proxy may take for its header. The specification wants at least 3 s; a proxy sends it with its first packet.
PROXY_HEADER_S = 5

# The longest header of version 1, with its CRLF: section 2.1 of the specification.
PROXY_V1_OCTETS = 107

# The longest header of version 2 that is accepted. Addresses take at most 216 octets. What else proxies send has some hundred,
# and with the certificate of a client one or two thousand.
PROXY_V2_OCTETS = 4096

# How long a session waits until the listener has counted its client.
PROXY_ADMITTED_S = 5
