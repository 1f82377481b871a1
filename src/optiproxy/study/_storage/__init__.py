"""How a study is stored, and what is stored with it."""
