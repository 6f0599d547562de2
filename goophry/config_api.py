"""Who may use the API: one object of ApiTokens."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr

from goophry.config_section import Section
from goophry.config_types import ConfigPath, FilledText, expected

Role = Literal["viewer", "submitter", "operator"]

#: From the least to the most: each may do what those before it may.
ROLES: Final[tuple[Role, ...]] = ("viewer", "submitter", "operator")

#: Shortest token, in characters: what is shorter can be guessed over a network.
MIN_TOKEN: Final = 16


def _sendable(token: SecretStr) -> SecretStr:
    problem = token_problem(token.get_secret_value())
    if problem:
        raise expected(problem)
    return token


def token_problem(token: str) -> str | None:
    """Say what a token should be that this one is not."""
    if len(token) < MIN_TOKEN:
        return f"at least {MIN_TOKEN} characters"
    if not token.isascii() or not token.isprintable() or " " in token:
        return "printable ASCII characters without blanks, for it travels in a header"
    return None


class ApiToken(Section):
    """A token and what it allows. Exactly one of Token and TokenFile."""

    name: FilledText = Field(validation_alias="Name", description="Whose token it is; the log tells it.")
    role: Role = Field(
        validation_alias="Role",
        description="`viewer` sees everything, `submitter` also puts tasks in and cancels, `operator` may do everything.",
    )
    token: Annotated[SecretStr, AfterValidator(_sendable)] | None = Field(
        None, validation_alias="Token", description=f"The token, at least {MIN_TOKEN} characters."
    )
    token_file: ConfigPath | None = Field(
        None, validation_alias="TokenFile", description="File that holds the token, instead of Token."
    )
