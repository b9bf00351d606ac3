"""A package with one migration, for the tests of the fixtures."""
