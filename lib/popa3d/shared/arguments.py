"""popa3d's command line, as getopt(3) would read it: for popa3d itself, and for the census of its processes.

Runs as: any uid.
Trusts: nobody; anybody can start a process with any command line.
"""

from . import Failure

USAGE = "usage: popa3d [-46DFhstV] [-c file]"
HELP = f"""{USAGE}

Serve one POP3 client on standard input and output, as a super-server starts it; or:
  -D          listen for clients, as a daemon
  -F          listen for clients, in the foreground
  -4, -6      with -D or -F: IPv4 only, IPv6 only
  -c file     read this configuration instead of /etc/popa3d.toml
  -s          the client speaks TLS from the first octet (POP3S); not with -D or -F
  -t          check the configuration, and exit
  -V          print the version, and exit
  -h, --help  print this, and exit
The manual: popa3d(8), popa3d.toml(5)"""


class Misused(Failure):
    """The command line is not one of popa3d's."""


class Arguments:
    """What a command line asks for.

    action: of ACTIONS. file: of -c, or empty. families: "4", "6" or "46", in any order. foreground: -F. tls: -s.
    """

    def __init__(self) -> None:
        self.action = SERVE
        self.file = ""
        self.families = ""
        self.foreground = False
        self.tls = False


SERVE, LISTEN, CHECK, PRINT_HELP, PRINT_VERSION = ACTIONS = ("serve", "listen", "check", "help", "version")


def parse(words: list[str]) -> Arguments:
    """The Arguments in the words behind the program's name. Raises Misused.

    -h and -V hold whatever follows them.
    """
    options = Arguments()
    rest = list(words)
    check = False
    while rest:
        word = rest.pop(0)
        if word == "--help":
            word = "-h"
        if not word.startswith("-") or word in ("-", "--"):
            raise Misused(f"unexpected argument {word}")
        if word.startswith("--"):
            raise Misused(f"unknown option {word}")
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in "hV":
                options.action = PRINT_HELP if letter == "h" else PRINT_VERSION
                return options
            if letter in "DF":
                options.action = LISTEN
                options.foreground = options.foreground or letter == "F"
            elif letter == "s":
                options.tls = True
            elif letter == "t":
                check = True
            elif letter in "46":
                options.families += "" if letter in options.families else letter
            elif letter == "c":
                if not letters and not rest:
                    raise Misused("option -c needs a file")
                options.file, letters = letters or rest.pop(0), ""
            else:
                raise Misused(f"unknown option -{letter}")
    if options.families and options.action != LISTEN:
        raise Misused(f"option -{options.families[0]} needs -D or -F")  # they only say how to listen
    if options.tls and options.action == LISTEN:
        raise Misused("option -s is for a super-server; with -D or -F listen.tls_port is")
    options.families = options.families or "46"
    if check:
        options.action = CHECK
    return options
