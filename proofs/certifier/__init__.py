"""The lemmas that the certifier's rules rest on, one file a theorem."""
