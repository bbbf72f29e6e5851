"""What both ends have to know of a network by its name: whether a screen says it, and what it may cost.

The names that a setting takes are in `setting_table.py`; what a network is made of, in
`oee_daemon/networks/`.
"""

#: The one network whose name no screen has to say: what is traded on it is not even play money.
UNLABELLED = "simulated"
#: Where orders spend what is worth something: an engine begins there only once that was confirmed.
REAL_MONEY = ("mainnet",)
#: Where nothing is signed, so that no key is made, asked for or missing.
KEYLESS = ("paper",)


def unconfirmed(network: str, real_money: str | None) -> str | None:
    """Why an engine may not begin on that network; none where it may. `real_money`: what was confirmed."""
    if network not in REAL_MONEY or real_money == network:
        return None
    return (
        f"Orders on {network} spend real money, and nobody has confirmed that it is meant. Confirm it: oee"
        f" config set network {network}. Where the environment decides: OEE_REAL_MONEY={network}"
    )
