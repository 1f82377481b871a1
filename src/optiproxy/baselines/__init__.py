"""Other methods behind the same ask/tell, one file each; `search.METHODS` has their names."""
