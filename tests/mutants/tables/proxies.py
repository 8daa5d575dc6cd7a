"""Mutations of what has to do with proxies: their headers, what root believes of them, and for whom clients count."""

from __future__ import annotations

from tests.mutants.mutation import wrong

HEADERS = "tests/unit/shared/test_proxy_header.py"
REPORTS = "tests/unit/shared/test_proxy_report.py"
READER = "tests/unit/shared/test_proxy_reader.py"
PROXIED = "tests/unit/root/test_proxied.py"
FLOOD = "tests/unit/root/listen/test_flood.py"
ARRIVALS = "tests/unit/root/listen/test_arrivals.py"
NOTE = "tests/unit/shared/test_client_note.py"
LOOP = "tests/unit/preauth/test_loop.py"
RELAY = "tests/unit/tls/test_relay.py"
SESSIONS = "tests/super/test_proxies.py"
CONFIGURATION = "tests/unit/root/test_configuration.py::test_refused"

# fmt: off
MUTATIONS = (
    # the header
    wrong("shared/proxy_header.py", "data.find(b\"\\n\", 0, PROXY_V1_OCTETS)", "data.find(b\"\\n\")",
          "a line of any length is a header", f"{HEADERS}::test_edges_of_version_1"),
    wrong("shared/proxy_header.py", "        if len(data) >= PROXY_V1_OCTETS:\n", "        if False:\n",
          "a line without an end is waited for", f"{HEADERS}::test_no_headers"),
    wrong("shared/proxy_header.py", "if data[end - 1 : end] != b\"\\r\":", "if False:", "LF alone ends a header", f"{HEADERS}::test_no_headers"),
    wrong("shared/proxy_header.py", "if len(words) != 6 or", "if len(words) < 6 or", "more words are taken", f"{HEADERS}::test_no_headers"),
    wrong("shared/proxy_header.py", " or words[1] not in (b\"TCP4\", b\"TCP6\")", "", "any word is IPv6", f"{HEADERS}::test_no_headers"),
    wrong("shared/proxy_header.py", " or (word[:1] == b\"0\" and word != b\"0\")", "", "ports with leading zeros", f"{HEADERS}::test_no_headers"),
    wrong("shared/proxy_header.py", " or int(word) > 65535", "", "ports that there are not", f"{HEADERS}::test_no_headers"),
    wrong("shared/proxy_header.py", "data[len(_V2)] not in (_LOCAL, _PROXY)", "data[len(_V2)] & 0xF0 != 0x20",
          "commands that are not known are taken", f"{HEADERS}::test_no_headers"),
    wrong("shared/proxy_header.py", "    if end > PROXY_V2_OCTETS:\n", "    if False:\n", "a header may have 64 KiB", f"{HEADERS}::test_no_headers"),
    wrong("shared/proxy_header.py", "command == _LOCAL or family", "family", "LOCAL has a client", f"{HEADERS}::test_headers"),
    wrong("shared/proxy_header.py", "    if behind > end:\n", "    if False:\n",
          "addresses are taken from what the client has sent", f"{HEADERS}::test_no_headers"),
    wrong("shared/proxy_header.py", "_extensions(data[:end], behind)", "_extensions(data, behind)",
          "what the client sends is taken for TLVs", f"{HEADERS}::test_headers"),
    wrong("shared/proxy_header.py", "            if kind in seen:\n", "            if False:\n", "the last of two TLVs counts",
          f"{HEADERS}::test_no_headers"),
    wrong("shared/proxy_header.py", "if int.from_bytes(value, \"big\") != crc32c(", "if False and crc32c(", "a wrong checksum is taken",
          f"{HEADERS}::test_a_spoiled_octet"),
    wrong("shared/proxy_header.py", "            _tlvs(value, _SSL_FIXED)\n", "", "TLVs that are cut are taken", f"{HEADERS}::test_no_headers"),
    wrong("shared/proxy_header.py", "bool(value[0] & _CLIENT_SSL)", "True", "each client has TLS", f"{HEADERS}::test_headers"),
    wrong("shared/proxy_header.py", "if start + 3 > len(data) or end > len(data):", "if start + 3 > len(data):",
          "TLVs that are cut are taken", f"{HEADERS}::test_no_headers"),
    # the report
    wrong("shared/proxy_report.py", "if len(data) != OCTETS or", "if len(data) < OCTETS or", "a report may have more behind it", f"{REPORTS}::test_reports"),
    wrong("shared/proxy_report.py", "rest[0] >= most or", "not most or", "a number that is none is taken", f"{REPORTS}::test_no_reports"),
    wrong("shared/proxy_report.py", " or (outcome != CLIENT and rest[1:] != _NONE)", "", "reports have many forms", f"{REPORTS}::test_no_reports"),
    # reading it
    wrong("shared/proxy_reader.py", "if left_s <= 0 or not select.select([fd], [], [], left_s)[0]:", "if not select.select([fd], [], [])[0]:",
          "a proxy that says nothing is waited for for ever", f"{SESSIONS}::test_a_late_header"),
    wrong("shared/proxy_reader.py", "if not more and not data:", "if not more:", "half a header is a proxy that looks", f"{READER}::test_no_header"),
    wrong("shared/proxy_reader.py", "data[header.octets :]", "b\"\"", "what the client sent with the header is lost", f"{READER}::test_what_is_behind"),
    wrong("preauth/loop.py", "        connection.feed(ahead)\n", "", "what the client sent with the header is lost", f"{LOOP}::test_through_a_proxy"),
    wrong("preauth/loop.py", "        confine()\n        met = meet()", "        met = meet()", "a header is read without a filter",
          f"{LOOP}::test_through_a_proxy"),
    wrong("tls/relay.py", "            self._hear(ahead)\n", "            pass\n", "a handshake behind a header is lost", f"{RELAY}::test_what_was_read_before"),
    wrong("tls/relay.py", "    if ahead is not None:\n", "    if True:\n", "there is TLS without a header", f"{RELAY}::test_met"),
    # what root makes of it
    wrong("root/sequence.py", "if settings.proxies and is_within(peer.address, settings.proxies):", "if settings.proxies:",
          "anybody can say who they are", f"{SESSIONS}::test_others_are_not_asked"),
    wrong("root/sequence.py", "        raise End()  # the listener logs that\n", "        pass\n", "a client over its limit is served",
          f"{SESSIONS}::test_the_limit_of_an_address"),
    wrong("root/sequence.py", "    has_tls = has_tls or peer.has_tls\n", "", "TLS at the proxy does not count", f"{SESSIONS}::test_tls_at_the_proxy"),
    wrong("root/sequence.py", "        if not peer.is_proxy:\n", "        if True:\n", "checks of proxies fill the log",
          f"{SESSIONS}::test_looking_whether_somebody_answers"),
    wrong("root/proxied.py", " or settings.proxies_tls", "", "the setting does nothing", f"{PROXIED}::test_a_client"),
    wrong("root/proxied.py", "        raise End()  # a proxy", "        raise End(\"x\")  # a proxy", "checks of proxies fill the log",
          f"{PROXIED}::test_no_client"),
    wrong("root/peer.py", " and _is_loopback(self.proxy)", "", "127.0.0.1 of another host is local", f"{PROXIED}::test_local_clients"),
    wrong("root/channel.py", "self._reported[proxy_report.OCTETS :]", "b\"\"", "a handshake that is quick is not logged",
          "tests/unit/root/test_channel.py::test_a_report_and_an_outcome"),
    # whom the listener counts
    wrong("root/listen/listener.py", "speaks_tls or is_proxy or self", "speaks_tls or self", "a proxy is greeted before its header",
          f"{SESSIONS}::test_nothing_before_the_header"),
    wrong("root/listen/listener.py", "            self._arrivals.add(pid, asking)\n", "            asking.close()\n",
          "clients of proxies have no limits", f"{SESSIONS}::test_the_limit_of_an_address"),
    wrong("root/listen/flood.py", "if not is_proxy and self._has_all(", "if self._has_all(", "a proxy has the limit of a source",
          f"{FLOOD}::test_a_proxy_that_is_a_client_too"),
    wrong("root/listen/flood.py", "_Session(() if is_proxy else networks(address), now)", "_Session(networks(address), now)",
          "clients count for their proxy", f"{FLOOD}::test_clients_of_a_proxy_count_as_others"),
    wrong("root/listen/flood.py", "            if not session.networks:\n", "            if False:\n",
          "clients over their limit fill another one", f"{FLOOD}::test_networks_of_clients_of_a_proxy"),
    wrong("root/listen/flood.py", "                return Refusal(around[0], PER_SOURCE)\n", "                pass\n",
          "clients of proxies have no limit", f"{FLOOD}::test_clients_of_a_proxy_count_as_others"),
    wrong("root/listen/arrivals.py", "            if address:  # else", "            if True:  # else", "a session that has ended is counted", f"{ARRIVALS}::test_one_that_has_ended"),
    # where the address is seen
    wrong("shared/client_note.py", "        fcntl(file, _F_ADD_SEALS, _ALL_SEALS)", "        pass", "a session can execute what it wrote",
          f"{NOTE}::test_it_stays_empty"),
    wrong("shared/census/counts.py", "client_note.read(session.pid) or ", "", "all clients count for their proxy",
          f"{SESSIONS}::test_the_limit_of_an_address"),
    wrong("operator/sessions.py", "client_note.read(counted.pid) or ", "", "the proxy is shown as the client", f"{SESSIONS}::test_status"),
    wrong("root/handover.py", "        client_note.keep()\n", "", "after the login the proxy is shown", f"{SESSIONS}::test_status"),
    wrong("root/starter.py", "            os.dup2(fds.pop(), NOTE_FD, False)\n", "            fds.pop()\n", "after the login the proxy is shown", f"{SESSIONS}::test_status"),
    # the setting
    wrong("shared/address.py", "rest = 8 * len(own) - int(bits) if bits else 0", "rest = 0", "networks are addresses",
          "tests/unit/shared/test_address.py::test_within"),
    wrong("root/configuration.py", "        if not 0 < prefix <= width:\n", "        if prefix > width:\n", "everybody is a proxy", CONFIGURATION),
    wrong("root/configuration.py", "if int.from_bytes(packed, \"big\") & ((1 << (width - prefix)) - 1):", "if False:",
          "a network is another one than was meant", CONFIGURATION),
)
