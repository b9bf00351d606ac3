"""A stand-in for Stripe in test mode: its API, its Checkout page, its webhooks.

The API's contract (names, types, required parameters) is read out of the official SDK;
the business rules are written here. Whatever of Stripe is not here answers 501 and says
so, instead of pretending.
"""
