"""The fields of Stripe's objects that this double never fills, or always alike.

An integration may read any field of an object, so they are there, as in Stripe's own
answers. Each is the least that its object carries; the rest is added on creation.
"""

from typing import Any


def _nulls(names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split())


SESSION: dict[str, Any] = {
    "object": "checkout.session",
    "adaptive_pricing": {"enabled": False},
    "automatic_tax": {"enabled": False} | _nulls("liability provider status"),
    "custom_fields": [],
    "custom_text": _nulls(
        "after_submit shipping_address submit terms_of_service_acceptance"
    ),
    "customer_creation": "if_required",
    "discounts": [],
    "livemode": False,
    "mode": "payment",
    "payment_intent": None,
    "payment_method_collection": "if_required",
    "payment_method_options": {},
    "payment_method_types": ["card"],
    "payment_status": "unpaid",
    "phone_number_collection": {"enabled": False},
    "shipping_options": [],
    "status": "open",
    "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    "ui_mode": "hosted_page",
} | _nulls(
    "after_expiration allow_promotion_codes billing_address_collection client_secret"
    " consent consent_collection currency_conversion customer invoice invoice_creation"
    " payment_link recovered_from setup_intent shipping_cost subscription"
)

CUSTOMER_DETAILS = {"tax_exempt": "none"} | _nulls("address name phone tax_ids")

LINE_ITEM = {
    "object": "item",
    "amount_discount": 0,
    "amount_tax": 0,
    "price": None,
}

INTENT: dict[str, Any] = {
    "object": "payment_intent",
    "amount_capturable": 0,
    "amount_received": 0,
    "confirmation_method": "automatic",
    "livemode": False,
    "payment_method_types": ["card"],
    "status": "requires_payment_method",
} | _nulls(
    "application application_fee_amount automatic_payment_methods canceled_at"
    " cancellation_reason customer last_payment_error latest_charge next_action"
    " on_behalf_of payment_method payment_method_options processing review"
    " setup_future_usage shipping source transfer_data"
)

CHARGE: dict[str, Any] = {
    "object": "charge",
    "amount_refunded": 0,
    "disputed": False,
    "livemode": False,
    "refunded": False,
} | _nulls(
    "application application_fee application_fee_amount balance_transaction customer"
    " failure_balance_transaction fraud_details on_behalf_of receipt_number receipt_url"
    " review shipping source source_transfer transfer_data"
)

BILLING_DETAILS = _nulls("address email name phone tax_id")

CARD_DETAILS: dict[str, Any] = {
    "checks": {"cvc_check": "pass"}
    | _nulls("address_line1_check address_postal_code_check"),
    "country": "US",
    "funding": "credit",
} | _nulls("installments mandate three_d_secure wallet")

REFUND: dict[str, Any] = {
    "object": "refund",
    "destination_details": {"type": "card", "card": {"type": "refund"}},
} | _nulls(
    "balance_transaction failure_balance_transaction failure_reason receipt_number"
    " source_transfer_reversal transfer_reversal"
)
