"""redis-py is there as far as it is asked for, and whole for whoever wants more."""

import subprocess
import sys

LAZILY = """
from goophry.store.lazy_library import load_lazily

load_lazily("redis")
"""

CONNECT = (
    LAZILY
    + """
import sys
from goophry.cli.run import run  # all that the running program imports
from goophry.config import Settings
from goophry.store.client import LinkPool, RedisServer

server = RedisServer(Settings(RedisAddress=sys.argv[1], RedisQueueKey="q", Tasks=[{"Type": "t", "Script": "/bin/true"}]))
assert LinkPool(server).call("PING") == b"PONG"
print(*(name for name in ("redis.connection", "redis.asyncio", "redis.client", "redis.cluster") if name in sys.modules))
"""
)

WANT_MORE = (
    LAZILY
    + """
import redis.connection
from redis import Redis
import redis.asyncio

assert redis.Redis is Redis
assert redis.Connection is redis.connection.Connection
assert redis.asyncio.Redis is not Redis
"""
)

ALREADY_LOADED = f"""
import redis

client = redis.Redis
{LAZILY}
assert redis.Redis is client
"""


def run(program: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_connection_loads_no_clients(redis_address: str) -> None:
    assert run(CONNECT, redis_address) == "redis.connection"


def test_whoever_wants_the_whole_library_gets_it() -> None:
    run(WANT_MORE)


def test_a_library_that_is_loaded_stays_as_it_is() -> None:
    run(ALREADY_LOADED)
