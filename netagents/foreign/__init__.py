"""Other people's code in our processes: environments, utilities and policies of users and of packages that they installed."""
