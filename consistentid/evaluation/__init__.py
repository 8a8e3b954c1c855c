"""Measuring runs: what is planned, drawn and scored, compared with intervals."""
