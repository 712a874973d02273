"""Git: the platform repository and the services' repositories, read and written as objects without a checkout."""
