"""Every key that goophry uses. Q is the queue of one type, `<RedisQueueKey>:<Type>`.

Helper keys carry Q as a hash tag, so that in a cluster all of them live in the slot of Q while
producers go on pushing to plain Q.
"""


def queue(queue_key: str, task_type: str) -> str:
    """List: waiting entries; producers RPUSH. No TTL."""
    return f"{queue_key}:{task_type}"


def failed(q: str) -> str:
    """List: failed entries; the whole list expires FailedTasksTTL after the last failure. Another slot than Q."""
    return f"{q}:failed"


def running(q: str, instance: str) -> str:
    """List: what one instance holds of one type, in the order taken. No TTL: recovery empties it."""
    return _helper(q, f"running:{instance}")


def instances(q: str) -> str:
    """Set: ids of the instances that hold, or held, entries of the type. No TTL."""
    return _helper(q, "instances")


def taken(q: str, instance: str) -> str:
    """String: set by whoever recovered this instance's entries, so that it learns of it. TTL a day."""
    return _helper(q, f"taken:{instance}")


def step(q: str, instance: str) -> str:
    """String: number of the last step whose removals were carried out. Gone with its instance; at most once, TTL a day."""
    return _helper(q, f"step:{instance}")


def recovered(q: str) -> str:
    """Hash: SHA-1 of an entry → JSON list of the instances that died with it. TTL a day after the last death."""
    return _helper(q, "recovered")


def holder(q: str) -> str:
    """String: JSON about the one instance that takes entries of the type, where one at a time is to. No TTL."""
    return _helper(q, "holder")


def failed_aside(q: str) -> str:
    """List: failed entries, used while the key of the failed list holds something else. The failed list's TTL."""
    return _helper(q, "failed-aside")


def tickets(failed_list: str) -> str:
    """Hash: names of what is on its way from a failed list to a queue on another server → Unix ms. No TTL."""
    return _helper(failed_list, "tickets")


def transit(failed_list: str, ticket: str) -> str:
    """List: the entries under way by this ticket. No TTL: whoever works on the failed list next lets them arrive."""
    return _helper(failed_list, f"transit:{ticket}")


def arrived(q: str, ticket: str) -> str:
    """String: says that the entries of this ticket are in the queue. TTL a day."""
    return _helper(q, f"arrived:{ticket}")


def rate(q: str) -> str:
    """List: when entries were taken within the span of the RateLimit, Unix µs, the newest first. TTL the span."""
    return _helper(q, "rate")


def delayed(q: str) -> str:
    """Sorted set: entries that are due later; the score is the Unix time in ms. No TTL."""
    return _helper(q, "delayed")


def ids(q: str) -> str:
    """Hash: Id → Unix ms; every task with an Id that goophry took in or runs, until it has ended. No TTL."""
    return _helper(q, "ids")


def looked(q: str) -> str:
    """String: says that an instance has looked for notes of tasks which are gone. TTL a day."""
    return _helper(q, "looked")


def unique(q: str) -> str:
    """Hash: digest of Args → `<until, Unix ms, 0 = no end> <Id of the owner>`. No TTL."""
    return _helper(q, "unique")


def schedules(q: str) -> str:
    """Hash: name of a schedule → `<its last moment that was taken or left out, Unix ms> <Id of its newest run>`. No TTL."""
    return _helper(q, "schedules")


def result(queue_key: str, entry_id: str) -> str:
    """String: JSON `TaskRecord`. TTL a week at least while the task is there, ResultTTL after its end."""
    return f"{queue_key}:result:{entry_id}"


def cancel(queue_key: str, entry_id: str) -> str:
    """String: the wish that the task should not run, or not go on. TTL a week."""
    return f"{queue_key}:cancel:{entry_id}"


def paused(queue_key: str) -> str:
    """Set: the types of which no instance takes anything. No TTL."""
    return f"{queue_key}:paused"


def events(queue_key: str) -> str:
    """Channel: what all instances are to know at once, as JSON with `Event`."""
    return f"{queue_key}:events"


def done(queue_key: str, entry_id: str) -> str:
    """Channel: the `TaskRecord` of a task that has ended."""
    return f"{queue_key}:done:{entry_id}"


def output(queue_key: str, run_id: str) -> str:
    """Channel: what a run writes, while somebody watches."""
    return f"{queue_key}:output:{run_id}"


def heartbeat(queue_key: str, instance: str) -> str:
    """String: JSON about a live instance; expires HEARTBEAT_TTL_S after the last beat."""
    return f"{queue_key}:instance:{instance}"


def seen(queue_key: str) -> str:
    """Sorted set: ids of instances; the score is the Unix time in s of the last beat. No TTL; a day's silence ends it."""
    return f"{queue_key}:instances:seen"


def kingtask_result(queue_key: str, task_id: str) -> str:
    """String: how a task of kingtask's clients ended, `0` or `1`, and the message. TTL ResultKeepTime."""
    return _door(queue_key, "kingtask", f"result:{task_id}")


def kingtask_counted(queue_key: str, task_id: str) -> str:
    """String: says that the task stands in a day's count. TTL as the result, a day at least."""
    return _door(queue_key, "kingtask", f"counted:{task_id}")


def kingtask_imported(queue_key: str, counter: str) -> str:
    """String: how much of a counter that kingtask itself kept is in goophry's by now. TTL a day."""
    return _door(queue_key, "kingtask", f"imported:{counter}")


def kingtask_count(queue_key: str, ending: str, day: str) -> str:
    """String: how many tasks ended like this (`success`, `failure`) on a local day. TTL 30 days from the first."""
    return _door(queue_key, "kingtask", f"{ending}:{day}")


def coyotes_channels(queue_key: str) -> str:
    """Hash: name of a channel of Coyotes' clients → JSON with its workers, and whether it is distinct. No TTL."""
    return _door(queue_key, "coyotes", "channels")


def coyotes_failed(queue_key: str, channel: str) -> str:
    """Hash: id → JSON of a task that failed, and why. No TTL: it goes when a client retries or removes it."""
    return _door(queue_key, "coyotes", f"failed:{channel}")


def coyotes_dropped(queue_key: str) -> str:
    """List: the newest 1,000 entries of the prepare list that were no tasks, as JSON with the reason. No TTL."""
    return _door(queue_key, "coyotes", "dropped")


def coyotes_history(queue_key: str) -> str:
    """List: runs on their way into the database of HistoryUrl, as JSON. No TTL, 100,000 at most."""
    return _door(queue_key, "coyotes", "history")


def coyotes_taken(prepare_list: str, instance: str) -> str:
    """List: what an instance has taken from the prepare list, in whose slot it is, and not yet put into a channel. No TTL."""
    return _helper(prepare_list, f"taken:{instance}")


def coyotes_takers(queue_key: str) -> str:
    """Set: ids of the instances that take, or took, from the prepare list. No TTL; the dead are taken out."""
    return _door(queue_key, "coyotes", "takers")


def poulpe_jobs(queue_key: str) -> str:
    """Hash: key of a job of poulpe's clients → `<Id of its task> <attempts of which was told>`; until it has ended. No TTL."""
    return _door(queue_key, "poulpe", "jobs")


def poulpe_said(queue_key: str, place: str) -> str:
    """List: what was said of attempts, for whoever asks at this place. TTL an hour; none for what Kafka is to get."""
    return _door(queue_key, "poulpe", f"said:{place}")


def poulpe_said_channel(queue_key: str, place: str) -> str:
    """Channel: an empty message whenever something was said at this place."""
    return f"{queue_key}:poulpe:said:{place}"


def poulpe_dead(queue_key: str) -> str:
    """Hash: Id of a task → dead letter that is to be written to a file. No TTL."""
    return _door(queue_key, "poulpe", "dead")


def poulpe_fired(queue_key: str, key: str) -> str:
    """String: says that a moment of the cron file has been taken. TTL an hour."""
    return _door(queue_key, "poulpe", f"fired:{key}")


def poulpe_noted(queue_key: str) -> str:
    """Hash: key of a job that is in no queue yet → JSON of the job and its worker. No TTL."""
    return _door(queue_key, "poulpe", "noted")


def poulpe_looked(queue_key: str) -> str:
    """String: when somebody looked at the cron file and the clock, Unix seconds. TTL a minute."""
    return _door(queue_key, "poulpe", "looked")


def skipped(queue_key: str, who: str) -> str:
    """List: the newest 1,000 messages from Kafka that were no tasks, as JSON with the reason. No TTL."""
    return _door(queue_key, who, "skipped")


def _door(queue_key: str, door: str, suffix: str) -> str:
    """All that a door keeps lies in one slot, and no task type has a queue there: a door's own types have a dot."""
    return f"{{{queue_key}:{door}}}:{suffix}"


def _helper(q: str, suffix: str) -> str:
    return f"{q}:{suffix}" if _has_tag(q) else f"{{{q}}}:{suffix}"


def _has_tag(q: str) -> bool:
    """Whether Redis Cluster hashes only a part of `q`: text between the first { and the next }."""
    start = q.find("{")
    return start >= 0 and q.find("}", start + 1) > start + 1
