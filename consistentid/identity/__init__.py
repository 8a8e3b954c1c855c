"""A person: made of a photo, kept in a file, combined from several photos, mixed with another person."""

from .person import Identity, build_identity

__all__ = ["Identity", "build_identity"]
