"""Prints the notices of the Rust standard library, which come with the toolchain as a
page of HTML: what is licensed how, and each text once.

usage: standard_library.py COPYRIGHT-library.html
"""

import html
import re
import sys


def plain(text):
    """The text without tags and empty lines."""
    lines = (line.strip() for line in html.unescape(re.sub(r"<[^>]+>", "", text)).splitlines())
    return "\n".join(line for line in lines if line)


def main():
    page = open(sys.argv[1], encoding="utf-8").read()
    body = page[page.index('<h2 id="longer-version">') :]
    texts = {}
    head, *crates = re.split(r"<h3>", body)
    print(plain(head))
    for crate in crates:
        name = plain(crate[: crate.index("</h3>")]).lstrip("📦 ")
        licence = plain(re.search(r"<b>License:</b>(.*?)</p>", crate, re.S).group(1))
        print(f"    {name}: {licence}")
        for file, text in re.findall(r"<code>([^<]*)</code></summary>\s*<pre>(.*?)</pre>", crate, re.S):
            text = html.unescape(text).strip("\n")
            key = " ".join(text.split())
            texts.setdefault(key, (text, []))[1].append(f"{name} {file}")
    for text, files in texts.values():
        print(f"\n{'-' * 80}")
        print("\n".join(f"    {file}" for file in files))
        print(f"{'-' * 80}\n\n{text}")


main()
