"""What only the door refuses, before a service has seen the request."""

from shared.errors import Problem


class MethodNotAllowed(Problem):
    """The path exists, the method does not; `allow` lists those that do."""

    status = 405
    slug = "method-not-allowed"
    title = "This method is not allowed here"

    def __init__(self, allow: frozenset[str]) -> None:
        self.allow = ", ".join(sorted(allow))
        super().__init__(f"Allowed here: {self.allow}.")


class RequestTimeout(Problem):
    """The body of the request stopped coming."""

    status = 408
    slug = "request-timeout"
    title = "The request took too long to arrive"


class PayloadTooLarge(Problem):
    """The body is larger than we take."""

    status = 413
    slug = "payload-too-large"
    title = "The body is too large"


class UpstreamFailed(Problem):
    """The service closed the connection or answered something that is not HTTP.

    Whether it did what it was asked is not known.
    """

    status = 502
    slug = "upstream-failed"
    title = "The service did not answer properly"


class UpstreamUnavailable(Problem):
    """The service cannot be reached; it has not seen the request."""

    status = 503
    slug = "upstream-unavailable"
    title = "The service is not available"


class UpstreamTimeout(Problem):
    """The service took too long. Whether it did what it was asked is not known."""

    status = 504
    slug = "upstream-timeout"
    title = "The service took too long"
