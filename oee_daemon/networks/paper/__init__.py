"""Mainnet's live prices with play money: orders land on a ledger of this machine; nothing is ever sent."""
