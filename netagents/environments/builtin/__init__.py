"""Built-in networked Markov decision processes."""
