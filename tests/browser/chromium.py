"""The browser of these tests: the system's Chromium or Chrome. As a program, it has apt install one."""

from __future__ import annotations

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-dejavu-core")


def find() -> str | None:
    """The path of a browser."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def install() -> str:
    """Have apt install one where there is none and we may; what there is to say about it."""
    if find():
        return ""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return "The tests in a browser are skipped: there is no Chromium here. On Debian: `apt-get install chromium`."
    print("Installing Chromium for the tests of the page (a minute) …", flush=True)
    quiet = {"check": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
    subprocess.run([*apt, "update"], env=env, **quiet)
    done = subprocess.run([*apt, "install", "--no-install-recommends", "-y", *PACKAGES], env=env, **quiet)
    if find():
        return ""
    said = (done.stderr.splitlines() or ["apt-get said nothing"])[-1]
    return f"The tests in a browser are skipped: apt-get could not install Chromium: {said}"


if __name__ == "__main__":
    if problem := install():
        print(problem)
