"""Reference pages, manual pages and completion files, made from the declarations. `python -m oned.docs` writes them."""
