"""Dramatiq: `enqueue` puts tasks in; `dramatiq dramatiq_app` works them off."""

import json
import os
import subprocess

import dramatiq
from dramatiq.brokers.redis import RedisBroker

PROGRAM = json.loads(os.environ["PEER_PROGRAM"])
dramatiq.set_broker(RedisBroker(url=os.environ["PEER_REDIS_URL"]))


@dramatiq.actor
def run() -> None:
    """Run the program as a user of Dramatiq would."""
    subprocess.run(PROGRAM, check=True)


def enqueue(count: int) -> None:
    """Put `count` tasks in."""
    for _ in range(count):
        run.send()
