"""The platforms that the sandbox simulates: this tuple, and nothing else, decides. How one is added stands in `site.py`."""

from hayon.sandbox.bluesky.site import BlueskySite
from hayon.sandbox.mastodon.site import MastodonSite
from hayon.sandbox.meta.facebook.site import FacebookSite
from hayon.sandbox.meta.instagram.site import InstagramSite
from hayon.sandbox.meta.threads.site import ThreadsSite
from hayon.sandbox.site import Site
from hayon.sandbox.tumblr.site import TumblrSite

SITES: tuple[Site, ...] = (BlueskySite(), ThreadsSite(), InstagramSite(), FacebookSite(), MastodonSite(), TumblrSite())
