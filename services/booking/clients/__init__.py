"""The only files that know hosts and vendors: who runs calls, where calendars lie."""
