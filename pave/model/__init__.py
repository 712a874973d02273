"""Values only: what a platform repository says, as frozen types. Nothing here touches the world."""
