"""What the adapter costs, and what real photos show: run as `python benchmarks`, or a file with `-m`."""
