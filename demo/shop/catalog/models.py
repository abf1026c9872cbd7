# SPDX-License-Identifier: Apache-2.0
from django.db import models


class Product(models.Model):
    title = models.CharField(max_length=200)
    text = models.TextField()
    price = models.DecimalField(max_digits=8, decimal_places=2)


class Order(models.Model):
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    placed = models.DateTimeField(auto_now_add=True)
