"""Gives a user a mailbox, without which there are no calendars: SOCKET USER"""

import imaplib
import socket
import sys

path, user = sys.argv[1:]


class Local(imaplib.IMAP4):
    """IMAP on a socket in the file system."""

    def _create_socket(self, timeout):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        return connection


imap = Local()
imap.authenticate("PLAIN", lambda _: b"\0admin\0any")
status, told = imap.create(f"user/{user}")
assert status == "OK", told
