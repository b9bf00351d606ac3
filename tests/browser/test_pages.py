"""The start page and all that it leads to."""

from datetime import timedelta
from urllib.parse import urljoin

import pytest

from local.demo.client import Person, call
from local.house import House
from local.settings import PASSWORD
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_every_link_of_the_start_page_opens(
    house: House, visitor: Visitor
) -> None:
    await visitor.open(house.settings.gateway_url)
    await visitor.sees("All of it is local")
    links = await visitor.page.get_by_role("link").all()
    targets = [await link.get_attribute("href") for link in links]

    assert len(targets) >= 7
    for target in targets:
        await visitor.open(urljoin(house.settings.gateway_url, target))


async def test_the_start_page_tells_the_time_and_the_password(
    house: House, visitor: Visitor
) -> None:
    await house.advance(timedelta(days=2))
    await visitor.open(house.settings.gateway_url)
    await visitor.sees(house.clock.now().strftime("%-d %B %Y"))
    await visitor.sees(PASSWORD)


@pytest.mark.parametrize("path", ["/", "/checkout/success", "/checkout/cancel"])
async def test_pages_fit_on_a_phone(house: House, visitor: Visitor, path: str) -> None:
    await visitor.open(f"{house.settings.gateway_url}{path}")
    assert await visitor.fits()


async def test_the_api_is_described(house: House, visitor: Visitor) -> None:
    await visitor.open(f"{house.settings.gateway_url}/docs")
    await visitor.sees("/v1/sessions/{session_id}/cancel")
    assert await visitor.fits()
    operation = visitor.page.locator("details", has_text="/v1/payments").first
    await operation.locator("summary").first.click()
    assert await operation.get_attribute("open") is not None


async def test_the_mailbox_shows_a_mail_as_its_reader_sees_it(
    house: House, visitor: Visitor
) -> None:
    newcomer = Person(house.gateway, "newcomer@example.com")
    body = {
        "email": newcomer.email,
        "password": PASSWORD,
        "display_name": "New Comer",
        "timezone": "Asia/Tokyo",
        "roles": ["student"],
    }
    await call(house.gateway, "POST", "/v1/auth/register", json=body)
    await house.idle()

    await visitor.open(f"{house.settings.mailbox_url}/?to={newcomer.email}")
    await visitor.page.get_by_role("link", name="Confirm").first.click()
    await visitor.sees(newcomer.email)
    html = visitor.page.frame_locator("iframe")
    await html.get_by_text("New Comer").first.wait_for()
    assert await visitor.fits()
