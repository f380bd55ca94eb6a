"""Where a post of the simulated Facebook has its page."""

from hayon.sandbox.meta.facebook.memory import Post, Video


def path_of(post: Post) -> str:
    """The path, from this server's root."""
    if post.kind == "reel":
        return f"/facebook/reel/{post.video_id}"
    if post.kind == "video":
        return f"/facebook/{post.account_id}/videos/{post.video_id}"
    if post.story:
        return f"/facebook/stories/{post.account_id}/{post.post_id}"
    return f"/facebook/{post.account_id}/posts/{post.post_id}"


def path_of_video(video: Video) -> str | None:
    """The same for a video, whether it is published or not; a story has a page only once it is."""
    if video.purpose == "reel":
        return f"/facebook/reel/{video.video_id}"
    if video.purpose == "video":
        return f"/facebook/{video.account_id}/videos/{video.video_id}"
    return f"/facebook/stories/{video.account_id}/{video.post_id}" if video.post_id else None
