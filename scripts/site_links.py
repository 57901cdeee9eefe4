"""For the documentation's site: links that lead out of docs/, to files of the repository, become their names."""

import posixpath
import re

LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)#]*)(#[^)]*)?\)")


def on_page_markdown(markdown: str, page, **_) -> str:
    folder = posixpath.dirname(page.file.src_uri)

    def plain(link: re.Match) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, link[2]))
        return link[0] if path.startswith("docs/") else f"`{path}`"

    return LINK.sub(plain, markdown)
