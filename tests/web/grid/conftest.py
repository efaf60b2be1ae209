"""The grid alone on a bare page: no service, no network, and nothing of the pages is built."""

import pytest

from ops.build_web import find_node, install_modules
from tests.web.grid.bare_page import build_page


@pytest.fixture(scope="session")
def built() -> None:
    """The bare page is bundled by itself: nothing has to be built but the bundler."""
    install_modules(find_node(), with_dev=False)


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the bare page is."""
    return build_page(tmp_path_factory.mktemp("grid"))
