"""RQ: `enqueue` puts tasks in; `rq worker-pool` works them off."""

import json
import os
import subprocess

from redis import Redis
from rq import Queue

PROGRAM = json.loads(os.environ["PEER_PROGRAM"])


def run() -> None:
    """Run the program as a user of RQ would."""
    subprocess.run(PROGRAM, check=True)


def enqueue(count: int) -> None:
    """Put `count` tasks in."""
    queue = Queue("peer", connection=Redis.from_url(os.environ["PEER_REDIS_URL"]))
    jobs = [Queue.prepare_data("rq_app.run", result_ttl=0) for _ in range(count)]
    queue.enqueue_many(jobs)
