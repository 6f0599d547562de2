"""Huey: `enqueue` puts tasks in; `huey_consumer huey_app.huey` works them off."""

import json
import os
import subprocess

from huey import RedisHuey

PROGRAM = json.loads(os.environ["PEER_PROGRAM"])
huey = RedisHuey("peer", url=os.environ["PEER_REDIS_URL"], results=False)


@huey.task()
def run() -> None:
    """Run the program as a user of Huey would."""
    subprocess.run(PROGRAM, check=True)


def enqueue(count: int) -> None:
    """Put `count` tasks in."""
    for _ in range(count):
        run()
