"""What both ends have to know of a network by its name: whether a screen says it, and what it may cost.

The names that a setting takes are in `settings.py`; what a network is made of is in `oee_daemon/networks/`.
"""

#: The one network whose name no screen has to say: what is traded on it is not even play money.
UNLABELLED = "simulated"
#: Where orders spend what is worth something: an engine begins there only once that was confirmed.
REAL_MONEY = ("mainnet",)
