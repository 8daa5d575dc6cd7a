"""The limits of TLS, and its user, each with its reason and source. Only what has to do with TLS loads them.

Runs as: any uid (constants only).
Trusts: nothing.
"""

# The user of the TLS processes. It must own no files.
TLS_USER = "popa3d-tls"

# What RFC 9325 section 4.2 recommends of TLS 1.2: an ephemeral key, and authenticated encryption. TLS 1.3 has nothing else.
TLS_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

# How much more memory a TLS process may use than it has at its start: its buffers, and what OpenSSL needs for one connection.
TLS_OCTETS = 16 * 1024 * 1024

# What a TLS process reads at once. Four records; with more, each step takes longer than the other side needs to go on.
TLS_BUFFER_OCTETS = 64 * 1024

# When its session has ended, nobody counts a TLS process any more. So it leaves to the kernel what is still to be sent, as a
# session without TLS does: all that the two sockets and its own buffer can hold, if net.core.wmem_max allows that. What a
# client that has not logged in can be told is a tenth of it.
TLS_LAST_OCTETS = 320 * 1024

# How long it waits for the client to take what the kernel has no room for, in all. A modem takes what is left in that time.
TLS_LINGER_S = 60

# How long it then waits for the client to close.
TLS_GOODBYE_S = 2

# The longest message to or from a TLS process but for reasons: a version and a cipher have some 40 octets.
TLS_REPORT_OCTETS = 512

# How long the listener waits until the key's keeper has the pair, and a session until it has forked a TLS process.
KEEPER_ANSWER_S = 10
