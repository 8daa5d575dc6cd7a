"""Mutations of TLS: the engine, the relay, and what root does with both."""

from __future__ import annotations

from tests.mutants.mutation import wrong

RELAY = "tests/unit/tls/test_relay.py"
ENGINE = "tests/unit/tls/test_engine.py"
SESSIONS = "tests/tls/test_sessions.py"
DAEMON = "tests/tls/test_daemon.py"
ATTACKS = "tests/tls/test_attacks.py"
CHANNEL = "tests/unit/root/test_channel.py"
SEQUENCE = "tests/unit/root/test_sequence.py"
FILE = "tests/unit/root/test_configuration.py"
CHECK = "tests/tls/test_check.py"
ENTRIES = "tests/super/test_tls_entries.py"
RECORD = "tests/root/test_preauth_record.py"
AUTHORIZATION = "tests/unit/preauth/test_authorization.py"

# fmt: off
MUTATIONS = (
    # the context
    wrong("root/certificate.py", "_ssl.OP_NO_COMPRESSION | _ssl.OP_NO_RENEGOTIATION", "_ssl.OP_NO_COMPRESSION", "renegotiation",
          f"{ENGINE}::test_no_tickets_no_renegotiation"),
    wrong("shared/tls_limits.py", '"ECDHE+AESGCM:ECDHE+CHACHA20"', '"ECDHE+AES:ECDHE+CHACHA20"', "ciphers that RFC 9325 advises against",
          "tests/tls/test_scan.py::test_sslyze"),
    wrong("shared/capabilities.py", '_STLS = b"STLS"', '_STLS = b"STLS "', "K-9 sees no STLS", "tests/clients/tls/test_orders.py::test_k9"),
    wrong("root/certificate.py", "made.minimum_version = _MINIMUM[settings.minimum]", "pass", "old versions of TLS",
          f"{ENGINE}::test_old_versions"),
    wrong("root/certificate.py", "    made.options &= ~_ssl.OP_IGNORE_UNEXPECTED_EOF\n", "", "a cut connection looks complete",
          f"{ENGINE}::test_end_without_a_word"),
    wrong("root/certificate.py", "    made.num_tickets = 0\n", "", "tickets that no other process can read",
          f"{ENGINE}::test_no_tickets_no_renegotiation"),
    wrong("root/certificate.py", "status.st_mode & stat.S_IROTH", "False", "a key that everybody can read", f"{DAEMON}::test_wrong_pairs"),
    wrong("root/settings_file.py", "status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)", "status.st_uid != 0",
          "a certificate that others can write", f"{DAEMON}::test_wrong_pairs"),
    wrong("root/settings_file.py", "status.st_uid != 0 or", "", "a user's key", f"{DAEMON}::test_wrong_pairs"),
    wrong("root/certificate.py", "except (OSError, ValueError) as error:\n        raise Unusable(f\"tls.key:",
          "except OSError as error:\n        raise Unusable(f\"tls.key:", "a key with a password is a bug", f"{CHECK}::test_a_key_with_a_password"),
    wrong("root/keeper.py", "certificate.valid_s(settings) < 0", "False", "nobody is told that it has expired",
          f"{CHECK}::test_an_expired_certificate"),
    wrong("root/keeper.py", "        warn(answer[1:])", "        pass", "the daemon's log has nothing of it", f"{CHECK}::test_an_expired_certificate"),
    wrong("root/keeper.py", "    nobody = channel.user()\n", "    nobody: Any = None\n",
          "-t is content without the user of TLS", f"{CHECK}::test_without_its_user"),
    wrong("root/start.py", "    if settings.certificate:\n        from . import keeper", "    if False:\n        from . import keeper",
          "-t looks at no certificate", f"{CHECK}::test_wrong_pairs"),

    # the engine and the relay
    wrong("tls/engine.py", "            self._incoming.write_eof()", "            pass", "a cut connection is waited for",
          f"{ENGINE}::test_end_without_a_word"),
    wrong("tls/engine.py", "        if self._state in (_OPEN, _CLOSED):\n            try:\n                self._tls.write",
          "        if True:\n            try:\n                self._tls.write", "something is sent to a failed connection",
          f"{ENGINE}::test_no_tls"),
    wrong("tls/relay.py", "                self._engine.close()\n", "", "the end looks cut to the client", f"{SESSIONS}::test_session"),
    wrong("tls/relay.py", "limit_s = self._handshake_deadline - time.monotonic()", "limit_s = 600", "a stalled handshake keeps a process",
          f"{RELAY}::test_stalled_handshake"),
    wrong("tls/relay.py", "        if self._engine.is_shaking_hands:\n            return False\n", "",
          "a TLS process outlives its session", f"{RELAY}::test_the_session_ends_during_the_handshake"),
    wrong("tls/relay.py", "Relay(Engine(context), timeout_s + RECORD_GRACE_S", "Relay(Engine(context), timeout_s", "the TLS process comes before the session's own limit",
          f"{SESSIONS}::test_idle"),
    wrong("tls/relay.py", "self._session_ended_at + TLS_LINGER_S if self._session_ended_at else self._taken_at", "self._taken_at",
          "slow readers keep processes that nobody counts", f"{RELAY}::test_a_client_that_takes_its_time"),
    wrong("tls/relay.py", "            self._leave_to_the_kernel()\n", "", "who has not logged in keeps processes that nobody counts",
          f"{RELAY}::test_what_the_kernel_delivers", f"{ATTACKS}::test_who_reads_nothing"),
    wrong("tls/relay.py", "_socket.SO_SNDBUF) < TLS_LAST_OCTETS", "_socket.SO_SNDBUF) > 0", "there is less room than before",
          f"{RELAY}::test_room_is_not_taken_away"),
    wrong("tls/relay.py", "endpoint.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)", "pass", "each handshake costs 40 ms",
          f"{RELAY}::test_nothing_is_held_back"),

    # root
    wrong("root/preauthentication.py", "            process.close_from(_RECORD_FD + 1)\n", "", "the pre-auth child can make locks for anybody",
          f"{ATTACKS}::test_descriptors_of_the_preauth_child"),
    wrong("root/sequence.py", "preauth.start((False, channel is not None, logins)", "preauth.start((True, channel is not None, logins)",
          "STLS is offered again", f"{SESSIONS}::test_capabilities"),
    wrong("root/sequence.py", "data, peer, settings, logins)", "data, peer, settings, True)", "root believes the pre-auth child that TLS is there",
          f"{RECORD}::test_a_login_that_needs_tls"),
    wrong("root/authentication.py", "    if not offered:\n", "    if False:\n", "root believes the pre-auth child that TLS is there",
          "tests/unit/root/test_authentication.py::test_a_login_that_needs_tls"),
    wrong("root/sequence.py", "and peer.is_local)", ")", "passwords cross the network in the clear", f"{SEQUENCE}::test_who_may_log_in_without_tls"),
    wrong("root/channel.py", "    return Channel(reading, answer[1:])", "    return Channel(reading, b\"\")", "an early failure is not logged",
          f"{CHANNEL}::test_an_early_report"),
    wrong("root/channel.py", "        privileges.no_more_descriptors(2)\n", "", "a TLS process can open descriptors",
          f"{SESSIONS}::test_what_the_tls_process_may"),
    wrong("root/channel.py", "kept = kept and _ask_keeper(asked, fds)", "kept = False",
          "the keeper is not asked", f"{DAEMON}::test_where_the_key_is"),
    wrong("root/channel.py", "set(cipher) <= _LETTERS", "True", "a TLS process forges lines of the log", f"{CHANNEL}::test_forged_reports"),
    wrong("root/channel.py", "len(cipher) <= _WORD_OCTETS", "True", "a TLS process fills lines of the log", f"{CHANNEL}::test_forged_reports"),
    wrong("root/channel.py", "for letter in text if letter in _LETTERS", "for letter in text", "a TLS process forges lines of the log",
          f"{CHANNEL}::test_forged_reasons"),
    wrong("root/channel.py", "process.rights(fds), _socket.MSG_DONTWAIT)", "process.rights(fds))", "a keeper that hangs stops all sessions",
          f"{CHANNEL}::test_a_keeper_with_too_much_to_do"),
    wrong("root/channel.py", "if poll.poll(max(0.0, timeout_s) * 1000) else", "if True else", "a keeper that hangs stops the session",
          f"{CHANNEL}::test_a_late_answer", f"{ATTACKS}::test_a_keeper_that_hangs"),
    wrong("root/channel.py", "        if kept and not answer:", "        if False:", "nobody replaces a keeper that hangs",
          f"{ATTACKS}::test_a_keeper_that_hangs"),
    wrong("root/channel.py", "            _signal.signal(number, _signal.SIG_IGN)", "            pass", "the end of a session takes its last words away",
          "tests/tls/test_differential.py::test_what_the_session_said_last",
          f"{ENTRIES}::test_a_service_manager_that_ends_what_a_session_leaves"),
    wrong("root/listen/listener.py", "                keeper.close()", "                pass", "each reload that fails leaves a process with the key",
          f"{ATTACKS}::test_reloads_that_fail"),
    wrong("tls/relay.py", "+ handshake_timeout_s + RECORD_GRACE_S", "+ handshake_timeout_s", "a stalled handshake is not logged as one",
          f"{SESSIONS}::test_stalled_handshake"),
    wrong("preauth/loop.py", "record.INJECTED if connection.ahead() else record.START_TLS", "record.START_TLS",
          "what came with STLS is forgiven", "tests/tls/test_injection.py::test_in_one_segment"),
    wrong("preauth/authorization.py", "        if not self._offer.logins:\n            return self._refuse(replies.TLS_IS_NEEDED)\n        if len",
          "        if len", "names cross the network in the clear", f"{AUTHORIZATION}::test_tls_is_needed"),
    wrong("preauth/authorization.py", "        if self._offer.tls:\n            return self._refuse(replies.TLS_IS_ACTIVE)\n", "",
          "TLS in TLS is called an invalid command", f"{AUTHORIZATION}::test_no_tls_to_start"),
    wrong("root/listen/listener.py", "        self._tls.begin(self._settings)  # as a child of the process that stays\n", "",
          "a daemon without a keeper", f"{DAEMON}::test_a_daemon_that_detaches"),
    wrong("root/listen/tls.py", "        if self._keeper is None or pid != self._keeper.pid:\n            return False\n", "        return False\n",
          "nobody replaces a dead keeper", f"{DAEMON}::test_the_keeper_is_killed"),
    wrong("root/configuration.py", 'if name.startswith("tls.") and not settings.certificate:', "if False:",
          "a minimum without a certificate", f"{FILE}::test_tls"),
)
