"""From what was read to the manifest, its notes and its findings. Pure: nothing is read here."""
