"""The protocol of an agent: what every agent samples, shares and reports, whatever it learns with."""
