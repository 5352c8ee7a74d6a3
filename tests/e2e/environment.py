"""Makes sure that the packages of requirements.txt are there: when the running Python lacks one, a virtual environment
is made under build/venv and the program is started again in it. Imported first by run.py, tests/chaos/run.py and
bench/run.py."""
import importlib.metadata
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
REQUIREMENTS = pathlib.Path(__file__).resolve().parent / "requirements.txt"
VENV = ROOT / "build" / "venv"


def _wanted():
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text().splitlines())
    return dict(line.split("==") for line in lines if line)


def _missing():
    def there(name, version):
        try:
            return importlib.metadata.version(name) == version
        except importlib.metadata.PackageNotFoundError:
            return False
    return [f"{name}=={version}" for name, version in _wanted().items() if not there(name, version)]


def ensure():
    """Returns with everything installed, or does not return."""
    missing = _missing()
    if missing:
        if pathlib.Path(sys.prefix).resolve() == VENV.resolve():
            _install()
            missing = _missing()
            if missing:
                sys.exit(f"build/venv lacks {', '.join(missing)} after installing; delete build/venv and repeat")
        else:
            if not (VENV / "bin" / "python").exists():
                subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
            os.execv(VENV / "bin" / "python", [str(VENV / "bin" / "python"), *sys.argv])
    for path in (ROOT, ROOT / "tools", ROOT / "tests" / "e2e", ROOT / "tests" / "chaos"):
        if str(path) not in sys.path:
            sys.path.insert(0, str(path))


def _install():
    print("Installing the packages of tests/e2e/requirements.txt into build/venv", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "5",
                    "-r", str(REQUIREMENTS)], check=True, stdin=subprocess.DEVNULL)
