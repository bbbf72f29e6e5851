"""A Solana of this machine alone: real transactions in Solana's own virtual machine, behind its RPC and two
venues.

A process of its own (`python -m oee_daemon.networks.localnet`). It judges what the engine does, so it shares
no code with it: of the project it imports `contract` alone, and nothing imports it.
"""
