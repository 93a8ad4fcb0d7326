import json
from pathlib import Path

import pytest

from citycare.web import assets

MANIFEST = {
    "files": {"app.css": "app-1A2B.css", "app.js": "app-3C4D.js", "icons.svg": "icons-5E6F.svg"},
    "preload": {"app.js": ["chunk-7A8B.js"]},
    "icons": ["booking"],
}


@pytest.fixture
def built(tmp_path: Path) -> assets.Assets:
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST), "utf-8")
    return assets.read(tmp_path)


def test_a_file_is_found_by_its_source_name(built: assets.Assets) -> None:
    assert built.url("app.css") == "/static/dist/app-1A2B.css"


def test_an_unbuilt_file_is_refused_by_name(built: assets.Assets) -> None:
    with pytest.raises(LookupError, match=r"maps\.js is not built"):
        built.url("maps.js")


def test_what_a_script_needs_is_preloaded(built: assets.Assets) -> None:
    assert built.preloads("app.js") == ("/static/dist/chunk-7A8B.js",)
    assert built.preloads("app.css") == ()


def test_an_icon_is_hidden_from_screen_readers(built: assets.Assets) -> None:
    icon = built.icon("booking")
    assert 'aria-hidden="true"' in icon
    assert "/static/dist/icons-5E6F.svg#booking" in icon


def test_an_unknown_icon_says_where_to_add_it(built: assets.Assets) -> None:
    with pytest.raises(LookupError, match=r"icons\.json"):
        built.icon("unicorn")


def test_without_a_build_the_command_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="npm run build"):
        assets.read(tmp_path / "nothing")


def test_the_build_has_what_the_frames_ask_for() -> None:
    real = assets.read()
    for name in ("app.css", "work.css", "app.js", "icons.svg", "favicon.svg"):
        assert (assets.DIST / Path(real.url(name)).name).is_file()
    for name in real.preloads("app.js"):
        assert (assets.DIST / Path(name).name).is_file()


def test_no_lock_file_names_a_registry() -> None:
    root = Path(__file__).parents[2]
    text = (root / "package-lock.json").read_text("utf-8")
    assert '"resolved"' not in text
    assert "registry" not in (root / ".npmrc").read_text("utf-8").replace(
        "omit-lockfile-registry-resolved", ""
    )
