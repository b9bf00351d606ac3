"""What the system costs, beside a floor or a peer measured in the same minutes.

`python -m bench` runs everything, `python -m bench slots gateway` a choice. Nothing of
it is a test: a machine that is busy makes a figure worse, never a build red.
"""
