"""Shipped files and files of users: list, show and check them."""
