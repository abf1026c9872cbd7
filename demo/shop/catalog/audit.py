# SPDX-License-Identifier: Apache-2.0
"""Who ordered what, for the day somebody asks."""
from django.dispatch import Signal

order_placed = Signal()


class Recorder:
    def __init__(self):
        self.requests = []

    def __call__(self, sender, request, **kwargs):
        self.requests.append(request)  # the leak: nobody ever asked


recorder = Recorder()
