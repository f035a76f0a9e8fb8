"""The Map tab: texts of many languages, sounds and pictures in one plane."""
