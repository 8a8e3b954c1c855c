"""From a photo to a face box, an ID embedding, a label map and region images."""
