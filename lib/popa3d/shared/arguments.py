"""popa3d's command line, as getopt(3) would read it: for popa3d itself, and for whoever looks at its processes.

Runs as: any uid.
Trusts: nobody; anybody can start a process with any command line.
"""

USAGE = "usage: popa3d [-46DFhtV] [-c file]"
HELP = f"""{USAGE}

Serve one POP3 client on standard input and output, as a super-server starts it; or:
  -D       listen for clients, as a daemon
  -F       listen for clients, in the foreground
  -4, -6   with -D or -F: IPv4 only, IPv6 only
  -c file  read this configuration instead of /etc/popa3d.toml
  -t       check the configuration, and exit
  -V       print the version, and exit
  -h       print this, and exit
The manual: popa3d(8), popa3d.toml(5)"""


class Wrong(Exception):
    """No command line of popa3d's; the text says what is wrong with it."""


class Arguments:
    """What a command line asks for.

    action: of ACTIONS. file: of -c, or empty. families: "4", "6" or "46", in any order. foreground: -F.
    """

    def __init__(self) -> None:
        self.action = SERVE
        self.file = ""
        self.families = ""
        self.foreground = False


SERVE, LISTEN, CHECK, PRINT_HELP, PRINT_VERSION = ACTIONS = ("serve", "listen", "check", "help", "version")


def parse(words: list[str]) -> Arguments:
    """What is asked for by the words behind the program's name. Raises Wrong.

    -h and -V are answered whatever stands behind them.
    """
    asked = Arguments()
    rest = list(words)
    check = False
    while rest:
        word = rest.pop(0)
        if word == "--help":
            word = "-h"
        if not word.startswith("-") or word in ("-", "--"):
            raise Wrong(f"unexpected argument {word}")
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in "hV":
                asked.action = PRINT_HELP if letter == "h" else PRINT_VERSION
                return asked
            if letter in "DF":
                asked.action = LISTEN
                asked.foreground = asked.foreground or letter == "F"
            elif letter == "t":
                check = True
            elif letter in "46":
                asked.families += "" if letter in asked.families else letter
            elif letter == "c":
                if not letters and not rest:
                    raise Wrong("option -c needs a file")
                asked.file, letters = letters or rest.pop(0), ""
            else:
                raise Wrong(f"unknown option -{letter}")
    if asked.families and asked.action != LISTEN:
        raise Wrong(f"option -{asked.families[0]} needs -D or -F")  # it says how to listen
    asked.families = asked.families or "46"
    if check:
        asked.action = CHECK
    return asked
