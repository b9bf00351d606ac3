"""Games, and the shops that coaches open: profile, game, hours, policy."""

from local.demo.client import Person
from local.seeds.crowd import in_turn

GAMES = {
    "league-of-legends": (
        "League of Legends",
        ["Iron", "Bronze", "Silver", "Gold", "Platinum", "Diamond", "Challenger"],
    ),
    "valorant": (
        "VALORANT",
        ["Iron", "Bronze", "Silver", "Gold", "Platinum", "Immortal", "Radiant"],
    ),
    "counter-strike-2": (
        "Counter-Strike 2",
        ["Silver", "Gold Nova", "Master Guardian", "Eagle", "Supreme", "Global Elite"],
    ),
    "dota-2": (
        "Dota 2",
        ["Herald", "Guardian", "Crusader", "Archon", "Legend", "Ancient", "Immortal"],
    ),
    "rocket-league": (
        "Rocket League",
        ["Bronze", "Silver", "Gold", "Platinum", "Diamond", "Champion", "Supersonic"],
    ),
    "overwatch-2": (
        "Overwatch 2",
        ["Bronze", "Silver", "Gold", "Platinum", "Diamond", "Master", "Grandmaster"],
    ),
}

HEADLINES = (
    "Climb two ranks in a month",
    "Aim that wins rounds",
    "Macro for people who think",
    "Calm calls under fire",
    "From solo queue to scrims",
    "See the map before it happens",
)

ZONES = {
    "Europe/Helsinki": "EUR",
    "Europe/Berlin": "EUR",
    "America/Sao_Paulo": "BRL",
    "America/New_York": "USD",
    "Asia/Tokyo": "JPY",
    "Asia/Kolkata": "USD",
}
RATES = {"EUR": 4000, "USD": 4500, "BRL": 18000, "JPY": 6000}
LEVELS = ("intermediate", "advanced", "professional", "world_class")


async def games(admin: Person) -> None:
    for slug, (name, ranks) in GAMES.items():
        await admin.post("/v1/games", {"slug": slug, "name": name, "ranks": ranks})


async def open_shops(admin: Person, coaches: list[Person]) -> None:
    """Every coach publishes and is verified."""
    await in_turn(_open_shop(admin, coach, n) for n, coach in enumerate(coaches))


async def _open_shop(admin: Person, coach: Person, n: int) -> None:
    zone = (await coach.get("/v1/me"))["timezone"]
    currency = ZONES[zone]
    rate = RATES[currency] + RATES[currency] // 10 * (n % 5)
    level = LEVELS[n % len(LEVELS)]
    await coach.post(
        "/v1/coaches",
        {
            "headline": HEADLINES[n % len(HEADLINES)],
            "bio": "I watch your last three games before we meet, so that the hour "
            "goes into what costs you rank, not into small talk.",
            "achievements": f"{level.replace('_', ' ')} for {3 + n % 6} years",
            "experience_level": level,
            "years_experience": 3 + n % 6,
            "hourly_rate": {"amount": rate, "currency": currency},
            "languages": ["en"] if currency == "USD" else ["en", _language(zone)],
            "specializations": ["review", "mechanics", "mental"][: 1 + n % 3],
            "status": "active",
            "accepting_students": True,
        },
    )
    slugs = list(GAMES)
    for place, slug in enumerate((slugs[n % 6], slugs[(n + 2) % 6])):
        game = {"rank": GAMES[slug][1][-1 - place], "is_primary": place == 0}
        await coach.put(f"/v1/coaches/{coach.id}/games/{slug}", game)
    await coach.put(f"/v1/coaches/{coach.id}/schedule", _hours(zone, n))
    await admin.post(f"/v1/admin/coaches/{coach.id}/verify", {"notes": "rank seen"})


def _hours(zone: str, n: int) -> dict[str, object]:
    """Five days a week; every third coach works past midnight."""
    start, end = ("20:00", "02:00") if n % 3 == 2 else ("14:00", "21:00")
    rules = [{"weekday": (n + day) % 7, "start": start, "end": end} for day in range(5)]
    return {"timezone": zone, "rules": rules, "overrides": [], "time_off": []}


def _language(zone: str) -> str:
    return {
        "Europe/Helsinki": "fi",
        "Europe/Berlin": "de",
        "America/Sao_Paulo": "pt-BR",
        "Asia/Tokyo": "ja",
    }[zone]
