"""What every network promises, as checks that ship with the package: `chain` and `venue`.

A check is a coroutine of a rig; it raises `AssertionError` where the promise is broken, and needs no test
runner. A rig hands in the party under test and what only its network knows: how time passes there, and what
has truly landed. What a network can't be made to do is left out of its rig's `can`: said, not skipped in
silence. Checks import nothing of any network.
"""
