"""`make audit`: what this machine can find out about the safety of the code and of what it needs, and a list of that.

Not a part of `make check`: advisories change by themselves, and are asked for over the network.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".local" / "audit"  # an environment of its own: the tools' needs must not change ours
BIN = FOLDER / "bin"
REQUIREMENTS = ROOT / "requirements-audit.txt"
ENVIRONMENT = ROOT / ".venv" / "bin" / "python"
BILL = ROOT / ".local" / "sbom.cdx.json"
CODE = ("plugins", "dags", "local")
DATABASE = "https://pypi.org/pypi/pip/json"
#: Keys and passwords in these are made up, and tests say so by their names.
MADE_UP = r"^(tests|sandbox)/|\.schema\.json$"
FOUND, NOT_CHECKED = "FOUND", "not checked"


def main() -> int:
    """Run every check and say what it found; 1 if one found something, 2 if the tools cannot be installed."""
    if not install():
        return 2
    results = [*vulnerabilities(), *code(), *secrets(), *bill_of_materials()]
    for name, verdict, said in results:
        print(f"{name:<18} {verdict:<12} {said}")
    return int(any(verdict == FOUND for _, verdict, _ in results))


def install() -> bool:
    """The tools, at their pinned versions."""
    stamp = FOLDER / ".made"
    pinned = REQUIREMENTS.read_text()
    if stamp.exists() and stamp.read_text() == pinned:
        return True
    print("Installing the tools into .local/audit …", flush=True)
    if not (BIN / "python").exists():
        venv.create(FOLDER, with_pip=True)
    done = run(
        BIN / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS
    )
    if done.returncode:
        print(f"They could not be installed: this machine needs a package index.\n{done.stderr[-500:]}")
        return False
    stamp.write_text(pinned)
    return True


def vulnerabilities() -> Iterator[tuple[str, str, str]]:
    """Known ones of what .venv has, as the Python Packaging Advisory Database tells them."""
    try:
        urllib.request.urlopen(DATABASE, timeout=15).close()
    except OSError as error:
        yield "vulnerabilities", NOT_CHECKED, f"the advisory database cannot be reached from here: {error}"
        return
    listed = FOLDER / "installed.txt"
    listed.write_text(run(ENVIRONMENT, "-m", "pip", "freeze", "--exclude-editable").stdout)
    done = run(
        BIN / "pip-audit", "--requirement", listed, "--no-deps", "--disable-pip", "--format", "json",
        "--progress-spinner", "off", "--timeout", "15",
    )  # fmt: skip
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        why = (done.stderr.strip().splitlines() or ["no answer"])[-1][:160]
        yield "vulnerabilities", NOT_CHECKED, f"the advisory database cannot be reached from here: {why}"
        return
    found = [each for each in packages if each.get("vulns")]
    for each in found:
        names = ", ".join(vuln["id"] for vuln in each["vulns"])
        yield "vulnerabilities", FOUND, f"{each['name']} {each['version']}: {names}"
    if not found:
        yield "vulnerabilities", "none", f"of {len(packages)} packages"


def code() -> Iterator[tuple[str, str, str]]:
    """Patterns of unsafe code, of medium severity and more."""
    done = run(BIN / "bandit", "--quiet", "--recursive", "-ll", "--format", "json", *CODE)
    report = json.loads(done.stdout)
    for each in report["results"]:
        where = f"{each['filename']}:{each['line_number']}"
        yield "unsafe code", FOUND, f"{where}: {each['test_id']} {each['issue_text']}"
    if not report["results"]:
        yield "unsafe code", "none", f"in {report['metrics']['_totals']['loc']:,} lines"


def secrets() -> Iterator[tuple[str, str, str]]:
    """Texts in tracked files that look like keys or passwords."""
    files = run("git", "ls-files").stdout.split()
    done = run(BIN / "detect-secrets", "scan", "--exclude-files", MADE_UP, *files)
    found = json.loads(done.stdout)["results"]
    for file, places in found.items():
        for each in places:
            yield (
                "secrets",
                FOUND,
                f"{file}:{each['line_number']}: {each['type']} (if it is none: pragma: allowlist secret)",
            )
    if not found:
        yield "secrets", "none", f"in {len(files)} files, tests and sandbox aside"


def bill_of_materials() -> Iterator[tuple[str, str, str]]:
    """Everything that .venv has, in CycloneDX's form."""
    done = run(BIN / "cyclonedx-py", "environment", "--output-file", BILL, ENVIRONMENT)
    if done.returncode:
        yield "bill of materials", NOT_CHECKED, done.stderr.strip()[-160:]
    else:
        count = len(json.loads(BILL.read_text())["components"])
        yield "bill of materials", "written", f"{BILL.relative_to(ROOT)}: {count} packages"


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """A command's output, whatever it returns."""
    return subprocess.run(list(map(str, command)), cwd=ROOT, check=False, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())
