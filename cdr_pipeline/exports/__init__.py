"""Frames to bytes to places: daily files, their manifests, and the check of one against the other."""
