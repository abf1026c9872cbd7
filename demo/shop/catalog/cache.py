# SPDX-License-Identifier: Apache-2.0
"""Rendered pages, so that a product is rendered once."""

PAGES = {}


def page_of(request, render):
    # The leak: each visitor comes with a tracking id in the query, so no page is ever
    # found again, and none is ever thrown away.
    key = request.get_full_path()
    if key not in PAGES:
        PAGES[key] = render()
    return PAGES[key]
