"""The page itself: layout, theme, wording and fonts."""
