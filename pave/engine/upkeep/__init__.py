"""What is done without being asked: what is due, backups, meters of cost, the trash."""
