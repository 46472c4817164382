"""Files and folders of volumes, as the SDK sees them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from databricks.sdk.errors import (
    AlreadyExists,
    BadRequest,
    InvalidParameterValue,
    NotFound,
    PermissionDenied,
)

from ml_assets_tests.emulator.fixtures import VOLUME


def put(client, path, content=b"x", **how):
    client.files.upload(path, io.BytesIO(content), **how)


def test_what_is_uploaded_is_a_real_file_at_that_path_and_comes_back(client, root) -> None:
    put(client, f"{root}/a/b.bin", b"\x00\xff")
    assert Path(f"{root}/a/b.bin").read_bytes() == b"\x00\xff"
    assert client.files.download(f"{root}/a/b.bin").contents.read() == b"\x00\xff"
    about = client.files.get_metadata(f"{root}/a/b.bin")
    assert about.content_length == 2
    assert about.last_modified.endswith("GMT")


def test_the_workspace_s_own_name_of_the_volume_is_the_same_folder(client, root) -> None:
    put(client, "/Volumes/main/ml_assets/jobs/a b/ü.txt", b"x")
    assert client.files.download(f"{root}/a b/ü.txt").contents.read() == b"x"
    [entry] = client.files.list_directory_contents("/Volumes/main/ml_assets/jobs/a b")
    assert entry.path == "/Volumes/main/ml_assets/jobs/a b/ü.txt"


def test_a_file_is_overwritten_only_on_request(client, root) -> None:
    put(client, f"{root}/f", b"1")
    with pytest.raises(AlreadyExists):
        put(client, f"{root}/f", b"2")
    assert Path(f"{root}/f").read_bytes() == b"1"
    put(client, f"{root}/f", b"3", overwrite=True)
    assert Path(f"{root}/f").read_bytes() == b"3"


def test_a_listing_tells_folders_from_files_and_has_pages(client, root) -> None:
    for name in ("b", "a", "c"):
        put(client, f"{root}/{name}", b"123")
    client.files.create_directory(f"{root}/d/e")
    found = list(client.files.list_directory_contents(root, page_size=2))
    assert [(e.name, e.is_directory, e.file_size) for e in found] == [
        ("a", False, 3),
        ("b", False, 3),
        ("c", False, 3),
        ("d", True, None),
    ]


def test_what_is_not_there_is_not_found(client, root, emulator) -> None:
    for ask in (
        lambda: client.files.download(f"{root}/none"),
        lambda: client.files.get_metadata(f"{root}/none"),
        lambda: client.files.delete(f"{root}/none"),
        lambda: client.files.get_directory_metadata(f"{root}/none"),
        lambda: list(client.files.list_directory_contents(f"{root}/none")),
        lambda: client.files.delete_directory(f"{root}/none"),
        lambda: put(client, "/Volumes/main/ml_assets/other/f"),
        lambda: client.files.create_directory(f"{emulator.volumes_root}/main/ml_assets/other/d"),
    ):
        with pytest.raises(NotFound):
            ask()
    assert not Path(emulator.volumes_root, "main/ml_assets/other").exists()


def test_only_empty_directories_are_deleted_and_never_the_volume(client, root) -> None:
    put(client, f"{root}/d/f")
    client.files.get_directory_metadata(f"{root}/d")
    with pytest.raises(BadRequest, match="not empty"):
        client.files.delete_directory(f"{root}/d")
    client.files.delete(f"{root}/d/f")
    client.files.delete_directory(f"{root}/d")
    with pytest.raises(InvalidParameterValue, match="root of a volume"):
        client.files.delete_directory(root)
    assert list(Path(root).iterdir()) == []


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/Volumes/main/ml_assets",
        "{root}/../../../../x",
        "/Volumes/main/ml_assets/jobs/../../x/y/z",
    ],
)
def test_no_path_leads_out_of_the_volumes(client, root, emulator, path) -> None:
    with pytest.raises((InvalidParameterValue, NotFound)):
        put(client, path.format(root=root))
    stored = [p for p in Path(emulator.volumes_root).rglob("*") if p.is_file()]
    assert stored == []
    # A client may shorten such a path by itself, and then asks for something unknown.
    emulator.problems.clear()


def test_writing_needs_the_privilege(client, root, emulator) -> None:
    emulator.unity.revoke_all("catalog", "main")
    with pytest.raises(PermissionDenied, match="WRITE_VOLUME"):
        put(client, f"{root}/f")
    emulator.unity.grant("volume", VOLUME, "READ_VOLUME", "WRITE_VOLUME")
    put(client, f"{root}/f")
    assert client.files.download(f"{root}/f").contents.read() == b"x"
