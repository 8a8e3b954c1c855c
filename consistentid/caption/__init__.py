"""From a caption to marked words and token positions."""
