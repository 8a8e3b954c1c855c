"""Draws the workflows for the editor: from their API twins, layouts, and what nodes look like."""
