"""`goophry schema`: the JSON Schema of the configuration."""

import json

from goophry import exit_codes
from goophry.config import json_schema


def schema() -> int:
    """Print the schema."""
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return exit_codes.OK
