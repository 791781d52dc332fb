"""Makes an environment from a requirements file. Runs on a bare Python, so it imports the standard library only."""

import compileall
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / (sys.argv[2] if len(sys.argv) > 2 else ".venv")


def main() -> int:
    """Install the file named on the command line, into .venv or the folder named after it; leave a stamp."""
    requirements = ROOT / sys.argv[1]
    if sys.version_info < (3, 11):  # noqa: UP036 - it runs on whatever Python is found
        version = ".".join(map(str, sys.version_info[:2]))
        print(
            f"Python 3.11 or newer is needed; this is {version}. Name another one: `make PYTHON=python3.11 …`."
        )
        return 2
    python = FOLDER / "bin" / "python"
    try:
        if not python.exists():
            print(f"Making {FOLDER.name} …", flush=True)
            venv.create(FOLDER, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        print(
            f"{FOLDER.name} could not be made: {problem}. On Debian: `apt-get install python3-venv`. Is the disk full?"
        )
        return 2
    print(
        f"Installing {requirements.name} into {FOLDER.name} (two to five minutes the first time) …",
        flush=True,
    )
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        str(requirements),
    ]
    done = subprocess.run(pip, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        lines = [
            line for line in done.stderr.splitlines() if line.startswith("ERROR")
        ] or done.stderr.splitlines()
        print("\n".join(lines[-5:]))
        print(
            f"pip could not install {requirements.name}. If its last lines speak of connections: this machine does not "
            "reach a package index. If they speak of space: the disk is full (about 1.5 GB are needed)."
        )
        return 2
    # Without compiled files every task pays double for its imports, and some environments switch compiling off.
    compileall.compile_dir(str(FOLDER / "lib"), quiet=2, workers=0)
    (FOLDER / f".made-{requirements.name}").touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
