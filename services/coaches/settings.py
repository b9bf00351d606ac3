from shared.settings import ServiceSettings


class CoachesSettings(ServiceSettings):
    """Coaches needs nothing beyond what every service needs."""
