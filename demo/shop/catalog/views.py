# SPDX-License-Identifier: Apache-2.0
from django.http import HttpResponse, JsonResponse
from django.template import engines

from catalog import audit, cache
from catalog.models import Order, Product

PAGE = engines["django"].from_string(
    "<html><h1>{{ product.title }}</h1><p>{{ product.text }}</p><b>{{ product.price }}</b></html>"
)


def product(request, number):
    def render():
        return PAGE.render({"product": Product.objects.get(pk=number)})

    return HttpResponse(cache.page_of(request, render))


def order(request, number):
    Order.objects.create(product_id=number)
    audit.order_placed.send(sender=Order, request=request)
    return HttpResponse("thank you\n")


def count(request):
    """What the service knows of itself: for whoever checks the demo."""
    return JsonResponse({"pages": len(cache.PAGES), "page bytes": sum(map(len, cache.PAGES.values())),
                         "requests": len(audit.recorder.requests)})
