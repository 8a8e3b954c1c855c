"""Hair: styles as outlines, and how they are painted in layers with strands."""
