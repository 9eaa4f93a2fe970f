"""Interventions: actions that somebody other than the policy chooses."""
