"""What the terminal shows; only here is textual imported. A screen reads a model and says what the user wants."""
