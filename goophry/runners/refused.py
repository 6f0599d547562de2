"""What a runner says when it does not even begin."""


class Refused(Exception):
    """Nothing is started or called for the entry; the text says why."""
