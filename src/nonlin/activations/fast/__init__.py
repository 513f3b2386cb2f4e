"""The same functions for speed; the records name their fast form, and nothing else knows how it works."""
