"""What payments does; each file is about one noun.

Lock order: seats by id (rows in `payables`), then their payments by id, then a refund.
Workers lease what is due with SKIP LOCKED and wait for nobody.
"""
