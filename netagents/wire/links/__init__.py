"""Links: models of bad links, and reliable delivery over them."""
