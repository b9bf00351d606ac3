from shared.settings import ServiceSettings


class SchedulerSettings(ServiceSettings):
    """The scheduler needs nothing beyond what every service needs."""
