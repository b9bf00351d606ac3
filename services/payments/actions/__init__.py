"""What payments does; each file is about one noun.

Lock order: the seat (its row in `payables`), then its payments by id, then a refund.
Workers lease what is due with SKIP LOCKED and wait for nobody.
"""
