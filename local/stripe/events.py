from typing import Any

from local.stripe.account import Account, only


def retrieve(account: Account, params: dict[str, Any], key: str) -> dict[str, Any]:
    only(params, ())
    return account.get("event", key, "id").body
