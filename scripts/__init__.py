"""Tools for who changes this repository; users of the pack need none of them."""
