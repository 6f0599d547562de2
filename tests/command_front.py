"""`goophry COMMAND` without half a second of imports each time: forked from a process that has them already.

`python command_front.py SOCKET` is that process. The script that `front()` returns stands for `goophry` on a PATH; it
hands over its arguments, folder, environment and streams. What then runs is `goophry.cli.main.dispatch`, in a process of
its own, as if it had been started. Without a command, where goophry runs or asks its shell for something, it is started.
"""

import io
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Final

_FRONT: Final = r"""#!{python} -IS
import os, socket, sys
words = sys.argv[1:]
if not words or words[0].startswith("-") and words[0] != "-c":
    os.execv("{python}", ["{python}", "-m", "goophry", *words])
with socket.socket(socket.AF_UNIX) as server:
    server.connect("{socket}")
    environment = [f"{{name}}={{value}}" for name, value in os.environ.items()]
    told = [os.getcwd(), str(len(words)), *words, *environment]
    body = "\0".join(told).encode(errors="surrogateescape")
    socket.send_fds(server, [len(body).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(body)
    status = server.recv(1)
os._exit(status[0] if status else 70)
"""


def front(path: Path, *, socket_path: Path) -> None:
    """Write the script."""
    path.write_text(_FRONT.format(python=sys.executable, socket=socket_path))
    path.chmod(0o755)


def serve(path: str) -> None:
    """Fork a process for each that calls, until ended."""
    from goophry.cli import commands, delayed, failed, main, status, top  # noqa: F401, PLC0415

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        while True:
            caller, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _act(caller)
            caller.close()


def _act(caller: socket.socket) -> None:
    """Be the command, tell with which status it ended, and end."""
    from goophry.cli import main  # noqa: PLC0415

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, streams, _, _ = socket.recv_fds(caller, 8, 3)
    body = b""
    while len(body) < int.from_bytes(length, "big"):
        body += caller.recv(65536)
    folder, count, *words = body.decode(errors="surrogateescape").split("\0")
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    # Those of the process before it know what kind of file theirs were.
    sys.stdin, sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(fd, mode)) for fd, mode in enumerate("rww"))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(each.partition("=")[::2] for each in words[int(count) :])
    sys.argv = ["goophry", *words[: int(count)]]
    status = 70
    try:
        main.main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        caller.sendall(bytes([status]))
        os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
