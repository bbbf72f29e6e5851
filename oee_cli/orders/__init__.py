"""`oee watch`, `oee show` and `oee cancel`: one order."""
