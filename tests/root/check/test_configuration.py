"""Mistakes in the configuration file: all of them, each with its line and what would be right."""

from __future__ import annotations

from pathlib import Path

from tests.host import Host
from tests.root.check import faults, found


def test_every_mistake_of_the_configuration(host: Host) -> None:
    """Each mistake has its line, and says what would be right; unknown names come with the one that was meant."""
    text = (
        "# nothing\n[listen]\nprot = 1110\nsessions = 0\n\n[mailbox]\nlocks = [\n  'lockf'\n]\nspool = 'var/mail'\n"
        "home_file = '~/mbox' # home\n[sesion]\ntimeout_s = 5\n[tls]\nkey = '/etc/key.pem'\n[login]\nlower_case = 1\n"
    )
    file = host.configuration(text)
    rows = found("-c", file)["configuration"]
    told = [(each["line"], each["text"].removeprefix(f"{file}:{each['line']}: ")) for each in rows]
    assert told == [
        (3, "unknown key listen.prot"),
        (4, "listen.sessions must be a number from 1 to 100000"),
        (7, "mailbox.locks must be one or several of fcntl, flock, dotlock, in the order to take them"),
        (10, "mailbox.spool must be an absolute path"),
        (11, "mailbox.home_file is in the home directory anyway; write it without ~"),
        (12, "unknown table or key sesion"),
        (15, "tls.key needs tls.certificate"),
        (17, "login.lower_case must be true or false"),
    ]
    assert [each["advice"] for each in rows] == [
        "did you mean port?",
        "a whole number from 1 to 100000, without quotes, for example sessions = 500",
        'a list of one or several of fcntl, flock, dotlock, each once, for example locks = ["fcntl", "dotlock"]; '
        'the default is ["fcntl"]',
        'the absolute path of a directory, for example spool = "/srv/mail"; the default is "/var/mail"',
        'the path of a file below home directories, without .. and ~, for example home_file = "Mail/inbox"',
        "did you mean [session]?",
        "write both certificate and key, with the paths of the files, or no table [tls]",
        "true or false, without quotes, for example lower_case = true; the default is false",
    ]


def test_what_is_no_toml(host: Host) -> None:
    """Each statement that is no TOML is told, and mistakes in the others too."""
    file = host.configuration(
        "[listen]\nport = 01\nsessions = 0\naddresses = [\n  '::1'\n\n[session]\ntimeout_s == 600\n[listen]\n"
    )
    rows = found("-c", file)["configuration"]
    told = [(each["line"], each["text"].partition(": ")[2]) for each in rows]
    assert [line for line, _ in told] == [2, 3, 4, 8, 9], told
    assert ["not TOML" in text for _, text in told] == [True, False, True, True, False]
    assert [rows[0]["advice"], rows[3]["advice"]] == ["for example: port = 110", "for example: timeout_s = 600"]
    assert told[1][1] == "listen.sessions must be a number from 1 to 100000"


def test_a_broken_head(host: Host) -> None:
    """The head of a table without its bracket is told with its line; what is above and below it is looked at all the same."""
    told = found("-c", host.configuration("[mailbox]\nlock = 3\n[listen\nport = 1\nsessions = 0\n"))["configuration"]
    texts = [each["text"].partition(": ")[2] for each in told]
    assert [each["line"] for each in told] == [2, 3, 5], told
    assert texts[0] == "unknown key mailbox.lock" and texts[1].startswith("not TOML: ") and "listen.sessions" in texts[2]
    fine = "[listen]\naddresses = [\n'::1', # [an\n'127.0.0.1'\n]\n"
    assert "configuration" not in faults("-c", host.configuration(fine))


def test_a_key_twice(host: Host) -> None:
    """A table or a key that is there twice is told, with both lines, and so is everything else."""
    rows = found("-c", host.configuration("[listen]\nport = 1\n[listen]\nport = 2\nbacklog = 0\n"))["configuration"]
    assert [(each["level"], each["line"], each["text"].partition(": ")[2]) for each in rows] == [
        ("fault", 3, "the table [listen] is there already, in line 1"),
        ("fault", 4, "listen.port is there already, in line 2"),
        ("fault", 5, "listen.backlog must be a number from 1 to 65535"),
    ]


def test_a_configuration_of_others(host: Host) -> None:
    """A file that others can write is not read."""
    file = Path(host.configuration("[listen]\nport = 0\n"))
    file.chmod(0o666)
    assert "must belong to root" in faults("-c", str(file))["configuration"]
    file.chmod(0o644)
    assert "No such file" in faults("-c", "/nonexistent")["configuration"]


def test_what_the_host_does_not_have(host: Host) -> None:
    """A setting that does not suit the host has its line, too: dot-locks in a spool that only root can write."""
    host.spool.chmod(0o755)
    told = found("-c", host.configuration("[mailbox]\nlocks = ['dotlock']\n"))["configuration"]
    assert [(each["level"], each["line"]) for each in told] == [("fault", 2)]
    assert "nobody but root can make a dot-lock" in told[0]["text"] and "chmod 2775" in told[0]["advice"]
