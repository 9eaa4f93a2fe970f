"""Tools of the people who develop netagents; nothing that is installed imports them."""
