"""Games: small tasks in which agents depend on each other, fast and exact in numpy, pure and branchable.

One file per game.  Its settings stand in :mod:`netagents.experiment.games` and name it.
"""
