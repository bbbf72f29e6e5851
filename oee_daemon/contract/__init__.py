"""What the daemon and the command line agree on, each thing once. Standard library only.

The one room of the daemon that `oee_cli` imports; it imports nothing of the project itself.
"""
