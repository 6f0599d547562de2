"""Celery: `enqueue` puts tasks in; `celery -A celery_app worker` works them off."""

import json
import os
import subprocess

from celery import Celery

PROGRAM = json.loads(os.environ["PEER_PROGRAM"])
app = Celery("peer", broker=os.environ["PEER_REDIS_URL"])
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True


@app.task(name="run")
def run() -> None:
    """Run the program as a user of Celery would."""
    subprocess.run(PROGRAM, check=True)


def enqueue(count: int) -> None:
    """Put `count` tasks in."""
    for _ in range(count):
        run.delay()
