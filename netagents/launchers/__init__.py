"""How nodes become processes."""
