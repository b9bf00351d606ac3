from pydantic import SecretStr

from shared.settings import ServiceSettings


class PaymentsSettings(ServiceSettings):
    """Beside the general ones: the account at Stripe, and where Checkout sends people.

    The two URLs go to Stripe as they are: `{CHECKOUT_SESSION_ID}` in them is filled in
    by Stripe. They only show a page; a payment is believed by its webhook alone.
    """

    stripe_api_key: SecretStr
    stripe_webhook_secret: SecretStr
    stripe_api_base: str = "https://api.stripe.com"
    checkout_success_url: str
    checkout_cancel_url: str
