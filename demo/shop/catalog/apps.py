# SPDX-License-Identifier: Apache-2.0
from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "catalog"

    def ready(self):
        from catalog import audit

        audit.order_placed.connect(audit.recorder)
