"""Jobs as processes of their own: started, watched, fed with their lease, and ended as a group."""
