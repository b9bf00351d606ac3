"""Somebody in front of a browser, and what the browser complains about."""

from playwright.async_api import ConsoleMessage, Page, Response

PHONE = {"width": 360, "height": 740}

ICON = "/favicon.ico"


class Visitor:
    """`complaints` are the console's errors and warnings, violated policies, requests
    that failed and scripts that broke. An icon that a browser asks for by itself may be
    missing.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda it: self.complaints.append(f"no {it.url}"))
        page.on("response", self._see)

    async def open(self, url: str) -> Response:
        answer = await self.page.goto(url)
        assert answer is not None
        assert answer.status == 200
        return answer

    async def sees(self, text: str) -> None:
        await self.page.get_by_text(text).first.wait_for(timeout=20_000)

    async def fits(self) -> bool:
        """Whether a page needs no scrolling sideways, on a phone."""
        await self.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        width = "document.documentElement.scrollWidth"
        return int(await self.page.evaluate(width)) <= PHONE["width"]

    def expect(self, complaint: str) -> None:
        """Strike out what had to be complained about."""
        assert any(complaint in each for each in self.complaints), self.complaints
        self.complaints = [each for each in self.complaints if complaint not in each]

    def _hear(self, message: ConsoleMessage) -> None:
        about_icon = message.location["url"].endswith(ICON)
        if message.type in ("error", "warning") and not about_icon:
            self.complaints.append(message.text)

    def _see(self, response: Response) -> None:
        if response.status >= 400 and not response.url.endswith(ICON):
            self.complaints.append(f"{response.status} {response.url}")
