class Failure(Exception):
    """An error the user can act on: shown as its message alone, exit code 1."""
