"""With an `apt-get` that only writes down how it was called: a real one alters the machine."""

import stat
from pathlib import Path

import pytest

from local import postgres
from tests.servers import install, rabbitmq

ALL = ["postgresql-15", "rabbitmq-server", "chromium"]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing but apt-get; returns the file of its calls."""
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    monkeypatch.delenv("TEST_AMQP_URL", raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(rabbitmq, "SCRIPTS", "nowhere/*")
    monkeypatch.setattr(postgres, "SYSTEM", tmp_path)
    monkeypatch.setattr(install, "NGINX", tmp_path / "nginx")
    monkeypatch.setattr(install, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    apt_get(tmp_path, "exit 0")
    return tmp_path / "calls"


def apt_get(folder: Path, end: str) -> None:
    program = folder / "apt-get"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/calls\n'
        f"test -x {folder}/policy-rc.d && echo guarded >> {folder}/calls\n{end}\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_a_bare_machine_gets_everything_and_starts_nothing(bare: Path) -> None:
    assert install.main([]) == 0
    calls = bare.read_text().splitlines()
    assert calls[0].endswith(" update")
    assert calls[-2].endswith(" install " + " ".join(ALL))
    assert calls[-1] == "guarded"
    assert not install.POLICY.exists()


def test_nginx_is_installed_only_when_asked_for(bare: Path) -> None:
    assert install.missing([]) == ALL
    assert install.missing(["nginx"]) == [*ALL, "nginx-light"]
    assert not bare.exists()


def test_a_policy_that_is_there_is_kept(bare: Path) -> None:
    install.POLICY.write_text("#!/bin/sh\nexit 104\n")
    assert install.main([]) == 0
    assert install.POLICY.read_text() == "#!/bin/sh\nexit 104\n"
    assert bare.exists()


def test_a_given_url_stands_in_for_a_server(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://somewhere/db")
    monkeypatch.setenv("TEST_AMQP_URL", "amqp://somewhere/")
    assert install.missing([]) == ["chromium"]
    assert not bare.exists()


def test_who_is_not_root_is_told_what_to_install(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert install.main([]) == 1
    said = capsys.readouterr().err
    assert "rabbitmq-server chromium" in said
    # The wheel's PostgreSQL does where the system's cannot be had.
    assert "postgresql" not in said
    assert not bare.exists()


def test_a_version_that_apt_does_not_know_is_done_without(bare: Path) -> None:
    apt_get(bare.parent, 'case "$*" in *--simulate*) exit 100;; esac')
    assert install.main([]) == 0
    assert (
        bare.read_text().splitlines()[-2].endswith("install rabbitmq-server chromium")
    )


def test_apts_own_words_are_shown_when_it_fails(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apt_get(bare.parent, "echo 'E: no network' >&2; exit 100")
    assert install.main([]) == 1
    assert "E: no network" in capsys.readouterr().err
