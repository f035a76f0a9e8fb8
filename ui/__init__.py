"""The web app: one file a tab, handlers on top and ``build(services)`` below."""
