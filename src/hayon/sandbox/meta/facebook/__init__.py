"""The simulated Facebook Page, written from Meta's documentation of the Pages, Video, Reels and Stories APIs."""
