"""A stand-in for a Redis too old to be installed anywhere: it answers INFO with its version, else OK."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def old_redis(version: str) -> Iterator[str]:
    """Listen on loopback, give the address, and end afterwards."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := self.rfile.readline():
                words = [self._word() for _ in range(int(head[1:]))]
                info = f"# Server\r\nredis_version:{version}\r\n".encode()
                reply = b"$%d\r\n%s\r\n" % (len(info), info) if words[0].upper() == b"INFO" else b"+OK\r\n"
                self.wfile.write(reply)

        def _word(self) -> bytes:
            size = int(self.rfile.readline()[1:])
            return self.rfile.read(size + 2)[:-2]

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="old-redis")
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
