import os

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def index(request):
    return HttpResponse(request.body or os.environ["TENFOLD_NODE"])


urlpatterns = [path("", index)]
