"""What all parts are drawn with: the canvas and its curves, the pose, and random choices."""
