"""The rules of booking: no clock, no I/O, no framework. Import the modules."""
