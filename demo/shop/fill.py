# SPDX-License-Identifier: Apache-2.0
"""Makes the shop's tables and fifty products."""
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
import django

django.setup()

from django.db import connection

from catalog.models import Order, Product

with connection.schema_editor() as editor:
    editor.create_model(Product)
    editor.create_model(Order)
for n in range(1, 51):
    Product.objects.create(pk=n, title=f"Product {n}", price=n, text=f"What product {n} is good for. " * 600)
