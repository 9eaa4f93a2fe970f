"""The environment contract, the built-in networked MDPs, and what builds them."""
