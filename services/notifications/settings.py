from typing import Literal, Self

from pydantic import NameEmail, SecretStr, model_validator

from shared.settings import ServiceSettings


class NotificationsSettings(ServiceSettings):
    """`public_url` is where the links in mails lead; `mail_from` signs every mail.

    `smtp_starttls`: `offered` encrypts where the server can, `required` sends nothing
    without.
    """

    public_url: str
    smtp_host: str
    smtp_port: int = 587
    smtp_username: SecretStr | None = None
    smtp_password: SecretStr | None = None
    smtp_starttls: Literal["required", "offered", "off"] = "offered"
    mail_from: NameEmail = NameEmail("Scrimline", "no-reply@scrimline.example")

    @model_validator(mode="after")
    def keep_the_password_from_the_wire(self) -> Self:
        if (
            self.environment == "production"
            and self.smtp_password is not None
            and self.smtp_starttls != "required"
        ):
            raise ValueError("an smtp_password needs smtp_starttls=required")
        return self
