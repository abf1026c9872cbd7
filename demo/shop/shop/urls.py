# SPDX-License-Identifier: Apache-2.0
from django.urls import path

from catalog import views

urlpatterns = [
    path("product/<int:number>/", views.product),
    path("order/<int:number>/", views.order),
    path("count/", views.count),
]
