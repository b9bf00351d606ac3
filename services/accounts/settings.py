from typing import Any, Self

from pydantic import Field, model_validator

from shared.settings import ServiceSettings

WEAKEST_MEMORY_KIB = 19_456
"""OWASP's least memory for Argon2id with two passes."""


class AccountsSettings(ServiceSettings):
    """`signing_keys` is a JSON list of private JWKs (P-256): the first signs, all are
    published, so a key is replaced by putting a new one in front for a while.
    `public_url` is where the links in mails lead.
    """

    signing_keys: list[dict[str, Any]] = Field(min_length=1, repr=False)
    argon2_memory_kib: int = 65_536
    argon2_passes: int = Field(default=3, ge=1)
    failures_per_address: int = 20
    registrations_per_address: int = 20

    @model_validator(mode="after")
    def hash_strongly_in_production(self) -> Self:
        if self.environment == "production" and (
            self.argon2_memory_kib < WEAKEST_MEMORY_KIB
        ):
            raise ValueError(f"argon2_memory_kib must be {WEAKEST_MEMORY_KIB} or more")
        return self
