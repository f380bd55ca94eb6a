"""The bell: who tells workers that something is due. No truth is kept here."""
