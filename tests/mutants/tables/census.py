"""Mutations of the census: which processes are whose, and what popa3d-status says of sessions over TLS."""

from __future__ import annotations

from tests.mutants.mutation import wrong

PROCESSES = "tests/unit/shared/census/test_processes.py"
NAMES = "tests/unit/shared/test_process_name.py"
STATUS = "tests/tls/test_status.py"

# fmt: off
MUTATIONS = (
    # names
    wrong("shared/process_name.py", "not all(letter in", "not any(letter in", "a name controls a terminal", f"{NAMES}::test_other_names"),
    wrong("shared/process_name.py", "(pid.isascii() and pid.isdigit())", "pid.isprintable()", "a name that cannot be read ends the census",
          f"{NAMES}::test_other_names"),
    wrong("root/channel.py", '        libc.set_name(process_name.encode("", pid))\n', "", "stalled handshakes count for nobody",
          f"{STATUS}::test_during_the_handshake"),
    wrong("root/channel.py", 'libc.set_name(process_name.encode(text.partition(" ")[0], pid))', "pass", "the version is not shown",
          f"{STATUS}::test_behind_a_super_server"),
    wrong("root/keeper.py", "libc.set_name(process_name.KEEPER)", "pass", "packages end the keeper", f"{STATUS}::test_when_the_listener_is_killed"),

    # whom they are believed of
    wrong("shared/census/processes.py", "        if processes[pid].uid == uid\n", "", "a user gives sessions other addresses",
          f"{PROCESSES}::test_names_that_others_choose", f"{STATUS}::test_names_that_others_choose"),
    wrong("shared/census/processes.py", "in processes.items() if process.uid == 0}\n", "in processes.items()}\n",
          "a session hides", f"{PROCESSES}::test_names_that_others_choose"),
    wrong("shared/census/processes.py", "session if (maker := connections.maker(pid)) is None else maker", "session",
          "a TLS process chooses a session", f"{STATUS}::test_names_that_others_choose"),
    wrong("shared/census/processes.py", "session if (maker := connections.maker(pid)) is None else maker", "connections.maker(pid) or 0",
          "users see no TLS", f"{STATUS}::test_a_user_sees_no_address"),
    wrong("shared/census/connections.py", "return None if error.errno in _DENIALS else 0", "return None",
          "a TLS process without a session chooses one", f"{STATUS}::test_names_that_others_choose"),
    wrong("shared/census/connections.py", "fileno=_copied(pid, 1)", "fileno=_copied(pid, 0)", "the kernel is asked of the client",
          f"{STATUS}::test_behind_a_super_server"),
    wrong("shared/census/processes.py", "    except KeyError:\n        return {}\n", "    except ZeroDivisionError:\n        return {}\n",
          "no census without the user", f"{PROCESSES}::test_without_the_user"),

    # what is no session, and no listener
    wrong("shared/census/processes.py", "    for pid in helpers:\n        del processes[pid]\n", "", "the keeper is a listener",
          f"{PROCESSES}::test_when_the_listener_was_killed"),
    wrong("shared/census/processes.py", ".items():\n        del processes[pid]\n", ".items():\n", "TLS processes are pre-auth children",
          f"{PROCESSES}::test_behind_a_super_server"),
    wrong("shared/census/processes.py", "peer_and_idle(processes[pid].connected)", "peer_and_idle(pid)", "packages end sessions over TLS",
          f"{PROCESSES}::test_when_the_listener_was_killed"),

    # whose address, and whose cost
    wrong("shared/census/counts.py", "peer_and_idle(session.connected)", "peer_and_idle(session.pid)", "no limit for clients with TLS",
          f"{STATUS}::test_limit_behind_a_super_server"),
    wrong("operator/sessions.py", "peer_and_idle(counted.connected)", "peer_and_idle(now.pid)", "no idle time with TLS",
          f"{STATUS}::test_behind_a_super_server"),
    wrong("operator/sessions.py", "_peer(psutil, counted.connected)", "_peer(psutil, now.pid)", "no address in a container",
          f"{STATUS}::test_kernels_tables_as_second_choice"),
    wrong("operator/sessions.py", '"authenticating" else None, counted.tls)', '"authenticating" else None,)', "TLS costs nothing",
          f"{STATUS}::test_what_it_costs"),
    wrong("operator/status.py", '        session.tls or "-",\n', '        "-",\n', "the table does not say TLS",
          "tests/root/test_status_program.py::test_what_the_table_cuts"),
)
