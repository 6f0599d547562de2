"""What can be wrong with a file that the configuration names; each answer is empty when nothing is."""

import os
import shlex
import shutil
import ssl
from pathlib import Path
from typing import Final

#: The kernel reads no more of a #! line.
_LONGEST_SHEBANG: Final = 256


def program_problem(path: Path) -> str:
    """Say why the program at `path` could not be started."""
    if not path.exists():
        return "no such file"
    if not path.is_file():
        return "is no file"
    if not os.access(path, os.X_OK):
        return f"is not executable (chmod +x {shlex.quote(str(path))})"
    return _content_problem(path)


def log_problem(path: Path) -> str:
    """Say why nothing could be written to the log file `path`."""
    if path.exists():
        return "" if os.access(path, os.W_OK) else "is not writable"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    return "" if os.access(path.parent, os.W_OK | os.X_OK) else f"the folder {path.parent} is not writable"


def certificate_problem(certificate: Path, key: Path) -> str:
    """Say why the pair could not be used for TLS."""
    for path in (certificate, key):
        if not os.access(path, os.R_OK):
            return f"{path} cannot be read"
    try:
        # An empty password, or OpenSSL asks for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        return f"with {key}: {error}"
    return ""


def authorities_problem(path: Path) -> str:
    """Say why nothing could be verified with the certificates in `path`."""
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:
        return f"cannot be used: {error}"
    return ""


def _content_problem(path: Path) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(_LONGEST_SHEBANG)
    except OSError:  # a program may be executable and not readable; only scripts must be both
        return ""
    if start.startswith(b"#!"):
        return _shebang_problem(start[2:].partition(b"\n")[0])
    return "" if start.startswith(b"\x7fELF") else "is neither a program nor begins with a #! line"


def _shebang_problem(line: bytes) -> str:
    if line.endswith(b"\r"):
        return "its #! line ends in a carriage return (Windows line ends)"
    words = os.fsdecode(line).split()
    if not words:
        return "its #! line names no interpreter"
    if Path(words[0]).name == "env":
        named = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), "")
        if named and shutil.which(named) is None:
            return f"its interpreter {named} is not on PATH"
    if not os.access(words[0], os.X_OK):
        return f"its interpreter {words[0]} does not exist or is not executable"
    return ""
