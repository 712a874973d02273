"""Each module here implements a port with a library or a program; nothing else imports those."""
