"""Set-up steps: stamps that an interruption cannot forge, clear words when the machine lacks something."""

import subprocess
import sys
from pathlib import Path

import pytest

from prepare import machine, steps
from prepare.steps import SetupError, is_stamped, run, stamping

ROOT = Path(__file__).resolve().parents[2]


def test_stamp_is_there_only_after_all_went_well(tmp_path):
    with pytest.raises(KeyboardInterrupt), stamping(tmp_path, "one"):
        raise KeyboardInterrupt
    assert not is_stamped(tmp_path, "one")
    with stamping(tmp_path, "one"):
        assert not is_stamped(tmp_path, "one")
    assert is_stamped(tmp_path, "one")
    assert not is_stamped(tmp_path, "two")


def test_old_stamp_goes_before_the_work_begins(tmp_path):
    with stamping(tmp_path, "one"):
        pass
    with pytest.raises(KeyboardInterrupt), stamping(tmp_path, "two"):
        raise KeyboardInterrupt
    assert not is_stamped(tmp_path, "one")


def test_failed_command_is_told_with_the_last_of_its_output():
    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    with pytest.raises(SetupError, match=r"(?s)counting failed \(exit 3\).*the reason"):
        run(command, doing="counting")


def test_absent_command_is_told():
    with pytest.raises(SetupError, match="counting: there is no command 'no-such-command-here'"):
        run(["no-such-command-here"], doing="counting")


def test_without_root_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(machine, "find_chromium", lambda: None)
    monkeypatch.setattr("prepare.machine.os.geteuid", lambda: 1000)
    with pytest.raises(SetupError, match=r"lacks Chromium\. As root on Debian or Ubuntu: apt-get install chromium$"):
        machine.install_missing()


def test_as_root_it_refreshes_the_list_then_installs(monkeypatch):
    commands = []

    def record(command, **options):
        commands.append(list(command))
        monkeypatch.setattr(machine, "find_font", lambda: Path("font.ttc"))

    monkeypatch.setattr(machine, "find_chromium", lambda: "/usr/bin/chromium")
    monkeypatch.setattr("prepare.machine.shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(machine, "find_font", lambda: None)
    monkeypatch.setattr("prepare.machine.os.geteuid", lambda: 0)
    monkeypatch.setattr(machine, "run", record)
    machine.install_missing()
    assert commands == [
        ["apt-get", "update"],
        ["apt-get", "install", "--yes", "--no-install-recommends", "fonts-noto-cjk"],
    ]


def test_install_that_does_not_help_is_an_error(monkeypatch):
    monkeypatch.setattr(machine, "find_chromium", lambda: None)
    monkeypatch.setattr("prepare.machine.shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("prepare.machine.os.geteuid", lambda: 0)
    monkeypatch.setattr(machine, "run", lambda command, **options: None)
    with pytest.raises(SetupError, match="this machine still lacks Chromium"):
        machine.install_missing()


@pytest.mark.parametrize("version", [None, "v18.19.0"])
def test_old_or_absent_node_is_refused(monkeypatch, version):
    monkeypatch.setattr(machine, "output_of", lambda command: version)
    with pytest.raises(SetupError, match="intab needs Node 20 or newer"):
        machine.check_node()


def test_second_set_up_waits_for_the_first(tmp_path, monkeypatch, capfd):
    """The lock is held across processes: one that holds it makes another wait."""
    monkeypatch.setattr(steps, "CACHE", tmp_path)
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); from prepare import steps\n"
        "steps.CACHE = pathlib.Path(sys.argv[2])\n"
        "with steps.only_one('setup'): print('got it', flush=True)"
    )
    with steps.only_one("setup"):
        command = [sys.executable, "-c", code, str(ROOT / "scripts"), str(tmp_path)]
        other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert other.stdout.readline() == "another setup is running here; waiting for it\n"
    assert other.communicate(timeout=10)[0] == "got it\n"


def test_set_up_needs_nothing_but_the_standard_library():
    """setup.py runs before anything is installed: -S keeps site-packages away, -I the environment."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import setup"
    subprocess.run([sys.executable, "-I", "-S", "-c", code, str(ROOT / "scripts")], check=True)


def test_lock_of_npm_names_no_address():
    text = (ROOT / "package-lock.json").read_text()
    assert "node_modules/pyodide" in text
    assert "resolved" not in text
    assert "://" not in text


def test_set_up_by_the_environment_s_own_python_changes_nothing():
    """The digest must not depend on which of the two interpreters runs it, or .venv would be wiped under itself."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from prepare import tools\n"
        "def refuse(*words, **options): raise SystemExit('would have run ' + repr(words))\n"
        "tools.run = refuse; tools.make_venv()"
    )
    for python in (steps.VENV_PYTHON, Path(getattr(sys, "_base_executable", sys.executable))):
        subprocess.run([str(python), "-c", code, str(ROOT / "scripts")], check=True)
