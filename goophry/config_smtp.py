"""The mail server: how it is reached, and as whom."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo

from goophry.config_secrets import secret_in
from goophry.config_section import Section
from goophry.config_types import FilledText, Seconds, expected, folder_of, sentence
from goophry.urls import literal_address, plain_host

#: Where mail is taken under TLS, under STARTTLS, and under neither.
_PORTS = (465, 587, 25)


def _host(text: str) -> str:
    try:
        return text if literal_address(text) is not None else plain_host(text)
    except ValueError as error:
        raise expected("the name or the address of a host") from error


def _secret_file(value: Any, info: ValidationInfo) -> SecretStr | None:
    """Read the file at once: what stands in it is the value."""
    if value is None or isinstance(value, SecretStr):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise sentence("expected the path of a file that holds the password")
    try:
        return SecretStr(secret_in(folder_of(info) / value, what="password"))
    except ValueError as error:
        raise sentence(str(error)) from error


HostName = Annotated[FilledText, AfterValidator(_host)]
SecretFile = Annotated[SecretStr | None, BeforeValidator(_secret_file, json_schema_input_type=str)]


class Smtp(Section):
    """The server that takes the mail of types of Kind `mail`."""

    host: HostName = Field(validation_alias="Host", description="name or address of the mail server")
    port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        None, validation_alias="Port", description="465 with TLS, 587 with StartTLS, 25 with neither, unless given"
    )
    tls: bool = Field(False, validation_alias="TLS", description="whether TLS begins with the first byte")
    start_tls: bool | None = Field(
        None,
        validation_alias="StartTLS",
        description="whether the connection must go over to TLS before anything is said; true unless TLS is",
    )
    username: FilledText | None = Field(
        None, validation_alias="Username", description="who logs in; nobody does unless given"
    )
    password: SecretStr | None = Field(None, validation_alias="Password", description="password of Username")
    password_file: SecretFile = Field(
        None, validation_alias="PasswordFile", description="file that holds the password, instead of Password"
    )
    timeout: Seconds = Field(
        30,
        validation_alias="Timeout",
        description="seconds that sending a mail may take where neither type nor entry say so; 0 = no limit",
    )

    @property
    def uses_start_tls(self) -> bool:
        """Whether STARTTLS is to be used."""
        return not self.tls if self.start_tls is None else self.start_tls

    @property
    def service_port(self) -> int:
        """The port, given or usual."""
        usual = _PORTS[0] if self.tls else _PORTS[1] if self.uses_start_tls else _PORTS[2]
        return usual if self.port is None else self.port

    @property
    def secret(self) -> str:
        """The password, wherever it stood."""
        password = self.password or self.password_file
        return "" if password is None else password.get_secret_value()
