"""PostgreSQL and RabbitMQ for the tests: real ones, found or started.

Each is looked for in this order: `TEST_DATABASE_URL` (a role that may create databases)
and `TEST_AMQP_URL` in the environment; containers where Docker answers; the binaries of
this machine, started privately on free ports. `python -m tests.servers.install` installs
on Debian what is missing.

A run has one server of each kind. The controller starts it when the first worker has
collected a test that asks for it, and takes it away at the end; a unit test waits for
nothing. However the run ends, also by `kill -9`, no process and no folder stays.

Fixtures, of `tests.servers.fixtures`:

- `database`: `url = await database("booking")` makes a fresh database with that
  service's migrations applied, `postgresql+asyncpg://…`; called twice, two of them.
  They are dropped after the test, also under open connections.
- `amqp_vhost`: `amqp://…` of an empty vhost of this test. With `TEST_AMQP_URL` it is
  that very URL, for all tests: run those with `-n 0`.
- `postgres_server`, `rabbitmq_server`: the servers themselves, as a superuser's URL and
  as `(amqp_url, management_url or None)`.

For tests that break a server, `tests.servers.private` has `private_postgres()` and
`private_rabbitmq()`: context managers around a server of the test's own, with `url`,
`start`, `stop`, `kill9`, `pause` and `resume`. They block: in a coroutine, call the slow
ones (`start`, `stop`) through `asyncio.to_thread`.
"""
