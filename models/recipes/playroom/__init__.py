"""The playroom: scenes, networks, training, export and report; see models/playroom."""
