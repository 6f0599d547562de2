#!/usr/bin/env python3
"""A persistent script for goophry: answers each JSON line on stdin with a JSON line on stdout."""

import json
import os
import sys
import traceback


def work(task: dict) -> str:
    """Do one task and return its output; an exception fails it. Change this."""
    args = task["Args"]
    if not args:
        raise ValueError("no argument was given")
    return "worked on " + " ".join(args)


def main() -> None:
    """Answer each line until stdin ends."""
    # print() goes to stderr from here on: stdout is for answers only.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        task = json.loads(line)
        answer = {"Id": task["Id"], "ok": True}
        try:
            answer["output"] = work(task)
        except Exception as error:
            traceback.print_exc()
            answer.update(ok=False, error=f"{type(error).__name__}: {error}")
        sys.stdout.flush()
        sys.stderr.flush()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
