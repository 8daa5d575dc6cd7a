"""What somebody would try who has taken a process over. Run in its place; also without confinement, to see what is possible.

Each attempt is code that raises OSError, or returns if it was successful. `libc` and `call` are for what Python has no name for.
"""

from __future__ import annotations

# name: (code, whether the mailbox owner may do it without the sandbox; None: it depends on the host)
SESSION: dict[str, tuple[str, bool | None]] = {
    "open /etc/passwd": ("os.open('/etc/passwd', os.O_RDONLY)", True),
    "open /etc/hostname": ("os.open('/etc/hosts', os.O_RDONLY)", True),
    "list the root directory": ("os.listdir('/')", True),
    "list the spool": ("os.listdir('/var/mail')", True),
    "read another mailbox": ("os.open('/var/mail/open', os.O_RDONLY)", True),  # which everybody may read and write
    "write another mailbox": ("os.open('/var/mail/open', os.O_WRONLY)", True),
    "truncate another mailbox": ("os.truncate('/var/mail/open', 0)", True),
    "read another state directory": ("os.listdir('/var/lib/popa3d-state/20002')", True),  # likewise
    "read a sibling's memory": ("os.open(f'/proc/{sibling}/mem', os.O_RDONLY)", True),
    "read its own memory": ("os.open('/proc/self/mem', os.O_RDWR)", True),
    "read root's environment": ("os.open('/proc/1/environ', os.O_RDONLY)", False),
    "make a file elsewhere": ("os.open(outside + '/taken', os.O_CREAT | os.O_WRONLY)", True),
    "make a file in /dev/shm": ("os.open('/dev/shm/taken', os.O_CREAT | os.O_WRONLY)", True),
    "make a directory": ("os.mkdir(outside + '/taken-directory')", True),
    "make a link": ("os.symlink('/etc/passwd', outside + '/taken-link')", True),
    "make a hard link": ("os.link(mailbox, mailbox + '.link')", False),
    "make a FIFO in the state directory": ("os.mkfifo(state + '/fifo')", True),
    "make a socket in the state directory": ("socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind(state + '/socket')", True),
    "make a file in the spool": ("os.open(mailbox + '.lock', os.O_CREAT | os.O_WRONLY)", None),
    "move the mailbox": ("os.rename(mailbox, state + '/moved')", False),
    "change the mailbox's mode": ("os.chmod(mailbox, 0o666)", True),
    "change its owner": ("os.chown(mailbox, 20001, 20001)", True),
    "write the library": ("os.open('/opt/popa3d/lib/popa3d/__init__.py', os.O_WRONLY)", False),
    "connect with TCP": ("socket.socket().connect(('127.0.0.1', port))", True),
    "listen with TCP": ("socket.socket().bind(('127.0.0.1', 0))", True),
    "send with UDP": ("socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', port))", True),
    "a local stream": ("socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)", True),
    "a pair of sockets": ("socket.socketpair()", True),
    "netlink": ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", True),
    "an algorithm's socket": ("socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)", None),
    "an abstract socket": ("socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect(abstract)", True),
    "lead the connection elsewhere": ("libc('connect', 0, bytes(16), 16)", None),
    "copy the connection": ("os.dup(0)", True),
    "fork": ("os.fork() or os._exit(0)", True),
    "a thread": ("call('clone', 0x10F00, 0, 0, 0, 0)", None),
    "another user namespace": ("libc('unshare', 0x10000000)", None),
    "another mount namespace": ("libc('unshare', 0x20000)", False),
    "execute a shell": ("os.execv('/bin/sh', ['sh', '-c', 'exit 0'])", True),
    "execute a file in memory": ("os.execve(os.memfd_create('x'), ['x'], {})", None),
    "a file in memory": ("os.memfd_create('x')", True),
    "trace a sibling": ("libc('ptrace', 0x4206, sibling, 0, 0)", True),
    "be traced": ("libc('ptrace', 0, 0, 0, 0)", True),
    "read a sibling by process_vm_readv": ("vm(sibling)", True),
    "kill a sibling": ("os.kill(sibling, 10)", True),
    "kill the parent": ("os.kill(os.getppid(), 18)", None),
    "kill by a descriptor": ("os.pidfd_open(sibling)", True),
    "kill a thread": ("call('tgkill', sibling, sibling, 10)", True),
    "signals by a descriptor": ("fcntl.fcntl(0, fcntl.F_SETOWN, sibling)", True),
    "slow a sibling": ("os.setpriority(os.PRIO_PROCESS, sibling, 5)", True),
    "keys": ("call('keyctl', 0, -3, 1)", True),
    "userfaultfd": ("call('userfaultfd', 1)", None),
    "io_uring": ("call('io_uring_setup', 1, bytes(120))", None),
    "bpf": ("call('bpf', 0, bytes(72), 72)", None),
    "perf": ("call('perf_event_open', bytes(128), 0, -1, -1, 0)", None),
    "mount": ("libc('mount', b'none', b'/tmp', b'tmpfs', 0, None)", False),
    "chroot": ("os.chroot('/')", False),
    "setuid": ("os.setuid(0)", False),
    "set the same user": ("os.setresuid(-1, -1, -1)", True),
    "set groups": ("os.setgroups([0])", False),
    "leave the session": ("os.setpgid(0, 0)", True),
    "a limit": ("resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))", True),
    "be dumpable": ("libc('prctl', 4, 1, 0, 0, 0)", True),
    "shared memory": ("call('shmget', 0, 4096, 0o1600)", True),
    "a message queue": ("call('msgget', 0, 0o1600)", True),
    "a semaphore": ("call('semget', 0, 1, 0o1600)", True),
    "write and execute": ("mmap.mmap(-1, 4096, prot=7)", True),
    "execute what is no file": ("mmap.mmap(-1, 4096, prot=5)", True),
    "execute what was written": ("executable()", True),
    "watch files": ("libc('inotify_init1', 0)", True),
    "type on a terminal": ("fcntl.ioctl(0, 0x5412, b'x')", None),
    "filter packets": ("socket.socket(fileno=0).setsockopt(1, 26, bytes(16))", None),
}

# What the session itself does must work in the same program, or the attempts say nothing.
HONEST = {
    "read the mailbox": "os.read(os.open(mailbox, os.O_RDWR), 5) == b'From ' or fail()",
    "shorten the mailbox": "os.ftruncate(os.open(mailbox, os.O_RDWR), 100)",
    "write in the state directory": "os.close(os.open(state + '/new', os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))",
    "remove in the state directory": "os.unlink(state + '/new')",
    "log": "syslog.syslog('it works')",
    "load a module": "__import__('xml.dom.minidom')",
    "whether a process lives": "os.kill(os.getpid(), 0)",
}

PROGRAM = """#!/usr/bin/python3 -IBS
import ctypes, fcntl, mmap, os, resource, socket, struct, sys, syslog
sys.path.insert(0, "/opt/popa3d/lib")
from popa3d.shared import system_calls
library = ctypes.CDLL(None, use_errno=True)
numbers = system_calls.numbers(os.uname().machine)

def libc(name, *arguments):
    if getattr(library, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)

def call(name, *arguments):
    libc("syscall", numbers[name], *arguments)

def fail():
    raise OSError(0, "it is not what it was")

def vm(pid):
    data = ctypes.create_string_buffer(8)
    vector = struct.pack("PN", ctypes.addressof(data), 0)
    libc("process_vm_readv", pid, vector, 1, vector, 1, 0)

def executable():
    memory = mmap.mmap(-1, 4096)
    memory.write(b"\\xc3")
    libc("mprotect", ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory))), 4096, 5)

"""
